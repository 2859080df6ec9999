//! Fifty equal submissions at once over the real API and the real store.

use crate::judge::Verdict;
use crate::sample::{Dice, alone};
use crate::scene::{Course, LOOK_EVERY, Scene, WAYS, plan};
use flyball_tests::process::PATIENCE;
use flyball_tests::process::engine::{Engine, Taken};
use flyball_tests::process::folder::{Era, Over};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

const AT_ONCE: usize = 50;

/// All of them, while the intent cannot end: its first change is not answered yet.
async fn fifty(engine: &Engine, key: Option<&str>) -> Vec<Taken> {
    let all = (0..AT_ONCE).map(|_| submit(engine, key));
    futures::future::join_all(all).await
}

/// Submits; where another request with the same key is not answered yet, once more, as the refusal says.
async fn submit(engine: &Engine, key: Option<&str>) -> Taken {
    let plan = plan(Course::Forward);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let taken = engine.submit_once(&plan, key).await.unwrap();
        if taken.status != 409 {
            return taken;
        }
        assert!(key.is_some() && taken.body["code"] == "FB0028", "{taken:?}");
        assert!(Instant::now() < deadline, "it is never its turn");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The one intent that all of them were answered with.
fn the_one(all: &[Taken]) -> String {
    let id = all[0].body["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{:?}", all[0])).to_owned();
    for taken in all {
        assert_eq!(taken.body["id"], id, "{taken:?}");
        assert_eq!(taken.location, format!("/v1/intents/{id}"), "{taken:?}");
    }
    id
}

fn by_status(all: &[Taken]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for taken in all {
        *counts.entry(taken.status).or_default() += 1;
    }
    counts
}

/// Submits fifty at once, lets the intent come to its end, and sees each change executed once.
async fn submitted(way: (Over, Era), key: Option<&str>) -> (Vec<Taken>, Vec<Taken>) {
    let scene = Scene::new(way, Course::Forward).await;
    scene.plant("here", &json!({"kind": "hold", "name": "a", "purpose": "do"}));
    let engine = scene.engine().await;
    let first = fifty(&engine, key).await;
    let intent = the_one(&first);
    scene.marked("here", "held").await;
    let again = fifty(&engine, key).await;
    assert_eq!(the_one(&again), intent);
    scene.release("here");
    let page = engine.get("/v1/intents").await.unwrap();
    assert_eq!(page["intents"].as_array().map(Vec::len), Some(1), "{page}");
    assert_eq!(scene.end(engine, &intent).await, Verdict::AsUndisturbed, "{way:?}");
    let changes = scene.executed().into_iter().filter(|c| c.mutates()).count();
    assert_eq!(changes, 6, "{way:?}: each change once");
    (first, again)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_submissions_at_once_are_one_intent_that_the_others_are_sent_to() {
    let _alone = alone().await;
    for way in Dice::new("fifty equal").some(WAYS.to_vec(), 1) {
        let (first, again) = submitted(way, None).await;
        assert_eq!(by_status(&first), [(202, 1), (303, AT_ONCE - 1)].into(), "{way:?}");
        assert_eq!(by_status(&again), [(303, AT_ONCE)].into(), "{way:?}");
        let joined = first.iter().filter(|t| t.body["joined"] == true).count();
        assert_eq!(joined, AT_ONCE - 1, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_submissions_at_once_under_one_key_are_one_intent_and_all_but_one_say_so() {
    let _alone = alone().await;
    for way in Dice::new("fifty under a key").some(WAYS.to_vec(), 1) {
        let (first, again) = submitted(way, Some("the-key")).await;
        assert_eq!(by_status(&first), [(202, AT_ONCE)].into(), "{way:?}");
        assert_eq!(by_status(&again), [(202, AT_ONCE)].into(), "{way:?}");
        let replayed = |all: &[Taken]| all.iter().filter(|t| t.replayed).count();
        assert_eq!((replayed(&first), replayed(&again)), (AT_ONCE - 1, AT_ONCE), "{way:?}");
    }
}
