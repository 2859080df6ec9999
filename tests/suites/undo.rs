//! Taking back an intent that was fulfilled: a new intent that reads the old ledger, looks, asks, locks, and refuses to
//! overwrite what somebody else did since.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution};
use flyball_engine::intent::state::IntentState;
use flyball_engine::supervisor::UndoError;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn set(id: &str, device: &str, key: &str, value: u32, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": key, "value": value}})
}

/// Two steps on one value of `a`, then one on `b`.
fn three() -> Value {
    json!({"steps": [set("one", "a", "k", 1, &[]), set("two", "a", "k", 2, &["one"]), set("three", "b", "k", 1, &["two"])]})
}

async fn fulfilled(engine: &Engine, plan: Value) -> IntentId {
    let intent = engine.submit(plan).await;
    let (end, ..) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", engine.story(intent));
    intent
}

fn item<'a>(state: &'a IntentState, id: &str) -> &'a str {
    let item = state.items.get(&id.parse().unwrap());
    item.map_or("not there yet", |i| i.status.api_name())
}

fn resolve(item: &str, resolution: Resolution) -> What {
    What::Resolve {
        item: item.parse().unwrap(),
        resolution,
        comment: None,
    }
}

async fn refusal(engine: &Engine, of: IntentId) -> String {
    match engine.undo("olga", of).await {
        Err(UndoError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_fulfilled_intent_are_taken_back_in_reverse_by_a_new_one() {
    let world = World::of(&["a", "b"]);
    world.intrude("a", "k", json!(0));
    let before = world.picture();
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    let undo = engine.undo("olga", of).await.unwrap();
    assert_ne!(undo, of);
    let state = engine.end(undo).await;
    let (end, reason, partial) = state.ended.clone().unwrap();
    assert_eq!((end, partial), (End::Fulfilled, false), "{}", engine.story(undo));
    assert!(reason.contains("taken back and verified"), "{reason}");
    assert_eq!(world.executed()[3..], ["unset b k", "set a k=1", "set a k=0"]);
    assert_eq!(world.picture(), before);
    assert_eq!(state.request.undo_of, Some(of));
    assert!(engine.journal_locks().await.is_empty());
    engine.assert_replays(undo).await;
}

#[tokio::test(start_paused = true)]
async fn it_asks_before_it_sends_and_what_was_approved_is_what_was_looked_at() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let of = engine.submit(three()).await;
    engine.approve(of).await;
    engine.end(of).await;
    let undo = engine.undo("olga", of).await.unwrap();
    let first = engine.until(undo, "awaiting_approval").await.approval.unwrap();
    assert_eq!(
        world.executed().len(),
        3,
        "nothing is taken back before a person has approved"
    );
    world.intrude("b", "other", json!(7));
    engine.approve(undo).await;
    // `b` is not as it was when it was approved: back to looking, which finds the conflict.
    let state = engine
        .until_that(undo, "a conflict", |s| {
            item(s, "three") == "undo_conflict" && !s.stuck.is_empty()
        })
        .await;
    assert_eq!((state.looks, state.locked.len()), (2, 0), "{}", engine.story(undo));
    assert_eq!(world.executed().len(), 3);
    engine
        .command(undo, resolve("three", Resolution::Overwrite))
        .await
        .unwrap();
    let second = engine.until(undo, "awaiting_approval").await.approval.unwrap();
    assert_ne!(first.digest, second.digest);
    engine.approve(undo).await;
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {"other": 7}}));
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_an_undo_goes_on_is_not_overwritten_by_an_earlier_word() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    world.intrude("a", "k", json!(99));
    let undo = engine.undo("olga", of).await.unwrap();
    let conflict = |s: &IntentState| item(s, "two") == "undo_conflict" && !s.stuck.is_empty();
    engine.until_that(undo, "a conflict at the look", conflict).await;
    world.misbehave("unset b", Misbehaviour::ActAndHoldAnswer);
    engine
        .command(undo, resolve("two", Resolution::Overwrite))
        .await
        .unwrap();
    let out = |s: &IntentState| item(s, "three") == "undoing";
    engine.until_that(undo, "the first undo on its way", out).await;
    world.intrude("a", "k", json!(123));
    world.release();
    engine.until_that(undo, "a conflict at the undo", conflict).await;
    assert_eq!(world.value("a", "k"), Some(json!(123)), "{}", engine.story(undo));
    engine
        .command(undo, resolve("two", Resolution::Overwrite))
        .await
        .unwrap();
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(world.executed()[3..], ["unset b k", "set a k=1", "unset a k"]);
    engine.assert_replays(undo).await;
}

