//! The IOS-like rules.

use super::Rule;
use crate::sandbox::command::{Command as C, Mode, Show};
use crate::sandbox::model::{Edit, InterfaceEdit as I, NetworkStatement, OspfEdit as O};

/// The tables to try, in this order.
pub(super) fn tables(mode: &Mode) -> &'static [&'static [Rule]] {
    match mode {
        Mode::User => &[BOTH],
        Mode::Exec => &[EXEC, BOTH],
        Mode::Config => &[CONFIG],
        Mode::Interface(_) => &[INTERFACE, CONFIG],
        Mode::Ospf(_) | Mode::Area(..) => &[OSPF, CONFIG],
    }
}

const BOTH: &[Rule] = &[
    ("enable", |_| C::Enable),
    ("disable", |_| C::Disable),
    ("exit", |_| C::Exit),
    ("logout", |_| C::Exit),
    ("terminal length N:0-512", |a| C::PageLength(a.number(0))),
    ("terminal width N:0-512", |_| C::Nothing),
    ("terminal monitor", |_| C::Monitor(true)),
    ("terminal no monitor", |_| C::Monitor(false)),
    ("show version", |_| C::Show(Show::Version)),
    ("show ip ospf neighbor", |_| C::Show(Show::Neighbors)),
    ("show ip interface brief", |_| C::Show(Show::InterfaceAddresses)),
    ("ping A", |a| C::Ping {
        destination: a.address(0),
        source: None,
        count: 5,
    }),
    ("show ip route", |_| C::Show(Show::Routes)),
    ("show interfaces", |_| C::Show(Show::Interfaces)),
    ("show processes cpu", |_| C::Show(Show::Cpu)),
    ("show memory statistics", |_| C::Show(Show::Memory)),
    ("show ip ospf interface", |_| C::Show(Show::OspfInterfaces)),
];

const EXEC: &[Rule] = &[
    ("configure terminal", |_| C::Configure),
    ("show running-config", |_| C::Show(Show::Running)),
    ("show startup-config", |_| C::Show(Show::Startup)),
    ("write", |_| C::Save { ask: false }),
    ("write memory", |_| C::Save { ask: false }),
    ("write terminal", |_| C::Show(Show::Running)),
    ("copy running-config startup-config", |_| C::Save { ask: true }),
    ("reload", |_| C::Reload),
    ("ping A source A", |a| C::Ping {
        destination: a.address(0),
        source: Some(a.address(1)),
        count: 5,
    }),
    ("ping A repeat N:1-1000", |a| C::Ping {
        destination: a.address(0),
        source: None,
        count: a.number(1),
    }),
    ("ping A source A repeat N:1-1000", |a| C::Ping {
        destination: a.address(0),
        source: Some(a.address(1)),
        count: a.number(2),
    }),
];

const CONFIG: &[Rule] = &[
    ("exit", |_| C::Exit),
    ("end", |_| C::End),
    ("do TEXT", |a| C::Do(a.text(0))),
    ("hostname WORD", |a| C::Edit(Edit::Hostname(a.text(0)))),
    ("interface IF", |a| C::EnterInterface(a.text(0))),
    ("no interface IF", |a| C::Edit(Edit::RemoveInterface(a.text(0)))),
    ("router ospf N:1-65535", |a| C::EnterOspf {
        process: a.process(0),
        router_id: None,
    }),
    ("no router ospf N:1-65535", |a| C::Edit(Edit::RemoveOspf(a.process(0)))),
    ("ntp server TEXT", |a| global("ntp server", &a.text(0), true)),
    ("no ntp server TEXT", |a| global("ntp server", &a.text(0), false)),
    ("logging host TEXT", |a| global("logging host", &a.text(0), true)),
    ("no logging host TEXT", |a| global("logging host", &a.text(0), false)),
    ("snmp-server TEXT", |a| global("snmp-server", &a.text(0), true)),
    ("no snmp-server TEXT", |a| global("snmp-server", &a.text(0), false)),
];

const INTERFACE: &[Rule] = &[
    ("description TEXT", |a| C::Here(I::Description(Some(a.text(0))))),
    ("no description *", |_| C::Here(I::Description(None))),
    ("ip address A M", |a| {
        C::Here(I::Address(Some((a.address(0), a.length(1)))))
    }),
    ("no ip address *", |_| C::Here(I::Address(None))),
    ("mtu N:64-9216", |a| C::Here(I::Mtu(Some(a.number(0))))),
    ("no mtu *", |_| C::Here(I::Mtu(None))),
    ("shutdown", |_| C::Here(I::Shutdown(true))),
    ("no shutdown", |_| C::Here(I::Shutdown(false))),
    ("ip ospf cost N:1-65535", |a| C::Here(I::Cost(Some(a.number(0))))),
    ("no ip ospf cost *", |_| C::Here(I::Cost(None))),
    ("ip ospf hello-interval N:1-65535", |a| {
        C::Here(I::Hello(Some(a.number(0))))
    }),
    ("no ip ospf hello-interval *", |_| C::Here(I::Hello(None))),
    ("ip ospf dead-interval N:1-65535", |a| {
        C::Here(I::Dead(Some(a.number(0))))
    }),
    ("no ip ospf dead-interval *", |_| C::Here(I::Dead(None))),
    ("ip ospf network point-to-point", |_| C::Here(I::PointToPoint(true))),
    ("no ip ospf network *", |_| C::Here(I::PointToPoint(false))),
    ("ip ospf N:1-65535 area AREA", |a| {
        C::Here(I::Enable(Some((a.process(0), a.area(1)))))
    }),
    ("no ip ospf N:1-65535 *", |_| C::Here(I::Enable(None))),
];

const OSPF: &[Rule] = &[
    ("router-id A", |a| C::HereOspf(O::RouterId(Some(a.address(0))))),
    ("no router-id *", |_| C::HereOspf(O::RouterId(None))),
    ("network A W area AREA", |a| network(a, true)),
    ("no network A W area AREA", |a| network(a, false)),
    ("passive-interface IF", |a| {
        C::HereOspf(O::Passive {
            interface: a.text(0),
            on: true,
        })
    }),
    ("no passive-interface IF", |a| {
        C::HereOspf(O::Passive {
            interface: a.text(0),
            on: false,
        })
    }),
    ("log-adjacency-changes", |_| C::HereOspf(O::LogChanges(true))),
    ("no log-adjacency-changes", |_| C::HereOspf(O::LogChanges(false))),
];

fn network(a: &super::Args, on: bool) -> C {
    let statement = NetworkStatement {
        area: a.area(2),
        address: a.address(0),
        wildcard: a.address(1),
    };
    C::HereOspf(O::Network { statement, on })
}

pub(super) fn global(head: &str, rest: &str, on: bool) -> C {
    C::Edit(Edit::Global {
        line: format!("{head} {rest}"),
        on,
    })
}
