//! OSPF on a device: read it, put links into an area, take it away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Planner;
use super::fleet::{Found, View};
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::Platform;
use crate::platform::config::Config;
use crate::platform::grammar::dotted_area;
use crate::platform::model;
use crate::platform::ospf::{self, Interface, Process};
use crate::platform::render::{self, NetworkStatement, OspfChange, OspfRemoval, OwnMembership};

/// Puts a device's links and loopback into an OSPF area.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigureOspf {
    /// Device name or management address.
    pub device: String,
    /// Area, `0` or dotted `0.0.0.0`.
    pub area: String,
    /// Process number: needed on ios and vrp, refused on frr and junos.
    #[schemars(range(min = 1, max = 65535))]
    pub process_id: Option<u32>,
    /// Router id, dotted. Left to the device when absent.
    pub router_id: Option<String>,
    /// Interfaces to put into the area; default: the device's links in the inventory, and its loopback.
    pub interfaces: Option<Vec<String>>,
}

/// Takes an OSPF process away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveOspf {
    /// Device name or management address.
    pub device: String,
    /// Process number; may be left out where there is only one process.
    #[schemars(range(min = 1, max = 65535))]
    pub process_id: Option<u32>,
}

/// OSPF as configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OspfState {
    pub device: String,
    /// Digest of the running configuration.
    pub base: String,
    pub processes: Vec<Process>,
}

/// `get_ospf`.
pub(super) async fn get(view: &View, device: &Device) -> Result<OspfState, Fault> {
    let (_lease, found) = view.find(device, None).await?;
    found.refuse_without_ospf(device)?;
    let config = found.config;
    let processes = processes(device, &config);
    Ok(OspfState {
        device: device.name.clone(),
        base: config.digest(),
        processes,
    })
}

/// The device's processes, with the inventory's links as what OSPF should cover.
pub(super) fn processes(device: &Device, config: &Config) -> Vec<Process> {
    ospf::processes(device.platform, config, &expected(device, config))
}

/// The interfaces of the device's links, then its loopback.
fn expected(device: &Device, config: &Config) -> Vec<String> {
    let mut names: Vec<String> = device.links.iter().map(|link| link.interface.clone()).collect();
    let all = ospf::interfaces(device.platform, config);
    let carries_loopback = |i: &&Interface| i.address.is_some_and(|a| Some(a.address) == device.loopback);
    names.extend(all.iter().find(carries_loopback).map(|i| i.name.clone()));
    names
}

/// Checks a process number against the platform. Needed where there are numbers, refused where there are none.
pub(super) fn check_process_id(device: &Device, process_id: Option<u32>, needed: bool) -> Result<(), Fault> {
    let platform = device.platform.name();
    match (device.platform.has_process_ids(), process_id) {
        (true, None) if needed => Err(Fault::Conflict(format!(
            "process_id is needed on {platform} ({})",
            device.name
        ))),
        (false, Some(_)) => Err(Fault::Conflict(format!(
            "process_id cannot be set on {platform} ({}): it has one OSPF process without a number; leave process_id out",
            device.name
        ))),
        (true, Some(id)) if !(1..=65535).contains(&id) => {
            Err(Fault::Arguments("process_id is a number from 1 to 65535".into()))
        }
        _ => Ok(()),
    }
}

impl Planner for ConfigureOspf {
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault> {
        check_process_id(device, self.process_id, true)?;
        found.refuse_without_ospf(device)?;
        let area = dotted_area(&self.area)
            .ok_or_else(|| Fault::Arguments(format!("area {} is neither a number nor dotted", self.area)))?;
        let processes = processes(device, &found.config);
        let process = processes.iter().find(|p| p.id == self.process_id);
        let router_id = self.router_id_to_set(device, process)?;
        let missing = self.missing(device, found, &processes, &area)?;
        if missing.is_empty() && router_id.is_none() && process.is_some() {
            return Ok(Vec::new());
        }
        let mut change = OspfChange {
            process_id: self.process_id,
            router_id,
            area,
            networks: vec![],
            members: vec![],
        };
        if style_is_per_interface(device, &found.config) {
            change.members = missing.into_iter().map(|i| i.name).collect();
        } else {
            change.networks = networks(&missing);
        }
        Ok(render::ospf(device.platform, &change))
    }
}

