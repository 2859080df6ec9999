//! IOS-like text.

use std::fmt::Write as _;

use crate::sandbox::model::{Config, Interface, Ospf, mask_of};

pub(super) fn text(config: &Config) -> String {
    let mut out = String::from(
        "!\nversion 15.9\nservice timestamps debug datetime msec\nservice timestamps log datetime msec\n!\n",
    );
    let _ = writeln!(out, "hostname {}\n!", config.hostname);
    for name in config.interface_order() {
        if let Some(interface) = config.interfaces.get(name) {
            stanza(&mut out, name, interface);
        }
    }
    for (process, ospf) in &config.ospf {
        router(&mut out, *process, ospf);
    }
    if !config.globals.is_empty() {
        for line in &config.globals {
            let _ = writeln!(out, "{line}");
        }
        out.push_str("!\n");
    }
    out.push_str("line vty 0 4\n login local\n transport input ssh\n!\nend\n");
    out
}

fn stanza(out: &mut String, name: &str, interface: &Interface) {
    let _ = writeln!(out, "interface {name}");
    if let Some(text) = &interface.description {
        let _ = writeln!(out, " description {text}");
    }
    if let Some(mtu) = interface.mtu {
        let _ = writeln!(out, " mtu {mtu}");
    }
    match interface.address {
        Some((address, length)) => drop(writeln!(out, " ip address {address} {}", mask_of(length))),
        None => out.push_str(" no ip address\n"),
    }
    if interface.point_to_point {
        out.push_str(" ip ospf network point-to-point\n");
    }
    if let Some(seconds) = interface.dead {
        let _ = writeln!(out, " ip ospf dead-interval {seconds}");
    }
    if let Some(seconds) = interface.hello {
        let _ = writeln!(out, " ip ospf hello-interval {seconds}");
    }
    if let Some((process, area)) = interface.enable {
        let _ = writeln!(out, " ip ospf {process} area {area}");
    }
    if let Some(cost) = interface.cost {
        let _ = writeln!(out, " ip ospf cost {cost}");
    }
    if interface.shutdown {
        out.push_str(" shutdown\n");
    }
    out.push_str("!\n");
}

fn router(out: &mut String, process: u16, ospf: &Ospf) {
    let _ = writeln!(out, "router ospf {process}");
    if let Some(id) = ospf.router_id {
        let _ = writeln!(out, " router-id {id}");
    }
    if ospf.log_changes {
        out.push_str(" log-adjacency-changes\n");
    }
    for interface in &ospf.passive {
        let _ = writeln!(out, " passive-interface {interface}");
    }
    for network in &ospf.networks {
        let _ = writeln!(
            out,
            " network {} {} area {}",
            network.address, network.wildcard, network.area
        );
    }
    out.push_str("!\n");
}
