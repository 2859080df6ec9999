//! Bytes flipped in the database's own file, and its end cut off: what is opened afterwards is what was written, or a prefix
//! of it in whole commits, or the store says what is wrong and does not open. Nothing else, and never a panic.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::ids::IntentId;
use flyball_engine::journal::conformance::{append, claimed, entries, event, row, whole};
use flyball_engine::journal::{Commit, Journal, StoredEntry};
use flyball_store::{OpenError, OpenOptions, open};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Entries in one commit.
const EACH: usize = 3;
const COMMITS: usize = 12;

/// How a store was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    InOrder,
    /// By a process that was killed, before it wrote the file of heads again.
    ByKill,
}

/// A store as it was left: whole, but for what is done to its file.
struct Written {
    dir: TempDir,
    intent: IntentId,
    entries: Vec<StoredEntry>,
}

impl Written {
    async fn new(left: Left) -> Self {
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
        let (store, killed) = (dir.path().join("store"), dir.path().join("killed"));
        // What a process has written outlives it, whether it was synced or not.
        copy(&store, &killed);
        drop(journal);
        if left == Left::ByKill {
            fs::remove_dir_all(&store).unwrap();
            fs::rename(killed, store).unwrap();
        }
        Self { dir, intent, entries }
    }

    /// A copy to spoil.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy(&self.dir.path().join("store"), &to.join("store"));
        copy(&self.dir.path().join("keys"), &to.join("keys"));
        to.join("store")
    }

    /// How many entries the spoilt copy still has. None: it says that it is damaged, and if so at open it is left as it was.
    /// Panics over anything that was not written.
    async fn found(&self, store: &Path, what: &str) -> Option<usize> {
        let before = files(store.parent().unwrap());
        let journal = match open_at(store) {
            Ok(journal) => journal,
            Err(error) => {
                let said = error.to_string();
                assert!(
                    !said.is_empty() && !matches!(error, OpenError::InUse { .. }),
                    "{what}: {said}"
                );
                let (after, names) = (files(store.parent().unwrap()), |f: &Files| {
                    f.keys().cloned().collect::<Vec<_>>()
                });
                assert_eq!(
                    names(&after),
                    names(&before),
                    "{what}: refused, and other files are there"
                );
                assert!(after == before, "{what}: refused, and changed");
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

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// All files of a folder, with what is in them.
fn files(dir: &Path) -> Files {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => all.append(&mut files(&entry.path())),
            false => drop(all.insert(entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    all
}

/// Spoils copies of the database's file, each in another way, and finds in each all that was written, or is told.
async fn all_or_refused(written: &Written, what: &str, spoilt: impl Iterator<Item = (usize, Vec<u8>)>) {
    let (mut refused, mut unharmed) = (0, 0);
    for (at, bytes) in spoilt {
        let store = written.copy(&format!("spoilt-{at}"));
        fs::write(store.join("journal/db"), bytes).unwrap();
        let what = format!("{what} {at}");
        match written.found(&store, &what).await {
            None => refused += 1,
            Some(found) => {
                let all = written.entries.len();
                assert_eq!(found, all, "{what}: entries are gone, and nobody said so");
                unharmed += 1;
            }
        }
        fs::remove_dir_all(store.parent().unwrap()).unwrap();
    }
    assert!(refused > 0, "{what}: nothing was hit, {unharmed} times");
}

#[tokio::test]
async fn a_byte_flipped_anywhere_in_the_file_changes_nothing_that_is_read() {
    for left in [Left::InOrder, Left::ByKill] {
        let written = Written::new(left).await;
        let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
        let untouched = written.copy("untouched");
        let found = written.found(&untouched, "untouched").await;
        assert_eq!(found, Some(written.entries.len()), "{left:?}");
        let flipped = spread(used(&clean), 60).map(|at| {
            let mut bytes = clean.clone();
            bytes[at] ^= 0x55;
            (at, bytes)
        });
        all_or_refused(&written, &format!("left {left:?}, byte"), flipped).await;
    }
}

#[tokio::test]
async fn a_log_that_was_cut_or_emptied_after_it_was_acknowledged_is_refused_and_left_as_it_is() {
    for left in [Left::InOrder, Left::ByKill] {
        let written = Written::new(left).await;
        let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
        let cut = [0].into_iter().chain(spread(used(&clean), 40));
        let cut = cut.map(|at| (at, clean[..at].to_vec()));
        all_or_refused(&written, &format!("left {left:?}, cut at"), cut).await;
    }
}

/// Nothing of the copy that a start is rehearsed on is kept, and whoever left the store without closing it is known still.
#[tokio::test]
async fn a_refused_start_leaves_the_whole_folder_as_it_was_over_a_damaged_snapshot_too() {
    let written = Written::new(Left::ByKill).await;
    let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
    let store = written.copy("spoilt");
    fs::write(store.join("journal/db"), &clean[..used(&clean) / 2]).unwrap();
    fs::write(store.join("journal/snap.0000000000000001"), b"").unwrap();
    let left_by = fs::read(store.join("lock")).unwrap();
    assert!(!left_by.is_empty(), "it was killed");
    for _ in 0..2 {
        assert_eq!(written.found(&store, "a damaged snapshot").await, None);
    }
    assert!(!store.join("aside").exists());
    assert_eq!(fs::read(store.join("lock")).unwrap(), left_by);
}

/// A request that a person was told is safe, or a setting, moves no head: it is missed all the same.
#[tokio::test]
async fn a_lost_write_is_missed_whatever_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let journal = open_at(&store).unwrap();
    let before = dir.path().join("before");
    journal.put_fact("settings/a", 1.into()).await.unwrap();
    copy(&store, &before);
    journal.put_fact("settings/b", 2.into()).await.unwrap();
    // Killed now, and then the log of an earlier time.
    let killed = dir.path().join("killed");
    copy(&store, &killed);
    drop(journal);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&killed, &store).unwrap();
    fs::remove_dir_all(store.join("journal")).unwrap();
    copy(&before.join("journal"), &store.join("journal"));
    let lost = open_at(&store).err().expect("a write is missing");
    assert!(
        matches!(lost, OpenError::LostWrites { found: 1, recorded: 2 }),
        "{lost}"
    );
    let accept = OpenOptions {
        accept_lost_tail: true,
        ..OpenOptions::default()
    };
    let url = format!("sled:{}", store.display());
    let damaged = fs::read(store.join("journal/db")).unwrap();
    let journal = open(&url, accept).unwrap();
    let aside: Vec<PathBuf> = fs::read_dir(store.join("aside"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(
        fs::read(aside[0].join("db")).unwrap() == damaged,
        "it is kept as it was"
    );
    assert_eq!(journal.fact("settings/a").await.unwrap(), Some(1.into()));
    assert_eq!(journal.fact("settings/b").await.unwrap(), None);
    drop(journal);
    let again = open_at(&store).expect("what was accepted once is not asked about again");
    assert_eq!(again.fact("settings/a").await.unwrap(), Some(1.into()));
}

/// Whatever a start that was killed left of its copy is nothing to go by.
#[tokio::test]
async fn what_is_left_of_a_rehearsal_never_takes_the_place_of_the_database() {
    let written = Written::new(Left::ByKill).await;
    let store = written.dir.path().join("store");
    let copy = store.join("journal.rehearsal");
    fs::create_dir_all(copy.join("blobs")).unwrap();
    fs::write(copy.join("db"), b"a stump").unwrap();
    let found = written.found(&store, "beside a stump").await;
    assert_eq!(found, Some(written.entries.len()));
    assert!(!copy.exists());
}

/// A line that was cut, by a full disk or a lost power, hides none that comes after it.
#[tokio::test]
async fn what_is_acknowledged_after_a_cut_line_is_missed_too() {
    let written = Written::new(Left::ByKill).await;
    let store = written.dir.path().join("store");
    let mut tail = fs::read(store.join("heads.tail")).unwrap();
    tail.extend(br#"{"writes":"#);
    fs::write(store.join("heads.tail"), tail).unwrap();
    let journal = open_at(&store).unwrap();
    let before = written.dir.path().join("before");
    copy(&store.join("journal"), &before);
    journal.put_fact("settings/a", 1.into()).await.unwrap();
    let killed = written.dir.path().join("killed");
    copy(&store, &killed);
    drop(journal);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&killed, &store).unwrap();
    fs::remove_dir_all(store.join("journal")).unwrap();
    copy(&before, &store.join("journal"));
    assert!(matches!(open_at(&store), Err(OpenError::LostWrites { .. })));
}

/// Nothing is known of what was acknowledged, as when the machine lost its power: what is found ends with a whole commit.
#[tokio::test]
async fn a_cut_tail_leaves_whole_commits() {
    let written = Written::new(Left::InOrder).await;
    let clean = fs::read(written.dir.path().join("store/journal/db")).unwrap();
    let (mut refused, mut shorter) = (0, 0);
    for at in spread(used(&clean), 40) {
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
