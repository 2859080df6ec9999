//! A journal that lives as long as the process: for tests and for trying things out.
//!
//! It keeps every promise of [`Journal`] except the one about power: a restarted engine is played by giving the same
//! `Arc` to a second engine. [`InMemoryJournal::refuse_writes`] plays a full or broken disk, and
//! [`InMemoryJournal::acknowledge_only`] a death between a write and its acknowledgement.

use super::rules::{self, LockTable};
use super::watchers::Watchers;
use super::{
    Checkpoint, Commit, Created, Epoch, Error, Filter, Head, IdempotencyRecord, IntentRow, Journal, Lock, NewIntent,
    Seq, StoredEntry,
};
use crate::canonical::Digest;
use crate::ids::IntentId;
use crate::intent::command::Command;
use crate::payload::Blob;
use async_trait::async_trait;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The journal in memory. Share it as an `Arc`.
#[derive(Debug, Default)]
pub struct InMemoryJournal {
    state: Mutex<State>,
    watchers: Watchers,
    /// Whether somebody waits for an acknowledgement that never comes.
    unheard: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    streams: BTreeMap<IntentId, Stream>,
    locks: LockTable,
    idempotency: HashMap<String, IdempotencyRecord>,
    joins: HashMap<Digest, IntentId>,
    facts: BTreeMap<String, Value>,
    refuses: Option<String>,
    /// The number of the first write that is refused.
    refuses_from: Option<u64>,
    /// The number of the write that is done without a word. None is done after it.
    silent_at: Option<u64>,
    /// How long a write takes.
    takes: Duration,
    writes: u64,
}

#[derive(Debug, Default)]
struct Stream {
    epoch: Epoch,
    entries: Vec<StoredEntry>,
    blobs: HashMap<Digest, Blob>,
    row: Option<IntentRow>,
    checkpoint: Option<Checkpoint>,
    inbox: Vec<Command>,
    /// Every command that ever arrived, consumed or not.
    known: HashSet<String>,
    join_key: Option<Digest>,
}

impl Stream {
    fn head(&self) -> Head {
        self.entries.last().map_or_else(Head::empty, |last| Head {
            seq: last.entry.seq,
            hash: last.hash.clone(),
        })
    }
}

impl State {
    fn stream(&self, intent: IntentId) -> Result<&Stream, Error> {
        self.streams.get(&intent).ok_or(Error::NoSuchIntent(intent))
    }

    fn writable(&self) -> Result<(), Error> {
        let over = self.refuses_from.is_some_and(|from| self.writes >= from);
        let why = self
            .refuses
            .clone()
            .or(over.then(|| "the last write is done".to_owned()));
        why.map_or(Ok(()), |why| Err(Error::Unwritable(why)))
    }

    fn is_silent(&self) -> bool {
        self.silent_at.is_some_and(|at| self.writes >= at)
    }

    fn create(&mut self, new: NewIntent) -> Result<Created, Error> {
        self.writable()?;
        if let Some(repeated) = self.repeated(new.idempotency.as_ref())? {
            return Ok(Created::Repeated(repeated));
        }
        if let Some(joined) = new.join_key.as_ref().and_then(|key| self.joins.get(key)).copied() {
            self.remember(new.idempotency, joined);
            return Ok(Created::Joined(joined));
        }
        let found = self.streams.get(&new.intent).map_or(0, |s| s.head().seq);
        if self.streams.contains_key(&new.intent) {
            return Err(Error::Stale { expected: 0, found });
        }
        rules::admit(new.intent, 0, &Head::empty(), 0, 0, &new.commit)?;
        self.locks.check(new.intent, &new.commit.locks)?;
        self.remember(new.idempotency, new.intent);
        if let Some(key) = &new.join_key {
            self.joins.insert(key.clone(), new.intent);
        }
        let stream = Stream {
            join_key: new.join_key,
            ..Stream::default()
        };
        self.streams.insert(new.intent, stream);
        self.write(new.intent, new.commit);
        Ok(Created::New)
    }