impl ConfigureOspf {
    fn router_id_to_set(&self, device: &Device, process: Option<&Process>) -> Result<Option<String>, Fault> {
        let Some(wanted) = &self.router_id else {
            return Ok(None);
        };
        let wanted: std::net::Ipv4Addr = wanted
            .parse()
            .map_err(|_| Fault::Arguments(format!("router_id {wanted} is not a dotted address")))?;
        let wanted = wanted.to_string();
        if process.is_some_and(|p| p.router_id.as_ref() == Some(&wanted)) {
            return Ok(None);
        }
        if device.platform == Platform::Vrp && process.is_some() {
            let message = format!(
                "{}: router_id of a running process cannot be changed on vrp; remove it first",
                device.name
            );
            return Err(Fault::Conflict(message));
        }
        Ok(Some(wanted))
    }

    /// The interfaces that are not yet in the area.
    fn missing(
        &self,
        device: &Device,
        found: &Found,
        processes: &[Process],
        area: &str,
    ) -> Result<Vec<Interface>, Fault> {
        let all = ospf::interfaces(device.platform, &found.config);
        let names = self
            .interfaces
            .clone()
            .unwrap_or_else(|| expected(device, &found.config));
        if names.is_empty() {
            let message = format!("{} has no links in the inventory; name the interfaces", device.name);
            return Err(Fault::Conflict(message));
        }
        let mut missing: Vec<Interface> = Vec::new();
        for name in &names {
            let name = found.interface(name)?;
            let interface = all
                .iter()
                .find(|i| i.name == name)
                .ok_or_else(|| model::Error::NoSuchInterface(name.to_owned()))?;
            let known = missing.iter().any(|m| m.name == interface.name);
            if !known && !self.is_member(device, interface, processes, area)? {
                missing.push(interface.clone());
            }
        }
        Ok(missing)
    }

    fn is_member(
        &self,
        device: &Device,
        interface: &Interface,
        processes: &[Process],
        area: &str,
    ) -> Result<bool, Fault> {
        let conflict = |what: String| Fault::Conflict(format!("{}: {} {what}", device.name, interface.name));
        if interface.address.is_none() {
            return Err(conflict("has no address, so it cannot run OSPF".into()));
        }
        for process in processes {
            let Some(member) = process.interfaces.iter().find(|m| m.name == interface.name) else {
                continue;
            };
            if process.id != self.process_id {
                let id = process.id.unwrap_or_default();
                return Err(conflict(format!(
                    "already runs in OSPF process {id}; remove that first"
                )));
            }
            if member.area != area {
                return Err(conflict(format!(
                    "is in area {} already; remove that first",
                    member.area
                )));
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// frr refuses to mix `network` lines with `ip ospf area` on interfaces.
fn style_is_per_interface(device: &Device, config: &Config) -> bool {
    device.platform == Platform::Frr
        && ospf::interfaces(device.platform, config)
            .iter()
            .any(|interface| interface.ospf.is_some())
}

fn networks(interfaces: &[Interface]) -> Vec<NetworkStatement> {
    interfaces
        .iter()
        .filter_map(|interface| interface.address.map(Into::into))
        .collect()
}

impl Planner for RemoveOspf {
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault> {
        check_process_id(device, self.process_id, false)?;
        found.refuse_without_ospf(device)?;
        let processes = processes(device, &found.config);
        let process_id = match (self.process_id, processes.as_slice()) {
            (Some(id), _) => Some(id),
            (None, []) => return Ok(Vec::new()),
            (None, [only]) => only.id,
            (None, _) => {
                let message = format!("{} has several OSPF processes; say which process_id", device.name);
                return Err(Fault::Conflict(message));
            }
        };
        let interfaces = ospf::interfaces(device.platform, &found.config).into_iter();
        let members = interfaces.filter_map(|i| {
            let (process, area) = i.ospf?;
            (process == process_id).then_some(OwnMembership {
                interface: i.name,
                area,
            })
        });
        let exists = processes.iter().any(|process| process.id == process_id);
        let removal = OspfRemoval {
            process_id,
            exists,
            members: members.collect(),
        };
        Ok(render::ospf_removal(device.platform, &removal))
    }
}
