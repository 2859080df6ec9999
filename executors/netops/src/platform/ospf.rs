//! What a configuration says about interfaces and OSPF.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Serialize;

use super::Platform;
use super::config::{Config, Node, after};
use super::grammar::dotted_area;

/// One interface as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub description: Option<String>,
    pub ospf_cost: Option<u32>,
    pub mtu: Option<u32>,
    pub enabled: bool,
    pub address: Option<Network>,
    /// Set on the interface itself: process (where there are numbers) and area.
    pub ospf: Option<(Option<u32>, String)>,
}

/// An IPv4 address with its prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: Ipv4Addr,
    pub length: u8,
}

impl Network {
    pub(super) fn new(address: &str, mask: &str) -> Option<Self> {
        let length = match mask.parse::<u8>() {
            Ok(length) if length <= 32 => length,
            _ => u32::from(mask.parse::<Ipv4Addr>().ok()?).leading_ones() as u8,
        };
        Some(Self {
            address: address.parse().ok()?,
            length,
        })
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0)
    }

    /// First address of the subnet.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) & self.mask())
    }

    /// The inverted mask.
    pub fn wildcard(self) -> Ipv4Addr {
        Ipv4Addr::from(!self.mask())
    }

    fn contains(self, other: Ipv4Addr) -> bool {
        u32::from(other) & self.mask() == u32::from(self.network())
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// One OSPF process as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process {
    /// Absent where the platform has no process numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router_id: Option<String>,
    /// Dotted, sorted.
    pub areas: Vec<String>,
    pub interfaces: Vec<Member>,
    /// The names of `interfaces`.
    pub interface_names: Vec<String>,
    /// Interfaces of the inventory's links, and the loopback, that are not in this process.
    pub uncovered: Vec<String>,
}

/// An interface that takes part in a process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Member {
    pub name: String,
    pub area: String,
}

/// All interfaces with a stanza.
pub fn interfaces(platform: Platform, config: &Config) -> Vec<Interface> {
    if platform == Platform::Junos {
        return super::junos::interfaces(config);
    }
    let stanzas = config
        .nodes
        .iter()
        .filter_map(|node| Some((after(&node.line, "interface")?, node)));
    stanzas.map(|(name, node)| interface(platform, name, node)).collect()
}

fn interface(platform: Platform, name: &str, node: &Node) -> Interface {
    let cost = if platform == Platform::Vrp {
        "ospf cost"
    } else {
        "ip ospf cost"
    };
    let number = |head: &str| node.value(head).and_then(|v| v.split(' ').next()?.parse().ok());
    Interface {
        name: name.to_owned(),
        description: node.value("description").map(str::to_owned),
        ospf_cost: number(cost),
        mtu: number("mtu"),
        enabled: !node.has("shutdown"),
        address: node.value("ip address").and_then(address),
        ospf: node.children.iter().find_map(|child| membership(platform, &child.line)),
    }
}

fn address(text: &str) -> Option<Network> {
    let mut words = text.split([' ', '/']);
    Network::new(words.next()?, words.next()?)
}

/// `ip ospf 100 area 0`, `ospf enable 100 area 0.0.0.0`, `ip ospf area 0`.
fn membership(platform: Platform, line: &str) -> Option<(Option<u32>, String)> {
    let words: Vec<&str> = line.split(' ').collect();
    match (platform, words.as_slice()) {
        (Platform::Ios, ["ip", "ospf", id, "area", area, ..])
        | (Platform::Vrp, ["ospf", "enable", id, "area", area, ..]) => {
            Some((Some(id.parse().ok()?), dotted_area(area)?))
        }
        (Platform::Frr, ["ip", "ospf", "area", area, ..]) => Some((None, dotted_area(area)?)),
        _ => None,
    }
}

/// All OSPF processes. `expected` are the interfaces that the inventory would have in OSPF.
pub fn processes(platform: Platform, config: &Config, expected: &[String]) -> Vec<Process> {
    let interfaces = interfaces(platform, config);
    if platform == Platform::Junos {
        return super::junos::process(config, &interfaces, expected)
            .into_iter()
            .collect();
    }
    let stanzas = config
        .nodes
        .iter()
        .filter_map(|node| Some((process_header(platform, &node.line)?, node)));
    stanzas
        .map(|((id, in_header), node)| process(platform, id, in_header, node, &interfaces, expected))
        .collect()
}

fn process(
    platform: Platform,
    id: Option<u32>,
    router_id: Option<String>,
    node: &Node,
    interfaces: &[Interface],
    expected: &[String],
) -> Process {
    let statements = statements(platform, node);
    let mut members: Vec<Member> = interfaces.iter().filter_map(|i| member(i, id, &statements)).collect();
    members.sort();
    let mut areas: Vec<String> = statements.into_iter().map(|(_, area)| area).collect();
    areas.extend(members.iter().map(|member| member.area.clone()));
    areas.sort();
    areas.dedup();
    let uncovered = expected
        .iter()
        .filter(|name| !members.iter().any(|m| m.name == **name))
        .cloned()
        .collect();
    let router_id = router_id.or_else(|| node.value("router-id").map(str::to_owned));
    let router_id = router_id.or_else(|| node.value("ospf router-id").map(str::to_owned));
    Process {
        id,
        router_id,
        areas,
        interface_names: members.iter().map(|member| member.name.clone()).collect(),
        interfaces: members,
        uncovered,
    }
}

