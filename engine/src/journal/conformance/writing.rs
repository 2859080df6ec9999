//! Who may write, and what locks let through.

use super::*;
use crate::canonical::Digest;

pub async fn a_commit_that_expects_another_head_is_stale_and_writes_nothing(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    let before = whole(&journal, intent).await;
    for expected in [0, 2, 99] {
        let commit = next(&journal, intent, epoch, [event(1)]).await;
        let refused = journal.commit(intent, epoch, expected, commit).await;
        assert!(
            matches!(refused, Err(Error::Stale { expected: e, found: 1 }) if e == expected),
            "a commit that expects {expected} is stale: {refused:?}"
        );
    }
    assert_eq!(whole(&journal, intent).await, before, "nothing was written");
}

pub async fn a_former_owner_is_fenced_before_anything_else(journal: Fresh) {
    let (intent, old) = claimed(&journal).await;
    let new = journal.claim(intent).await.expect("it is claimed again");
    let commit = next(&journal, intent, old, [event(1)]).await;
    for expected in [1, 7] {
        let refused = journal.commit(intent, old, expected, commit.clone()).await;
        assert!(
            matches!(refused, Err(Error::Fenced { epoch }) if epoch == new),
            "the former owner is fenced: {refused:?}"
        );
    }
    append(&journal, intent, new, Commit::default())
        .await
        .expect("the new owner writes");
    assert_eq!(
        whole(&journal, intent).await.len(),
        2,
        "only the new owner's entry was written"
    );
}

pub async fn a_broken_chain_is_refused_and_writes_nothing(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    let head = journal.head(intent).await.expect("it is there");
    let gap = Head { seq: 2, ..head.clone() };
    let other = Head {
        hash: Digest::of_bytes(b"another stream"),
        ..head.clone()
    };
    let mut altered = entries(&head, epoch, [event(1), event(2)]);
    altered[1].bytes.push(b' ');
    let broken = [
        (entries(&gap, epoch, [event(1)]), 2),
        (entries(&other, epoch, [event(1)]), 2),
        (altered, 3),
    ];
    for (entries, at) in broken {
        let commit = Commit {
            entries,
            locks: vec![LockChange::Acquire(targets(&["device:a"]))],
            ..Commit::default()
        };
        let refused = journal.commit(intent, epoch, 1, commit).await;
        assert!(
            matches!(refused, Err(Error::Damaged { intent: i, seq, .. }) if i == intent && seq == at),
            "a broken chain is refused at entry {at}: {refused:?}"
        );
    }
    assert_eq!(whole(&journal, intent).await.len(), 1, "no entry was written");
    assert!(journal.locks().await.expect("readable").is_empty(), "no lock was taken");
}

pub async fn one_of_two_commits_at_the_same_head_wins(journal: Fresh) {
    let (intent, epoch) = claimed(&journal).await;
    let head = journal.head(intent).await.expect("it is there");
    let commit = |n| Commit {
        entries: entries(&head, epoch, [event(n)]),
        ..Commit::default()
    };
    let both = futures::future::join(
        journal.commit(intent, epoch, 1, commit(1)),
        journal.commit(intent, epoch, 1, commit(2)),
    );
    let (a, b) = both.await;
    assert!(a.is_ok() != b.is_ok(), "one wins: {a:?} {b:?}");
    let lost = a.and(b);
    assert!(
        matches!(lost, Err(Error::Stale { expected: 1, found: 2 })),
        "the other is stale: {lost:?}"
    );
    assert_eq!(whole(&journal, intent).await.len(), 2);
}

pub async fn locks_are_taken_all_or_none(journal: Fresh) {
    let (a, b) = (claimed(&journal).await, claimed(&journal).await);
    acquire(&journal, a, &["device:x"])
        .await
        .expect("a free target is locked");
    let refused = acquire(&journal, b, &["device:w", "device:x", "device:y"]).await;
    match refused {
        Err(Error::Locked(lock)) => assert_eq!((lock.intent, lock.target), (a.0, targets(&["device:x"])[0].clone())),
        other => panic!("a locked target refuses the commit: {other:?}"),
    }
    let held = journal.locks().await.expect("readable");
    assert_eq!(held.len(), 1, "none of the others was locked: {held:?}");
    assert_eq!(whole(&journal, b.0).await.len(), 1, "and no entry was written");
    let release = Commit {
        locks: vec![LockChange::Release(targets(&["device:x"]))],
        ..Commit::default()
    };
    append(&journal, a.0, a.1, release)
        .await
        .expect("its owner releases it");
    acquire(&journal, b, &["device:w", "device:x", "device:y"])
        .await
        .expect("then all are free");
    assert!(journal.locks().await.expect("readable").iter().all(|l| l.intent == b.0));
}

