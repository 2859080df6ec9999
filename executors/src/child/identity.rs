//! Which process is meant: a pid alone is reused, so a pid, its start time and the boot together name one.

use flyball_engine::journal::ChildRecord;
use flyball_engine::tool::Incarnation;
use std::fs;
use std::io;

/// What `/proc/PID/stat` says, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) zombie: bool,
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) start_time: u64,
}

/// The running system's boot id.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A process as it is now; none if there is none with that pid.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

// The name (field 2) may hold spaces and brackets, so everything is counted from its last closing bracket.
fn parse(line: &str) -> Option<Stat> {
    let pid = line.split(' ').next()?.parse().ok()?;
    let rest: Vec<&str> = line[line.rfind(')')? + 1..].split_whitespace().collect();
    Some(Stat {
        pid,
        zombie: matches!(*rest.first()?, "Z" | "X" | "x"),
        parent: rest.get(1)?.parse().ok()?,
        session: rest.get(3)?.parse().ok()?,
        start_time: rest.get(19)?.parse().ok()?,
    })
}

/// The name of a life, for a process that was just started.
pub(crate) fn record(alias: &str, pid: u32) -> io::Result<ChildRecord> {
    let stat = stat(pid).ok_or_else(|| io::Error::other(format!("process {pid} is gone")))?;
    Ok(ChildRecord {
        alias: alias.to_owned(),
        pid,
        start_time: stat.start_time,
        boot_id: boot_id()?,
    })
}

/// The record that an incarnation of a child names.
pub(crate) fn parse_incarnation(alias: &str, incarnation: &Incarnation) -> Option<ChildRecord> {
    let mut parts = incarnation.0.splitn(3, ':');
    Some(ChildRecord {
        alias: alias.to_owned(),
        pid: parts.next()?.parse().ok()?,
        start_time: parts.next()?.parse().ok()?,
        boot_id: parts.next()?.to_owned(),
    })
}

/// Whether a recorded process is younger than this program, so that it may be one of its own.
pub(crate) fn is_younger(record: &ChildRecord) -> bool {
    let same_boot = boot_id().is_ok_and(|boot| boot == record.boot_id);
    same_boot && stat(std::process::id()).is_none_or(|us| record.start_time >= us.start_time)
}

/// The variable that names the life a process belongs to. The guard sets it, and what a server starts inherits it.
pub(crate) const MARK: &str = "FLYBALL_LIFE";

/// The name of the life that the calling process is about to become.
pub(crate) fn own_mark() -> io::Result<String> {
    Ok(record("", std::process::id())?.incarnation().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let line = "42 (evil) Z 1) S 7 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        let expected = Stat {
            pid: 42,
            zombie: false,
            parent: 7,
            session: 40,
            start_time: 98765,
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn an_incarnation_leads_back_to_its_record() {
        let me = record("x", std::process::id()).unwrap();
        assert_eq!(parse_incarnation("x", &me.incarnation()), Some(me));
    }
}