fn member(interface: &Interface, id: Option<u32>, statements: &[(Network, String)]) -> Option<Member> {
    let by_itself = interface
        .ospf
        .as_ref()
        .filter(|(process, _)| *process == id)
        .map(|(_, area)| area.clone());
    let by_network = || {
        let address = interface.address?.address;
        let covering = statements.iter().filter(|(network, _)| network.contains(address));
        covering
            .max_by_key(|(network, _)| network.length)
            .map(|(_, area)| area.clone())
    };
    let area = by_itself.or_else(by_network)?;
    Some(Member {
        name: interface.name.clone(),
        area,
    })
}

/// Number and, on vrp, router id, of a process header.
pub fn process_header(platform: Platform, line: &str) -> Option<(Option<u32>, Option<String>)> {
    let words: Vec<&str> = line.split(' ').collect();
    match (platform, words.as_slice()) {
        (Platform::Ios, ["router", "ospf", id, ..]) => Some((Some(id.parse().ok()?), None)),
        (Platform::Vrp, ["ospf", id, rest @ ..]) => {
            let at = rest.iter().position(|word| *word == "router-id");
            Some((
                Some(id.parse().ok()?),
                at.and_then(|at| rest.get(at + 1)).map(|r| (*r).to_owned()),
            ))
        }
        (Platform::Frr, ["router", "ospf", ..]) => Some((None, None)),
        _ => None,
    }
}

/// The `network` statements of a process with their areas.
fn statements(platform: Platform, node: &Node) -> Vec<(Network, String)> {
    let flat = node.children.iter().filter_map(|child| {
        let words: Vec<&str> = child.line.split(' ').collect();
        match (platform, words.as_slice()) {
            (Platform::Ios, ["network", net, wild, "area", area]) => Some((wildcard(net, wild)?, dotted_area(area)?)),
            (Platform::Frr, ["network", prefix, "area", area]) => Some((address(prefix)?, dotted_area(area)?)),
            _ => None,
        }
    });
    let nested = node
        .children
        .iter()
        .filter_map(|child| Some((dotted_area(after(&child.line, "area")?)?, child)));
    let nested = nested.flat_map(|(area, child)| {
        let networks = child.children.iter().filter_map(|line| {
            let (net, wild) = after(&line.line, "network")?.split_once(' ')?;
            wildcard(net, wild)
        });
        networks.map(|network| (network, area.clone())).collect::<Vec<_>>()
    });
    flat.chain(nested).collect()
}

fn wildcard(network: &str, wild: &str) -> Option<Network> {
    let length = (!u32::from(wild.parse::<Ipv4Addr>().ok()?)).leading_ones() as u8;
    Some(Network {
        address: network.parse().ok()?,
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shows_areas_members_and_what_is_missing() {
        let text = "interface GigabitEthernet0/1\n ip address 10.1.0.1 255.255.255.252\ninterface GigabitEthernet0/2\n ip address 10.2.0.1 255.255.255.252\nrouter ospf 100\n router-id 1.1.1.1\n network 10.1.0.0 0.0.0.3 area 0\n";
        let expected = ["GigabitEthernet0/1".to_owned(), "GigabitEthernet0/2".to_owned()];
        let found = processes(Platform::Ios, &Config::parse(text), &expected);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].id, found[0].router_id.as_deref()),
            (Some(100), Some("1.1.1.1"))
        );
        assert_eq!(found[0].areas, ["0.0.0.0"]);
        assert_eq!(
            found[0].interfaces,
            [Member {
                name: "GigabitEthernet0/1".into(),
                area: "0.0.0.0".into()
            }]
        );
        assert_eq!(found[0].uncovered, ["GigabitEthernet0/2"]);
    }

    #[test]
    fn all_three_ways_of_saying_it_are_read() {
        let vrp = "interface LoopBack0\n ip address 10.255.1.2 255.255.255.255\ninterface GigabitEthernet0/0/1\n ip address 10.1.0.2 30\n ospf enable 100 area 0.0.0.1\nospf 100 router-id 2.2.2.2\n area 0.0.0.0\n  network 10.255.1.2 0.0.0.0\n";
        let found = processes(Platform::Vrp, &Config::parse(vrp), &[]);
        assert_eq!(found[0].router_id.as_deref(), Some("2.2.2.2"));
        assert_eq!(found[0].areas, ["0.0.0.0", "0.0.0.1"]);
        let frr = "interface eth1\n ip address 10.1.0.2/30\nrouter ospf\n ospf router-id 3.3.3.3\n network 10.0.0.0/8 area 0\n";
        let found = processes(Platform::Frr, &Config::parse(frr), &[]);
        assert_eq!((found[0].id, found[0].router_id.as_deref()), (None, Some("3.3.3.3")));
        assert_eq!(found[0].interfaces.len(), 1);
    }
}
