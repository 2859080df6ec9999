//! What is believed at open and what is not: sled opens without complaint over a cut log or a flipped byte, so heads are
//! compared with the entries they name and with the file outside, and the entries of open intents are chained anew.

use crate::OpenError;
use crate::disk::Disk;
use crate::heads::Acknowledged;
use crate::keys;
use crate::record::{Intent, Link, entry_bytes};
use crate::value::{Fault, Source, read_json};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::Head;
use sled::Tree;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is wrong with a stream.
#[derive(Debug)]
pub(crate) enum Trouble {
    Damaged { seq: u64, why: String },
    Fault(Fault),
}

impl<F: Into<Fault>> From<F> for Trouble {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

fn damaged(seq: u64, why: impl Into<String>) -> Trouble {
    Trouble::Damaged { seq, why: why.into() }
}

/// Checks the heads of all intents and the entries of the open ones, and tells each head, with whether its intent is open.
/// Returns the intents whose entries are still to be checked.
pub(crate) fn at_open(
    dir: &Path,
    disk: &Disk,
    mut tell: impl FnMut(IntentId, Head, bool),
) -> Result<Vec<IntentId>, OpenError> {
    let tree: &Tree = &disk.db;
    let mut later = Vec::new();
    for pair in tree.scan_prefix([keys::INTENTS]) {
        let (key, raw) = pair.map_err(|e| OpenError::fault(dir, e.into()))?;
        let Some(intent) = keys::intent_of(&key) else { continue };
        let named = |trouble| OpenError::trouble(dir, intent, trouble);
        let record = tree.assemble(&key, &raw).and_then(|v| read_json::<Intent>(&key, &v));
        let record = record.map_err(|e| named(e.into()))?;
        let open = record.is_open();
        if open {
            chain(tree, intent, &record.head).map_err(named)?;
        } else {
            head(tree, intent, &record.head).map_err(named)?;
            later.push(intent);
        }
        tell(intent, record.head, open);
    }
    Ok(later)
}

/// How many writes the database has seen. A store of before they were counted has seen none.
pub(crate) fn writes(disk: &Disk) -> Result<u64, Fault> {
    let raw = disk.db.value(keys::WRITES)?;
    let number = raw.map(|raw| raw.as_slice().try_into().map(u64::from_be_bytes));
    let number = number.transpose();
    number
        .map(Option::unwrap_or_default)
        .map_err(|_| Fault::torn(keys::WRITES, "it is no number"))
}

/// Compares with what stands outside: what was there and is not any more was lost or changed. With `accept_lost_tail` what
/// is lost is told and done without. Whether anything was.
pub(crate) fn against_file(
    dir: &Path,
    outside: &Acknowledged,
    disk: &Disk,
    accept_lost_tail: bool,
) -> Result<bool, OpenError> {
    let tree: &Tree = &disk.db;
    let mut any = false;
    let mut lost = |lost: OpenError| {
        if !accept_lost_tail {
            return Err(lost);
        }
        any = true;
        tracing::error!("{lost}; opened all the same, as told");
        Ok(())
    };
    for (&intent, recorded) in &outside.heads {
        let named = |fault: Fault| OpenError::trouble(dir, intent, fault.into());
        let record = tree.json::<Intent>(&keys::intent(intent)).map_err(named)?;
        let found = record.map_or(0, |r| r.head.seq);
        if found < recorded.seq {
            lost(OpenError::LostTail {
                intent,
                found,
                recorded: recorded.seq,
            })?;
            continue;
        }
        let (_, hash) = entry(tree, intent, recorded.seq).map_err(|t| OpenError::trouble(dir, intent, t))?;
        if hash != recorded.hash {
            let other = damaged(recorded.seq, "it is not the entry that the head file names");
            return Err(OpenError::trouble(dir, intent, other));
        }
    }
    let (found, recorded) = (writes(disk).map_err(|e| OpenError::fault(dir, e))?, outside.writes);
    if found < recorded {
        lost(OpenError::LostWrites { found, recorded })?;
    }
    Ok(any)
}

/// Checks the rest while the store is already in use, until told to stop. Damage is logged and fences nothing: reading
/// the entry fails, and no open intent depends on it.
pub(crate) fn in_background(disk: &Disk, intents: &[IntentId], stop: &Arc<AtomicBool>) {
    let tree: &Tree = &disk.db;
    for intent in intents {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let record = tree.json::<Intent>(&keys::intent(*intent));
        let checked = match record {
            Ok(Some(record)) => chain(tree, *intent, &record.head),
            Ok(None) => Ok(()),
            Err(fault) => Err(Trouble::Fault(fault)),
        };
        match checked {
            Ok(()) => {}
            Err(Trouble::Damaged { seq, why }) => {
                tracing::error!(%intent, seq, why, "an ended intent's entry is damaged")
            }
            Err(Trouble::Fault(fault)) => tracing::error!(%intent, "an ended intent cannot be checked: {fault}"),
        }
    }
    tracing::debug!(intents = intents.len(), "ended intents are checked");
}

/// The entry that the head names is there, is what the head says, and is the last.
fn head(tree: &Tree, intent: IntentId, head: &Head) -> Result<(), Trouble> {
    if head.seq > 0 && entry(tree, intent, head.seq)?.1 != head.hash {
        return Err(damaged(head.seq, "it is not the entry that the head names"));
    }
    beyond(tree, intent, head.seq)
}

fn beyond(tree: &Tree, intent: IntentId, seq: u64) -> Result<(), Trouble> {
    let range = keys::entry(intent, seq + 1)..=keys::entry(intent, u64::MAX);
    match tree.range(range).next().transpose()? {
        Some((key, _)) => Err(damaged(keys::seq_of(&key), "it stands beyond the head")),
        None => Ok(()),
    }
}

/// Every entry continues the one before it, up to the head.
fn chain(tree: &Tree, intent: IntentId, head: &Head) -> Result<(), Trouble> {
    let mut reached = Head::empty();
    for pair in tree.range(keys::entry(intent, 1)..=keys::entry(intent, u64::MAX)) {
        let (key, raw) = pair?;
        let seq = reached.seq + 1;
        if seq > head.seq {
            return Err(damaged(keys::seq_of(&key), "it stands beyond the head"));
        }
        if keys::seq_of(&key) != seq {
            return Err(damaged(seq, "it is missing"));
        }
        let (link, hash) = link(tree, &key, &raw)?;
        if link.seq != seq || link.prev_hash != reached.hash {
            return Err(damaged(seq, "it does not continue the entry before it"));
        }
        reached = Head { seq, hash };
    }
    if reached.seq < head.seq {
        return Err(damaged(reached.seq + 1, "it is missing"));
    }
    if reached.hash != head.hash {
        return Err(damaged(head.seq, "it is not the entry that the head names"));
    }
    Ok(())
}

fn entry(tree: &Tree, intent: IntentId, seq: u64) -> Result<(Link, Digest), Trouble> {
    let key = keys::entry(intent, seq);
    let raw = tree.raw(&key)?.ok_or_else(|| damaged(seq, "it is missing"))?;
    link(tree, &key, &raw)
}

/// What links a stored entry into its chain, and its hash.
fn link(tree: &Tree, key: &[u8], raw: &[u8]) -> Result<(Link, Digest), Trouble> {
    let seq = keys::seq_of(key);
    let value = match tree.assemble(key, raw) {
        Err(Fault::Torn(why)) => return Err(damaged(seq, why)),
        other => other?,
    };
    let (bytes, hash) = entry_bytes(value).map_err(|why| damaged(seq, why))?;
    let link = serde_json::from_slice(&bytes).map_err(|e| damaged(seq, format!("it cannot be read: {e}")))?;
    Ok((link, hash))
}
