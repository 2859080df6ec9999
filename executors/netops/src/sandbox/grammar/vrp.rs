//! The VRP-like rules.

use super::Rule;
use super::ios::global;
use crate::sandbox::command::{Command as C, Mode, Show};
use crate::sandbox::model::{Edit, InterfaceEdit as I, OspfEdit as O};

/// The tables to try, in this order. Display and ping work in every view.
pub(super) fn tables(mode: &Mode) -> &'static [&'static [Rule]] {
    match mode {
        Mode::User | Mode::Exec => &[USER, DISPLAY],
        Mode::Config => &[SYSTEM, DISPLAY],
        Mode::Interface(_) => &[INTERFACE, SYSTEM, DISPLAY],
        Mode::Ospf(_) => &[OSPF, SYSTEM, DISPLAY],
        Mode::Area(..) => &[AREA, OSPF, SYSTEM, DISPLAY],
    }
}

const USER: &[Rule] = &[
    ("system-view", |_| C::Configure),
    ("quit", |_| C::Exit),
    ("return", |_| C::Nothing),
    ("screen-length N:0-512 temporary", |a| C::PageLength(a.number(0))),
    ("terminal monitor", |_| C::Monitor(true)),
    ("undo terminal monitor", |_| C::Monitor(false)),
    ("save", |_| C::Save { ask: true }),
    ("save force", |_| C::Save { ask: false }),
    ("reboot", |_| C::Reload),
];

const DISPLAY: &[Rule] = &[
    ("display current-configuration", |_| C::Show(Show::Running)),
    ("display saved-configuration", |_| C::Show(Show::Startup)),
    ("display ospf peer brief", |_| C::Show(Show::Neighbors)),
    ("display ospf interface", |_| C::Show(Show::OspfInterfaces)),
    ("display ip interface brief", |_| C::Show(Show::InterfaceAddresses)),
    ("display ip routing-table", |_| C::Show(Show::Routes)),
    ("display interface brief", |_| C::Show(Show::Interfaces)),
    ("display cpu-usage", |_| C::Show(Show::Cpu)),
    ("display memory-usage", |_| C::Show(Show::Memory)),
    ("display version", |_| C::Show(Show::Version)),
    ("ping A", |a| ping(a, None, 5)),
    ("ping -c N:1-1000 A", |a| C::Ping {
        destination: a.address(1),
        source: None,
        count: a.number(0),
    }),
    ("ping -a A A", |a| C::Ping {
        destination: a.address(1),
        source: Some(a.address(0)),
        count: 5,
    }),
    ("ping -c N:1-1000 -a A A", |a| C::Ping {
        destination: a.address(2),
        source: Some(a.address(1)),
        count: a.number(0),
    }),
    ("ping -a A -c N:1-1000 A", |a| C::Ping {
        destination: a.address(2),
        source: Some(a.address(0)),
        count: a.number(1),
    }),
];

const SYSTEM: &[Rule] = &[
    ("quit", |_| C::Exit),
    ("return", |_| C::End),
    ("sysname WORD", |a| C::Edit(Edit::Hostname(a.text(0)))),
    ("interface IF", |a| C::EnterInterface(a.text(0))),
    ("undo interface IF", |a| C::Edit(Edit::RemoveInterface(a.text(0)))),
    ("ospf N:1-65535", |a| C::EnterOspf {
        process: a.process(0),
        router_id: None,
    }),
    ("ospf N:1-65535 router-id A", |a| C::EnterOspf {
        process: a.process(0),
        router_id: Some(a.address(1)),
    }),
    ("undo ospf N:1-65535", |a| C::Edit(Edit::RemoveOspf(a.process(0)))),
    ("ntp-service TEXT", |a| global("ntp-service", &a.text(0), true)),
    ("undo ntp-service TEXT", |a| global("ntp-service", &a.text(0), false)),
    ("info-center loghost TEXT", |a| {
        global("info-center loghost", &a.text(0), true)
    }),
    ("undo info-center loghost TEXT", |a| {
        global("info-center loghost", &a.text(0), false)
    }),
    ("snmp-agent TEXT", |a| global("snmp-agent", &a.text(0), true)),
    ("undo snmp-agent TEXT", |a| global("snmp-agent", &a.text(0), false)),
];

const INTERFACE: &[Rule] = &[
    ("description TEXT", |a| C::Here(I::Description(Some(a.text(0))))),
    ("undo description *", |_| C::Here(I::Description(None))),
    ("ip address A M", |a| {
        C::Here(I::Address(Some((a.address(0), a.length(1)))))
    }),
    ("undo ip address *", |_| C::Here(I::Address(None))),
    ("mtu N:46-9600", |a| C::Here(I::Mtu(Some(a.number(0))))),
    ("undo mtu *", |_| C::Here(I::Mtu(None))),
    ("shutdown", |_| C::Here(I::Shutdown(true))),
    ("undo shutdown", |_| C::Here(I::Shutdown(false))),
    ("ospf cost N:1-65535", |a| C::Here(I::Cost(Some(a.number(0))))),
    ("undo ospf cost *", |_| C::Here(I::Cost(None))),
    ("ospf timer hello N:1-65535", |a| C::Here(I::Hello(Some(a.number(0))))),
    ("undo ospf timer hello *", |_| C::Here(I::Hello(None))),
    ("ospf timer dead N:1-65535", |a| C::Here(I::Dead(Some(a.number(0))))),
    ("undo ospf timer dead *", |_| C::Here(I::Dead(None))),
    ("ospf network-type p2p", |_| C::Here(I::PointToPoint(true))),
    ("undo ospf network-type *", |_| C::Here(I::PointToPoint(false))),
    ("ospf enable N:1-65535 area AREA", |a| {
        C::Here(I::Enable(Some((a.process(0), a.area(1)))))
    }),
    ("undo ospf enable *", |_| C::Here(I::Enable(None))),
];

const OSPF: &[Rule] = &[
    ("area AREA", |a| C::EnterArea(a.area(0))),
    ("undo area AREA", |a| {
        C::HereOspf(O::Area {
            area: a.area(0),
            on: false,
        })
    }),
    ("silent-interface IF", |a| {
        C::HereOspf(O::Passive {
            interface: a.text(0),
            on: true,
        })
    }),
    ("undo silent-interface IF", |a| {
        C::HereOspf(O::Passive {
            interface: a.text(0),
            on: false,
        })
    }),
];

const AREA: &[Rule] = &[
    ("network A W", |a| C::AreaNetwork {
        address: a.address(0),
        wildcard: a.address(1),
        on: true,
    }),
    ("undo network A W", |a| C::AreaNetwork {
        address: a.address(0),
        wildcard: a.address(1),
        on: false,
    }),
];

fn ping(a: &super::Args, source: Option<std::net::Ipv4Addr>, count: u32) -> C {
    C::Ping {
        destination: a.address(0),
        source,
        count,
    }
}
