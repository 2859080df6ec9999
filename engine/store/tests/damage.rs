//! What a lost power or a bad disk can leave, done to the files of a closed store.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{End, Event};
use flyball_engine::journal::conformance::{append, claimed, entries, event, row, whole};
use flyball_engine::journal::{Commit, Error, Journal};
use flyball_store::{OpenError, OpenOptions, open};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

struct Store {
    dir: TempDir,
}

impl Store {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn open(&self) -> Result<Arc<dyn Journal>, OpenError> {
        self.open_with(OpenOptions::default())
    }

    fn open_with(&self, options: OpenOptions) -> Result<Arc<dyn Journal>, OpenError> {
        open(&format!("sled:{}", self.path().display()), options)
    }

    fn fails(&self) -> OpenError {
        self.open().err().expect("a damaged store does not open")
    }

    /// The database, opened beside the store's back.
    fn raw(&self) -> sled::Db {
        sled::open(self.path().join("journal")).unwrap()
    }
}

/// An intent of five entries.
async fn five_entries(store: &Store, end: Option<End>) -> IntentId {
    let journal = store.open().unwrap();
    let (intent, epoch) = claimed(&journal).await;
    let head = journal.head(intent).await.unwrap();
    let told = Event::RollbackStarted {
        why: "gate missed on bj-core-1".to_owned(),
    };
    let commit = Commit {
        entries: entries(&head, epoch, [event(1), event(2), told, event(4)]),
        row: Some(row(intent, "rolling_back", end)),
        ..Commit::default()
    };
    append(&journal, intent, epoch, commit).await.unwrap();
    intent
}

fn key(kind: u8, intent: IntentId, rest: &[u8]) -> Vec<u8> {
    [&[kind], &intent.0.as_bytes()[..], rest].concat()
}

fn entry_key(intent: IntentId, seq: u64) -> Vec<u8> {
    key(b'e', intent, &seq.to_be_bytes())
}

fn flip_a_byte_of(db: &sled::Db, key: &[u8]) {
    let mut value = db.get(key).unwrap().unwrap().to_vec();
    let middle = value.len() / 2;
    value[middle] ^= 1;
    db.insert(key, value).unwrap();
    db.flush().unwrap();
}

#[tokio::test]
async fn a_flipped_byte_in_an_open_intents_entry_is_named_and_refused_at_open() {
    for at in [1, 4, 5] {
        let store = Store::new();
        let intent = five_entries(&store, None).await;
        flip_a_byte_of(&store.raw(), &entry_key(intent, at));
        match store.fails() {
            OpenError::Damaged { intent: i, seq, .. } => assert_eq!((i, seq), (intent, at)),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_missing_or_surplus_entry_is_refused_at_open() {
    let store = Store::new();
    let intent = five_entries(&store, None).await;
    let db = store.raw();
    let third = db.remove(entry_key(intent, 3)).unwrap().unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(matches!(store.fails(), OpenError::Damaged { seq: 3, .. }));
    let db = store.raw();
    db.insert(entry_key(intent, 3), &third).unwrap();
    db.insert(entry_key(intent, 6), &third).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(matches!(store.fails(), OpenError::Damaged { seq: 6, .. }));
}

#[tokio::test]
async fn two_entries_changed_for_each_other_are_refused_at_open() {
    let store = Store::new();
    let intent = five_entries(&store, None).await;
    let db = store.raw();
    let (two, three) = (entry_key(intent, 2), entry_key(intent, 3));
    let (a, b) = (db.get(&two).unwrap().unwrap(), db.get(&three).unwrap().unwrap());
    db.insert(&two, b).unwrap();
    db.insert(&three, a).unwrap();
    db.flush().unwrap();
    drop(db);
    assert!(matches!(store.fails(), OpenError::Damaged { seq: 2, .. }));
}

#[tokio::test]
async fn an_ended_intents_damaged_entry_is_named_when_it_is_read() {
    let store = Store::new();
    let intent = five_entries(&store, Some(End::RolledBack)).await;
    flip_a_byte_of(&store.raw(), &entry_key(intent, 4));
    let journal = store.open().expect("the others are not held up by an ended intent");
    assert_eq!(journal.read(intent, 0, 3).await.unwrap().len(), 3);
    let read = journal.read(intent, 0, 9).await;
    assert!(
        matches!(read, Err(Error::Damaged { intent: i, seq: 4, .. }) if i == intent),
        "{read:?}"
    );
}

#[tokio::test]
async fn an_ended_intents_head_is_checked_at_open() {
    let store = Store::new();
    let intent = five_entries(&store, Some(End::RolledBack)).await;
    flip_a_byte_of(&store.raw(), &entry_key(intent, 5));
    assert!(matches!(store.fails(), OpenError::Damaged { seq: 5, .. }));
}

/// Puts the database back to an older copy of itself; the head file outside stays.
fn restore(from: &Path, to: &Path) {
    fs::remove_dir_all(to).unwrap();
    copy(from, to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_lost_tail_is_found_by_the_heads_outside() {
    let store = Store::new();
    let intent = five_entries(&store, None).await;
    let old = store.dir.path().join("old");
    copy(&store.path().join("journal"), &old);
    let journal = store.open().unwrap();
    let epoch = journal.claim(intent).await.unwrap();
    append(&journal, intent, epoch, Commit::default()).await.unwrap();
    drop(journal);
    restore(&old, &store.path().join("journal"));
    match store.fails() {
        OpenError::LostTail {
            intent: i,
            found: 5,
            recorded: 6,
        } => assert_eq!(i, intent),
        other => panic!("{other}"),
    }
    let accepted = store.open_with(OpenOptions {
        accept_lost_tail: true,
        ..OpenOptions::default()
    });
    assert_eq!(
        whole(&accepted.unwrap(), intent).await.len(),
        5,
        "a person may go on without it"
    );
    store.open().expect("what was accepted once is not asked again");
}

#[tokio::test]
async fn a_lost_intent_is_found_by_the_heads_outside() {
    let store = Store::new();
    drop(store.open().unwrap());
    let old = store.dir.path().join("old");
    copy(&store.path().join("journal"), &old);
    let lost = five_entries(&store, Some(End::Fulfilled)).await;
    restore(&old, &store.path().join("journal"));
    assert!(matches!(store.fails(), OpenError::LostTail { intent, found: 0, recorded: 5 } if intent == lost));
}

#[tokio::test]
async fn an_empty_snapshot_is_set_aside_and_nothing_is_lost() {
    let store = Store::new();
    let intent = five_entries(&store, None).await;
    // sled writes its snapshot when it recovers.
    drop(store.open().unwrap());
    let journal = store.path().join("journal");
    let snapshots = || -> Vec<PathBuf> {
        let files = fs::read_dir(&journal).unwrap().map(|e| e.unwrap().path());
        files
            .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("snap."))
            .collect()
    };
    assert!(!snapshots().is_empty(), "sled left a snapshot to damage");
    for snapshot in snapshots() {
        fs::write(snapshot, []).unwrap();
    }
    let opened = store.open().expect("the store repairs itself");
    assert_eq!(whole(&opened, intent).await.len(), 5);
    assert!(fs::read_dir(store.path().join("aside")).unwrap().count() > 0);
}

#[tokio::test]
async fn an_unreadable_head_file_does_not_hold_up_a_sound_store() {
    let store = Store::new();
    let intent = five_entries(&store, None).await;
    fs::write(store.path().join("heads.json"), b"{").unwrap();
    let journal = store.open().unwrap();
    assert_eq!(whole(&journal, intent).await.len(), 5);
}
