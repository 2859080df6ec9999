//! A device's configuration as a structure, and every change that a configuration line can make to it.
//!
//! Knows no text: lines become [`Edit`]s in `grammar`, the structure becomes text in `render`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::Serialize;

/// The command language that a device speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Dialect {
    Ios,
    Vrp,
    Frr,
    Junos,
}

/// OSPF hello interval of an interface that sets none, seconds (short, so that a sandbox is quick).
pub(crate) const DEFAULT_HELLO: u32 = 1;
/// OSPF cost of an interface that sets none.
pub(crate) const DEFAULT_COST: u32 = 10;
/// MTU of an interface that sets none, bytes.
pub(crate) const DEFAULT_MTU: u32 = 1500;

/// An OSPF area; equal by number, printed as it was typed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) id: u32,
    pub(crate) dotted: bool,
}

impl Area {
    pub(crate) const fn number(id: u32) -> Self {
        Self { id, dotted: false }
    }

    /// `0` or `0.0.0.0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self {
                id: address.to_bits(),
                dotted: true,
            });
        }
        text.parse().ok().map(Self::number)
    }

    /// The dotted form, whatever was typed.
    pub(crate) fn as_dotted(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.id)
    }
}

impl PartialEq for Area {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl Eq for Area {}
impl PartialOrd for Area {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Area {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}
impl std::fmt::Display for Area {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.dotted {
            self.as_dotted().fmt(f)
        } else {
            self.id.fmt(f)
        }
    }
}

/// One interface stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// No such hardware: the stanza is only configuration and never comes up.
    pub(crate) phantom: bool,
    pub(crate) description: Option<String>,
    pub(crate) address: Option<(Ipv4Addr, u8)>,
    pub(crate) mtu: Option<u32>,
    pub(crate) shutdown: bool,
    pub(crate) cost: Option<u32>,
    pub(crate) hello: Option<u32>,
    pub(crate) dead: Option<u32>,
    /// OSPF enabled on the interface itself: process (0 in FRR) and area.
    pub(crate) enable: Option<(u16, Area)>,
    pub(crate) point_to_point: bool,
}

impl Interface {
    pub(crate) fn cost(&self) -> u32 {
        self.cost.unwrap_or(DEFAULT_COST)
    }

    /// Hello and dead interval, seconds; the dead interval follows the hello interval unless it was set.
    pub(crate) fn timers(&self) -> (u32, u32) {
        let hello = self.hello.unwrap_or(DEFAULT_HELLO);
        (hello, self.dead.unwrap_or(hello * 4))
    }

    pub(crate) fn mtu(&self) -> u32 {
        self.mtu.unwrap_or(DEFAULT_MTU)
    }
}

/// A `network` statement; the mask is a wildcard (1 bits are free).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NetworkStatement {
    pub(crate) area: Area,
    pub(crate) address: Ipv4Addr,
    pub(crate) wildcard: Ipv4Addr,
}

impl NetworkStatement {
    pub(crate) fn covers(&self, address: Ipv4Addr) -> bool {
        let care = !self.wildcard.to_bits();
        self.address.to_bits() & care == address.to_bits() & care
    }
}

/// One OSPF process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ospf {
    pub(crate) router_id: Option<Ipv4Addr>,
    pub(crate) networks: BTreeSet<NetworkStatement>,
    /// Areas opened without a network yet (VRP keeps them).
    pub(crate) areas: BTreeSet<Area>,
    pub(crate) passive: BTreeSet<String>,
    pub(crate) log_changes: bool,
}

