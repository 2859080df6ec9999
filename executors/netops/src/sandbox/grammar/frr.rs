//! The rules of FRR's vtysh: no process numbers, no wildcard masks, any interface name.

use super::Rule;
use super::ios::global;
use crate::sandbox::command::{Command as C, Mode, Show};
use crate::sandbox::model::{Edit, InterfaceEdit as I, NetworkStatement, OspfEdit as O, mask_of};

/// The tables to try, in this order.
pub(super) fn tables(mode: &Mode) -> &'static [&'static [Rule]] {
    match mode {
        Mode::User | Mode::Exec => &[EXEC],
        Mode::Config => &[CONFIG],
        Mode::Interface(_) => &[INTERFACE, CONFIG],
        Mode::Ospf(_) | Mode::Area(..) => &[OSPF, CONFIG],
    }
}

const EXEC: &[Rule] = &[
    ("enable", |_| C::Nothing),
    ("exit", |_| C::Exit),
    ("quit", |_| C::Exit),
    ("end", |_| C::Nothing),
    ("terminal length N:0-512", |_| C::Nothing),
    ("no terminal length", |_| C::Nothing),
    ("terminal paginate", |_| C::PageLength(24)),
    ("no terminal paginate", |_| C::PageLength(0)),
    ("terminal monitor", |_| C::Monitor(true)),
    ("no terminal monitor", |_| C::Monitor(false)),
    ("configure", |_| C::Configure),
    ("configure terminal", |_| C::Configure),
    ("show running-config", |_| C::Show(Show::Running)),
    // vtysh of FRR 8.4 knows it and prints nothing, whatever was saved.
    ("show startup-config", |_| C::Nothing),
    ("show ip ospf neighbor", |_| C::Show(Show::Neighbors)),
    ("show ip ospf neighbor json", |_| C::Show(Show::NeighborsJson)),
    ("show ip ospf interface", |_| C::Show(Show::OspfInterfaces)),
    ("show ip route", |_| C::Show(Show::Routes)),
    ("show interface brief", |_| C::Show(Show::InterfaceAddresses)),
    ("show interface", |_| C::Show(Show::Interfaces)),
    ("show thread cpu", |_| C::Show(Show::Cpu)),
    ("show memory", |_| C::Show(Show::Memory)),
    ("show daemons", |_| C::Show(Show::Daemons)),
    ("show version", |_| C::Show(Show::Version)),
    ("write", |_| C::Save { ask: false }),
    ("write memory", |_| C::Save { ask: false }),
    ("write file", |_| C::Save { ask: false }),
    ("write integrated", |_| C::Save { ask: false }),
    ("write terminal", |_| C::Show(Show::Running)),
    ("copy running-config startup-config", |_| C::Save { ask: false }),
    ("ping A", |a| C::Ping {
        destination: a.address(0),
        source: None,
        count: 5,
    }),
];

const CONFIG: &[Rule] = &[
    ("exit", |_| C::Exit),
    ("quit", |_| C::Exit),
    ("end", |_| C::End),
    ("do TEXT", |a| C::Do(a.text(0))),
    ("hostname WORD", |a| C::Edit(Edit::Hostname(a.text(0)))),
    ("interface IF", |a| C::EnterInterface(a.text(0))),
    ("no interface IF", |a| C::Edit(Edit::RemoveInterface(a.text(0)))),
    ("router ospf", |_| C::EnterOspf {
        process: 0,
        router_id: None,
    }),
    ("no router ospf", |_| C::Edit(Edit::RemoveOspf(0))),
    ("router ospf N:1-65535", |_| {
        C::Refuse("% OSPF is not running in instance mode")
    }),
    ("no router ospf N:1-65535", |_| {
        C::Refuse("% OSPF is not running in instance mode")
    }),
    ("log TEXT", |a| global("log", &a.text(0), true)),
    ("no log TEXT", |a| global("log", &a.text(0), false)),
];

const INTERFACE: &[Rule] = &[
    ("description TEXT", |a| C::Here(I::Description(Some(a.text(0))))),
    ("no description *", |_| C::Here(I::Description(None))),
    ("ip address P", |a| {
        C::Here(I::Address(Some((a.address(0), a.length(1)))))
    }),
    ("no ip address P", |_| C::Here(I::Address(None))),
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
    ("ip ospf area AREA", |a| C::Here(I::Enable(Some((0, a.area(0)))))),
    ("no ip ospf area *", |_| C::Here(I::Enable(None))),
];

const OSPF: &[Rule] = &[
    ("ospf router-id A", |a| C::HereOspf(O::RouterId(Some(a.address(0))))),
    ("no ospf router-id *", |_| C::HereOspf(O::RouterId(None))),
    ("network P area AREA", |a| network(a, true)),
    ("no network P area AREA", |a| network(a, false)),
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

/// FRR stores the prefix, so the host bits are gone.
fn network(a: &super::Args, on: bool) -> C {
    let mask = mask_of(a.length(1)).to_bits();
    let statement = NetworkStatement {
        area: a.area(2),
        address: std::net::Ipv4Addr::from_bits(a.address(0).to_bits() & mask),
        wildcard: std::net::Ipv4Addr::from_bits(!mask),
    };
    C::HereOspf(O::Network { statement, on })
}
