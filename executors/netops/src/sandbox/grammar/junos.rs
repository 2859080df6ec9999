//! The Junos-like rules: an operational mode, and one for editing the candidate.

use super::Rule;
use crate::sandbox::command::{Candidate, Command as C, Mode, Show};

/// The tables to try, in this order.
pub(super) fn tables(mode: &Mode) -> &'static [&'static [Rule]] {
    if mode.is_config() { &[EDIT] } else { &[OPERATE] }
}

const OPERATE: &[Rule] = &[
    ("configure", |_| edit(false)),
    ("configure exclusive", |_| edit(true)),
    ("exit", |_| C::Exit),
    ("quit", |_| C::Exit),
    ("set cli screen-length N:0-10000", |a| C::PageLength(a.number(0))),
    ("set cli screen-width N:0-1024", |_| C::Nothing),
    ("monitor start messages", |_| C::Monitor(true)),
    ("monitor stop", |_| C::Monitor(false)),
    ("show configuration", |_| C::Show(Show::Running)),
    ("show configuration | display set", |_| C::Show(Show::Running)),
    ("show system commit", |_| C::Show(Show::Commits)),
    ("show system uptime", |_| C::Show(Show::Clock)),
    ("show ospf neighbor", |_| C::Show(Show::Neighbors)),
    ("show ospf interface", |_| C::Show(Show::OspfInterfaces)),
    ("show interfaces terse", |_| C::Show(Show::InterfaceAddresses)),
    ("show interfaces", |_| C::Show(Show::Interfaces)),
    ("show route", |_| C::Show(Show::Routes)),
    ("show chassis routing-engine", |_| C::Show(Show::Cpu)),
    ("show version", |_| C::Show(Show::Version)),
    ("request system reboot", |_| C::Reload),
    ("ping A", |a| ping(a, None, 5)),
    ("ping A count N:1-1000", |a| ping(a, None, a.number(1))),
    ("ping A source A", |a| ping(a, Some(a.address(1)), 5)),
    ("ping A source A count N:1-1000", |a| {
        ping(a, Some(a.address(1)), a.number(2))
    }),
];

const EDIT: &[Rule] = &[
    ("set TEXT", |a| C::Candidate(Candidate::Set(a.text(0)))),
    ("delete TEXT", |a| C::Candidate(Candidate::Delete(a.text(0)))),
    ("show", |_| C::Candidate(Candidate::Show)),
    ("show | display set", |_| C::Candidate(Candidate::Show)),
    ("show | compare", |_| C::Candidate(Candidate::Compare)),
    ("commit", |_| commit(None, None)),
    ("commit check", |_| C::Candidate(Candidate::Check)),
    ("commit comment TEXT", |a| commit(None, Some(a.text(0)))),
    ("commit confirmed", |_| commit(Some(10), None)),
    ("commit confirmed N:1-65535", |a| commit(Some(a.number(0)), None)),
    ("commit confirmed N:1-65535 comment TEXT", |a| {
        commit(Some(a.number(0)), Some(a.text(1)))
    }),
    ("rollback", |_| C::Candidate(Candidate::Rollback(0))),
    ("rollback N:0-49", |a| {
        C::Candidate(Candidate::Rollback(usize::try_from(a.number(0)).unwrap_or(usize::MAX)))
    }),
    ("top", |_| C::Nothing),
    ("run TEXT", |a| C::Do(a.text(0))),
    ("exit", |_| C::Exit),
    ("exit configuration-mode", |_| C::Exit),
    ("quit", |_| C::Exit),
];

fn edit(exclusive: bool) -> C {
    C::Candidate(Candidate::Edit { exclusive })
}

fn commit(minutes: Option<u32>, comment: Option<String>) -> C {
    let comment = comment.map(|text| text.trim_matches('"').to_owned());
    C::Candidate(Candidate::Commit { minutes, comment })
}

fn ping(a: &super::Args, source: Option<std::net::Ipv4Addr>, count: u32) -> C {
    C::Ping {
        destination: a.address(0),
        source,
        count,
    }
}
