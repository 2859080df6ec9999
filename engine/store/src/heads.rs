//! What was acknowledged, told outside the database: sled opens without complaint after its log's tail was lost or a byte
//! of it was flipped, so what was in it must stand elsewhere. `heads.json` is whole and synced, and lags behind; what came
//! since stands line by line in `heads.tail`, which is written before anything is acknowledged, and not synced: it outlives
//! the process, not the machine. Neither runs ahead of the database.

use crate::files;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::Head;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many ended intents the file keeps: a lost tail shows in the latest writes.
const ENDED_KEPT: usize = 256;

/// What the database held when this was written, at the least. A line of the tail holds what one write changed of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Acknowledged {
    /// How many writes the store had seen.
    #[serde(default)]
    pub(crate) writes: u64,
    pub(crate) heads: BTreeMap<IntentId, Head>,
    /// Whether the tail ends in a line that cannot be read.
    #[serde(skip)]
    pub(crate) is_cut: bool,
}

impl Acknowledged {
    /// What the files say. What is not there or cannot be read is no evidence against the database.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut known = match serde_json::from_slice(&read(path)?) {
            Ok(known) => known,
            Err(_) if !path.exists() => Self::default(),
            Err(e) => {
                tracing::error!(file = %path.display(), "the head file cannot be read: {e}; a lost tail would go unseen");
                Self::default()
            }
        };
        let tail = tail_of(path);
        for line in read(&tail)?.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice::<Self>(line) {
                Ok(more) => known.add(more),
                Err(e) => {
                    tracing::warn!(file = %tail.display(), "read up to a line that was cut: {e}");
                    known.is_cut = true;
                    break;
                }
            }
        }
        Ok(known)
    }

    /// Whether nothing is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes == 0 && self.heads.is_empty()
    }

    fn add(&mut self, more: Self) {
        self.writes = self.writes.max(more.writes);
        for (intent, head) in more.heads {
            let known = self.heads.entry(intent).or_insert_with(|| head.clone());
            if known.seq < head.seq {
                *known = head;
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

fn tail_of(path: &Path) -> PathBuf {
    path.with_extension("tail")
}

pub(crate) struct HeadFile {
    path: PathBuf,
    tail: File,
    /// Not after an error, until the whole is written again: a line behind a cut one would not be read.
    tail_is_sound: bool,
    every: Duration,
    contents: Acknowledged,
    ended: VecDeque<IntentId>,
    dirty_since: Option<Instant>,
}

impl HeadFile {
    /// For a database that has seen so many writes.
    pub(crate) fn new(path: PathBuf, every: Duration, writes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let tail = options.append(true).create(true).mode(0o600).open(tail_of(&path))?;
        let contents = Acknowledged {
            writes,
            ..Acknowledged::default()
        };
        Ok(Self {
            path,
            tail,
            tail_is_sound: true,
            every,
            contents,
            ended: VecDeque::new(),
            // Whatever it says of the time before is compared by now.
            dirty_since: Some(Instant::now()),
        })
    }

    /// How many writes the database has seen.
    pub(crate) fn writes(&self) -> u64 {
        self.contents.writes
    }

    /// A write is durable in the database, with the heads that it moved. To be told before it is acknowledged.
    pub(crate) fn written(&mut self, moved: BTreeMap<IntentId, Head>) {
        self.contents.writes += 1;
        self.dirty_since.get_or_insert_with(Instant::now);
        let line = Acknowledged {
            writes: self.contents.writes,
            heads: moved,
            is_cut: false,
        };
        if !self.tail_is_sound {
            return;
        }
        if let Err(error) = append(&mut self.tail, &line) {
            self.tail_is_sound = false;
            tracing::warn!(%error, "the file of heads takes no more for now: were the journal's end lost, it would go unseen");
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
        // What stands in the tail is true for ever: a crash before this does no harm.
        self.tail.set_len(0)?;
        self.tail_is_sound = true;
        self.dirty_since = None;
        Ok(true)
    }
}

fn append(tail: &mut File, line: &Acknowledged) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line).map_err(io::Error::other)?;
    bytes.push(b'\n');
    tail.write_all(&bytes)
}
