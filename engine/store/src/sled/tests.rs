use super::*;
use flyball_engine::intent::event::End;
use flyball_engine::journal::LockChange;
use flyball_engine::journal::conformance::{
    acquire, append, claimed, command, entries, event, new_intent, row, targets, whole,
};
use flyball_engine::payload::{Blob, Payload};
use serde_json::json;
use tempfile::TempDir;

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> Arc<SledJournal> {
        let path = self.dir.path().join("store");
        Arc::new(SledJournal::open(&path, &OpenOptions::default()).unwrap())
    }
}

fn any(journal: &Arc<SledJournal>) -> Arc<dyn Journal> {
    journal.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_that_come_together_share_syncs() {
    let place = Place::new();
    let store = place.open();
    let mut intents = Vec::new();
    for _ in 0..32 {
        intents.push(claimed(&any(&store)).await);
    }
    let before = store.syncs();
    let each = intents.iter().map(|(intent, epoch)| {
        let (journal, intent, epoch) = (any(&store), *intent, *epoch);
        tokio::spawn(async move {
            for _ in 0..8 {
                append(&journal, intent, epoch, Commit::default()).await.unwrap();
            }
        })
    });
    for task in each.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let syncs = store.syncs() - before;
    assert!(syncs <= 64, "256 commits of 32 at a time took {syncs} syncs");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_reads_go_on() {
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    let (intent, epoch) = claimed(&journal).await;
    let syncs = store.syncs();
    store.reader.disk.breaks.store(true, Ordering::Relaxed);
    let ends = Commit {
        row: Some(row(intent, "fulfilled", Some(End::Fulfilled))),
        ..Commit::default()
    };
    let failed = append(&journal, intent, epoch, ends).await;
    assert!(matches!(failed, Err(Error::Unwritable(_))), "{failed:?}");
    store.reader.disk.breaks.store(false, Ordering::Relaxed);
    for refused in [
        append(&journal, intent, epoch, Commit::default()).await,
        journal.post(intent, command("c")).await,
        journal.put_fact("halt", json!(true)).await,
        journal.claim(intent).await.map(drop),
    ] {
        let why = refused.expect_err("a fenced store writes nothing").to_string();
        assert_eq!(why, "the journal cannot be written: disk: input/output error");
    }
    assert_eq!(store.syncs(), syncs, "no later sync counts");
    assert_eq!(
        whole(&journal, intent).await.len(),
        1,
        "what was not synced is not shown"
    );
    let open = Filter {
        open: true,
        ..Filter::default()
    };
    let listed: Vec<String> = journal.list(open).await.unwrap().into_iter().map(|r| r.state).collect();
    let row = journal.row(intent).await.unwrap().unwrap();
    assert_eq!((listed, row.state.as_str()), (vec!["planning".to_owned()], "planning"));
}

#[tokio::test]
async fn a_read_writes_nothing_so_that_it_goes_on_over_a_disk_that_takes_nothing() {
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    let (intent, epoch) = claimed(&journal).await;
    for n in 0..60 {
        append(&journal, intent, epoch, Commit::default()).await.unwrap();
        whole(&journal, intent).await;
        let written = store.reader.disk.db.flush().unwrap();
        assert_eq!(written, 0, "reading after {n} commits has written {written} bytes");
    }
}

#[tokio::test]
async fn a_page_is_full_and_in_order_whatever_is_being_written() {
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    let mut all = Vec::new();
    for _ in 0..12 {
        all.push(claimed(&journal).await);
    }
    let (ending, epoch) = all[6];
    // A write that fails is in flight for good: one that makes an intent, or one that ends one.
    store.reader.disk.breaks.store(true, Ordering::Relaxed);
    let ends = Commit {
        row: Some(row(ending, "fulfilled", Some(End::Fulfilled))),
        ..Commit::default()
    };
    append(&journal, ending, epoch, ends).await.unwrap_err();
    let newest_first: Vec<IntentId> = all.iter().rev().map(|(intent, _)| *intent).collect();
    for open in [false, true] {
        let mut walked = Vec::new();
        let mut after = None;
        loop {
            let filter = Filter {
                open,
                limit: 5,
                after,
                ..Filter::default()
            };
            let page = journal.list(filter).await.unwrap();
            walked.extend(page.iter().map(|row| row.intent));
            assert!(page.iter().all(|row| row.state == "planning"), "{page:?}");
            if page.len() < 5 {
                break;
            }
            after = walked.last().copied();
        }
        assert_eq!(walked, newest_first, "open: {open}");
    }
}

#[tokio::test]
async fn a_page_is_full_while_an_intent_is_being_made() {
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    for _ in 0..6 {
        claimed(&journal).await;
    }
    store.reader.disk.breaks.store(true, Ordering::Relaxed);
    let made = journal.create(new_intent(IntentId::fresh())).await;
    assert!(made.is_err());
    let filter = Filter {
        limit: 5,
        ..Filter::default()
    };
    assert_eq!(journal.list(filter).await.unwrap().len(), 5);
    assert_eq!(journal.list(Filter::default()).await.unwrap().len(), 6);
}

#[tokio::test]
async fn all_of_it_is_there_after_a_restart() {
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    let (owner, other) = (claimed(&journal).await, claimed(&journal).await);
    acquire(&journal, owner, &["device:x"]).await.unwrap();
    let (_, secret) = Payload::seal(&json!("s3cret"), [3; 16]);
    let commit = Commit {
        blobs: vec![secret.clone()],
        row: Some(row(owner.0, "executing", None)),
        ..Commit::default()
    };
    append(&journal, owner.0, owner.1, commit).await.unwrap();
    journal.post(owner.0, command("c1")).await.unwrap();
    let before = (whole(&journal, owner.0).await, journal.locks().await.unwrap());
    drop((journal, store));

    let store = place.open();
    let journal = any(&store);
    assert_eq!((whole(&journal, owner.0).await, journal.locks().await.unwrap()), before);
    assert_eq!(journal.blob(owner.0, &secret.digest).await.unwrap(), Some(secret.bytes));
    journal.post(owner.0, command("c1")).await.unwrap();
    assert_eq!(journal.inbox(owner.0).await.unwrap().len(), 1);
    assert!(matches!(
        acquire(&journal, other, &["device:x"]).await,
        Err(Error::Locked(_))
    ));
    assert_eq!(
        journal.claim(owner.0).await.unwrap(),
        owner.1 + 1,
        "epochs go on growing"
    );
    let old = append(&journal, owner.0, owner.1, Commit::default()).await;
    assert!(matches!(old, Err(Error::Fenced { .. })));
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let place = Place::new();
    let _store = place.open();
    let second = SledJournal::open(&place.dir.path().join("store"), &OpenOptions::default());
    let told = second.err().unwrap().to_string();
    assert!(
        told.contains(&format!("in use by process {}", std::process::id())),
        "{told}"
    );
}

#[tokio::test]
async fn no_secret_and_no_key_stands_in_the_store_s_files() {
    let place = Place::new();
    let store = place.open();
    let (intent, epoch) = claimed(&any(&store)).await;
    let (_, secret) = Payload::seal(&json!("snmp-server community s3cret"), [3; 16]);
    let commit = Commit {
        blobs: vec![secret],
        ..Commit::default()
    };
    append(&any(&store), intent, epoch, commit).await.unwrap();
    drop(store);
    let master = std::fs::read(place.dir.path().join("keys/master.key")).unwrap();
    let db = std::fs::read(place.dir.path().join("store/journal/db")).unwrap();
    let holds = |needle: &[u8]| db.windows(needle.len()).any(|w| w == needle);
    assert!(!holds(b"s3cret") && !holds(&master));
}

#[tokio::test]
async fn large_values_never_leave_the_synced_log_for_a_file_of_sled_s() {
    let place = Place::new();
    let store = place.open();
    let (intent, epoch) = claimed(&any(&store)).await;
    for n in 0..24u8 {
        let bytes = vec![n; 300_000];
        let digest = Digest::of_bytes(&bytes);
        let blob = Blob {
            digest,
            bytes,
            sealed: n % 2 == 0,
        };
        let commit = Commit {
            blobs: vec![blob],
            ..Commit::default()
        };
        append(&any(&store), intent, epoch, commit).await.unwrap();
    }
    drop(store);
    let blobs = std::fs::read_dir(place.dir.path().join("store/journal/blobs")).unwrap();
    assert_eq!(blobs.count(), 0, "sled does not sync those files");
}

#[tokio::test]
async fn a_lost_or_foreign_master_key_is_refused_not_replaced() {
    let place = Place::new();
    drop(place.open());
    let key = place.dir.path().join("keys/master.key");
    let path = place.dir.path().join("store");
    std::fs::write(&key, [9; 32]).unwrap();
    assert!(matches!(
        SledJournal::open(&path, &OpenOptions::default()),
        Err(OpenError::MasterKey(_))
    ));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(
        SledJournal::open(&path, &OpenOptions::default()),
        Err(OpenError::MasterKey(_))
    ));
    assert!(!key.exists());
}

#[tokio::test]
async fn an_approval_is_in_the_head_file_when_it_is_acknowledged() {
    use flyball_engine::intent::event::Event;
    let place = Place::new();
    let store = place.open();
    let journal = any(&store);
    let (intent, epoch) = claimed(&journal).await;
    let head = journal.head(intent).await.unwrap();
    let approval = Event::ApprovalGiven {
        approval: "a1".to_owned(),
        digest: Digest::zero(),
        by: flyball_engine::actor::Actor::human("bob"),
        comment: None,
        own: false,
    };
    let commit = Commit {
        entries: entries(&head, epoch, [event(1), approval]),
        ..Commit::default()
    };
    append(&journal, intent, epoch, commit).await.unwrap();
    // Only this one of the two files is synced.
    let outside = std::fs::read(place.dir.path().join("store/heads.json")).unwrap();
    let outside: serde_json::Value = serde_json::from_slice(&outside).unwrap();
    let head = serde_json::to_value(journal.head(intent).await.unwrap()).unwrap();
    assert_eq!(outside["heads"][intent.to_string()], head);
}

#[tokio::test]
async fn a_lock_taken_and_released_is_free_after_a_restart() {
    let place = Place::new();
    let store = place.open();
    let owner = claimed(&any(&store)).await;
    acquire(&any(&store), owner, &["device:x", "device:y"]).await.unwrap();
    let commit = Commit {
        locks: vec![LockChange::Release(targets(&["device:x"]))],
        row: Some(row(owner.0, "fulfilled", Some(End::Fulfilled))),
        ..Commit::default()
    };
    append(&any(&store), owner.0, owner.1, commit).await.unwrap();
    drop(store);
    let held = place.open().locks().await.unwrap();
    assert_eq!(held.iter().map(|l| l.target.as_str()).collect::<Vec<_>>(), ["device:y"]);
}
