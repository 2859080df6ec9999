//! VRP-like tables.

use std::fmt::Write as _;

use super::View;
use crate::sandbox::command::Show;
use crate::sandbox::network::State;
use crate::sandbox::words::clock;
use crate::sandbox::world::wall_ms;

pub(super) fn show(view: &View<'_>, what: Show) -> String {
    match what {
        Show::Neighbors | Show::NeighborsJson => peers(view),
        Show::OspfInterfaces => ospf_interfaces(view),
        Show::InterfaceAddresses => addresses(view),
        Show::Interfaces => interfaces(view),
        Show::Routes => routes(view),
        Show::Cpu => cpu(view),
        Show::Memory => memory(view),
        Show::Version => format!(
            "Huawei Versatile Routing Platform Software\nVRP (R) software, Version 8.210 (sandbox device)\n{} uptime is 0 day, 0 hour, {} minutes\n",
            view.config.hostname,
            view.world.now_ms() / 60_000
        ),
        Show::Running | Show::Startup | Show::Daemons | Show::Commits | Show::Clock => String::new(),
    }
}

fn peers(view: &View<'_>) -> String {
    let rule = format!(" {}\n", "-".repeat(76));
    let found = view.neighbours();
    let mut out = String::new();
    for process in view.config.ospf.keys() {
        let id = view
            .config
            .router_id(*process)
            .map(|id| id.to_string())
            .unwrap_or_default();
        let _ = write!(
            out,
            "\n         OSPF Process {process} with Router ID {id}\n                  Peer Statistic Information\n{rule} {:<17}{:<33}{:<17}{:<9}\n",
            "Area Id", "Interface", "Neighbor id", "State"
        );
        let of_process: Vec<_> = found.iter().filter(|neighbour| neighbour.process == *process).collect();
        for neighbour in &of_process {
            let state = match neighbour.state {
                State::Down => "Down",
                State::Init => "Init",
                State::ExStart => "ExStart",
                State::Full => "Full",
            };
            let (area, id) = (neighbour.area.to_string(), neighbour.router_id.to_string());
            let _ = writeln!(out, " {area:<17}{:<33}{id:<17}{state:<12}", neighbour.interface);
        }
        let _ = writeln!(out, "{rule} Total Peer(s):     {}", of_process.len());
    }
    out
}

fn ospf_interfaces(view: &View<'_>) -> String {
    let mut out = String::new();
    for (name, interface) in view.interfaces() {
        let (Some((process, area)), Some((address, _))) = (view.config.ospf_on(name), interface.address) else {
            continue;
        };
        let (hello, dead) = interface.timers();
        let up = if view.is_up(name) { "Up" } else { "Down" };
        let _ = writeln!(
            out,
            " Interface: {address} ({name})\n Process: {process}  Area: {}  Cost: {}  State: {up}  MTU: {}\n Timers: Hello {hello} , Dead {dead} , Poll  120 , Retransmit 5 , Transmit Delay 1",
            area.as_dotted(),
            interface.cost(),
            interface.mtu()
        );
    }
    out
}

fn addresses(view: &View<'_>) -> String {
    let mut out = String::from(
        "*down: administratively down\n^down: standby\n(l): loopback\n(s): spoofing\nInterface                         IP Address/Mask      Physical   Protocol  \n",
    );
    for (name, interface) in view.interfaces() {
        let address = interface.address.map_or("unassigned".to_owned(), |(address, length)| {
            format!("{address}/{length}")
        });
        let (physical, protocol) = physical(view, name, interface.shutdown);
        let _ = writeln!(out, "{name:<34}{address:<21}{physical:<11}{protocol:<10}");
    }
    out
}

fn interfaces(view: &View<'_>) -> String {
    let mut out = String::from(
        "PHY: Physical\n*down: administratively down\n(l): loopback\n(s): spoofing\nInUti/OutUti: input utility/output utility\nInterface                   PHY   Protocol  InUti OutUti   inErrors  outErrors\n",
    );
    for (name, interface) in view.interfaces() {
        let (physical, protocol) = physical(view, name, interface.shutdown);
        let _ = writeln!(
            out,
            "{name:<28}{physical:<6}{protocol:<10}{:>5}{:>7}{:>11}{:>11}",
            "0%", "0%", 0, 0
        );
    }
    out
}

fn physical(view: &View<'_>, name: &str, shutdown: bool) -> (&'static str, &'static str) {
    match (shutdown, view.is_up(name)) {
        (true, _) => ("*down", "down"),
        (_, true) => ("up", "up"),
        _ => ("down", "down"),
    }
}

fn routes(view: &View<'_>) -> String {
    let mut out = String::from(
        "Route Flags: R - relay, D - download to fib\n------------------------------------------------------------------------------\nDestination/Mask    Proto   Pre  Cost        Flags NextHop         Interface\n\n",
    );
    for route in view.routes() {
        let prefix = format!("{}/{}", route.prefix.0, route.prefix.1);
        let (kind, preference) = if route.cost.is_some() {
            ("OSPF", 10)
        } else {
            ("Direct", 0)
        };
        let via = route.via.unwrap_or(route.prefix.0).to_string();
        let cost = route.cost.unwrap_or(0);
        let _ = writeln!(
            out,
            "{prefix:>18}  {kind:<8}{preference:<5}{cost:<12}{:>5} {via:<16}{}",
            "D", route.interface
        );
    }
    out
}

fn cpu(view: &View<'_>) -> String {
    let cpu = view.cpu();
    format!(
        "CPU Usage Stat. Cycle: 60 (Second)\nCPU Usage            : {cpu}% Max: {}%\nCPU Usage Stat. Time : {} \nCPU utilization for five seconds: {cpu}%: one minute: {}%: five minutes: {cpu}%.\n",
        cpu + 22,
        clock(wall_ms(), "%Y-%m-%d  %H:%M:%S"),
        cpu + 1
    )
}

fn memory(view: &View<'_>) -> String {
    let (total, used) = view.memory();
    format!(
        " Memory utilization statistics at {}\n System Total Memory Is: {total} bytes\n Total Memory Used Is: {used} bytes\n Memory Using Percentage Is: {}%\n",
        clock(wall_ms(), "%Y-%m-%d %H:%M:%S 000 ms"),
        used * 100 / total
    )
}