    fn repeated(&self, wanted: Option<&IdempotencyRecord>) -> Result<Option<IntentId>, Error> {
        wanted.map_or(Ok(None), |wanted| self.used_for(&wanted.scope, &wanted.body))
    }

    fn used_for(&self, scope: &str, body: &Digest) -> Result<Option<IntentId>, Error> {
        let known = self.idempotency.get(scope);
        known.map(|known| known.repeated(body)).transpose()
    }

    /// A key that joined answers with the joined intent when it is repeated.
    fn remember(&mut self, record: Option<IdempotencyRecord>, intent: IntentId) {
        if let Some(record) = record {
            self.writes += 1;
            self.idempotency
                .insert(record.scope.clone(), IdempotencyRecord { intent, ..record });
        }
    }

    fn commit(&mut self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Error> {
        self.writable()?;
        let stream = self.stream(intent)?;
        rules::admit(intent, stream.epoch, &stream.head(), epoch, expected, &commit)?;
        self.locks.check(intent, &commit.locks)?;
        self.write(intent, commit);
        Ok(())
    }

    /// Writes what was judged already.
    fn write(&mut self, intent: IntentId, commit: Commit) {
        self.locks.apply(intent, &commit.locks, rules::commit_time(&commit));
        let Some(stream) = self.streams.get_mut(&intent) else {
            return;
        };
        stream.entries.extend(commit.entries);
        let blobs = commit.blobs.into_iter().map(|b| (b.digest.clone(), b));
        stream.blobs.extend(blobs);
        stream.inbox.retain(|c| !commit.consumed.contains(&c.id));
        stream.row = commit.row.or(stream.row.take());
        stream.checkpoint = commit.checkpoint.or(stream.checkpoint.take());
        if !rules::is_joinable(stream.row.as_ref())
            && let Some(key) = stream.join_key.take()
        {
            self.joins.remove(&key);
        }
        self.writes += 1;
    }

    fn claim(&mut self, intent: IntentId) -> Result<Epoch, Error> {
        self.writable()?;
        let stream = self.streams.get_mut(&intent).ok_or(Error::NoSuchIntent(intent))?;
        stream.epoch += 1;
        let epoch = stream.epoch;
        self.writes += 1;
        Ok(epoch)
    }

    fn shred(&mut self, intent: IntentId) -> Result<(), Error> {
        self.writable()?;
        let stream = self.streams.get_mut(&intent).ok_or(Error::NoSuchIntent(intent))?;
        stream.blobs.retain(|_, blob| !blob.sealed);
        self.writes += 1;
        Ok(())
    }

    fn put_fact(&mut self, key: &str, value: Value) -> Result<(), Error> {
        self.writable()?;
        self.facts.insert(key.to_owned(), value);
        self.writes += 1;
        Ok(())
    }

    fn remove_fact(&mut self, key: &str) -> Result<(), Error> {
        self.writable()?;
        if self.facts.remove(key).is_some() {
            self.writes += 1;
        }
        Ok(())
    }

    fn post(&mut self, intent: IntentId, command: Command) -> Result<bool, Error> {
        self.writable()?;
        let stream = self.streams.get_mut(&intent).ok_or(Error::NoSuchIntent(intent))?;
        if !stream.known.insert(command.id.clone()) {
            return Ok(false);
        }
        stream.inbox.push(command);
        self.writes += 1;
        Ok(true)
    }
}

impl InMemoryJournal {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every write fails with [`Error::Unwritable`] and this reason; `None` mends it. Reads go on.
    pub fn refuse_writes(&self, why: Option<&str>) {
        let mut state = self.state();
        state.refuses = why.map(str::to_owned);
        state.refuses_from = None;
    }

    /// So many more writes are done, and none after them until [`InMemoryJournal::refuse_writes`] mends it: the engine dies
    /// between two commits.
    pub fn refuse_writes_after(&self, writes: u64) {
        let mut state = self.state();
        state.refuses_from = Some(state.writes + writes);
    }

