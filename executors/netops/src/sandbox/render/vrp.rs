//! VRP-like text.

use std::fmt::Write as _;

use crate::sandbox::model::{Area, Config, Interface, Ospf, mask_of};

pub(super) fn text(config: &Config) -> String {
    let mut out = String::from("!Software Version V800R021C10SPC600\n#\n");
    let _ = writeln!(out, "sysname {}\n#", config.hostname);
    for line in &config.globals {
        let _ = writeln!(out, "{line}\n#");
    }
    for name in config.interface_order() {
        if let Some(interface) = config.interfaces.get(name) {
            stanza(&mut out, name, interface);
        }
    }
    for (process, ospf) in &config.ospf {
        router(&mut out, *process, ospf);
    }
    out.push_str("user-interface vty 0 4\n authentication-mode aaa\n protocol inbound ssh\n#\nreturn\n");
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
    if interface.shutdown {
        out.push_str(" shutdown\n");
    }
    if let Some((address, length)) = interface.address {
        let _ = writeln!(out, " ip address {address} {}", mask_of(length));
    }
    if let Some(cost) = interface.cost {
        let _ = writeln!(out, " ospf cost {cost}");
    }
    if interface.point_to_point {
        out.push_str(" ospf network-type p2p\n");
    }
    if let Some(seconds) = interface.hello {
        let _ = writeln!(out, " ospf timer hello {seconds}");
    }
    if let Some(seconds) = interface.dead {
        let _ = writeln!(out, " ospf timer dead {seconds}");
    }
    if let Some((process, area)) = interface.enable {
        let _ = writeln!(out, " ospf enable {process} area {}", area.as_dotted());
    }
    out.push_str("#\n");
}

fn router(out: &mut String, process: u16, ospf: &Ospf) {
    let _ = write!(out, "ospf {process}");
    if let Some(id) = ospf.router_id {
        let _ = write!(out, " router-id {id}");
    }
    out.push('\n');
    for interface in &ospf.passive {
        let _ = writeln!(out, " silent-interface {interface}");
    }
    for area in &ospf.areas {
        area_view(out, *area, ospf);
    }
    out.push_str("#\n");
}

fn area_view(out: &mut String, area: Area, ospf: &Ospf) {
    let _ = writeln!(out, " area {}", area.as_dotted());
    for network in ospf.networks.iter().filter(|network| network.area == area) {
        let _ = writeln!(out, "  network {} {}", network.address, network.wildcard);
    }
}
