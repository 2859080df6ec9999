//! The command log: one JSON line per command that a device executed, in memory and in `DIR/logs/NAME.log`.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    Refused,
    /// A configuration command that changed nothing.
    Noop,
}

/// One executed command.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// Session number; 0 is the console.
    pub(crate) session: u64,
    pub(crate) peer: String,
    pub(crate) user: String,
    pub(crate) mode: &'static str,
    pub(crate) line: String,
    pub(crate) result: Verdict,
    /// True if the running configuration changed.
    pub(crate) config: bool,
}

/// A device's log. Positions count from 1.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<(Entry, bool)>,
    file: File,
}

impl Log {
    /// An empty log; that of an earlier run in the same directory is gone.
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self {
            entries: Vec::new(),
            file,
        })
    }

    /// Adds an entry and gives its position.
    pub(crate) fn add(&mut self, entry: Entry) -> usize {
        match serde_json::to_vec(&entry) {
            Ok(mut line) => {
                line.push(b'\n');
                if let Err(error) = self.file.write_all(&line) {
                    tracing::warn!(%error, "a command could not be written to the sandbox log");
                }
            }
            Err(error) => tracing::warn!(%error, "a command could not be put into words"),
        }
        self.entries.push((entry, false));
        self.entries.len()
    }

    /// Says whether the reply to an entry is being held back.
    pub(crate) fn set_held(&mut self, position: usize, held: bool) {
        if let Some((_, flag)) = position.checked_sub(1).and_then(|index| self.entries.get_mut(index)) {
            *flag = held;
        }
    }

    /// Entries with a position above `after`, each with its position and whether its reply is held.
    pub(crate) fn after(&self, after: usize) -> impl Iterator<Item = (usize, &Entry, bool)> {
        self.entries
            .iter()
            .enumerate()
            .skip(after)
            .map(|(index, (entry, held))| (index + 1, entry, *held))
    }
}
