//! Tables of vtysh 8.4.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Neighbour, View};
use crate::sandbox::command::Show;

pub(super) fn show(view: &View<'_>, what: Show) -> String {
    match what {
        Show::Neighbors if view.config.ospf.is_empty() => "% OSPF is not enabled in vrf default\n".to_owned(),
        Show::NeighborsJson if view.config.ospf.is_empty() => "{\n}\n".to_owned(),
        Show::Neighbors => neighbours(view),
        Show::NeighborsJson => neighbours_json(view),
        Show::OspfInterfaces => ospf_interfaces(view),
        Show::InterfaceAddresses => brief(view),
        Show::Interfaces => interfaces(view),
        Show::Routes => routes(view),
        Show::Cpu => cpu(view),
        Show::Memory => memory(view),
        Show::Daemons => " zebra ospfd staticd\n".to_owned(),
        Show::Version => format!(
            "FRRouting 8.4.4 ({}) on Linux(sandbox).\nCopyright 1996-2005 Kunihiro Ishiguro, et al.\n",
            view.config.hostname
        ),
        Show::Running | Show::Startup | Show::Commits | Show::Clock => String::new(),
    }
}

fn neighbours(view: &View<'_>) -> String {
    let mut out = format!(
        "\n{:<15} {:<3} {:<15} {:<15} {:<9} {:<15} {:<32} {:>5} {:>5} {:>5}\n",
        "Neighbor ID", "Pri", "State", "Up Time", "Dead Time", "Address", "Interface", "RXmtL", "RqstL", "DBsmL"
    );
    for neighbour in view.neighbours() {
        let (id, address) = (neighbour.router_id.to_string(), neighbour.address.to_string());
        let _ = writeln!(
            out,
            "{id:<15} {:>3} {:<15} {:<15} {:>9} {address:<15} {:<32} {:>5} {:>5} {:>5}",
            1,
            state(&neighbour),
            up_time(neighbour.up_ms),
            dead_time(neighbour.dead_ms),
            interface(&neighbour),
            0,
            0,
            0
        );
    }
    out.push('\n');
    out
}

fn state(neighbour: &Neighbour) -> String {
    format!("{:?}/{}", neighbour.state, neighbour.role)
}

fn interface(neighbour: &Neighbour) -> String {
    format!("{}:{}", neighbour.interface, neighbour.own_address)
}

/// `4.098s`, `1m02s`, `3h04m05s`, as FRR shortens it.
fn up_time(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => dead_time(ms),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

fn dead_time(ms: u64) -> String {
    format!("{}.{:03}s", ms / 1_000, ms % 1_000)
}

fn neighbours_json(view: &View<'_>) -> String {
    let mut found: Map<String, Value> = Map::new();
    for neighbour in view.neighbours() {
        let entry = json!({
            "priority": 1,
            "state": state(&neighbour),
            "nbrPriority": 1,
            "nbrState": state(&neighbour),
            "converged": format!("{:?}", neighbour.state),
            "role": neighbour.role,
            "upTimeInMsec": neighbour.up_ms,
            "deadTimeMsecs": neighbour.dead_ms,
            "routerDeadIntervalTimerDueMsec": neighbour.dead_ms,
            "upTime": up_time(neighbour.up_ms),
            "deadTime": dead_time(neighbour.dead_ms),
            "address": neighbour.address,
            "ifaceAddress": neighbour.address,
            "ifaceName": interface(&neighbour),
            "retransmitCounter": 0,
            "linkStateRetransmissionListCounter": 0,
            "requestCounter": 0,
            "linkStateRequestListCounter": 0,
            "dbSummaryCounter": 0,
            "databaseSummaryListCounter": 0,
        });
        let list = found
            .entry(neighbour.router_id.to_string())
            .or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(entry);
        }
    }
    let text = serde_json::to_string_pretty(&json!({ "neighbors": found })).unwrap_or_default();
    format!("{text}\n")
}

