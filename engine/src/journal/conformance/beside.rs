//! What stands beside the entries: blobs, inbox, facts, and the waking of those who wait.

use super::*;
use crate::canonical::Digest;
use crate::payload::{Blob, Payload};
use serde_json::{Value, json};

fn device_state(length: usize) -> Value {
    let lines: Vec<String> = (0..length / 16).map(|n| format!("interface {n:06}")).collect();
    json!(lines)
}

async fn put_blobs(journal: &Fresh, owner: (IntentId, Epoch), blobs: &[Blob]) {
    let commit = Commit {
        blobs: blobs.to_vec(),
        ..Commit::default()
    };
    append(journal, owner.0, owner.1, commit)
        .await
        .expect("blobs are committed");
}

async fn blob(journal: &Fresh, intent: IntentId, digest: &Digest) -> Option<Vec<u8>> {
    journal.blob(intent, digest).await.expect("blobs are readable")
}

pub async fn blobs_come_back_whole_sealed_or_not(journal: Fresh) {
    let owner = claimed(&journal).await;
    let large = device_state(3 << 20);
    let (open, plain) = Payload::open(large.clone());
    let plain = plain.expect("a large value stands in a blob");
    let (sealed, secret) = Payload::seal(&large, [7; 16]);
    let (small, small_secret) = Payload::seal(&json!("community s3cret"), [8; 16]);
    put_blobs(&journal, owner, &[plain.clone(), secret.clone(), small_secret.clone()]).await;
    for (payload, stored) in [(open, &plain), (sealed, &secret), (small, &small_secret)] {
        let bytes = blob(&journal, owner.0, &stored.digest).await.expect("it is there");
        assert!(bytes == stored.bytes, "the bytes are those committed");
        assert!(payload.value(Some(&bytes)).is_some(), "and give the value");
    }
    // The same value again, and another intent's view of it.
    put_blobs(&journal, owner, std::slice::from_ref(&plain)).await;
    assert!(blob(&journal, owner.0, &plain.digest).await == Some(plain.bytes));
    let stranger = claimed(&journal).await;
    assert_eq!(
        blob(&journal, stranger.0, &secret.digest).await,
        None,
        "blobs are the intent's own"
    );
    assert_eq!(blob(&journal, owner.0, &Digest::of_bytes(b"never")).await, None);
}

pub async fn shredding_takes_the_sealed_blobs_alone(journal: Fresh) {
    let (owner, other) = (claimed(&journal).await, claimed(&journal).await);
    let (_, plain) = Payload::open(device_state(1 << 15));
    let plain = plain.expect("a large value stands in a blob");
    let (_, secret) = Payload::seal(&json!("s3cret"), [1; 16]);
    put_blobs(&journal, owner, &[plain.clone(), secret.clone()]).await;
    put_blobs(&journal, other, std::slice::from_ref(&secret)).await;
    journal.shred(owner.0).await.expect("shredded");
    journal.shred(owner.0).await.expect("shredding twice is harmless");
    assert_eq!(
        blob(&journal, owner.0, &secret.digest).await,
        None,
        "the secret is gone"
    );
    assert!(
        blob(&journal, owner.0, &plain.digest).await.is_some(),
        "the plain one is not"
    );
    assert!(
        blob(&journal, other.0, &secret.digest).await.is_some(),
        "nor is another intent's"
    );
    let (_, later) = Payload::seal(&json!("s3cret too"), [2; 16]);
    put_blobs(&journal, owner, std::slice::from_ref(&later)).await;
    assert_eq!(
        blob(&journal, owner.0, &later.digest).await,
        Some(later.bytes),
        "new ones can be sealed"
    );
    assert_eq!(
        blob(&journal, owner.0, &secret.digest).await,
        None,
        "the old one stays gone"
    );
    whole(&journal, owner.0).await;
}

async fn waiting(journal: &Fresh, intent: IntentId) -> Vec<String> {
    let inbox = journal.inbox(intent).await.expect("readable");
    inbox.into_iter().map(|c| c.id).collect()
}

pub async fn commands_keep_their_order_and_come_once(journal: Fresh) {
    let (a, b) = (claimed(&journal).await.0, claimed(&journal).await.0);
    for id in ["z", "a", "m", "a", "z", "b"] {
        journal.post(a, command(id)).await.expect("posted");
    }
    journal.post(b, command("z")).await.expect("posted");
    assert_eq!(waiting(&journal, a).await, ["z", "a", "m", "b"]);
    assert_eq!(waiting(&journal, b).await, ["z"], "each intent has its own");
    assert_eq!(
        journal.inbox(b).await.expect("readable"),
        [command("z")],
        "a command is kept as it came"
    );
}

