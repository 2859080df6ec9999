//! The twelve routers and their cables, as they are before anybody changes anything.

use std::net::Ipv4Addr;

use super::model::{Area, Config, Dialect, Interface, NetworkStatement, Ospf};
use super::network::{End, Link};

/// A router of the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) site: &'static str,
    pub(crate) role: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) os_version: &'static str,
    /// Last byte of the management address in 127.0.10.0/24.
    pub(crate) host: u8,
    pub(crate) redundancy_group: &'static str,
    pub(crate) failure_domain: &'static str,
    pub(crate) loopback: Ipv4Addr,
    /// The OSPF process it starts with; 0 in FRR; none in the layer that is still to be built.
    process: Option<u16>,
}

const IOS: (Dialect, &str) = (Dialect::Ios, "15.9");
const VRP: (Dialect, &str) = (Dialect::Vrp, "8.210");
const FRR: (Dialect, &str) = (Dialect::Frr, "8.4");
const JUNOS: (Dialect, &str) = (Dialect::Junos, "22.4");

/// name, dialect, management host, redundancy group, failure domain, process.
type Row = (
    &'static str,
    (Dialect, &'static str),
    u8,
    &'static str,
    &'static str,
    Option<u16>,
);

const ROWS: [Row; 12] = [
    ("bj-core-1", IOS, 1, "bj-core-a", "bj-hall-1", None),
    ("bj-core-2", VRP, 2, "bj-core-a", "bj-hall-2", None),
    ("bj-core-3", IOS, 3, "bj-core-b", "bj-hall-1", None),
    ("bj-core-4", VRP, 4, "bj-core-b", "bj-hall-2", None),
    ("bj-edge-1", IOS, 5, "bj-edge", "bj-hall-1", Some(100)),
    ("bj-edge-2", FRR, 6, "bj-edge", "bj-hall-2", Some(0)),
    ("sh-core-1", FRR, 11, "sh-core", "sh-hall-1", Some(0)),
    ("sh-core-2", FRR, 12, "sh-core", "sh-hall-2", Some(0)),
    ("sh-edge-1", IOS, 13, "sh-edge", "sh-hall-1", Some(1)),
    ("sh-edge-2", VRP, 14, "sh-edge", "sh-hall-2", Some(1)),
    ("gz-edge-1", JUNOS, 21, "gz-edge", "gz-hall-1", Some(0)),
    ("gz-edge-2", JUNOS, 22, "gz-edge", "gz-hall-2", Some(0)),
];

const CABLES: [(&str, &str); 16] = [
    ("bj-core-1", "bj-core-2"),
    ("bj-core-1", "bj-core-3"),
    ("bj-core-1", "bj-core-4"),
    ("bj-core-2", "bj-core-3"),
    ("bj-core-2", "bj-core-4"),
    ("bj-core-3", "bj-core-4"),
    ("bj-edge-1", "bj-core-1"),
    ("bj-edge-1", "bj-core-2"),
    ("bj-edge-2", "bj-core-3"),
    ("bj-edge-2", "bj-core-4"),
    ("sh-core-1", "sh-core-2"),
    ("sh-edge-1", "sh-core-1"),
    ("sh-edge-1", "sh-core-2"),
    ("sh-edge-2", "sh-core-1"),
    ("sh-edge-2", "sh-core-2"),
    ("gz-edge-1", "gz-edge-2"),
];

/// Beijing is 10.1, Shanghai 10.2, Guangzhou 10.3; the loopbacks are in 10.255.1, .2 and .3.
fn site(name: &str) -> (&'static str, u8) {
    match name.get(..2) {
        Some("bj") => ("beijing", 1),
        Some("sh") => ("shanghai", 2),
        _ => ("guangzhou", 3),
    }
}

/// The routers, all or those named.
pub(crate) fn plans(only: Option<&[String]>) -> Vec<Plan> {
    let wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
    ROWS.iter()
        .filter(|row| wanted(row.0))
        .map(
            |&(name, (dialect, os_version), host, redundancy_group, failure_domain, process)| {
                let (site, number) = site(name);
                let last = host - 10 * (number - 1);
                Plan {
                    name,
                    site,
                    role: if name.contains("core") { "core" } else { "edge" },
                    dialect,
                    os_version,
                    host,
                    redundancy_group,
                    failure_domain,
                    loopback: Ipv4Addr::new(10, 255, number, last),
                    process,
                }
            },
        )
        .collect()
}

/// The cables between the given routers, with their addresses (first end, second end; /30).
pub(crate) fn links(plans: &[Plan]) -> Vec<(Link, [Ipv4Addr; 2])> {
    let dialect = |name: &str| plans.iter().find(|plan| plan.name == name).map(|plan| plan.dialect);
    let mut used: std::collections::BTreeMap<&str, u8> = std::collections::BTreeMap::new();
    let mut links = Vec::new();
    for (index, (a, b)) in CABLES.into_iter().enumerate() {
        // Ports are counted over all cables, so that a part of the sandbox looks like the whole.
        let (port_a, port_b) = (next_port(&mut used, a), next_port(&mut used, b));
        let (Some(dialect_a), Some(dialect_b)) = (dialect(a), dialect(b)) else {
            continue;
        };
        let base = u8::try_from(index * 4).unwrap_or(0);
        let address = |host: u8| Ipv4Addr::new(10, site(a).1, 0, base + host);
        let end = |device: &str, dialect, port| End {
            device: device.to_owned(),
            interface: port_name(dialect, port),
        };
        links.push((
            Link {
                a: end(a, dialect_a, port_a),
                b: end(b, dialect_b, port_b),
            },
            [address(1), address(2)],
        ));
    }
    links
}

fn next_port<'n>(used: &mut std::collections::BTreeMap<&'n str, u8>, device: &'n str) -> u8 {
    let port = used.entry(device).or_insert(0);
    *port += 1;
    *port
}

