//! What each request of a group does: judged by the rules that all stores share, then put into the group. All checks
//! come before the first put, so a refused request leaves nothing behind.

use crate::group::Group;
use crate::keys;
use crate::record::{Intent, entry_value};
use crate::seal::{Key, Master};
use crate::value::{Fault, Source};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::intent::event::Event;
use flyball_engine::journal::rules::{self, LockTable};
use flyball_engine::journal::{Commit, Created, Epoch, Error, Head, IdempotencyRecord, IntentRow, NewIntent, Seq};
use flyball_engine::payload::Blob;
use serde_json::Value;

/// A write that somebody waits for.
pub(crate) enum Ask {
    Create(Box<NewIntent>),
    Claim(IntentId),
    Commit(IntentId, Epoch, Seq, Box<Commit>),
    Post(IntentId, Box<Command>),
    Shred(IntentId),
    PutFact(String, Value),
    RemoveFact(String),
}

/// What a write came to.
#[derive(Debug)]
pub(crate) enum Answer {
    Created(Created),
    Claimed(Epoch),
    Done,
}

/// Why a write was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The caller's business.
    Rule(Error),
    /// Ours: the process is fenced.
    Fault(Fault),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Rule(error)
    }
}

impl<F: Into<Fault>> From<F> for Refusal {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// A head that the group moves.
pub(crate) struct Moved {
    pub(crate) intent: IntentId,
    pub(crate) from: Head,
    /// The row before; none: the intent is new.
    pub(crate) row: Option<IntentRow>,
    /// Commands that are not in the inbox after it.
    pub(crate) consumed: Vec<Command>,
    pub(crate) to: Head,
    pub(crate) open: bool,
}

/// What is to be told once the group is synced.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) moved: Vec<Moved>,
    pub(crate) grown: Vec<IntentId>,
    pub(crate) arrived: Vec<IntentId>,
    /// An approval is among the entries: the heads are written outside the database before it is acknowledged.
    pub(crate) approval: bool,
}

pub(crate) struct Judge<'a> {
    pub(crate) group: Group<'a>,
    pub(crate) locks: &'a mut LockTable,
    pub(crate) master: &'a Master,
    pub(crate) news: News,
}

