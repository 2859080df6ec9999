//! Follows what the ledger says that it executed, reading each line once: both engines' calls stand in one file.

use flyball_tests::process::PATIENCE;
use flyball_tests::process::ledger::Executed;
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// First and last call of a run, Unix microseconds, and how many there were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) calls: usize,
}

pub(crate) struct Tail {
    path: PathBuf,
    read: u64,
    rest: String,
}

impl Tail {
    /// From where the ledger is now.
    pub(crate) fn new(dir: &Path) -> Self {
        let path = dir.join("calls.jsonl");
        let read = std::fs::metadata(&path).map_or(0, |m| m.len());
        Self {
            path,
            read,
            rest: String::new(),
        }
    }

    fn news(&mut self) -> Vec<Executed> {
        let Ok(mut file) = std::fs::File::open(&self.path) else {
            return Vec::new();
        };
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let read = file.read_to_string(&mut self.rest).unwrap();
        self.read += read as u64;
        let whole = self.rest.rfind('\n').map_or(0, |end| end + 1);
        let lines: String = self.rest.drain(..whole).collect();
        lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// Waits until so many calls that count were executed since the last time.
    pub(crate) async fn until(&mut self, count: usize, counts: impl Fn(&Executed) -> bool) -> Vec<Executed> {
        let deadline = Instant::now() + PATIENCE;
        let mut found = Vec::new();
        loop {
            found.extend(self.news().into_iter().filter(|c| counts(c)));
            if found.len() >= count {
                return found;
            }
            assert!(
                Instant::now() < deadline,
                "{} of {count} calls were executed",
                found.len()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The calls by their runs, whose names stand before the last `-` of `n`.
pub(crate) fn by_run(calls: &[Executed]) -> BTreeMap<String, Span> {
    let mut runs: BTreeMap<String, Span> = BTreeMap::new();
    for call in calls {
        let Some((run, _)) = call.args["n"].as_str().and_then(|n| n.rsplit_once('-')) else {
            continue;
        };
        let span = runs.entry(run.to_owned()).or_insert(Span {
            first: call.at_us,
            last: call.at_us,
            calls: 0,
        });
        span.first = span.first.min(call.at_us);
        span.last = span.last.max(call.at_us);
        span.calls += 1;
    }
    runs
}
