//! The process is killed at any moment; what it acknowledged is there afterwards, whole.
//!
//! The writing process is this test binary run again with the test's own name. It prints a line for each write after it
//! was acknowledged, and is killed with SIGKILL a seeded moment after a seeded number of lines.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::conformance::{claimed, command, entries, event, row, targets, whole};
use flyball_engine::journal::{Checkpoint, Commit, Epoch, Error, Head, Journal, LockChange, StoredEntry};
use flyball_engine::payload::Blob;
use flyball_store::{OpenOptions, open};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const WRITES_TO: &str = "FLYBALL_KILL_TEST_STORE";
const NAME: &str = "what_was_acknowledged_before_a_kill_is_whole_after_it";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_before_a_kill_is_whole_after_it() {
    if let Ok(url) = std::env::var(WRITES_TO) {
        return write_until_killed(&url).await;
    }
    let full = std::env::var_os("FLYBALL_FULL").is_some_and(|v| !v.is_empty() && v != "0");
    let mut random = StdRng::seed_from_u64(7);
    // A store of its own for every few rounds: each round reads again all that was acknowledged before.
    for _ in 0..if full { 20 } else { 1 } {
        let rounds = if full { 10 } else { 15 };
        kill_again_and_again(rounds, &mut random).await;
    }
}

async fn kill_again_and_again(rounds: usize, random: &mut StdRng) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let moment = (
            random.random_range(0..120),
            Duration::from_micros(random.random_range(0..15_000)),
        );
        run_and_kill(&path, moment, &mut acknowledged);
        verify(&path, &acknowledged, round).await;
    }
    assert!(acknowledged.len() >= rounds, "the rounds wrote something");
}

fn url(path: &Path) -> String {
    format!("sled:{}", path.display())
}

/// What the writer printed about each intent last: how many entries, and whether it posted a command.
type Acknowledged = BTreeMap<IntentId, (u64, bool)>;

fn run_and_kill(path: &Path, (lines, later): (usize, Duration), acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(WRITES_TO, url(path))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < lines {
        let line = out.next().expect("the writer writes until it is killed").unwrap();
        seen += usize::from(note(&line, acknowledged));
    }
    // Waits for nothing: a kill right after an acknowledgement would always hit the writer between two groups.
    std::thread::sleep(later);
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had printed by then was acknowledged as well.
    for line in out.map_while(Result::ok) {
        note(&line, acknowledged);
    }
}

/// `ack INTENT SEQ` or `posted INTENT`; a last line may be cut.
fn note(line: &str, acknowledged: &mut Acknowledged) -> bool {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["ack", intent, seq, "."] => {
            let known = acknowledged.entry(intent.parse().unwrap()).or_default();
            known.0 = known.0.max(seq.parse().unwrap());
            true
        }
        ["posted", intent, "."] => {
            acknowledged.entry(intent.parse().unwrap()).or_default().1 = true;
            true
        }
        _ => false,
    }
}

async fn write_until_killed(url: &str) {
    let journal = open(url, OpenOptions::default()).unwrap();
    let writers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(write_one_after_another(journal.clone(), n)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Never returns: an intent of a few commits, then the next.
async fn write_one_after_another(journal: Arc<dyn Journal>, writer: u32) {
    for n in 0.. {
        let (intent, epoch) = claimed(&journal).await;
        say(format_args!("ack {intent} 1 ."));
        journal.post(intent, command("stays")).await.unwrap();
        journal.post(intent, command("goes")).await.unwrap();
        say(format_args!("posted {intent} ."));
        for _ in 0..(n + writer) % 7 {
            let head = journal.head(intent).await.unwrap();
            let commit = commit(intent, epoch, &head);
            journal.commit(intent, epoch, head.seq, commit).await.unwrap();
            say(format_args!("ack {intent} {} .", head.seq + 3));
        }
    }
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // After the kill there is nobody to read it.
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

fn blob(head: u64) -> Blob {
    let bytes = vec![u8::try_from(head % 251).unwrap(); 20_000];
    Blob {
        digest: Digest::of_bytes(&bytes),
        bytes,
        sealed: head.is_multiple_of(2),
    }
}

/// Three entries, a blob, a lock, a row, a checkpoint and a consumed command: there together or not at all.
fn commit(intent: IntentId, epoch: Epoch, head: &Head) -> Commit {
    let entries = entries(head, epoch, (0..3).map(event));
    let end = head.seq + 3;
    Commit {
        blobs: vec![blob(end)],
        locks: vec![LockChange::Acquire(targets(&[&lock(intent, end)]))],
        row: Some(row(intent, &format!("at {end}"), None)),
        consumed: vec!["goes".to_owned()],
        checkpoint: Some(checkpoint(&entries[2])),
        entries,
    }
}

fn checkpoint(last: &StoredEntry) -> Checkpoint {
    let state = json!({"size": "x".repeat(8_000)});
    Checkpoint {
        seq: last.entry.seq,
        entry_hash: last.hash.clone(),
        fold_version: 1,
        digest: Digest::of_value(&state),
        state,
    }
}

fn lock(intent: IntentId, end: u64) -> String {
    format!("device:{intent}-{end}")
}

async fn verify(path: &Path, acknowledged: &Acknowledged, round: usize) {
    let journal = open(&url(path), OpenOptions::default()).unwrap_or_else(|e| panic!("round {round}: {e}"));
    let locks = journal.locks().await.unwrap();
    for (&intent, &(seq, posted)) in acknowledged {
        let stream = whole(&journal, intent).await;
        let end = stream.len() as u64;
        assert!(
            end >= seq,
            "round {round}: {intent} ends at {end}, {seq} was acknowledged"
        );
        assert_eq!(end % 3, 1, "round {round}: {intent} holds a part of a commit");
        let inbox: Vec<String> = journal.inbox(intent).await.unwrap().into_iter().map(|c| c.id).collect();
        if posted {
            let wanted: &[&str] = if end > 1 { &["stays"] } else { &["stays", "goes"] };
            assert_eq!(inbox, wanted, "round {round}: {intent} at {end}");
        }
        let held = locks.iter().filter(|l| l.intent == intent).count() as u64;
        assert_eq!(
            held,
            (end - 1) / 3,
            "round {round}: {intent} at {end} has a lock for each commit"
        );
        if end > 1 {
            beside(&journal, intent, stream.last().unwrap()).await;
        }
    }
}

/// What was committed with the last entry is there with it.
async fn beside(journal: &Arc<dyn Journal>, intent: IntentId, last: &StoredEntry) {
    let end = last.entry.seq;
    assert_eq!(journal.row(intent).await.unwrap().unwrap().state, format!("at {end}"));
    assert_eq!(journal.checkpoint(intent).await.unwrap(), Some(checkpoint(last)));
    let blob = blob(end);
    assert!(journal.blob(intent, &blob.digest).await.unwrap() == Some(blob.bytes));
    let again = journal.commit(intent, 99, end, Commit::default()).await;
    assert!(
        matches!(again, Err(Error::Fenced { epoch: 1 })),
        "the claim was kept: {again:?}"
    );
}
