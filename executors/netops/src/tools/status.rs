//! Role `telemetry`, one device: neighbours, interfaces, load.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::View;
use super::reply::Fault;
use super::{fleet, ospf as ospf_tool};
use crate::inventory::{Device, Inventory};
use crate::platform::model::{self, same_interface};
use crate::platform::parse::{self, InterfaceState, Neighbor};
use crate::platform::{Platform, ospf};

/// Whose neighbours.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OspfNeighbors {
    /// Device name or management address.
    pub device: String,
    /// Only of this process; refused on frr, which has no process numbers.
    pub process_id: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Neighbors {
    pub device: String,
    pub neighbors: Vec<Neighbor>,
}

/// Which interfaces.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InterfaceStatus {
    /// Device name or management address.
    pub device: String,
    /// Only this one.
    pub interface: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Interfaces {
    pub device: String,
    pub interfaces: Vec<InterfaceState>,
}

/// The draft's arguments. Unknown ones are let by, as its schema does.
#[derive(Debug, Deserialize)]
pub(super) struct CheckStatus {
    pub device_ip: Option<String>,
    pub metrics: Option<Vec<Metric>>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Metric {
    Cpu,
    Memory,
    Interface,
}

/// The metrics asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Status {
    pub device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<InterfaceState>>,
    /// Metrics that this platform does not print; only when none were asked for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Metric>,
}

/// `ospf_neighbors`.
pub(super) async fn neighbors(view: &View, device: &Device, asked: &OspfNeighbors) -> Result<Neighbors, Fault> {
    ospf_tool::check_process_id(device, asked.process_id, false)?;
    let words = device.platform.words();
    let texts = match view.read(device, &[words.neighbors, words.running]).await {
        // What the other platforms say with an empty table.
        Err(Fault::Refused { message, .. }) if message.contains("OSPF is not enabled") => {
            let (device, neighbors) = (device.name.clone(), Vec::new());
            return Ok(Neighbors { device, neighbors });
        }
        read => read?,
    };
    let mut neighbors = parse::neighbors(device.platform, &texts[0]);
    if let Some(id) = asked.process_id {
        let config = fleet::running(device, &texts[1])?;
        let processes = ospf_tool::processes(device, &config);
        let members = processes
            .iter()
            .filter(|p| p.id == Some(id))
            .flat_map(|p| &p.interfaces);
        let members: Vec<&str> = members.map(|member| member.name.as_str()).collect();
        neighbors.retain(|n| match n.process {
            Some(process) => process == id,
            None => members.iter().any(|member| same_interface(member, &n.interface)),
        });
    }
    for neighbor in &mut neighbors {
        if neighbor.address.is_none() {
            neighbor.address = address_of_peer(&view.inventory, device, &neighbor.interface);
        }
    }
    Ok(Neighbors {
        device: device.name.clone(),
        neighbors,
    })
}

/// vrp's table does not print the neighbour's address; the inventory knows who is at the other end.
fn address_of_peer(inventory: &Inventory, device: &Device, interface: &str) -> Option<String> {
    let link = device.links.iter().find(|link| link.interface == interface)?;
    let peer = inventory.resolve(&link.peer).ok()?;
    let far = peer.links.iter().find(|far| far.interface == link.peer_interface)?;
    Some(far.address.split('/').next()?.to_owned())
}

/// `interface_status`.
pub(super) async fn interfaces(view: &View, device: &Device, only: Option<&str>) -> Result<Interfaces, Fault> {
    let mut interfaces = read_interfaces(view, device).await?;
    if let Some(only) = only {
        interfaces.retain(|i| same_interface(&i.name, only));
        if interfaces.is_empty() {
            return Err(model::Error::NoSuchInterface(only.to_owned()).into());
        }
    }
    Ok(Interfaces {
        device: device.name.clone(),
        interfaces,
    })
}

async fn read_interfaces(view: &View, device: &Device) -> Result<Vec<InterfaceState>, Fault> {
    let words = device.platform.words();
    let (mut lease, texts) = view.read_with(device, None, &[words.interfaces, words.running]).await?;
    let mut interfaces = fleet::real_interfaces(&mut lease, device, &texts[0]).await?;
    if interfaces.is_empty() {
        let line = words.interfaces.to_owned();
        return Err(Fault::Unreadable {
            device: device.name.clone(),
            line,
        });
    }
    if device.platform == Platform::Frr {
        let configured = ospf::interfaces(device.platform, &fleet::running(device, &texts[1])?);
        for state in &mut interfaces {
            state.admin_up = configured
                .iter()
                .find(|c| c.name == state.name)
                .is_none_or(|c| c.enabled);
        }
    }
    Ok(interfaces)
}

/// `check_device_status`.
pub(super) async fn check(view: &View, device: &Device, metrics: Option<&[Metric]>) -> Result<Status, Fault> {
    const ALL: [Metric; 3] = [Metric::Cpu, Metric::Memory, Metric::Interface];
    let (mut cpu_percent, mut memory_percent, mut interfaces) = (None, None, None);
    let mut unsupported = Vec::new();
    for metric in metrics.unwrap_or(&ALL) {
        let command = match (metric, device.platform) {
            (Metric::Interface, _) => {
                interfaces = Some(read_interfaces(view, device).await?);
                continue;
            }
            (metric, Platform::Frr) if metrics.is_none() => {
                unsupported.push(*metric);
                continue;
            }
            (metric, Platform::Frr) => {
                let name = if *metric == Metric::Cpu { "cpu" } else { "memory" };
                return Err(Fault::Conflict(format!(
                    "{name} is not measured on frr: it prints no share of the whole"
                )));
            }
            (Metric::Cpu, Platform::Ios) => "show processes cpu",
            (Metric::Cpu, Platform::Vrp) => "display cpu-usage",
            (Metric::Memory, Platform::Ios) => "show memory statistics",
            (Metric::Memory, Platform::Vrp) => "display memory-usage",
            (_, Platform::Junos) => "show chassis routing-engine",
            (_, Platform::Netconf) => return Err(fleet::refuse_without_terminal(device)),
        };
        let text = view.read(device, &[command]).await?.pop().unwrap_or_default();
        let (value, slot) = if *metric == Metric::Cpu {
            (parse::cpu_percent(&text), &mut cpu_percent)
        } else {
            (parse::memory_percent(&text), &mut memory_percent)
        };
        let unreadable = || Fault::Unreadable {
            device: device.name.clone(),
            line: command.to_owned(),
        };
        *slot = Some(value.ok_or_else(unreadable)?);
    }
    Ok(Status {
        device: device.name.clone(),
        cpu_percent,
        memory_percent,
        interfaces,
        unsupported,
    })
}