pub async fn whoever_has_commands_is_found(journal: Fresh) {
    let (a, b, c) = (
        claimed(&journal).await,
        claimed(&journal).await,
        claimed(&journal).await,
    );
    for (intent, id) in [(a.0, "1"), (a.0, "2"), (b.0, "1"), (c.0, "1")] {
        journal.post(intent, command(id)).await.expect("posted");
    }
    let end = Commit {
        row: Some(row(c.0, "cancelled", Some(End::Cancelled))),
        ..next(&journal, c.0, c.1, [event(1)]).await
    };
    append(&journal, c.0, c.1, end).await.expect("it ends");
    let consumed = Commit {
        consumed: vec!["1".to_owned()],
        ..Commit::default()
    };
    append(&journal, b.0, b.1, consumed).await.expect("consumed");
    let mut found = journal.addressed().await.expect("readable");
    let mut expected = vec![a.0, c.0];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "also one that has ended, each once");
}

pub async fn a_consumed_command_does_not_come_back(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    for id in ["c1", "c2", "c3"] {
        journal.post(intent, command(id)).await.expect("posted");
    }
    let consume = |ids: &[&str]| Commit {
        consumed: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..Commit::default()
    };
    append(&journal, intent, epoch, consume(&["c2", "unknown"]))
        .await
        .expect("consumed");
    assert_eq!(waiting(&journal, intent).await, ["c1", "c3"]);
    journal
        .post(intent, command("c2"))
        .await
        .expect("a repeated command is acknowledged");
    assert_eq!(waiting(&journal, intent).await, ["c1", "c3"], "but does not come twice");
    let known = async |id: &str| journal.was_posted(intent, id).await.expect("readable");
    assert!(known("c1").await && known("c2").await && !known("c4").await);
    append(&journal, intent, epoch, consume(&["c1", "c3", "c2"]))
        .await
        .expect("consumed");
    journal.post(intent, command("c4")).await.expect("posted");
    assert_eq!(waiting(&journal, intent).await, ["c4"]);
}

pub async fn a_stale_commit_consumes_nothing(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    journal.post(intent, command("c1")).await.expect("posted");
    let commit = Commit {
        consumed: vec!["c1".to_owned()],
        ..Commit::default()
    };
    assert!(matches!(
        journal.commit(intent, epoch, 9, commit).await,
        Err(Error::Stale { .. })
    ));
    assert_eq!(waiting(&journal, intent).await, ["c1"]);
}

pub async fn facts_are_kept_found_and_removed(journal: Fresh) {
    let long = json!("x".repeat(200_000));
    for (key, value) in [
        ("pin/b", json!(2)),
        ("pin/a", json!({"n": 1})),
        ("halt", json!(true)),
        ("pin/c", long),
    ] {
        journal.put_fact(key, value).await.expect("kept");
    }
    journal
        .put_fact("pin/c", json!(3))
        .await
        .expect("replaced by a shorter one");
    let pins = journal.facts("pin/").await.expect("readable");
    let wanted = [("pin/a", json!({"n": 1})), ("pin/b", json!(2)), ("pin/c", json!(3))];
    assert_eq!(pins, wanted.map(|(k, v)| (k.to_owned(), v)));
    journal.remove_fact("pin/b").await.expect("removed");
    journal
        .remove_fact("pin/b")
        .await
        .expect("removing what is not there is harmless");
    assert_eq!(journal.fact("pin/b").await.expect("readable"), None);
    assert_eq!(journal.fact("halt").await.expect("readable"), Some(json!(true)));
    assert_eq!(journal.facts("").await.expect("readable").len(), 3);
}

pub async fn watchers_wake_when_something_came(journal: Fresh) {
    let mut all = journal.watch_all();
    let (intent, epoch) = claimed(&journal).await;
    all.changed().await.expect("a creation wakes those who watch all");
    let mut one = journal.watch(intent);
    let other = claimed(&journal).await.0;
    let quiet = journal.watch(other);
    append(&journal, intent, epoch, Commit::default())
        .await
        .expect("committed");
    one.changed().await.expect("an entry wakes the intent's watcher");
    assert_eq!(whole(&journal, intent).await.len(), 2, "and is there by then");
    all.mark_unchanged();
    journal.post(intent, command("c1")).await.expect("posted");
    one.changed().await.expect("a command wakes it too");
    all.changed().await.expect("and those who watch all");
    assert!(
        !quiet.has_changed().expect("open"),
        "another intent's watcher sleeps on"
    );
}
