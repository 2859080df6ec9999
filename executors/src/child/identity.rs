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
    pub(crate) group: u32,
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
        group: rest.get(2)?.parse().ok()?,
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

/// The living processes of a recorded life: the child itself and what it started in its own session. Empty is taken to mean
/// that nothing sent to it can land any more. That is wrong of a server that left the session (`setsid`) or runs elsewhere
/// (`ssh host server`): it is out of reach, here and everywhere, and what it was sent may land still.
///
/// A reused pid is not taken for the child: while any process of a session lives, the kernel gives its number to nobody
/// else, so a process that has the pid with another start time proves the whole old session to be gone.
///
/// The list of processes is no snapshot: one that starts another and ends meanwhile can hide both behind the reader's back.
/// So only two readings that find nobody prove anything.
pub(crate) fn survivors(record: &ChildRecord) -> io::Result<Vec<Stat>> {
    let found = living(record)?;
    if found.is_empty() { living(record) } else { Ok(found) }
}

fn living(record: &ChildRecord) -> io::Result<Vec<Stat>> {
    if boot_id()? != record.boot_id {
        return Ok(Vec::new());
    }
    let leader = stat(record.pid);
    if leader.is_some_and(|s| s.start_time != record.start_time) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let Some(s) = stat(pid).filter(|s| !s.zombie) else {
            continue;
        };
        let is_leader = s.pid == record.pid && s.start_time == record.start_time;
        let is_of_it = s.session == record.pid && s.start_time >= record.start_time;
        if is_leader || is_of_it {
            found.push(s);
        }
    }
    Ok(found)
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
            group: 41,
            session: 40,
            start_time: 98765,
        };
        assert_eq!(parse(line), Some(expected));
    }

    #[test]
    fn a_reused_pid_names_nobody() {
        let mut me = record("x", std::process::id()).unwrap();
        assert!(!survivors(&me).unwrap().is_empty());
        me.start_time -= 1;
        assert!(survivors(&me).unwrap().is_empty());
    }

    #[test]
    fn a_process_of_an_earlier_boot_is_dead() {
        let mut me = record("x", std::process::id()).unwrap();
        me.boot_id = "another".to_owned();
        assert!(survivors(&me).unwrap().is_empty());
    }

    #[test]
    fn an_incarnation_leads_back_to_its_record() {
        let me = record("x", std::process::id()).unwrap();
        assert_eq!(parse_incarnation("x", &me.incarnation()), Some(me));
    }
}
