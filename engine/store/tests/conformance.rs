//! The embedded store passes the kit that every journal passes.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use flyball_engine::journal::conformance::{claimed, event, new_intent, next, row, whole};
use flyball_engine::journal::{Commit, Journal, NewIntent};
use flyball_store::{OpenOptions, open};
use std::ops::Deref;
use std::sync::Arc;
use tempfile::TempDir;

struct Fresh {
    journal: Arc<dyn Journal>,
    _dir: TempDir,
}

impl Deref for Fresh {
    type Target = Arc<dyn Journal>;
    fn deref(&self) -> &Self::Target {
        &self.journal
    }
}

fn fresh() -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sled:{}", dir.path().join("store").display());
    Fresh {
        journal: open(&url, OpenOptions::default()).unwrap(),
        _dir: dir,
    }
}

flyball_engine::journal_conformance!(fresh());

#[tokio::test]
async fn the_same_commits_leave_the_same_contents_in_both_stores() {
    let sled = fresh();
    let memory = open("memory:", OpenOptions::default()).unwrap();
    let (intent, epoch) = claimed(&sled).await;
    let first = NewIntent {
        intent,
        ..new_intent(intent)
    };
    memory.create(first).await.unwrap();
    memory.claim(intent).await.unwrap();
    for n in 0..50u32 {
        let mut commit = next(&sled, intent, epoch, (0..n % 4 + 1).map(event)).await;
        commit.row = (n % 3 == 0).then(|| row(intent, &format!("state {n}"), None));
        // Every fifth is stale.
        let expected = sled.head(intent).await.unwrap().seq + u64::from(n % 5 == 0);
        let both = (
            sled.commit(intent, epoch, expected, Commit::clone(&commit)).await,
            memory.commit(intent, epoch, expected, commit).await,
        );
        assert_eq!(format!("{:?}", both.0), format!("{:?}", both.1));
    }
    assert_eq!(whole(&sled, intent).await, whole(&memory, intent).await);
    assert_eq!(sled.row(intent).await.unwrap(), memory.row(intent).await.unwrap());
}

#[test]
fn an_unknown_url_is_refused_without_repeating_its_password() {
    for url in ["postgres://ana:s3cret@host/db", "sled:", "nonsense"] {
        let told = open(url, OpenOptions::default()).err().unwrap().to_string();
        assert!(told.contains("names no store") && !told.contains("s3cret"), "{told}");
    }
}