/// A whole configuration. `ospf` is keyed by process; FRR's only process is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) dialect: Dialect,
    pub(crate) hostname: String,
    pub(crate) interfaces: BTreeMap<String, Interface>,
    pub(crate) ospf: BTreeMap<u16, Ospf>,
    /// Global lines that the sandbox keeps and shows but gives no meaning.
    pub(crate) globals: BTreeSet<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    Hostname(String),
    Global { line: String, on: bool },
    AddInterface { name: String, phantom: bool },
    RemoveInterface(String),
    AddOspf { process: u16, router_id: Option<Ipv4Addr> },
    RemoveOspf(u16),
    Interface { name: String, edit: InterfaceEdit },
    Ospf { process: u16, edit: OspfEdit },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InterfaceEdit {
    Description(Option<String>),
    Address(Option<(Ipv4Addr, u8)>),
    Mtu(Option<u32>),
    Shutdown(bool),
    Cost(Option<u32>),
    Hello(Option<u32>),
    Dead(Option<u32>),
    Enable(Option<(u16, Area)>),
    PointToPoint(bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OspfEdit {
    RouterId(Option<Ipv4Addr>),
    Network { statement: NetworkStatement, on: bool },
    Area { area: Area, on: bool },
    Passive { interface: String, on: bool },
    LogChanges(bool),
}

impl Config {
    pub(crate) fn new(dialect: Dialect, hostname: &str) -> Self {
        Self {
            dialect,
            hostname: hostname.to_owned(),
            interfaces: BTreeMap::new(),
            ospf: BTreeMap::new(),
            globals: BTreeSet::new(),
        }
    }

    /// Makes the change. An error is the sentence with which the device refuses it; nothing has changed then.
    pub(crate) fn apply(&mut self, edit: Edit) -> Result<(), String> {
        match edit {
            Edit::Hostname(name) => self.hostname = name,
            Edit::Global { line, on: true } => drop(self.globals.insert(line)),
            Edit::Global { line, on: false } => drop(self.globals.remove(&line)),
            Edit::AddInterface { name, phantom } => {
                self.interfaces.entry(name).or_insert_with(|| Interface {
                    phantom,
                    ..Interface::default()
                });
            }
            Edit::RemoveInterface(name) => drop(self.interfaces.remove(&name)),
            Edit::AddOspf { process, router_id } => {
                let ospf = self.ospf.entry(process).or_default();
                ospf.router_id = router_id.or(ospf.router_id);
            }
            Edit::RemoveOspf(process) => self.remove_ospf(process),
            Edit::Interface { name, edit } => return self.edit_interface(&name, edit),
            Edit::Ospf { process, edit } => return self.edit_ospf(process, edit),
        }
        Ok(())
    }

    fn remove_ospf(&mut self, process: u16) {
        self.ospf.remove(&process);
        // FRR keeps `ip ospf area` on the interface; the others drop what names the process.
        if self.dialect != Dialect::Frr {
            for interface in self.interfaces.values_mut() {
                interface.enable = interface.enable.filter(|(of, _)| *of != process);
            }
        }
    }

    fn edit_interface(&mut self, name: &str, edit: InterfaceEdit) -> Result<(), String> {
        if let InterfaceEdit::Enable(Some((process, _))) = edit {
            self.check_enable(process)?;
        }
        let Some(interface) = self.interfaces.get_mut(name) else {
            return Err("interface is gone".to_owned());
        };
        match edit {
            InterfaceEdit::Description(text) => interface.description = text,
            InterfaceEdit::Address(address) => interface.address = address,
            InterfaceEdit::Mtu(mtu) => interface.mtu = mtu,
            InterfaceEdit::Shutdown(down) => interface.shutdown = down,
            InterfaceEdit::Cost(cost) => interface.cost = cost,
            InterfaceEdit::Hello(seconds) => interface.hello = seconds,
            InterfaceEdit::Dead(seconds) => interface.dead = seconds,
            InterfaceEdit::Enable(enable) => interface.enable = enable,
            InterfaceEdit::PointToPoint(on) => interface.point_to_point = on,
        }
        Ok(())
    }

    /// IOS starts the process that an interface names, VRP wants it first, FRR wants no `network` statements.
    fn check_enable(&mut self, process: u16) -> Result<(), String> {
        match self.dialect {
            Dialect::Ios => drop(self.ospf.entry(process).or_default()),
            Dialect::Vrp if !self.ospf.contains_key(&process) => {
                return Err("Error: The OSPF process does not exist.".to_owned());
            }
            Dialect::Frr if self.ospf.values().any(|ospf| !ospf.networks.is_empty()) => {
                return Err("Please remove all network commands first.".to_owned());
            }
            Dialect::Vrp | Dialect::Frr | Dialect::Junos => {}
        }
        Ok(())
    }

    fn edit_ospf(&mut self, process: u16, edit: OspfEdit) -> Result<(), String> {
        let frr = self.dialect == Dialect::Frr;
        let enabled_on_interface = self.interfaces.values().any(|interface| interface.enable.is_some());
        let Some(ospf) = self.ospf.get_mut(&process) else {
            return Err("process is gone".to_owned());
        };
        match edit {
            OspfEdit::RouterId(id) => ospf.router_id = id,
            OspfEdit::Network { statement, on: true } => {
                if frr && enabled_on_interface {
                    return Err("Please remove all ip ospf area x.x.x.x commands first.".to_owned());
                }
                if !ospf.networks.insert(statement) && frr {
                    return Err("There is already same network statement.".to_owned());
                }
                ospf.areas.insert(statement.area);
            }
            OspfEdit::Network { statement, on: false } => {
                if !ospf.networks.remove(&statement) && frr {
                    return Err("Can't find specified network area configuration.".to_owned());
                }
            }
            OspfEdit::Area { area, on: true } => drop(ospf.areas.insert(area)),
            OspfEdit::Area { area, on: false } => {
                ospf.areas.remove(&area);
                ospf.networks.retain(|network| network.area != area);
            }
            OspfEdit::Passive { interface, on: true } => drop(ospf.passive.insert(interface)),
            OspfEdit::Passive { interface, on: false } => drop(ospf.passive.remove(&interface)),
            OspfEdit::LogChanges(on) => ospf.log_changes = on,
        }
        Ok(())
    }

    /// The process and area in which an interface speaks OSPF, or none. The most specific `network` wins.
    pub(crate) fn ospf_on(&self, name: &str) -> Option<(u16, Area)> {
        let interface = self.interfaces.get(name)?;
        let (address, _) = interface.address?;
        if let Some((process, area)) = interface.enable {
            return self.ospf.contains_key(&process).then_some((process, area));
        }
        self.ospf
            .iter()
            .flat_map(|(process, ospf)| ospf.networks.iter().map(move |network| (*process, network)))
            .filter(|(_, network)| network.covers(address))
            .min_by_key(|(_, network)| network.wildcard.to_bits().count_ones())
            .map(|(process, network)| (process, network.area))
    }

    /// The router id of a process: configured, else the highest loopback, else the highest address.
    pub(crate) fn router_id(&self, process: u16) -> Option<Ipv4Addr> {
        let configured = self.ospf.get(&process)?.router_id;
        let highest = |loopbacks: bool| {
            self.interfaces
                .iter()
                .filter(|(name, interface)| !loopbacks || is_loopback(name) && !interface.shutdown)
                .filter_map(|(_, interface)| interface.address.map(|(address, _)| address))
                .filter(|address| !address.is_loopback())
                .max()
        };
        configured.or_else(|| highest(true)).or_else(|| highest(false))
    }

    /// Interface names in the order in which the dialect lists them.
    pub(crate) fn interface_order(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.interfaces.keys().map(String::as_str).collect();
        names.sort_by_key(|name| (self.rank(name), numbers(name), (*name).to_owned()));
        names
    }

    fn rank(&self, name: &str) -> u8 {
        match self.dialect {
            Dialect::Ios => u8::from(!is_loopback(name)),
            Dialect::Vrp => {
                if name.starts_with("MEth") {
                    0
                } else {
                    1 + u8::from(is_loopback(name))
                }
            }
            Dialect::Frr | Dialect::Junos => 0,
        }
    }
}

/// True for `Loopback0`, `LoopBack0`, `lo` and `lo0`.
pub(crate) fn is_loopback(name: &str) -> bool {
    matches!(name, "lo" | "lo0") || name.to_ascii_lowercase().starts_with("loopback")
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// 30 becomes 255.255.255.252.
pub(crate) fn mask_of(length: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0))
}

/// 255.255.255.252 becomes 30; a mask with holes becomes nothing.
pub(crate) fn length_of(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (length + bits.trailing_zeros() >= 32 || bits == 0).then(|| u8::try_from(length).unwrap_or(32))
}

/// True if both addresses lie in the prefix of the first.
pub(crate) fn same_subnet(one: (Ipv4Addr, u8), other: (Ipv4Addr, u8)) -> bool {
    one.1 == other.1 && contains(one, other.0)
}

/// True if the prefix of `subnet` contains the address.
pub(crate) fn contains(subnet: (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    let mask = mask_of(subnet.1).to_bits();
    subnet.0.to_bits() & mask == address.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_lengths_convert_both_ways() {
        for length in 0..=32 {
            assert_eq!(length_of(mask_of(length)), Some(length));
        }
        assert_eq!(length_of(Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    #[test]
    fn the_most_specific_network_statement_decides_the_area() {
        let mut config = Config::new(Dialect::Ios, "r1");
        let name = "GigabitEthernet0/1".to_owned();
        config
            .apply(Edit::AddInterface {
                name: name.clone(),
                phantom: false,
            })
            .unwrap();
        let address = Some((Ipv4Addr::new(10, 1, 0, 1), 30));
        config
            .apply(Edit::Interface {
                name: name.clone(),
                edit: InterfaceEdit::Address(address),
            })
            .unwrap();
        config
            .apply(Edit::AddOspf {
                process: 100,
                router_id: None,
            })
            .unwrap();
        for (area, wildcard) in [(0, Ipv4Addr::new(0, 255, 255, 255)), (7, Ipv4Addr::new(0, 0, 0, 3))] {
            let statement = NetworkStatement {
                area: Area::number(area),
                address: Ipv4Addr::new(10, 1, 0, 0),
                wildcard,
            };
            config
                .apply(Edit::Ospf {
                    process: 100,
                    edit: OspfEdit::Network { statement, on: true },
                })
                .unwrap();
        }
        assert_eq!(config.ospf_on(&name), Some((100, Area::number(7))));
    }
}
