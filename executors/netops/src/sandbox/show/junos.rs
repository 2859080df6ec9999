//! Junos-like tables.

use std::fmt::Write as _;

use super::View;
use crate::sandbox::candidate::Commit;
use crate::sandbox::command::Show;
use crate::sandbox::words::clock;
use crate::sandbox::world::wall_ms;

pub(super) fn show(view: &View<'_>, what: Show) -> String {
    match what {
        Show::Neighbors | Show::NeighborsJson if view.config.ospf.is_empty() => {
            "OSPF instance is not running\n".to_owned()
        }
        Show::Neighbors | Show::NeighborsJson => neighbours(view),
        Show::OspfInterfaces => ospf_interfaces(view),
        Show::InterfaceAddresses => terse(view),
        Show::Interfaces => interfaces(view),
        Show::Routes => routes(view),
        Show::Cpu | Show::Memory => routing_engine(view),
        Show::Commits => commits(view),
        Show::Clock => format!("Current time: {}\n", clock(wall_ms(), "%Y-%m-%d %H:%M:%S UTC")),
        Show::Version => format!("Hostname: {}\nModel: sandbox\nJunos: 22.4R3\n", view.config.hostname),
        Show::Running | Show::Startup | Show::Daemons => String::new(),
    }
}

fn commits(view: &View<'_>) -> String {
    let device = view.world.devices.get(view.name);
    let history = device
        .and_then(|device| device.database.as_ref())
        .map(|database| &database.history);
    let mut out = String::new();
    for (number, commit) in history.into_iter().flatten().enumerate() {
        out.push_str(&entry(number, commit));
    }
    out
}

fn entry(number: usize, commit: &Commit) -> String {
    let time = clock(commit.at, "%Y-%m-%d %H:%M:%S UTC");
    let mut out = format!("{number:<3} {time} by {} via {}", commit.user, commit.via);
    if let Some(minutes) = commit.minutes {
        let _ = write!(out, " commit confirmed, rollback in {minutes}mins");
    }
    out.push('\n');
    if let Some(comment) = &commit.comment {
        let _ = writeln!(out, "    {comment}");
    }
    out
}

fn neighbours(view: &View<'_>) -> String {
    let mut out = format!(
        "{:<16} {:<22} {:<9} {:<15} {:>4} {:>5}\n",
        "Address", "Interface", "State", "ID", "Pri", "Dead"
    );
    for neighbour in view.neighbours() {
        let (address, id) = (neighbour.address.to_string(), neighbour.router_id.to_string());
        let unit = format!("{}.0", neighbour.interface);
        let state = format!("{:?}", neighbour.state);
        let _ = writeln!(
            out,
            "{address:<16} {unit:<22} {state:<9} {id:<15} {:>4} {:>5}",
            128,
            neighbour.dead_ms / 1_000
        );
    }
    out
}

fn ospf_interfaces(view: &View<'_>) -> String {
    let mut out = String::from("Interface           State   Area            DR ID           BDR ID          Nbrs\n");
    for (name, _) in view.interfaces() {
        if let Some((_, area)) = view.config.ospf_on(name) {
            let (unit, area) = (format!("{name}.0"), area.as_dotted().to_string());
            let state = if view.is_up(name) { "PtToPt" } else { "Down" };
            let _ = writeln!(
                out,
                "{unit:<19} {state:<7} {area:<15} 0.0.0.0         0.0.0.0            1"
            );
        }
    }
    out
}

fn terse(view: &View<'_>) -> String {
    let mut out = String::from("Interface               Admin Link Proto    Local                 Remote\n");
    for (name, interface) in view.interfaces() {
        if interface.phantom {
            continue;
        }
        let admin = if interface.shutdown { "down" } else { "up" };
        let link = if view.is_up(name) { "up" } else { "down" };
        let _ = writeln!(out, "{name:<23} {admin:<5} {link}");
        if let Some((address, length)) = interface.address {
            let (unit, local) = (format!("{name}.0"), format!("{address}/{length}"));
            let _ = writeln!(out, "{unit:<23} {admin:<5} {link:<4} inet     {local}");
        }
    }
    out
}

fn interfaces(view: &View<'_>) -> String {
    let mut out = String::new();
    for (name, interface) in view.interfaces() {
        let (admin, link) = (
            if interface.shutdown {
                "Administratively down"
            } else {
                "Enabled"
            },
            if view.is_up(name) { "Up" } else { "Down" },
        );
        let _ = writeln!(out, "Physical interface: {name}, {admin}, Physical link is {link}");
        if let Some(text) = &interface.description {
            let _ = writeln!(out, "  Description: {text}");
        }
        let _ = writeln!(
            out,
            "  Link-level type: Ethernet, MTU: {}, Speed: 1000mbps",
            interface.mtu()
        );
    }
    out
}

fn routes(view: &View<'_>) -> String {
    let mut out = String::from("inet.0: + = Active Route, - = Last Active, * = Both\n\n");
    for route in view.routes() {
        let ((prefix, length), interface) = (route.prefix, &route.interface);
        let prefix = format!("{prefix}/{length}");
        let _ = match (route.cost, route.via) {
            (Some(cost), Some(via)) => writeln!(
                out,
                "{prefix:<18} *[OSPF/10] 00:00:10, metric {cost}\n                    > to {via} via {interface}.0"
            ),
            _ => writeln!(
                out,
                "{prefix:<18} *[Direct/0] 00:00:10\n                    > via {interface}.0"
            ),
        };
    }
    out
}

fn routing_engine(view: &View<'_>) -> String {
    let (total, used) = view.memory();
    let cpu = view.cpu();
    format!(
        "Routing Engine status:\n    DRAM                      {} MB\n    Memory utilization          {} percent\n    CPU utilization:\n      User                       {} percent\n      Background                 0 percent\n      Kernel                     {} percent\n      Interrupt                  0 percent\n      Idle                      {} percent\n",
        total / 1_048_576,
        used * 100 / total,
        cpu / 2,
        cpu - cpu / 2,
        100 - cpu
    )
}
