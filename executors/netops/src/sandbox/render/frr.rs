//! FRR 8.4 text.

use std::fmt::Write as _;

use crate::sandbox::model::{Config, Interface, Ospf};

pub(super) fn text(config: &Config) -> String {
    let mut out = String::from("!\nfrr version 8.4.4\nfrr defaults traditional\n");
    let _ = writeln!(out, "hostname {}", config.hostname);
    for line in &config.globals {
        let _ = writeln!(out, "{line}");
    }
    out.push_str("service integrated-vtysh-config\n!\n");
    for name in config.interface_order() {
        if let Some(interface) = config.interfaces.get(name) {
            stanza(&mut out, name, interface);
        }
    }
    for ospf in config.ospf.values() {
        router(&mut out, ospf);
    }
    out.push_str("end\n");
    out
}

fn stanza(out: &mut String, name: &str, interface: &Interface) {
    // vtysh leaves out interfaces without a line of configuration.
    if *interface
        == (Interface {
            phantom: interface.phantom,
            ..Interface::default()
        })
    {
        return;
    }
    let _ = writeln!(out, "interface {name}");
    if let Some(text) = &interface.description {
        let _ = writeln!(out, " description {text}");
    }
    if let Some((address, length)) = interface.address {
        let _ = writeln!(out, " ip address {address}/{length}");
    }
    if let Some((_, area)) = interface.enable {
        let _ = writeln!(out, " ip ospf area {area}");
    }
    if let Some(cost) = interface.cost {
        let _ = writeln!(out, " ip ospf cost {cost}");
    }
    if let Some(seconds) = interface.dead {
        let _ = writeln!(out, " ip ospf dead-interval {seconds}");
    }
    if let Some(seconds) = interface.hello {
        let _ = writeln!(out, " ip ospf hello-interval {seconds}");
    }
    if interface.point_to_point {
        out.push_str(" ip ospf network point-to-point\n");
    }
    if interface.shutdown {
        out.push_str(" shutdown\n");
    }
    out.push_str("exit\n!\n");
}

fn router(out: &mut String, ospf: &Ospf) {
    out.push_str("router ospf\n");
    if let Some(id) = ospf.router_id {
        let _ = writeln!(out, " ospf router-id {id}");
    }
    if ospf.log_changes {
        out.push_str(" log-adjacency-changes\n");
    }
    for interface in &ospf.passive {
        let _ = writeln!(out, " passive-interface {interface}");
    }
    for network in &ospf.networks {
        let length = network.wildcard.to_bits().leading_zeros();
        let _ = writeln!(out, " network {}/{length} area {}", network.address, network.area);
    }
    out.push_str("exit\n!\n");
}
