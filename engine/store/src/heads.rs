//! The heads outside the database: sled opens without complaint after its log's tail was lost, so what the heads were
//! must stand elsewhere. The file may lag behind the database and never runs ahead of it.

use crate::files;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::Head;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many ended intents the file keeps: a lost tail shows in the latest writes.
const ENDED_KEPT: usize = 256;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    heads: BTreeMap<IntentId, Head>,
}

pub(crate) struct HeadFile {
    path: PathBuf,
    every: Duration,
    contents: Contents,
    ended: VecDeque<IntentId>,
    dirty_since: Option<Instant>,
}

impl HeadFile {
    pub(crate) fn new(path: PathBuf, every: Duration) -> Self {
        Self {
            path,
            every,
            contents: Contents::default(),
            ended: VecDeque::new(),
            dirty_since: None,
        }
    }

    /// The heads last written. None: no file, or one that cannot be read, which is no evidence against the database.
    pub(crate) fn read(path: &Path) -> io::Result<Option<BTreeMap<IntentId, Head>>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match serde_json::from_slice::<Contents>(&bytes) {
            Ok(contents) => Ok(Some(contents.heads)),
            Err(e) => {
                tracing::error!(file = %path.display(), "the head file cannot be read: {e}; a lost tail would go unseen");
                Ok(None)
            }
        }
    }

    /// An intent's head is durable in the database.
    pub(crate) fn note(&mut self, intent: IntentId, head: Head, open: bool) {
        self.contents.heads.insert(intent, head);
        self.dirty_since.get_or_insert_with(Instant::now);
        if open || self.ended.contains(&intent) {
            return;
        }
        self.ended.push_back(intent);
        if self.ended.len() > ENDED_KEPT
            && let Some(oldest) = self.ended.pop_front()
        {
            self.contents.heads.remove(&oldest);
        }
    }

    /// How long until it should be written. None: nothing has changed.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.dirty_since.map(|since| self.every.saturating_sub(since.elapsed()))
    }

    /// Writes it if anything has changed; whether it did.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        if self.dirty_since.is_none() {
            return Ok(false);
        }
        let bytes = serde_json::to_vec(&self.contents).map_err(io::Error::other)?;
        files::write_whole(&self.path, &bytes, 0o600)?;
        self.dirty_since = None;
        Ok(true)
    }
}
