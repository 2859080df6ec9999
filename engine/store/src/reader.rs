//! Reading: straight from the tree, never beyond what is synced, each entry checked against the hash it was written with.

use crate::disk::Disk;
use crate::judge::{Refusal, seal_context};
use crate::keys;
use crate::record::{Intent, entry_bytes};
use crate::seal::Master;
use crate::standby::Standby;
use crate::value::{Fault, Source, read_json};
use crate::writer::InFlight;
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::journal::{
    Checkpoint, Error, Filter, Head, IdempotencyRecord, IntentRow, Lock, Seq, StoredEntry, verify_chain,
};
use serde_json::Value;
use sled::Tree;
use std::sync::Arc;

/// A cheap handle for reading.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) disk: Arc<Disk>,
    pub(crate) master: Arc<Master>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) standby: Arc<Standby>,
    /// Reads from the copy: all that one look reads is from the same tree.
    pub(crate) from_standby: bool,
}

impl Reader {
    fn tree(&self) -> &Tree {
        let copy = self.standby.disk().filter(|_| self.from_standby);
        &copy.unwrap_or(&self.disk).db
    }

    /// Whether the same can be read from elsewhere, now that the database cannot be read. It is not written any more then.
    pub(crate) fn stands_by(&mut self, error: &std::io::Error) -> bool {
        self.disk.fence(&format!("disk: {error}"));
        let had = std::mem::replace(&mut self.from_standby, self.standby.stand_in_for(&self.disk));
        self.from_standby && !had
    }

    fn record(&self, intent: IntentId) -> Result<Option<Intent>, Fault> {
        self.tree().json(&keys::intent(intent))
    }

    fn known(&self, intent: IntentId) -> Result<Intent, Refusal> {
        self.record(intent)?.ok_or(Refusal::Rule(Error::NoSuchIntent(intent)))
    }

    pub(crate) fn read(&self, intent: IntentId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, Refusal> {
        let head = self.known(intent)?.head;
        let range = keys::entry(intent, after.saturating_add(1))..=keys::entry(intent, Seq::MAX);
        let mut entries = Vec::new();
        for pair in self.tree().range(range).take(limit) {
            let (key, raw) = pair?;
            entries.push(self.entry(intent, &key, &raw)?);
        }
        self.check(intent, after, limit, &head, &entries)?;
        // Asked after the tree was read: what is not in flight by now has been synced.
        if let Some(durable) = self.in_flight.durable(intent) {
            entries.retain(|e| e.entry.seq <= durable.head.seq);
        }
        Ok(entries)
    }

    fn entry(&self, intent: IntentId, key: &[u8], raw: &[u8]) -> Result<StoredEntry, Refusal> {
        let seq = keys::seq_of(key);
        let damaged = |why: String| Error::Damaged { intent, seq, why };
        let value = match self.tree().assemble(key, raw) {
            Err(Fault::Torn(why)) => return Err(damaged(why).into()),
            other => other?,
        };
        let (bytes, hash) = entry_bytes(value).map_err(|why| damaged(why.to_owned()))?;
        let entry = serde_json::from_slice(&bytes).map_err(|e| damaged(format!("it cannot be read: {e}")))?;
        Ok(StoredEntry { entry, bytes, hash })
    }

    /// A page must chain within itself and reach as far as asked or as the head.
    fn check(
        &self,
        intent: IntentId,
        after: Seq,
        limit: usize,
        head: &Head,
        entries: &[StoredEntry],
    ) -> Result<(), Error> {
        let before = Head {
            seq: after,
            hash: entries.first().map_or_else(Digest::zero, |e| e.entry.prev_hash.clone()),
        };
        let reached = match entries.is_empty() {
            true => after,
            false => verify_chain(intent, &before, entries)?.seq,
        };
        if entries.len() < limit && reached < head.seq {
            return Err(Error::Damaged {
                intent,
                seq: reached + 1,
                why: "it is missing".to_owned(),
            });
        }
        Ok(())
    }

    pub(crate) fn head(&self, intent: IntentId) -> Result<Head, Refusal> {
        let head = self.known(intent)?.head;
        Ok(self.in_flight.durable(intent).map_or(head, |durable| durable.head))
    }

    pub(crate) fn checkpoint(&self, intent: IntentId) -> Result<Option<Checkpoint>, Refusal> {
        // Unreadable is as good as none: the entries say the same.
        match self.tree().json(&keys::checkpoint(intent)) {
            Err(Fault::Torn(why)) => {
                tracing::warn!(%intent, why, "a checkpoint is ignored");
                Ok(None)
            }
            other => Ok(other?),
        }
    }

    pub(crate) fn blob(&self, intent: IntentId, digest: &Digest) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(stored) = self.tree().value(&keys::blob(intent, digest))? else {
            return Ok(None);
        };
        match stored.split_first() {
            Some((0, bytes)) => Ok(Some(bytes.to_vec())),
            Some((1, sealed)) => self.unseal(intent, digest, sealed),
            _ => Err(Fault::torn(&keys::blob(intent, digest), "is of no known kind").into()),
        }
    }

    fn unseal(&self, intent: IntentId, digest: &Digest, sealed: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(wrapped) = self.tree().value(&keys::sealing(intent))? else {
            return Ok(None);
        };
        let key = self.master.unwrap(intent, &wrapped);
        let plain = key.and_then(|key| key.open(&seal_context(intent, digest), sealed));
        if plain.is_err() {
            tracing::warn!(%intent, %digest, "a sealed blob does not open: shredded before, or damaged");
        }
        Ok(plain.ok())
    }