pub async fn locks_conflict_along_the_hierarchy_and_not_along_names(journal: Fresh) {
    let (a, b) = (claimed(&journal).await, claimed(&journal).await);
    acquire(&journal, a, &["device:x/interface:Gi0/1", "device:y"])
        .await
        .expect("free");
    for taken in ["device:x", "device:x/interface:Gi0/1", "device:y/interface:Gi0/1"] {
        let refused = acquire(&journal, b, &[taken]).await;
        assert!(
            matches!(refused, Err(Error::Locked(_))),
            "{taken} conflicts: {refused:?}"
        );
    }
    let free = ["device:xy", "device:x/interface:Gi0/10", "device:x/interface:Gi0"];
    acquire(&journal, b, &free)
        .await
        .expect("names that only begin alike do not conflict");
}

pub async fn an_intent_may_lock_again_what_it_holds(journal: Fresh) {
    let a = claimed(&journal).await;
    acquire(&journal, a, &["device:x"]).await.expect("free");
    let first = journal.locks().await.expect("readable");
    acquire(&journal, a, &["device:x", "device:x/interface:Gi0/1"])
        .await
        .expect("its own");
    let held = journal.locks().await.expect("readable");
    assert_eq!((held.len(), &held[0]), (2, &first[0]), "the first lock keeps its time");
}

pub async fn locks_of_another_are_not_released(journal: Fresh) {
    let (a, b) = (claimed(&journal).await, claimed(&journal).await);
    acquire(&journal, a, &["device:x"]).await.expect("free");
    let release = Commit {
        locks: vec![LockChange::Release(targets(&["device:x", "device:unknown"]))],
        ..Commit::default()
    };
    append(&journal, b.0, b.1, release)
        .await
        .expect("releasing what one does not hold changes nothing");
    let held = journal.locks().await.expect("readable");
    assert!(held.len() == 1 && held[0].intent == a.0, "{held:?}");
}

pub async fn ten_thousand_targets_are_locked_and_listed(journal: Fresh) {
    let (a, b) = (claimed(&journal).await, claimed(&journal).await);
    let names: Vec<String> = (0..10_000).map(|n| format!("device:core-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut row = row(a.0, "executing", None);
    row.targets = targets(&names);
    let commit = Commit {
        locks: vec![LockChange::Acquire(targets(&names))],
        row: Some(row.clone()),
        ..Commit::default()
    };
    append(&journal, a.0, a.1, commit).await.expect("all are free");
    assert_eq!(journal.locks().await.expect("readable").len(), 10_000);
    assert_eq!(journal.row(a.0).await.expect("readable"), Some(row));
    assert!(matches!(acquire(&journal, b, &names).await, Err(Error::Locked(_))));
}

pub async fn a_commit_on_an_unknown_intent_says_so(journal: Fresh) {
    let nobody = IntentId::fresh();
    let unknown = |e: Error| matches!(e, Error::NoSuchIntent(i) if i == nobody);
    let commit = journal.commit(nobody, 1, 0, Commit::default()).await;
    assert!(unknown(commit.expect_err("no commit")));
    assert!(unknown(journal.claim(nobody).await.expect_err("no claim")));
    assert!(unknown(journal.post(nobody, command("c")).await.expect_err("no post")));
    assert!(unknown(journal.head(nobody).await.expect_err("no head")));
    assert!(unknown(journal.read(nobody, 0, 1).await.expect_err("no entries")));
    assert!(unknown(journal.inbox(nobody).await.expect_err("no inbox")));
    assert!(unknown(journal.shred(nobody).await.expect_err("nothing to shred")));
    assert_eq!(journal.row(nobody).await.expect("readable"), None);
    assert_eq!(journal.checkpoint(nobody).await.expect("readable"), None);
}