impl Judge<'_> {
    pub(crate) fn judge(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Create(new) => self.create(*new).map(Answer::Created),
            Ask::Claim(intent) => self.claim(intent).map(Answer::Claimed),
            Ask::Commit(intent, epoch, expected, commit) => self.commit(intent, epoch, expected, *commit).map(done),
            Ask::Post(intent, command) => self.post(intent, &command).map(done),
            Ask::Shred(intent) => self.shred(intent).map(done),
            Ask::PutFact(key, value) => Ok(self.group.put_json(keys::fact(&key), &value).map(done)?),
            Ask::RemoveFact(key) => self.remove_fact(&key).map(done),
        }
    }

    fn known(&self, intent: IntentId) -> Result<Intent, Refusal> {
        let record = self.group.json(&keys::intent(intent))?;
        record.ok_or(Refusal::Rule(Error::NoSuchIntent(intent)))
    }

    fn create(&mut self, new: NewIntent) -> Result<Created, Refusal> {
        if let Some(repeated) = self.repeated(new.idempotency.as_ref())? {
            return Ok(Created::Repeated(repeated));
        }
        if let Some(joined) = self.joined(new.join_key.as_ref())? {
            self.remember(new.idempotency, joined)?;
            return Ok(Created::Joined(joined));
        }
        if let Some(taken) = self.group.json::<Intent>(&keys::intent(new.intent))? {
            let found = taken.head.seq;
            return Err(Error::Stale { expected: 0, found }.into());
        }
        let head = rules::admit(new.intent, 0, &Head::empty(), 0, 0, &new.commit)?;
        self.locks.check(new.intent, &new.commit.locks)?;
        self.remember(new.idempotency, new.intent)?;
        if let Some(key) = &new.join_key {
            self.group.put(keys::join(key), new.intent.0.as_bytes())?;
        }
        self.group.put(keys::open(new.intent), &[])?;
        self.write(new.intent, Intent::fresh(new.join_key), head, new.commit)?;
        self.news.arrived.push(new.intent);
        Ok(Created::New)
    }

    fn repeated(&self, wanted: Option<&IdempotencyRecord>) -> Result<Option<IntentId>, Refusal> {
        let Some(wanted) = wanted else { return Ok(None) };
        let place = keys::idempotency(&wanted.scope);
        let known = self.group.json::<IdempotencyRecord>(&place)?;
        Ok(known.map(|known| known.repeated(&wanted.body)).transpose()?)
    }

    fn joined(&self, key: Option<&Digest>) -> Result<Option<IntentId>, Refusal> {
        let Some(key) = key else { return Ok(None) };
        let place = keys::join(key);
        let Some(bytes) = self.group.value(&place)? else {
            return Ok(None);
        };
        let uuid = uuid::Uuid::from_slice(&bytes).map_err(|e| Fault::torn(&place, &e.to_string()))?;
        Ok(Some(IntentId(uuid)))
    }

    /// A key that joined answers with the joined intent when it is repeated.
    fn remember(&mut self, record: Option<IdempotencyRecord>, intent: IntentId) -> Result<(), Fault> {
        let Some(record) = record else { return Ok(()) };
        let record = IdempotencyRecord { intent, ..record };
        self.group.put_json(keys::idempotency(&record.scope), &record)
    }

    fn claim(&mut self, intent: IntentId) -> Result<Epoch, Refusal> {
        let mut record = self.known(intent)?;
        record.epoch += 1;
        self.group.put_json(keys::intent(intent), &record)?;
        Ok(record.epoch)
    }

    fn commit(&mut self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Refusal> {
        let record = self.known(intent)?;
        let head = rules::admit(intent, record.epoch, &record.head, epoch, expected, &commit)?;
        self.locks.check(intent, &commit.locks)?;
        self.write(intent, record, head, commit)
    }

    /// Puts what was judged already.
    fn write(&mut self, intent: IntentId, mut record: Intent, head: Head, commit: Commit) -> Result<(), Refusal> {
        for stored in &commit.entries {
            self.news.approval |= matches!(stored.entry.event, Event::ApprovalGiven { .. });
            self.group
                .put(keys::entry(intent, stored.entry.seq), &entry_value(stored))?;
        }
        self.put_blobs(intent, commit.blobs.iter())?;
        let mut consumed = Vec::new();
        for id in &commit.consumed {
            consumed.extend(self.consume(intent, id)?);
        }
        self.put_locks(intent, &commit)?;
        if let Some(checkpoint) = &commit.checkpoint {
            self.group.put_json(keys::checkpoint(intent), checkpoint)?;
        }
        let from = std::mem::replace(&mut record.head, head.clone());
        let row_before = record.row.clone();
        if let Some(row) = commit.row {
            self.put_row(intent, &mut record, row)?;
        }
        if head != from {
            self.news.grown.push(intent);
        }
        if head != from || !consumed.is_empty() {
            let open = record.is_open();
            self.news.moved.push(Moved {
                intent,
                from,
                row: row_before,
                consumed,
                to: head,
                open,
            });
        }
        Ok(self.group.put_json(keys::intent(intent), &record)?)
    }

    fn put_row(&mut self, intent: IntentId, record: &mut Intent, mut row: IntentRow) -> Result<(), Fault> {
        let targets = std::mem::take(&mut row.targets);
        let bytes = serde_json::to_vec(&targets).map_err(|e| Fault::Torn(e.to_string()))?;
        let digest = (!targets.is_empty()).then(|| Digest::of_bytes(&bytes));
        if digest.is_some() && digest != record.targets {
            self.group.put(keys::targets(intent), &bytes)?;
        }
        record.targets = digest;
        record.row = Some(row);
        if !record.is_open() {
            self.group.remove(keys::open(intent))?;
        }
        if !rules::is_joinable(record.row.as_ref())
            && let Some(key) = record.join_key.take()
        {
            self.group.remove(keys::join(&key))?;
        }
        Ok(())
    }

    fn put_locks(&mut self, intent: IntentId, commit: &Commit) -> Result<(), Fault> {
        let at = rules::commit_time(commit);
        let (granted, freed) = self.locks.apply(intent, &commit.locks, at);
        for target in freed {
            self.group.remove(keys::lock(target.as_str()))?;
        }
        for lock in granted {
            self.group.put_json(keys::lock(lock.target.as_str()), &lock)?;
        }
        Ok(())
    }

    fn put_blobs<'b>(&mut self, intent: IntentId, blobs: impl Iterator<Item = &'b Blob>) -> Result<(), Fault> {
        for blob in blobs {
            let stored = if blob.sealed {
                let key = self.sealing_key(intent)?;
                let sealed = key.seal(&seal_context(intent, &blob.digest), &blob.bytes);
                let sealed = sealed.map_err(|e| Fault::Disk(std::io::Error::other(e)))?;
                [&[1], &sealed[..]].concat()
            } else {
                [&[0], &blob.bytes[..]].concat()
            };
            self.group.put(keys::blob(intent, &blob.digest), &stored)?;
        }
        Ok(())
    }

    fn sealing_key(&mut self, intent: IntentId) -> Result<Key, Fault> {
        let place = keys::sealing(intent);
        if let Some(wrapped) = self.group.value(&place)? {
            let torn = |_| Fault::torn(&place, "does not open under the master key");
            return self.master.unwrap(intent, &wrapped).map_err(torn);
        }
        let fresh = self.master.fresh(intent);
        let (key, wrapped) = fresh.map_err(|e| Fault::Disk(std::io::Error::other(e)))?;
        self.group.put(place, &wrapped)?;
        Ok(key)
    }

    fn post(&mut self, intent: IntentId, command: &Command) -> Result<(), Refusal> {
        let mut record = self.known(intent)?;
        let known = keys::known(intent, &command.id);
        if self.group.raw(&known)?.is_some() {
            return Ok(());
        }
        record.posted += 1;
        self.group.put(known, &record.posted.to_be_bytes())?;
        self.group.put_json(keys::command(intent, record.posted), command)?;
        self.group.put_json(keys::intent(intent), &record)?;
        self.news.arrived.push(intent);
        Ok(())
    }

    /// Takes a command out of the inbox and remembers that it was there.
    /// The command, if it waited still.
    fn consume(&mut self, intent: IntentId, id: &str) -> Result<Option<Command>, Fault> {
        let known = keys::known(intent, id);
        let number = self.group.value(&known)?.and_then(|n| n.try_into().ok());
        let Some(number) = number.map(u64::from_be_bytes) else {
            return Ok(None);
        };
        let place = keys::command(intent, number);
        let command = self.group.json(&place)?;
        self.group.remove(place)?;
        self.group.put(known, &[])?;
        Ok(command)
    }

    fn shred(&mut self, intent: IntentId) -> Result<(), Refusal> {
        self.known(intent)?;
        Ok(self.group.remove(keys::sealing(intent))?)
    }

    fn remove_fact(&mut self, key: &str) -> Result<(), Refusal> {
        let place = keys::fact(key);
        if self.group.raw(&place)?.is_some() {
            self.group.remove(place)?;
        }
        Ok(())
    }
}

fn done((): ()) -> Answer {
    Answer::Done
}

/// Binds a sealed blob to its place, so that one cannot be passed off as another.
pub(crate) fn seal_context(intent: IntentId, digest: &Digest) -> Vec<u8> {
    [intent.0.as_bytes(), digest.as_str().as_bytes()].concat()
}
