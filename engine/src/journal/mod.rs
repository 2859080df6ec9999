//! The journal: the only truth. One stream of chained entries per intent, and the durable things that must change with
//! it in one atomic, synced write.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod memory;
pub mod rules;
pub mod watchers;

use crate::actor::Actor;
use crate::canonical::{Digest, canonical_bytes};
use crate::ids::IntentId;
use crate::intent::command::Command;
use crate::intent::event::{End, Event};
use crate::payload::Blob;
use crate::target::Target;
use crate::tool::Incarnation;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::sync::watch;

/// Number of an entry in its stream, from 1. 0 is the empty stream.
pub type Seq = u64;

/// Who owns an intent: grows with every claim.
pub type Epoch = u64;

/// The version of the entries written today. Older ones are upcast on a copy.
pub const SCHEMA: u16 = 1;

/// A numbered record. Stored as its canonical bytes, never rewritten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: Seq,
    /// Wall clock, Unix milliseconds. Evidence only: order comes from `seq`.
    pub at: i64,
    pub schema: u16,
    pub actor: Actor,
    pub epoch: Epoch,
    /// W3C trace id, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    pub prev_hash: Digest,
    pub event: Event,
}

/// An entry with the exact bytes that its hash is taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEntry {
    pub entry: Entry,
    pub bytes: Vec<u8>,
    pub hash: Digest,
}

impl StoredEntry {
    /// Fixes an entry: its canonical bytes and its hash.
    pub fn seal(entry: Entry) -> Self {
        let bytes = canonical_bytes(&serde_json::to_value(&entry).expect("an entry serialises"));
        let hash = Digest::of_bytes(&bytes);
        Self { entry, bytes, hash }
    }

    /// Reads an entry back from its stored bytes.
    pub fn read(bytes: Vec<u8>) -> Result<Self, serde_json::Error> {
        let entry = serde_json::from_slice(&bytes)?;
        let hash = Digest::of_bytes(&bytes);
        Ok(Self { entry, bytes, hash })
    }
}

/// The last entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub seq: Seq,
    pub hash: Digest,
}

impl Head {
    /// The head of a stream without entries.
    pub fn empty() -> Self {
        Self {
            seq: 0,
            hash: Digest::zero(),
        }
    }
}

/// What the list of intents shows and is searched by. Derived: rebuilt by folding, never believed over the entries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentRow {
    pub intent: IntentId,
    /// State as the API names it.
    pub state: String,
    pub end: Option<End>,
    /// It does not go forward any more: an equal request is one of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub going_back: bool,
    /// What came later says otherwise than what a call was settled as, and no person has decided about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
    pub origin: String,
    pub by: Actor,
    /// First line of the wish.
    pub title: String,
    pub received_ms: i64,
    pub updated_ms: i64,
    pub targets: Vec<Target>,
}

/// A lock on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub target: Target,
    pub intent: IntentId,
    pub since_ms: i64,
}

/// A change to the locks, in one commit with the entry that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// All or none: one conflict with another intent's lock fails the whole commit with [`Error::Locked`].
    Acquire(Vec<Target>),
    Release(Vec<Target>),
    /// Gives what the intent holds to another one, without a moment in which nobody holds it.
    HandOver {
        targets: Vec<Target>,
        to: IntentId,
    },
}

/// One atomic, synced write by an intent's only writer.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    pub entries: Vec<StoredEntry>,
    pub blobs: Vec<Blob>,
    pub locks: Vec<LockChange>,
    /// The row as it stands after these entries.
    pub row: Option<IntentRow>,
    /// Inbox commands that these entries consume, by id.
    pub consumed: Vec<String>,
    /// A stored fold up to the last of these entries.
    pub checkpoint: Option<Checkpoint>,
}

/// A stored fold. Ignored on any mismatch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub seq: Seq,
    pub entry_hash: Digest,
    pub fold_version: u32,
    pub digest: Digest,
    pub state: Value,
}

