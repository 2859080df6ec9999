//! How intents begin: once, repeated or joined.

use super::*;
use crate::canonical::Digest;
use crate::journal::{Filter, IdempotencyRecord};

fn keyed(scope: &str, body: &[u8]) -> NewIntent {
    let intent = IntentId::fresh();
    NewIntent {
        idempotency: Some(IdempotencyRecord {
            scope: scope.to_owned(),
            body: Digest::of_bytes(body),
            intent,
            at_ms: 1,
        }),
        ..new_intent(intent)
    }
}

fn joining(request: &[u8]) -> NewIntent {
    NewIntent {
        join_key: Some(Digest::of_bytes(request)),
        ..new_intent(IntentId::fresh())
    }
}

async fn create(journal: &Fresh, new: NewIntent) -> Created {
    journal.create(new).await.expect("it is answered")
}

async fn count(journal: &Fresh) -> usize {
    journal.list(Filter::default()).await.expect("readable").len()
}

pub async fn an_intent_is_created_once(journal: Fresh) {
    let new = new_intent(IntentId::fresh());
    assert_eq!(create(&journal, new.clone()).await, Created::New);
    assert_eq!(whole(&journal, new.intent).await, new.commit.entries);
    let again = journal.create(new.clone()).await;
    assert!(
        matches!(again, Err(Error::Stale { expected: 0, found: 1 })),
        "{again:?}"
    );
    assert_eq!(journal.row(new.intent).await.expect("readable"), new.commit.row);
}

pub async fn a_repeated_key_gives_the_same_intent_and_another_body_is_refused(journal: Fresh) {
    let first = keyed("ana POST /v1/intents k1", b"body");
    assert_eq!(create(&journal, first.clone()).await, Created::New);
    let repeated = create(&journal, keyed("ana POST /v1/intents k1", b"body")).await;
    assert_eq!(repeated, Created::Repeated(first.intent));
    let other = journal.create(keyed("ana POST /v1/intents k1", b"other")).await;
    assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
    assert_eq!(
        create(&journal, keyed("bob POST /v1/intents k1", b"other")).await,
        Created::New
    );
    assert_eq!(count(&journal).await, 2, "only the new ones are there");
    let used_for = async |scope: &str, body: &[u8]| journal.used_for(scope, &Digest::of_bytes(body)).await;
    let known = used_for("ana POST /v1/intents k1", b"body").await;
    assert_eq!(known.expect("readable"), Some(first.intent));
    let other = used_for("ana POST /v1/intents k1", b"other").await;
    assert!(matches!(other, Err(Error::KeyReused)), "{other:?}");
    let never = used_for("ana POST /v1/intents k2", b"body").await;
    assert_eq!(never.expect("readable"), None);
}

pub async fn an_equal_open_request_is_joined_until_the_end(journal: Fresh) {
    let first = joining(b"ospf on the cores");
    assert_eq!(create(&journal, first.clone()).await, Created::New);
    let joined = create(&journal, joining(b"ospf on the cores")).await;
    assert_eq!(joined, Created::Joined(first.intent));
    assert_eq!(create(&journal, joining(b"ospf on the edges")).await, Created::New);
    let epoch = journal.claim(first.intent).await.expect("claimed");
    let ended = Commit {
        row: Some(row(first.intent, "fulfilled", Some(End::Fulfilled))),
        ..Commit::default()
    };
    append(&journal, first.intent, epoch, ended).await.expect("it ends");
    let second = joining(b"ospf on the cores");
    assert_eq!(
        create(&journal, second.clone()).await,
        Created::New,
        "an ended intent is not joined"
    );
    let third = create(&journal, joining(b"ospf on the cores")).await;
    assert_eq!(third, Created::Joined(second.intent));
}

pub async fn what_goes_back_is_not_joined(journal: Fresh) {
    let first = joining(b"ospf on the cores");
    create(&journal, first.clone()).await;
    let epoch = journal.claim(first.intent).await.expect("claimed");
    let turn = |going_back, end| Commit {
        row: Some(IntentRow {
            going_back,
            ..row(first.intent, "rolling_back", end)
        }),
        ..Commit::default()
    };
    append(&journal, first.intent, epoch, turn(true, None))
        .await
        .expect("it turns round");
    let second = joining(b"ospf on the cores");
    assert_eq!(create(&journal, second.clone()).await, Created::New);
    append(&journal, first.intent, epoch, turn(true, Some(End::RolledBack)))
        .await
        .expect("it ends");
    let third = create(&journal, joining(b"ospf on the cores")).await;
    assert_eq!(
        third,
        Created::Joined(second.intent),
        "the end of the first takes no other's key away"
    );
}

pub async fn a_request_that_joined_is_repeated_with_the_joined_intent(journal: Fresh) {
    let first = joining(b"ospf");
    create(&journal, first.clone()).await;
    let keyed_join = |body: &[u8]| NewIntent {
        join_key: Some(Digest::of_bytes(b"ospf")),
        ..keyed("ana k2", body)
    };
    assert_eq!(
        create(&journal, keyed_join(b"body")).await,
        Created::Joined(first.intent)
    );
    assert_eq!(
        create(&journal, keyed_join(b"body")).await,
        Created::Repeated(first.intent)
    );
    assert!(matches!(
        journal.create(keyed_join(b"other")).await,
        Err(Error::KeyReused)
    ));
}

pub async fn a_creation_that_finds_its_targets_locked_leaves_nothing(journal: Fresh) {
    let holder = claimed(&journal).await;
    acquire(&journal, holder, &["device:x"]).await.expect("free");
    let mut new = keyed("ana k3", b"body");
    new.join_key = Some(Digest::of_bytes(b"request"));
    new.commit.locks = vec![LockChange::Acquire(targets(&["device:x"]))];
    let refused = journal.create(new.clone()).await;
    assert!(matches!(refused, Err(Error::Locked(_))), "{refused:?}");
    assert_eq!(journal.row(new.intent).await.expect("readable"), None);
    new.commit.locks.clear();
    assert_eq!(create(&journal, new).await, Created::New, "neither key was taken");
}

pub async fn epochs_grow_with_each_claim(journal: Fresh) {
    let intent = IntentId::fresh();
    create(&journal, new_intent(intent)).await;
    let mut last = 0;
    for _ in 0..3 {
        let epoch = journal.claim(intent).await.expect("claimed");
        assert!(epoch > last, "{epoch} follows {last}");
        last = epoch;
    }
}
