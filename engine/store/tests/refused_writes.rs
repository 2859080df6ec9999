//! A disk that refuses every write from some moment on, so that one breaks off in its midst: nothing of it is acknowledged,
//! and all that was acknowledged before can still be read.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::ids::IntentId;
use flyball_engine::journal::conformance::{Fresh, append, claimed, command, entries, event, row, whole};
use flyball_engine::journal::{Commit, Epoch, Error, Filter, IntentRow, StoredEntry};
use flyball_store::{OpenOptions, open};
use serde_json::json;
use std::process::Command;

/// Set where the signal is ignored with which the kernel tells of a file that may not grow.
const IGNORED: &str = "FLYBALL_TEST_XFSZ_IGNORED";

/// How long a file of this process may become.
fn files_may_hold(bytes: &str) {
    let pid = std::process::id().to_string();
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(set.unwrap().success());
}

/// Runs this test once more, in a process that is not ended by a file that may not grow.
fn in_a_process_that_goes_on(test: &str) {
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(IGNORED, "1")
        .status();
    assert!(status.unwrap().success());
}

/// All that can be read of a store.
async fn read(journal: &Fresh, intents: &[(IntentId, Epoch)]) -> (Vec<Vec<StoredEntry>>, Vec<IntentRow>, usize) {
    let mut streams = Vec::new();
    for (intent, _) in intents {
        streams.push(whole(journal, *intent).await);
    }
    let rows = journal.list(Filter::default()).await.expect("reads go on");
    let commands = journal.inbox(intents[0].0).await.expect("reads go on").len();
    assert_eq!(journal.fact("halt").await.expect("reads go on"), Some(json!("storm")));
    (streams, rows, commands)
}

/// A store of some commits, in which one that appends `long` entries is refused by the disk. `spoilt`: half of the
/// database's file is gone then.
async fn broken_off(commits: usize, long: u32, spoilt: bool) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let url = format!("sled:{}", store.display());
    let journal = open(&url, OpenOptions::default()).unwrap();
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(claimed(&journal).await);
    }
    journal.put_fact("halt", json!("storm")).await.unwrap();
    journal.post(all[0].0, command("c")).await.unwrap();
    for n in 0..commits {
        let (intent, epoch) = all[n % 4];
        append(&journal, intent, epoch, Commit::default()).await.unwrap();
    }
    let before = read(&journal, &all).await;
    let (intent, epoch) = all[commits % 4];
    let head = journal.head(intent).await.unwrap();
    let commit = Commit {
        entries: entries(&head, epoch, (0..long).map(event).collect::<Vec<_>>()),
        row: Some(row(intent, "executing", None)),
        ..Commit::default()
    };
    files_may_hold("1");
    let refused = append(&journal, intent, epoch, commit).await;
    files_may_hold("unlimited");
    assert!(matches!(refused, Err(Error::Unwritable(_))), "{refused:?}");
    if spoilt {
        let db = std::fs::File::options()
            .write(true)
            .open(store.join("journal/db"))
            .unwrap();
        db.set_len(db.metadata().unwrap().len() / 2).unwrap();
        for (n, (intent, _)) in all.iter().enumerate() {
            match journal.read(*intent, 0, usize::MAX).await {
                Ok(entries) => assert_eq!(entries, before.0[n], "{commits} commits, {long} entries"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        return;
    }
    assert_eq!(read(&journal, &all).await, before, "{commits} commits, {long} entries");
    let still = append(&journal, intent, epoch, Commit::default()).await;
    assert!(matches!(still, Err(Error::Unwritable(_))), "{still:?}");
    drop(journal);
    let journal = open(&url, OpenOptions::default()).unwrap();
    assert_eq!(
        read(&journal, &all).await,
        before,
        "{commits} commits, {long} entries, opened again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_acknowledged_can_be_read_after_a_write_that_broke_off() {
    if std::env::var_os(IGNORED).is_none() {
        return in_a_process_that_goes_on("all_that_was_acknowledged_can_be_read_after_a_write_that_broke_off");
    }
    for commits in 50..60 {
        for long in [1, 40, 400] {
            broken_off(commits, long, false).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_lacks_what_was_acknowledged_is_not_read_instead() {
    if std::env::var_os(IGNORED).is_none() {
        return in_a_process_that_goes_on("a_copy_that_lacks_what_was_acknowledged_is_not_read_instead");
    }
    for commits in 50..60 {
        broken_off(commits, 40, true).await;
    }
}