fn port_name(dialect: Dialect, port: u8) -> String {
    match dialect {
        Dialect::Ios => format!("GigabitEthernet0/{port}"),
        Dialect::Vrp => format!("GigabitEthernet0/0/{port}"),
        Dialect::Frr => format!("eth{port}"),
        Dialect::Junos => format!("ge-0/0/{port}"),
    }
}

/// The configuration that a router starts with, running and saved.
pub(crate) fn initial(plan: &Plan, links: &[(Link, [Ipv4Addr; 2])]) -> Config {
    let mut config = Config::new(plan.dialect, plan.name);
    let (loopback, management) = match plan.dialect {
        Dialect::Ios => ("Loopback0", "GigabitEthernet0/0"),
        Dialect::Vrp => ("LoopBack0", "MEth0/0/0"),
        Dialect::Frr => ("lo", "mgmt0"),
        Dialect::Junos => ("lo0", "fxp0"),
    };
    let mut add = |name: &str, address: Ipv4Addr, length: u8, description: Option<String>| {
        let stanza = Interface {
            address: Some((address, length)),
            description,
            ..Interface::default()
        };
        config.interfaces.insert(name.to_owned(), stanza);
    };
    add(
        management,
        Ipv4Addr::new(127, 0, 10, plan.host),
        24,
        Some("management".to_owned()),
    );
    add(loopback, plan.loopback, 32, None);
    for (link, addresses) in links {
        for (near, far, address) in [(&link.a, &link.b, addresses[0]), (&link.b, &link.a, addresses[1])] {
            if near.device == plan.name {
                add(&near.interface, address, 30, Some(format!("to {}", far.device)));
            }
        }
    }
    if plan.dialect == Dialect::Junos {
        enable_everywhere(&mut config, plan.loopback);
    } else if let Some(process) = plan.process {
        let router = ospf(&config, plan.loopback, loopback);
        config.ospf.insert(process, router);
    }
    config
}

/// Area 0 on every link and the loopback, said on the interfaces themselves.
fn enable_everywhere(config: &mut Config, router_id: Ipv4Addr) {
    let area = Area { id: 0, dotted: true };
    let routed = |interface: &&mut Interface| interface.address.is_some_and(|(address, _)| !address.is_loopback());
    for interface in config.interfaces.values_mut().filter(routed) {
        interface.enable = Some((0, area));
    }
    config.globals.insert(format!("routing-options router-id {router_id}"));
    let router = Ospf {
        router_id: Some(router_id),
        areas: [area].into(),
        ..Ospf::default()
    };
    config.ospf.insert(0, router);
}

/// Area 0 on every link and the loopback.
fn ospf(config: &Config, router_id: Ipv4Addr, loopback: &str) -> Ospf {
    let networks = config.interfaces.iter().filter_map(|(name, interface)| {
        let (address, length) = interface.address.filter(|(address, _)| !address.is_loopback())?;
        let mask = super::model::mask_of(if name == loopback { 32 } else { length }).to_bits();
        Some(NetworkStatement {
            area: Area::number(0),
            address: Ipv4Addr::from_bits(address.to_bits() & mask),
            wildcard: Ipv4Addr::from_bits(!mask),
        })
    });
    Ospf {
        router_id: Some(router_id),
        networks: networks.collect(),
        areas: [Area::number(0)].into(),
        ..Ospf::default()
    }
}
