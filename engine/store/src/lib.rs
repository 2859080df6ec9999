//! Durable journals behind one call: [`open`].
//!
//! `sled:PATH` is the embedded store of one process. A write is acknowledged when it is synced to the disk, together
//! with all others that waited at that moment; after the first error nothing is written any more. `memory:` is a journal
//! that is gone with the process.

mod crowd;
mod disk;
mod files;
mod group;
mod heads;
mod judge;
mod keys;
mod reader;
mod record;
mod rehearsal;
mod seal;
mod sled;
mod standby;
mod value;
mod verify;
mod writer;

pub use crate::sled::SledJournal;

use flyball_engine::ids::IntentId;
use flyball_engine::journal::Journal;
use flyball_engine::journal::memory::InMemoryJournal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use value::Fault;
use verify::Trouble;

/// How to open a store.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where `master.key` lives. None: `keys` beside the store's directory.
    pub keys: Option<PathBuf>,
    /// How much of the database to keep in memory, bytes.
    pub cache_bytes: u64,
    /// How many writes may share a sync.
    pub group: usize,
    /// How long the synced head file may lag behind. It is also written with every approval.
    pub heads_every: Duration,
    /// Open although acknowledged entries are missing at the end, as after restoring an old copy. A person's decision.
    pub accept_lost_tail: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            keys: None,
            cache_bytes: 64 << 20,
            group: 256,
            heads_every: Duration::from_secs(10),
            accept_lost_tail: false,
        }
    }
}

impl OpenOptions {
    fn keys_beside(&self, path: &Path) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| path.with_file_name("keys"))
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0:?} names no store: write sled:PATH or memory:")]
    UnknownUrl(String),
    #[error("the store {} is in use{}: only one process may have it open", .path.display(), holder(*.pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("the store cannot be opened, {}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the database {} cannot be opened: {source}", .path.display())]
    Sled { path: PathBuf, source: ::sled::Error },
    #[error("the store is damaged: entry {seq} of intent {intent}: {why}")]
    Damaged { intent: IntentId, seq: u64, why: String },
    #[error("the store {} is damaged: {why}", .path.display())]
    Torn { path: PathBuf, why: String },
    #[error(
        "the store has lost its end, or cannot read on from some byte: entry {} of intent {intent} is missing, and all up to entry \
         {recorded}, which was acknowledged",
        .found + 1
    )]
    LostTail {
        intent: IntentId,
        found: u64,
        recorded: u64,
    },
    #[error(
        "the store has lost its end, or cannot read on from some byte: it holds {found} writes, but {recorded} were \
         acknowledged; what is missing are requests or settings"
    )]
    LostWrites { found: u64, recorded: u64 },
    #[error("{} is missing or not the key that this store was sealed with", .0.display())]
    MasterKey(PathBuf),
    #[error("the store has format {0:?}, which this program does not know")]
    Format(String),
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}")).unwrap_or_default()
}

impl OpenError {
    /// Whether what was written is not there any more, or is not what was written.
    pub fn is_damage(&self) -> bool {
        let of_sled = |e: &::sled::Error| matches!(e, ::sled::Error::Corruption { .. } | ::sled::Error::Unsupported(_));
        match self {
            Self::Damaged { .. } | Self::Torn { .. } | Self::LostTail { .. } | Self::LostWrites { .. } => true,
            Self::Sled { source, .. } => of_sled(source),
            _ => false,
        }
    }

    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// The same of another path than that of the copy it was found on.
    fn of(self, copy: &Path, path: &Path) -> Self {
        let renamed = |p: PathBuf| p.strip_prefix(copy).map(|rest| path.join(rest)).unwrap_or(p.clone());
        match self {
            Self::Io { path, source } => Self::Io {
                path: renamed(path),
                source,
            },
            Self::Sled { path, source } => Self::Sled {
                path: renamed(path),
                source,
            },
            other => other,
        }
    }

    fn fault(path: &Path, fault: Fault) -> Self {
        let path = path.to_owned();
        match fault {
            Fault::Sled(source) => Self::Sled { path, source },
            Fault::Disk(source) => Self::Io { path, source },
            Fault::Torn(why) => Self::Torn { path, why },
        }
    }

    fn trouble(path: &Path, intent: IntentId, trouble: Trouble) -> Self {
        match trouble {
            Trouble::Damaged { seq, why } => Self::Damaged { intent, seq, why },
            Trouble::Fault(Fault::Torn(why)) => Self::Damaged { intent, seq: 0, why },
            Trouble::Fault(fault) => Self::fault(path, fault),
        }
    }
}

/// Opens the store that a URL names: `sled:PATH` (a directory, made if there is none) or `memory:`. Blocks while the
/// heads and the open intents are verified.
pub fn open(url: &str, options: OpenOptions) -> Result<Arc<dyn Journal>, OpenError> {
    match url.split_once(':') {
        Some(("sled", path)) if !path.is_empty() => Ok(Arc::new(SledJournal::open(Path::new(path), &options)?)),
        Some(("memory", "")) => Ok(Arc::new(InMemoryJournal::new())),
        // The URL may hold a password: only its scheme is repeated.
        _ => Err(OpenError::UnknownUrl(
            url.split(':').next().unwrap_or_default().to_owned(),
        )),
    }
}