    /// So many more writes are acknowledged. The one after them is done, but whoever asked for it waits for ever, and no write
    /// is done after that: the engine dies before it hears of what is durable. [`InMemoryJournal::until_unheard`] says when,
    /// [`InMemoryJournal::acknowledge_all`] is for the next engine.
    pub fn acknowledge_only(&self, writes: u64) {
        let mut state = self.state();
        state.silent_at = Some(state.writes + writes + 1);
    }

    /// Waits until somebody waits for an acknowledgement that never comes.
    pub async fn until_unheard(&self) {
        let mut unheard = self.unheard.subscribe();
        // The sender lives as long as the journal.
        let _ = unheard.wait_for(|unheard| *unheard).await;
    }

    /// From now on every write takes so long.
    pub fn slow_down(&self, to: Duration) {
        self.state().takes = to;
    }

    /// From now on every write is acknowledged. Who waited before waits still.
    pub fn acknowledge_all(&self) {
        self.state().silent_at = None;
        self.unheard.send_replace(false);
    }

    /// Writes, and says so, unless this journal has gone silent.
    async fn write<T>(&self, write: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let takes = self.state().takes;
        if !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        let done = {
            let mut state = self.state();
            let done = (!state.is_silent()).then(|| write(&mut state));
            done.filter(|_| !state.is_silent())
        };
        match done {
            Some(done) => done,
            None => {
                self.unheard.send_replace(true);
                std::future::pending().await
            }
        }
    }

