//! What is read is what was written.

use super::*;
use crate::canonical::Digest;
use crate::journal::{Checkpoint, Filter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

pub async fn entries_are_read_in_pages(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    let commit = next(&journal, intent, epoch, (1..10).map(event)).await;
    append(&journal, intent, epoch, commit).await.expect("committed");
    let seqs = async |after, limit| -> Vec<u64> {
        let page = journal.read(intent, after, limit).await.expect("readable");
        page.iter().map(|e| e.entry.seq).collect()
    };
    assert_eq!(seqs(0, 3).await, [1, 2, 3]);
    assert_eq!(seqs(3, 3).await, [4, 5, 6]);
    assert_eq!(seqs(9, 3).await, [10]);
    assert!(seqs(10, 3).await.is_empty() && seqs(99, 3).await.is_empty() && seqs(0, 0).await.is_empty());
    assert!(seqs(u64::MAX, 3).await.is_empty());
    assert_eq!(seqs(0, usize::MAX).await.len(), 10);
}

pub async fn long_entries_come_back_byte_for_byte(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    let mut written = whole(&journal, intent).await;
    for length in [1, 5_000, 5_120, 5_121, 65_536, 300_000] {
        let why = "ü".repeat(length / 2);
        let commit = next(&journal, intent, epoch, [Event::RollbackStarted { why }]).await;
        written.extend(commit.entries.clone());
        append(&journal, intent, epoch, commit).await.expect("committed");
    }
    assert!(
        whole(&journal, intent).await == written,
        "every entry is as it was written"
    );
}

fn checkpoint(last: &StoredEntry, size: usize) -> Checkpoint {
    let state = json!({"n": "x".repeat(size)});
    Checkpoint {
        seq: last.entry.seq,
        entry_hash: last.hash.clone(),
        fold_version: 1,
        digest: Digest::of_value(&state),
        state,
    }
}

pub async fn a_checkpoint_is_kept_until_the_next(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    assert_eq!(journal.checkpoint(intent).await.expect("readable"), None);
    for size in [100_000, 10] {
        let mut commit = next(&journal, intent, epoch, [event(1), event(2)]).await;
        let kept = checkpoint(&commit.entries[1], size);
        commit.checkpoint = Some(kept.clone());
        append(&journal, intent, epoch, commit).await.expect("committed");
        append(&journal, intent, epoch, Commit::default())
            .await
            .expect("committed");
        assert_eq!(journal.checkpoint(intent).await.expect("readable"), Some(kept));
    }
}

/// Five intents, oldest first; each with another state, origin and target.
async fn several(journal: &Fresh) -> Vec<IntentId> {
    let mut intents = Vec::new();
    let kinds = [
        ("executing", "operator", "device:x", None),
        (
            "fulfilled",
            "operator",
            "device:x/interface:Gi0/1",
            Some(End::Fulfilled),
        ),
        ("executing", "alarm", "device:y", None),
        ("failed", "alarm", "device:xy", Some(End::Failed)),
        ("waiting", "agent", "server:lab", None),
    ];
    for (state, origin, target, end) in kinds {
        let (intent, epoch) = claimed(journal).await;
        let row = IntentRow {
            origin: origin.to_owned(),
            targets: targets(&[target]),
            ..row(intent, state, end)
        };
        let commit = Commit {
            row: Some(row),
            ..Commit::default()
        };
        append(journal, intent, epoch, commit).await.expect("committed");
        intents.push(intent);
    }
    intents
}

pub async fn rows_are_listed_newest_first_and_filtered(journal: Fresh) {
    let intents = several(&journal).await;
    let listed = async |filter: Filter| -> Vec<usize> {
        let rows = journal.list(filter).await.expect("readable");
        let place = |row: &IntentRow| intents.iter().position(|i| *i == row.intent).expect("one of ours");
        rows.iter().map(place).collect()
    };
    let text = |t: &str| Some(t.to_owned());
    assert_eq!(listed(Filter::default()).await, [4, 3, 2, 1, 0]);
    let open = Filter {
        open: true,
        ..Filter::default()
    };
    assert_eq!(listed(open.clone()).await, [4, 2, 0]);
    let state = text("executing");
    assert_eq!(listed(Filter { state, ..open.clone() }).await, [2, 0]);
    let origin = text("alarm");
    assert_eq!(
        listed(Filter {
            origin: origin.clone(),
            ..open
        })
        .await,
        [2]
    );
    assert_eq!(
        listed(Filter {
            origin,
            ..Filter::default()
        })
        .await,
        [3, 2]
    );
    let target = text("device:x");
    assert_eq!(
        listed(Filter {
            target,
            ..Filter::default()
        })
        .await,
        [1, 0],
        "a device and what lies on it"
    );
    let target = text("nonsense");
    assert!(
        listed(Filter {
            target,
            ..Filter::default()
        })
        .await
        .is_empty()
    );
}

pub async fn rows_are_listed_in_pages(journal: Fresh) {
    let intents = several(&journal).await;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = Filter {
            limit: 2,
            after,
            ..Filter::default()
        };
        let rows = journal.list(page).await.expect("readable");
        assert!(rows.len() <= 2, "a page holds no more than asked");
        let Some(last) = rows.last() else { break };
        after = Some(last.intent);
        found.extend(rows.iter().map(|r| r.intent));
    }
    let newest_first: Vec<_> = intents.into_iter().rev().collect();
    assert_eq!(found, newest_first);
}

