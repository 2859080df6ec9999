//! At boot: no child of an earlier engine may still be at work when the first probe is taken.

use super::identity::Stat;
use super::signal_life;
use super::survivors::Life;
use flyball_engine::journal::{ChildRecord, Error as JournalError, Journal};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Prefix of the facts that hold child records.
pub(crate) const PREFIX: &str = "child/";

/// Why the former children are not proven dead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the child records cannot be read or removed: {0}")]
    Journal(#[from] JournalError),
    #[error("processes cannot be looked up: {0}")]
    Lookup(#[from] std::io::Error),
    #[error("server {alias}: process {pid} of an earlier engine does not die, not even by KILL")]
    Immortal { alias: String, pid: u32 },
    #[error(
        "this engine was started by server {alias} of the engine before it, which must end first: start it from elsewhere"
    )]
    Inside { alias: String },
    #[error("fact {0} is no child record")]
    Unreadable(String),
}

/// Makes sure that every child that an earlier engine recorded is dead with all it started, so that nothing it was sent
/// can land any more: TERM (a second one: the engine's death sent the first), and KILL after `drain`. Run it at boot,
/// before any probe. Returns the records that were found.
pub async fn fence_previous(journal: &dyn Journal, drain: Duration) -> Result<Vec<ChildRecord>, Error> {
    let mut records = Vec::new();
    for (key, value) in journal.facts(PREFIX).await? {
        let record: ChildRecord = serde_json::from_value(value).map_err(|_| Error::Unreadable(key.clone()))?;
        records.push((key, record));
    }
    // All at once: the drain time is paid once, not per server.
    let ends = records.iter().map(|(_, record)| put_down(record, drain));
    futures::future::try_join_all(ends).await?;
    for (key, _) in &records {
        journal.remove_fact(key).await?;
    }
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

async fn put_down(record: &ChildRecord, drain: Duration) -> Result<(), Error> {
    let (alias, pid) = (&record.alias, record.pid);
    let mut life = Life::of(record);
    let survivors = life.survivors()?;
    if survivors.is_empty() {
        return Ok(());
    }
    if survivors.iter().any(|s| s.pid == std::process::id()) {
        return Err(Error::Inside { alias: alias.clone() });
    }
    tracing::warn!(
        alias,
        pid,
        "a server's process outlived its engine: waiting for its end"
    );
    for (what, wait) in [(Signal::TERM, drain), (Signal::KILL, Duration::from_secs(5))] {
        for survivor in life.survivors()? {
            super::signal(survivor.pid, what);
            super::signal(survivor.pid, Signal::CONT);
        }
        signal_if_alive(&mut life, record, what)?;
        if dead_within(&mut life, wait).await? {
            return Ok(());
        }
    }
    Err(Error::Immortal {
        alias: alias.clone(),
        pid,
    })
}

// The group too: a process may have been started between the look-up and the signal. Only while one of the session lives,
// though: without any the number may be somebody else's by now.
fn signal_if_alive(life: &mut Life<'_>, record: &ChildRecord, what: Signal) -> Result<(), Error> {
    let in_session = |s: &Stat| s.session == record.pid;
    if life.survivors()?.iter().any(in_session) {
        signal_life(record, what);
        signal_life(record, Signal::CONT);
    }
    Ok(())
}

// Polling, for these are not our children: nobody tells us of their end.
async fn dead_within(life: &mut Life<'_>, wait: Duration) -> Result<bool, Error> {
    let deadline = Instant::now() + wait;
    loop {
        if life.survivors()?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
