//! Bytes flipped in the database's own file, and its end cut off: what is opened afterwards is what was written, or a prefix
//! of it in whole commits, or the store says what is wrong and does not open. Nothing else, and never a panic.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::ids::IntentId;
use flyball_engine::journal::conformance::{append, claimed, entries, event, row, whole};
use flyball_engine::journal::{Commit, Journal, StoredEntry};
use flyball_store::{OpenError, OpenOptions, open};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Entries in one commit.
const EACH: usize = 3;
const COMMITS: usize = 12;

/// A store as a crash leaves it: whole, but for what is done to its file.
struct Written {
    dir: TempDir,
    intent: IntentId,
    entries: Vec<StoredEntry>,
}

impl Written {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = open_at(&dir.path().join("store")).unwrap();
        let (intent, epoch) = claimed(&journal).await;
        for n in 0..COMMITS {
            let head = journal.head(intent).await.unwrap();
            let n = u32::try_from(n).unwrap();
            let commit = Commit {
                entries: entries(&head, epoch, [event(n), event(n + 1), event(n + 2)]),
                row: Some(row(intent, "executing", None)),
                ..Commit::default()
            };
            append(&journal, intent, epoch, commit).await.unwrap();
        }
        let entries = whole(&journal, intent).await;
        drop(journal);
        Self { dir, intent, entries }
    }

    /// A copy to spoil.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy(&self.dir.path().join("store"), &to.join("store"));
        copy(&self.dir.path().join("keys"), &to.join("keys"));
        to.join("store")
    }

    /// How many entries the spoilt copy still has. None: it says that it is damaged. Panics over anything that was not written.
    async fn found(&self, store: &Path, what: &str) -> Option<usize> {
        let journal = match open_at(store) {
            Ok(journal) => journal,
            Err(error) => {
                let said = error.to_string();
                assert!(
                    !said.is_empty() && !matches!(error, OpenError::InUse { .. }),
                    "{what}: {said}"
                );
                return None;
            }
        };
        let mut found: Vec<StoredEntry> = Vec::new();
        loop {
            let after = found.last().map_or(0, |e| e.entry.seq);
            match journal.read(self.intent, after, 1000).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => found.extend(page),
                // Named when it is read.
                Err(_) => return None,
            }
        }
        for (n, (was, is)) in self.entries.iter().zip(&found).enumerate() {
            assert_eq!(was.hash, is.hash, "{what}: entry {} is another one", n + 1);
        }
        assert!(found.len() <= self.entries.len(), "{what}: more than was written");
        Some(found.len())
    }
}

fn open_at(store: &Path) -> Result<Arc<dyn Journal>, OpenError> {
    open(&format!("sled:{}", store.display()), OpenOptions::default())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Positions spread over the used part of the file, each somewhere else than the last.
fn spread(len: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = (len / count).max(1);
    (0..count).map(move |n| (n * step + n * 37 % step).min(len - 1))
}

/// Where the last byte that is not nought stands: sled fills its file up.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1)
}

#[tokio::test]
async fn a_byte_flipped_anywhere_in_the_file_changes_nothing_that_is_read() {
    let written = Written::new().await;
    let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
    let untouched = written.copy("untouched");
    assert_eq!(
        written.found(&untouched, "untouched").await,
        Some(written.entries.len())
    );
    let (mut refused, mut unharmed) = (0, 0);
    for at in spread(used(&clean), 60) {
        let what = format!("byte {at}");
        let store = written.copy(&format!("flip-{at}"));
        let db = store.join("journal/db");
        let mut bytes = clean.clone();
        bytes[at] ^= 0x55;
        fs::write(&db, bytes).unwrap();
        match written.found(&store, &what).await {
            None => refused += 1,
            Some(found) => {
                assert_eq!(
                    found,
                    written.entries.len(),
                    "{what}: entries are gone, and nobody said so"
                );
                unharmed += 1;
            }
        }
        fs::remove_dir_all(store.parent().unwrap()).unwrap();
    }
    println!("{refused} refused or named, {unharmed} without a bearing on what is read");
    assert!(refused > 0, "no flip hit anything");
}

#[tokio::test]
async fn a_cut_tail_leaves_whole_commits_or_is_refused_by_the_heads_outside() {
    let written = Written::new().await;
    let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
    let (mut refused, mut shorter) = (0, 0);
    for at in spread(used(&clean), 40) {
        let store = written.copy(&format!("cut-{at}"));
        fs::write(store.join("journal/db"), &clean[..at]).unwrap();
        // The head file was written when the store was closed: what it names and the database lacks is said.
        let told = written.found(&store, &format!("cut at {at}")).await;
        assert!(
            told.is_none_or(|found| found == written.entries.len()),
            "cut at {at}: {told:?} of {} entries, and nobody said so",
            written.entries.len()
        );
        fs::remove_dir_all(store.parent().unwrap()).unwrap();
        // A crash between two writes of the head file: what is found ends with a whole commit.
        let store = written.copy(&format!("torn-{at}"));
        fs::write(store.join("journal/db"), &clean[..at]).unwrap();
        fs::remove_file(store.join("heads.json")).unwrap();
        match written.found(&store, &format!("torn at {at}")).await {
            None => refused += 1,
            Some(found) => {
                let before = written.entries.len() - EACH * COMMITS;
                assert!(
                    found <= before || (found - before).is_multiple_of(EACH),
                    "torn at {at}: {found} entries are no whole commits"
                );
                shorter += usize::from(found < written.entries.len());
            }
        }
        fs::remove_dir_all(store.parent().unwrap()).unwrap();
    }
    println!("{refused} refused, {shorter} shorter");
}