fn ospf_interfaces(view: &View<'_>) -> String {
    let mut out = String::new();
    for (name, interface) in view.interfaces() {
        let (Some((process, area)), Some((address, length))) = (view.config.ospf_on(name), interface.address) else {
            continue;
        };
        let up = if view.is_up(name) { "up" } else { "down" };
        let id = view
            .config
            .router_id(process)
            .map(|id| id.to_string())
            .unwrap_or_default();
        let kind = if interface.point_to_point {
            "POINTOPOINT"
        } else {
            "BROADCAST"
        };
        let (hello, dead) = interface.timers();
        let _ = writeln!(
            out,
            "{name} is {up}\n  Internet Address {address}/{length}, Area {}\n  MTU mismatch detection: enabled\n  Router ID {id}, Network Type {kind}, Cost: {}\n  Timer intervals configured, Hello {hello}s, Dead {dead}s, Wait {dead}s, Retransmit 5",
            area.as_dotted(),
            interface.cost()
        );
    }
    out.push('\n');
    out
}

fn brief(view: &View<'_>) -> String {
    let mut out = String::from(
        "Interface       Status  VRF             Addresses\n---------       ------  ---             ---------\n",
    );
    for (name, interface) in view.interfaces() {
        let address = interface
            .address
            .map(|(address, length)| format!("{address}/{length}"))
            .unwrap_or_default();
        let status = if view.is_up(name) { "up" } else { "down" };
        let _ = writeln!(out, "{name:<16}{status:<8}{:<16}{address}", "default");
    }
    out.push('\n');
    out
}

fn interfaces(view: &View<'_>) -> String {
    let mut out = String::new();
    for (name, interface) in view.interfaces() {
        let up = if view.is_up(name) { "up" } else { "down" };
        let protocol = if interface.phantom {
            String::new()
        } else {
            format!(", line protocol is {up}")
        };
        let _ = writeln!(out, "Interface {name} is {up}{protocol}\n  vrf: default");
        if let Some(text) = &interface.description {
            let _ = writeln!(out, "  Description: {text}");
        }
        if interface.phantom {
            out.push_str("  pseudo interface\n");
            continue;
        }
        let _ = writeln!(out, "  index 2 metric 0 mtu {} speed 10000 ", interface.mtu());
        if let Some((address, length)) = interface.address {
            let _ = writeln!(out, "  inet {address}/{length}");
        }
    }
    out
}

fn routes(view: &View<'_>) -> String {
    let mut out = String::from(
        "Codes: K - kernel route, C - connected, S - static, R - RIP,\n       O - OSPF, > - selected route, * - FIB route\n\n",
    );
    for route in view.routes() {
        let ((prefix, length), interface) = (route.prefix, &route.interface);
        let _ = match (route.cost, route.via) {
            (Some(cost), Some(via)) => {
                writeln!(
                    out,
                    "O>* {prefix}/{length} [110/{cost}] via {via}, {interface}, weight 1, 00:00:10"
                )
            }
            _ => writeln!(
                out,
                "C>* {prefix}/{length} is directly connected, {interface}, 00:00:10"
            ),
        };
    }
    out
}

fn cpu(view: &View<'_>) -> String {
    let now = view.world.now_ms();
    format!(
        "Thread statistics for ospfd:\n\nShowing statistics for pthread default\n                               CPU (user+system): Real (wall-clock):\nActive   Runtime(ms)   Invoked Avg uSec Max uSecs Avg uSec Max uSecs  CPU_Warn Wall_Warn Starv_Warn Type  Thread\n    4  {:>10}.000      1204       31      412       34       420         0         0          0    T   ospf_hello_timer\n",
        now * view.cpu() / 100
    )
}

fn memory(view: &View<'_>) -> String {
    let (_, used) = view.memory();
    format!(
        "System allocator statistics:\n  Total heap allocated:  {} KiB\n  Holding block headers: 0 bytes\n  Used small blocks:     0 bytes\n  Used ordinary blocks:  {} KiB\n",
        used / 1_024,
        used / 1_280
    )
}