#[tokio::test(start_paused = true)]
async fn what_changes_before_the_approval_is_not_overwritten_by_an_earlier_word_and_is_told_as_such() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let of = engine.submit(three()).await;
    engine.approve(of).await;
    engine.end(of).await;
    world.intrude("b", "k", json!(99));
    let undo = engine.undo("olga", of).await.unwrap();
    let conflict = |s: &IntentState| item(s, "three") == "undo_conflict" && !s.stuck.is_empty();
    engine.until_that(undo, "a conflict at the look", conflict).await;
    let overwrite = || resolve("three", Resolution::Overwrite);
    engine.command(undo, overwrite()).await.unwrap();
    engine.until(undo, "awaiting_approval").await;
    world.intrude("b", "k", json!(123));
    engine.approve(undo).await;
    let state = engine.until_that(undo, "a second conflict", conflict).await;
    let why = state.items[&"three".parse().unwrap()].reason.clone().unwrap();
    assert!(why.contains("a decision made before is void"), "{why}");
    assert_eq!(world.value("b", "k"), Some(json!(123)));
    engine.command(undo, overwrite()).await.unwrap();
    engine.approve(undo).await;
    engine.end(undo).await;
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_since_is_not_overwritten_and_nothing_is_sent_until_a_person_decides() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    world.intrude("b", "k", json!(4000));
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let state = engine.until(undo, "stuck").await;
    assert_eq!(item(&state, "three"), "undo_conflict");
    assert_eq!(world.executed().len(), 3);
    engine
        .command(undo, resolve("three", Resolution::Accept))
        .await
        .unwrap();
    let (end, _, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, true), "{}", engine.story(undo));
    assert_eq!(world.picture(), json!({"a": {}, "b": {"k": 4000}}));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_was_put_right_again_is_seen_by_a_retry() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    world.intrude("b", "k", json!(4000));
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    world.intrude("b", "k", json!(1));
    engine.command(undo, resolve("three", Resolution::Retry)).await.unwrap();
    let (end, _, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, false), "{}", engine.story(undo));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn undoing_twice_joins_while_the_first_goes_on_and_is_refused_after_it() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let of = engine.submit(three()).await;
    assert!(refusal(&engine, of).await.contains("cancel it"), "it goes on");
    engine.approve(of).await;
    engine.end(of).await;
    let first = engine.undo("olga", of).await.unwrap();
    assert_eq!(
        engine.undo("olga", of).await.unwrap(),
        first,
        "the same person's second one joins"
    );
    engine.until(first, "awaiting_approval").await;
    let other = engine.undo("petra", of).await.unwrap();
    assert_ne!(other, first, "another person's is their own");
    engine.until(other, "awaiting_approval").await;
    engine.approve(first).await;
    engine.end(first).await;
    engine.approve(other).await;
    let (end, ..) = engine.end(other).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", engine.story(other));
    assert_eq!(world.executed().len(), 6, "each call was taken back once");
    let why = refusal(&engine, of).await;
    assert!(
        why.contains("undone already") && why.contains(&first.to_string()),
        "{why}"
    );
    assert!(refusal(&engine, first).await.contains("undo itself"));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_somebody_made_again_is_not_taken_back_by_undoing_the_first_once_more() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [set("one", "a", "k", 1, &[])]});
    let of = fulfilled(&engine, plan.clone()).await;
    let undo = engine.undo("olga", of).await.unwrap();
    engine.end(undo).await;
    fulfilled(&engine, plan).await;
    assert!(refusal(&engine, of).await.contains("undone already"));
    assert_eq!(world.value("a", "k"), Some(json!(1)));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_way_back_is_named_stays_and_keeps_nothing_else_from_going_back() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let last = json!({"id": "last", "tool": "world/set_same", "needs": ["one"],
                      "args": {"device": "a", "key": "z", "value": 1}});
    let of = fulfilled(&engine, json!({"steps": [set("one", "a", "k", 1, &[]), last]})).await;
    let undo = engine.undo("olga", of).await.unwrap();
    // The later call stays, so the device is not as the first one left it: that is a person's to decide.
    let state = engine.until(undo, "stuck").await;
    assert_eq!(
        (item(&state, "last"), item(&state, "one")),
        ("skipped", "undo_conflict")
    );
    assert!(
        state.items[&"last".parse().unwrap()]
            .reason
            .as_ref()
            .unwrap()
            .contains("no way back")
    );
    engine
        .command(undo, resolve("one", Resolution::Overwrite))
        .await
        .unwrap();
    let (end, reason, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, true), "{reason}");
    assert_eq!(world.picture(), json!({"a": {"z": 1}}));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_is_loud_and_a_person_may_try_it_again() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    world.misbehave("set a k=1", Misbehaviour::Lie);
    let undo = engine.undo("olga", of).await.unwrap();
    let blocked = |s: &IntentState| item(s, "two") == "undo_failed" && item(s, "one") == "blocked";
    engine.until_that(undo, "a failed undo", blocked).await;
    assert_eq!(
        engine.journal_locks().await.len(),
        2,
        "locks are kept while it is stuck"
    );
    engine.command(undo, resolve("two", Resolution::Retry)).await.unwrap();
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn stopping_an_undo_leaves_what_was_taken_back_and_says_how_far_it_came() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine, three()).await;
    world.misbehave("set a k=1", Misbehaviour::ActAndHoldAnswer);
    let undo = engine.undo("olga", of).await.unwrap();
    engine
        .until_that(undo, "a doubt", |s| item(s, "two") == "in_doubt")
        .await;
    engine
        .command(
            undo,
            What::Cancel {
                reason: Some("keep it".into()),
            },
        )
        .await
        .unwrap();
    let (end, reason, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Cancelled, true), "{}", engine.story(undo));
    assert!(reason.contains("keep it") && reason.contains("2 of 3"), "{reason}");
    assert_eq!(world.picture(), json!({"a": {"k": 1}, "b": {}}));
    // What is left can be taken back by another one.
    let rest = engine.undo("olga", of).await.unwrap();
    assert_eq!(
        engine.end(rest).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(rest)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_sent_nothing_has_nothing_to_take_back() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    fulfilled(&engine, three()).await;
    let again = engine
        .submit_as(
            "petra",
            json!({"steps": [set("one", "a", "k", 2, &[])]}),
            flyball_engine::intent::Mode::Apply,
        )
        .await;
    engine.end(again).await;
    assert!(refusal(&engine, again).await.contains("left nothing"));
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_the_undo_ends_the_same_and_no_call_is_made_twice() {
    for entries in 1..80u64 {
        let world = World::of(&["a", "b"]);
        let engine = Engine::over(&world, Decision::Run).await;
        let of = fulfilled(&engine, three()).await;
        let undo = engine.undo("olga", of).await.unwrap();
        let far = |s: &IntentState| s.seq >= entries || s.ended.is_some();
        let finished = engine.until_that(undo, "progress", far).await.ended.is_some();
        let engine = engine.crash_and_restart().await;
        assert_eq!(
            engine.end(undo).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(undo)
        );
        assert_eq!(
            world.executed().len(),
            6,
            "killed after {entries}: {}",
            engine.story(undo)
        );
        assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
        engine.assert_replays(undo).await;
        if finished {
            let started = engine
                .events(undo)
                .into_iter()
                .filter(|e| matches!(e, Event::CallStarted { .. }));
            assert_eq!(started.count(), 3);
            return;
        }
    }
    panic!("the undo never ended by itself");
}
