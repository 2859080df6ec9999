//! IOS-like tables.

use std::fmt::Write as _;

use super::{Neighbour, View};
use crate::sandbox::command::Show;
use crate::sandbox::network::State;

pub(super) fn show(view: &View<'_>, what: Show) -> String {
    match what {
        Show::Neighbors | Show::NeighborsJson => neighbours(view),
        Show::OspfInterfaces => ospf_interfaces(view),
        Show::InterfaceAddresses => addresses(view),
        Show::Interfaces => interfaces(view),
        Show::Routes => routes(view),
        Show::Cpu => cpu(view),
        Show::Memory => memory(view),
        Show::Version => format!(
            "Cisco IOS Software, sandbox device, Version 15.9(3)M6\n{} uptime is {} minutes\n",
            view.config.hostname,
            view.world.now_ms() / 60_000
        ),
        Show::Running | Show::Startup | Show::Daemons | Show::Commits | Show::Clock => String::new(),
    }
}

fn neighbours(view: &View<'_>) -> String {
    let found = view.neighbours();
    if found.is_empty() {
        return String::new();
    }
    let mut out = String::from("\nNeighbor ID     Pri   State           Dead Time   Address         Interface\n");
    for neighbour in found {
        let Neighbour {
            router_id,
            address,
            interface,
            dead_ms,
            ..
        } = &neighbour;
        let (id, address, seconds) = (router_id.to_string(), address.to_string(), dead_ms / 1_000);
        let _ = writeln!(
            out,
            "{id:<16}{:>3}   {:<16}00:00:{seconds:02}    {address:<16}{interface}",
            1,
            state(&neighbour)
        );
    }
    out
}

fn state(neighbour: &Neighbour) -> String {
    let role = match neighbour.role {
        "Backup" => "BDR",
        "DROther" => "DROTHER",
        "-" => "  -",
        role => role,
    };
    let state = match neighbour.state {
        State::Down => "DOWN",
        State::Init => "INIT",
        State::ExStart => "EXSTART",
        State::Full => "FULL",
    };
    format!("{state}/{role}")
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
            "POINT_TO_POINT"
        } else {
            "BROADCAST"
        };
        let (hello, dead) = interface.timers();
        let _ = writeln!(
            out,
            "{name} is {up}, line protocol is {up}\n  Internet Address {address}/{length}, Area {area}\n  Process ID {process}, Router ID {id}, Network Type {kind}, Cost: {}\n  Timer intervals configured, Hello {hello}, Dead {dead}, Wait {dead}, Retransmit 5",
            interface.cost()
        );
    }
    out
}

fn addresses(view: &View<'_>) -> String {
    let mut out =
        String::from("Interface                  IP-Address      OK? Method Status                Protocol\n");
    for (name, interface) in view.interfaces() {
        let address = interface
            .address
            .map_or("unassigned".to_owned(), |(address, _)| address.to_string());
        let (status, protocol) = match (interface.shutdown, view.is_up(name)) {
            (true, _) => ("administratively down", "down"),
            (_, true) => ("up", "up"),
            _ => ("down", "down"),
        };
        let _ = writeln!(out, "{name:<27}{address:<16}YES NVRAM  {status:<22}{protocol:<8}");
    }
    out
}

fn interfaces(view: &View<'_>) -> String {
    let mut out = String::new();
    for (name, interface) in view.interfaces() {
        let (status, protocol) = match (interface.shutdown, view.is_up(name)) {
            (true, _) => ("administratively down", "down"),
            (_, true) => ("up", "up"),
            _ => ("down", "down"),
        };
        let _ = writeln!(out, "{name} is {status}, line protocol is {protocol} ");
        if let Some(text) = &interface.description {
            let _ = writeln!(out, "  Description: {text}");
        }
        if let Some((address, length)) = interface.address {
            let _ = writeln!(out, "  Internet address is {address}/{length}");
        }
        let _ = writeln!(
            out,
            "  MTU {} bytes, BW 1000000 Kbit/sec, DLY 10 usec, \n     0 input errors, 0 CRC, 0 frame, 0 overrun, 0 ignored\n     0 output errors, 0 collisions, 0 interface resets",
            interface.mtu()
        );
    }
    out
}

fn routes(view: &View<'_>) -> String {
    let mut out = String::from("Codes: L - local, C - connected, S - static, O - OSPF\n\n");
    for route in view.routes() {
        let ((prefix, length), interface) = (route.prefix, &route.interface);
        let _ = match (route.cost, route.via) {
            (Some(cost), Some(via)) => writeln!(
                out,
                "O        {prefix}/{length} [110/{cost}] via {via}, 00:00:10, {interface}"
            ),
            _ => writeln!(out, "C        {prefix}/{length} is directly connected, {interface}"),
        };
    }
    out
}

fn cpu(view: &View<'_>) -> String {
    let cpu = view.cpu();
    format!(
        "CPU utilization for five seconds: {cpu}%/1%; one minute: {}%; five minutes: {}%\n PID Runtime(ms)     Invoked      uSecs   5Sec   1Min   5Min TTY Process \n   1           8          47        170  0.00%  0.00%  0.00%   0 Chunk Manager    \n 187        4120       61002         67  0.31%  0.28%  0.25%   0 OSPF Router      \n",
        cpu + 1,
        cpu
    )
}

fn memory(view: &View<'_>) -> String {
    let (total, used) = view.memory();
    let free = total - used;
    format!(
        "                Head    Total(b)     Used(b)     Free(b)   Lowest(b)  Largest(b)\nProcessor   7F2C4000  {total}  {used}  {free}  {free}  {}\n      I/O   DC000000   67108864   21433220   45675644   45619136   45643740\n",
        free / 2
    )
}