    /// Newest first. What a write in flight moves is shown as it is on disk.
    pub(crate) fn list(&self, filter: &Filter) -> Result<Vec<IntentRow>, Refusal> {
        let kind = if filter.open { keys::OPEN } else { keys::INTENTS };
        let mut ending = self.ending(filter);
        let mut rows = Vec::new();
        let newest_first = self.tree().range(vec![kind]..before(kind, filter.after)).rev();
        for pair in newest_first {
            let (key, _) = pair?;
            let intent = keys::intent_of(&key).ok_or_else(|| Fault::torn(&key, "names no intent"))?;
            while let Some(row) = ending.pop_if(|row| row.intent >= intent) {
                if row.intent > intent {
                    rows.push(row);
                }
            }
            if rows.len() >= filter.at_most() {
                break;
            }
            rows.extend(self.admitted(intent, filter)?);
        }
        rows.extend(ending.into_iter().rev());
        rows.truncate(filter.at_most());
        Ok(rows)
    }

    /// Open intents whose end is being written, oldest first: in the tree they are not among the open ones any more.
    fn ending(&self, filter: &Filter) -> Vec<IntentRow> {
        if !filter.open {
            return Vec::new();
        }
        let mut rows = self.in_flight.rows();
        rows.retain(|row| filter.after.is_none_or(|after| row.intent < after) && filter.admits(row));
        rows.sort_by_key(|row| row.intent);
        rows
    }

    fn admitted(&self, intent: IntentId, filter: &Filter) -> Result<Option<IntentRow>, Refusal> {
        let Some(record) = self.record(intent)? else {
            return Ok(None);
        };
        // Asked after the record was read: what is not in flight by now has been synced.
        if let Some(durable) = self.in_flight.durable(intent) {
            return Ok(durable.row.filter(|row| filter.admits(row)));
        }
        // Targets are many; they are read only for rows that pass without them.
        let without = Filter {
            target: None,
            ..filter.clone()
        };
        if !record.row.as_ref().is_some_and(|row| without.admits(row)) {
            return Ok(None);
        }
        let row = record.full_row(self.tree(), intent)?;
        Ok(row.filter(|row| filter.admits(row)))
    }

    pub(crate) fn row(&self, intent: IntentId) -> Result<Option<IntentRow>, Refusal> {
        let row = match self.record(intent)? {
            Some(record) => record.full_row(self.tree(), intent)?,
            None => None,
        };
        Ok(self.in_flight.durable(intent).map_or(row, |durable| durable.row))
    }

    pub(crate) fn locks(&self) -> Result<Vec<Lock>, Refusal> {
        Ok(self.scan(&[keys::LOCKS])?.into_iter().map(|(_, lock)| lock).collect())
    }

    pub(crate) fn addressed(&self) -> Result<Vec<IntentId>, Refusal> {
        let mut all = Vec::new();
        for key in self.tree().scan_prefix([keys::INBOX]).keys() {
            all.extend(keys::intent_of(&key?));
        }
        all.dedup();
        Ok(all)
    }

    pub(crate) fn was_posted(&self, intent: IntentId, command: &str) -> Result<bool, Refusal> {
        self.known(intent)?;
        Ok(self.tree().contains_key(keys::known(intent, command))?)
    }

    pub(crate) fn inbox(&self, intent: IntentId) -> Result<Vec<Command>, Refusal> {
        self.known(intent)?;
        let found = self.scan::<Command>(&keys::inbox(intent))?;
        // Asked after the tree was read, as for entries: what a write in flight takes out waits until that is through.
        let durable = self.in_flight.durable(intent);
        let mut all: Vec<Command> = durable.map_or_else(Vec::new, |durable| durable.consumed);
        for (_, command) in found {
            if all.iter().all(|known| known.id != command.id) {
                all.push(command);
            }
        }
        Ok(all)
    }

    pub(crate) fn used_for(&self, scope: &str, body: &Digest) -> Result<Option<IntentId>, Refusal> {
        let known = self.tree().json::<IdempotencyRecord>(&keys::idempotency(scope))?;
        Ok(known.map(|known| known.repeated(body)).transpose()?)
    }

    pub(crate) fn fact(&self, key: &str) -> Result<Option<Value>, Refusal> {
        Ok(self.tree().json(&keys::fact(key))?)
    }

    pub(crate) fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, Refusal> {
        let named = |(key, value): (Vec<u8>, Value)| (String::from_utf8_lossy(&key[1..]).into_owned(), value);
        Ok(self.scan(&keys::fact(prefix))?.into_iter().map(named).collect())
    }

    /// All records under a prefix, in order of their keys.
    pub(crate) fn scan<T: serde::de::DeserializeOwned>(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, Fault> {
        let pairs = self.tree().scan_prefix(prefix);
        pairs
            .map(|pair| {
                let (key, raw) = pair?;
                let value = self.tree().assemble(&key, &raw)?;
                Ok((key.to_vec(), read_json(&key, &value)?))
            })
            .collect()
    }
}

/// The end of a range of intents: those before `after`, or all of the kind.
fn before(kind: u8, after: Option<IntentId>) -> Vec<u8> {
    match after {
        Some(intent) => [&[kind], &intent.0.as_bytes()[..]].concat(),
        None => vec![kind + 1],
    }
}