pub async fn a_commit_without_a_row_keeps_the_last(journal: Fresh) {
    let intent = several(&journal).await[0];
    let before = journal.row(intent).await.expect("readable");
    let epoch = journal.claim(intent).await.expect("claimed");
    append(&journal, intent, epoch, Commit::default())
        .await
        .expect("committed");
    assert_eq!(journal.row(intent).await.expect("readable"), before);
    let fewer = row(intent, "executing", None);
    let commit = Commit {
        row: Some(fewer.clone()),
        ..Commit::default()
    };
    append(&journal, intent, epoch, commit).await.expect("committed");
    assert_eq!(
        journal.row(intent).await.expect("readable"),
        Some(fewer),
        "targets can also go"
    );
}

/// Random commits on random intents, the same for each seed.
pub async fn any_list_of_events_reads_back_as_it_was_written(journal: Fresh) {
    for seed in 0..8 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut streams = Vec::new();
        for _ in 0..3 {
            let (intent, epoch) = claimed(&journal).await;
            streams.push((intent, epoch, whole(&journal, intent).await));
        }
        for _ in 0..20 {
            let which = random.random_range(0..streams.len());
            let (intent, epoch, written) = &mut streams[which];
            let events: Vec<Event> = (0..random.random_range(1..5)).map(|_| any_event(&mut random)).collect();
            let commit = next(&journal, *intent, *epoch, events).await;
            written.extend(commit.entries.clone());
            append(&journal, *intent, *epoch, commit).await.expect("committed");
        }
        for (intent, _, written) in streams {
            assert!(
                whole(&journal, intent).await == written,
                "seed {seed}: the contents are the same"
            );
        }
    }
}

fn any_event(random: &mut StdRng) -> Event {
    match random.random_range(0..4) {
        0 => event(random.random()),
        1 => Event::RollbackStarted {
            why: (0..random.random_range(0..9_000))
                .map(|_| random.random::<char>())
                .collect(),
        },
        2 => Event::TargetsLocked {
            targets: targets(&["device:a", "device:b/interface:Gi0/1"]),
        },
        _ => Event::ApprovalRequested {
            approval: format!("a{}", random.random::<u64>()),
            digest: Digest::of_bytes(&random.random::<[u8; 8]>()),
            expires_ms: random.random_range(-(1 << 53)..(1 << 53)),
        },
    }
}