    /// All entries of a stream, for tests that look at it as an auditor does. Empty if there is no such intent.
    pub fn entries(&self, intent: IntentId) -> Vec<StoredEntry> {
        self.state()
            .streams
            .get(&intent)
            .map(|s| s.entries.clone())
            .unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is checked before its first write, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for InMemoryJournal {
    async fn create(&self, new: NewIntent) -> Result<Created, Error> {
        let intent = new.intent;
        let created = self.write(|state| state.create(new)).await?;
        if created == Created::New {
            self.watchers.arrived(intent);
        }
        Ok(created)
    }

    async fn used_for(&self, scope: &str, body: &Digest) -> Result<Option<IntentId>, Error> {
        self.state().used_for(scope, body)
    }

    async fn claim(&self, intent: IntentId) -> Result<Epoch, Error> {
        self.write(|state| state.claim(intent)).await
    }

    async fn commit(&self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Error> {
        let grows = !commit.entries.is_empty();
        self.write(|state| state.commit(intent, epoch, expected, commit))
            .await?;
        if grows {
            self.watchers.grown(intent);
        }
        Ok(())
    }

    async fn read(&self, intent: IntentId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, Error> {
        let state = self.state();
        let entries = &state.stream(intent)?.entries;
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(entries.len());
        Ok(entries[from..].iter().take(limit).cloned().collect())
    }

    async fn head(&self, intent: IntentId) -> Result<Head, Error> {
        Ok(self.state().stream(intent)?.head())
    }

    async fn checkpoint(&self, intent: IntentId) -> Result<Option<Checkpoint>, Error> {
        let state = self.state();
        Ok(state.streams.get(&intent).and_then(|s| s.checkpoint.clone()))
    }

    async fn blob(&self, intent: IntentId, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let state = self.state();
        let blob = state.streams.get(&intent).and_then(|s| s.blobs.get(digest));
        Ok(blob.map(|b| b.bytes.clone()))
    }

    async fn shred(&self, intent: IntentId) -> Result<(), Error> {
        self.write(|state| state.shred(intent)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<IntentRow>, Error> {
        let state = self.state();
        let newest_first = state.streams.iter().rev();
        Ok(newest_first
            .filter(|(id, _)| filter.after.is_none_or(|after| **id < after))
            .filter_map(|(_, stream)| stream.row.as_ref())
            .filter(|row| filter.admits(row))
            .take(filter.at_most())
            .cloned()
            .collect())
    }

    async fn row(&self, intent: IntentId) -> Result<Option<IntentRow>, Error> {
        let state = self.state();
        Ok(state.streams.get(&intent).and_then(|s| s.row.clone()))
    }

    async fn locks(&self) -> Result<Vec<Lock>, Error> {
        Ok(self.state().locks.all())
    }

    async fn post(&self, intent: IntentId, command: Command) -> Result<(), Error> {
        if self.write(|state| state.post(intent, command)).await? {
            self.watchers.arrived(intent);
        }
        Ok(())
    }

    async fn was_posted(&self, intent: IntentId, command: &str) -> Result<bool, Error> {
        Ok(self.state().stream(intent)?.known.contains(command))
    }

    async fn inbox(&self, intent: IntentId) -> Result<Vec<Command>, Error> {
        Ok(self.state().stream(intent)?.inbox.clone())
    }

    async fn addressed(&self) -> Result<Vec<IntentId>, Error> {
        let state = self.state();
        let waiting = state.streams.iter().filter(|(_, s)| !s.inbox.is_empty());
        Ok(waiting.map(|(intent, _)| *intent).collect())
    }

    async fn put_fact(&self, key: &str, value: Value) -> Result<(), Error> {
        self.write(|state| state.put_fact(key, value)).await
    }

    async fn fact(&self, key: &str) -> Result<Option<Value>, Error> {
        Ok(self.state().facts.get(key).cloned())
    }

    async fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, Error> {
        let state = self.state();
        let from = state.facts.range(prefix.to_owned()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    async fn remove_fact(&self, key: &str) -> Result<(), Error> {
        self.write(|state| state.remove_fact(key)).await
    }

    fn watch(&self, intent: IntentId) -> watch::Receiver<u64> {
        self.watchers.watch(intent)
    }

    fn watch_all(&self) -> watch::Receiver<u64> {
        self.watchers.watch_all()
    }

    /// Counts writes: each of them would have been a sync.
    fn syncs(&self) -> u64 {
        self.state().writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::{append, claimed, command};
    use std::sync::Arc;

    fn fresh() -> Arc<dyn Journal> {
        Arc::new(InMemoryJournal::new())
    }
    crate::journal_conformance!(fresh());

    #[tokio::test]
    async fn what_a_broken_disk_refuses_is_not_there_and_reads_go_on() {
        let memory = Arc::new(InMemoryJournal::new());
        let journal: Arc<dyn Journal> = memory.clone();
        let (intent, epoch) = claimed(&journal).await;
        memory.refuse_writes(Some("no space left"));
        let refused = append(&journal, intent, epoch, Commit::default()).await;
        assert!(matches!(refused, Err(Error::Unwritable(why)) if why == "no space left"));
        assert!(journal.post(intent, command("c")).await.is_err() && journal.claim(intent).await.is_err());
        assert_eq!(journal.head(intent).await.unwrap().seq, 1);
        memory.refuse_writes(None);
        append(&journal, intent, epoch, Commit::default()).await.unwrap();
        assert_eq!(memory.entries(intent).len(), 2);
    }
    #[tokio::test]
    async fn what_is_done_without_a_word_is_there_and_nothing_is_done_after_it() {
        let memory = Arc::new(InMemoryJournal::new());
        let journal: Arc<dyn Journal> = memory.clone();
        let (intent, epoch) = claimed(&journal).await;
        memory.acknowledge_only(1);
        append(&journal, intent, epoch, Commit::default()).await.unwrap();
        for expected in [3, 3] {
            tokio::select! {
                told = append(&journal, intent, epoch, Commit::default()) => panic!("{told:?}"),
                () = memory.until_unheard() => {}
            }
            assert_eq!(memory.entries(intent).len(), expected);
        }
        memory.acknowledge_all();
        append(&journal, intent, epoch, Commit::default()).await.unwrap();
        assert_eq!(memory.entries(intent).len(), 4);
    }
}