/// A server's child process, recorded before the first mutating call goes through it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRecord {
    pub alias: String,
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat` field 22).
    pub start_time: u64,
    pub boot_id: String,
}

impl ChildRecord {
    pub fn incarnation(&self) -> Incarnation {
        Incarnation(format!("{}:{}:{}", self.pid, self.start_time, self.boot_id))
    }
}

/// A request's idempotency key, remembered with what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Principal, route and key.
    pub scope: String,
    pub body: Digest,
    pub intent: IntentId,
    pub at_ms: i64,
}

impl IdempotencyRecord {
    /// The intent that it stands for, if it was used with this body.
    pub fn repeated(&self, body: &Digest) -> Result<IntentId, Error> {
        if self.body == *body {
            Ok(self.intent)
        } else {
            Err(Error::KeyReused)
        }
    }
}

/// A new intent, created in one commit with its first entry.
#[derive(Debug, Clone)]
pub struct NewIntent {
    pub intent: IntentId,
    pub commit: Commit,
    pub idempotency: Option<IdempotencyRecord>,
    /// Canonical request of the same principal; an intent with the same key is joined while it goes forward.
    pub join_key: Option<Digest>,
}

/// What came of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    New,
    /// The idempotency key was used before with the same body, for this intent.
    Repeated(IntentId),
    /// An intent with the same join key goes forward.
    Joined(IntentId),
}

/// Which intents to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub state: Option<String>,
    pub origin: Option<String>,
    pub target: Option<String>,
    /// Only those without an end.
    pub open: bool,
    /// Rows after this intent, newest first.
    pub after: Option<IntentId>,
    /// At most so many; 0 means all.
    pub limit: usize,
}

/// Why the journal did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the stream is at entry {found}, not {expected}: reload and decide again")]
    Stale { expected: Seq, found: Seq },
    #[error("another engine owns the intent since epoch {epoch}: stop driving and sending")]
    Fenced { epoch: Epoch },
    #[error("{} is locked by intent {}", .0.target, .0.intent)]
    Locked(Lock),
    #[error("the idempotency key was used before with another body")]
    KeyReused,
    #[error("no such intent: {0}")]
    NoSuchIntent(IntentId),
    #[error("entry {seq} of intent {intent} is damaged: {why}")]
    Damaged { intent: IntentId, seq: Seq, why: String },
    /// The store cannot write any more: no record, no action.
    #[error("the journal cannot be written: {0}")]
    Unwritable(String),
}

/// A write that waits longer for the disk is told of, and the journal counts as one that cannot be written.
pub const SLOW_WRITE: Duration = Duration::from_secs(10);

/// A durable journal. Every store passes the same conformance kit.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Makes an intent with its first entries, or says which one it repeats or joins. Durable on return.
    async fn create(&self, new: NewIntent) -> Result<Created, Error>;
    /// The intent that an idempotency key was used for. `KeyReused`: with another body. None: it is not known.
    async fn used_for(&self, scope: &str, body: &Digest) -> Result<Option<IntentId>, Error>;

    /// Takes an intent over: its epoch grows and every former owner is fenced. Durable on return.
    async fn claim(&self, intent: IntentId) -> Result<Epoch, Error>;

    /// One atomic, synced write by the intent's only writer. `Stale`: reload and decide again. `Fenced`: another engine
    /// owns the intent; stop driving and sending. `Locked`: nothing was written.
    async fn commit(&self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Error>;

    /// Entries after `after`, at most `limit`, in order.
    async fn read(&self, intent: IntentId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, Error>;
    async fn head(&self, intent: IntentId) -> Result<Head, Error>;
    async fn checkpoint(&self, intent: IntentId) -> Result<Option<Checkpoint>, Error>;
    /// The bytes of a blob, decrypted if sealed. None: missing or shredded.
    async fn blob(&self, intent: IntentId, digest: &Digest) -> Result<Option<Vec<u8>>, Error>;
    /// Makes the intent's sealed blobs unreadable for good. Entries and plain blobs stay. Durable on return.
    async fn shred(&self, intent: IntentId) -> Result<(), Error>;

    async fn list(&self, filter: Filter) -> Result<Vec<IntentRow>, Error>;
    async fn row(&self, intent: IntentId) -> Result<Option<IntentRow>, Error>;
    async fn locks(&self) -> Result<Vec<Lock>, Error>;

    /// Puts a command into the intent's inbox. Durable on return; a second one with the same id changes nothing.
    async fn post(&self, intent: IntentId, command: Command) -> Result<(), Error>;
    /// Whether a command of this id was ever put there, consumed or not.
    async fn was_posted(&self, intent: IntentId, command: &str) -> Result<bool, Error>;
    /// Commands not consumed yet, in order of arrival.
    async fn inbox(&self, intent: IntentId) -> Result<Vec<Command>, Error>;
    /// Intents with commands that are not consumed yet, those that have ended included.
    async fn addressed(&self) -> Result<Vec<IntentId>, Error>;

    /// Server-wide durable facts that are no entries: children, pins, halt. Durable on return.
    async fn put_fact(&self, key: &str, value: Value) -> Result<(), Error>;
    async fn fact(&self, key: &str) -> Result<Option<Value>, Error>;
    async fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, Error>;
    async fn remove_fact(&self, key: &str) -> Result<(), Error>;

    /// Wakes when the intent's stream or inbox grows; the value counts changes.
    fn watch(&self, intent: IntentId) -> watch::Receiver<u64>;
    /// Wakes when any intent is created or gets a command.
    fn watch_all(&self) -> watch::Receiver<u64>;
    /// How many syncs the store has made, for figures.
    fn syncs(&self) -> u64;
    /// How long the write that is under way has waited for the disk. Until it is through nothing is recorded, so nothing
    /// is sent. None: none is under way.
    fn writing_for(&self) -> Option<Duration> {
        None
    }
    /// Why this process writes nothing any more: only a restart helps. None: as far as is known, it can.
    fn unwritable(&self) -> Option<String> {
        None
    }
}

/// Checks that entries continue a stream: numbers without gaps, hashes that chain.
pub fn verify_chain(intent: IntentId, from: &Head, entries: &[StoredEntry]) -> Result<Head, Error> {
    let mut head = from.clone();
    for stored in entries {
        let seq = head.seq + 1;
        let damaged = |why: &str| Error::Damaged {
            intent,
            seq,
            why: why.to_owned(),
        };
        if stored.entry.seq != seq {
            return Err(damaged("its number is not the next"));
        }
        if stored.entry.prev_hash != head.hash {
            return Err(damaged("it does not continue the entry before it"));
        }
        if Digest::of_bytes(&stored.bytes) != stored.hash {
            return Err(damaged("its bytes do not give its hash"));
        }
        head = Head {
            seq,
            hash: stored.hash.clone(),
        };
    }
    Ok(head)
}

/// H(intent, revision, step, item, phase, generation): the same over attempts and restarts.
pub fn call_key(intent: IntentId, call: &crate::ids::CallId) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(format!("flyball-call\n{intent}\n{call}"));
    let hex: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
    Digest::parse(format!("sha256:{hex}")).expect("a SHA-256 in hex is a digest")
}
