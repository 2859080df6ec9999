//! Who is left of a life: the child, and all that it started, wherever that has gone to.

use super::identity::{self, MARK, Stat};
use flyball_engine::journal::ChildRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

/// The living processes of a recorded life. Empty is taken to mean that nothing sent to it can land any more, so a process
/// belongs to it by any of three signs: it is in the child's session, it carries the life's mark in its environment (as one
/// that left by `setsid` does, and one whose parents are dead), or its parent belongs. What shows none of them is out of
/// reach: a process that left the session *and* wiped its environment *and* outlived its parent, and one that somebody else
/// started (`ssh host server`, `docker exec`), for which [`crate::settings::Transport::Stdio::remote`] is there.
///
/// The list of processes is no snapshot: one that starts another and ends meanwhile can hide both behind the reader's back.
/// So only two readings that find nobody prove anything.
pub(crate) fn survivors(record: &ChildRecord) -> io::Result<Vec<Stat>> {
    Life::of(record).survivors()
}

/// A life that is seen to its end: who once belonged to it belongs to it until death, whatever signs the death of others
/// takes away.
pub(crate) struct Life<'a> {
    record: &'a ChildRecord,
    seen: Vec<Stat>,
}

impl<'a> Life<'a> {
    pub(crate) fn of(record: &'a ChildRecord) -> Self {
        Self {
            record,
            seen: Vec::new(),
        }
    }

    /// As [`survivors`].
    pub(crate) fn survivors(&mut self) -> io::Result<Vec<Stat>> {
        for _ in 0..2 {
            self.seen = living(self.record, &self.seen)?;
            if !self.seen.is_empty() {
                break;
            }
        }
        Ok(self.seen.clone())
    }
}

fn living(record: &ChildRecord, seen: &[Stat]) -> io::Result<Vec<Stat>> {
    if identity::boot_id()? != record.boot_id {
        return Ok(Vec::new());
    }
    let was_seen = |s: &Stat| seen.iter().any(|k| (k.pid, k.start_time) == (s.pid, s.start_time));
    let all = younger_than(record)?;
    let mark = format!("{MARK}={}", record.incarnation().0);
    let mut found: BTreeSet<u32> = all
        .values()
        .filter(|s| was_seen(s) || is_in_session(s, record) || carries(s.pid, &mark))
        .map(|s| s.pid)
        .collect();
    while let Some(child) = all
        .values()
        .find(|s| !found.contains(&s.pid) && found.contains(&s.parent))
    {
        found.insert(child.pid);
    }
    Ok(found.iter().filter_map(|pid| all.get(pid)).copied().collect())
}

// Whoever is older than the child was not started by it.
fn younger_than(record: &ChildRecord) -> io::Result<BTreeMap<u32, Stat>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let s = identity::stat(pid).filter(|s| !s.zombie && s.start_time >= record.start_time);
        all.extend(s.map(|s| (pid, s)));
    }
    Ok(all)
}

// A reused pid is not taken for the child: while any process of a session lives, the kernel gives its number to nobody else,
// so a process that has the pid with another start time leads a session of its own.
fn is_in_session(s: &Stat, record: &ChildRecord) -> bool {
    let is_leader = s.pid == record.pid && s.start_time == record.start_time;
    let reused = || identity::stat(record.pid).is_some_and(|s| s.start_time != record.start_time);
    is_leader || (s.session == record.pid && !reused())
}

// Another user's environment cannot be read: then the other signs have to do.
fn carries(pid: u32, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|line| line == mark.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_pid_names_nobody() {
        let mut me = identity::record("x", std::process::id()).unwrap();
        assert!(!survivors(&me).unwrap().is_empty());
        me.start_time -= 1;
        assert!(survivors(&me).unwrap().is_empty());
    }

    #[test]
    fn a_process_of_an_earlier_boot_is_dead() {
        let mut me = identity::record("x", std::process::id()).unwrap();
        me.boot_id = "another".to_owned();
        assert!(survivors(&me).unwrap().is_empty());
    }
}
