//! In doubt: a call whose outcome is not known is not sent again until its outcome is settled.

use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, SettledBy, Settlement};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn set_one() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]})
}

fn settled(events: &[Event]) -> Vec<(Settlement, SettledBy)> {
    let settled = events.iter().filter_map(|e| match e {
        Event::CallSettled { verdict, by, .. } => Some((*verdict, by.clone())),
        _ => None,
    });
    settled.collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_settled_by_probe_and_the_call_is_not_sent_again() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    engine
        .until_that(intent, "a doubt", |s| {
            s.items.values().any(|i| i.status.api_name() == "in_doubt")
        })
        .await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1"]);
    assert_eq!(
        settled(&engine.events(intent)),
        [(Settlement::Applied, SettledBy::Probe)]
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn the_probe_that_settles_is_taken_only_after_the_call_can_land_no_more() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    engine.end(intent).await;
    let at = |name: &str| {
        let entries = engine.journal.entries(intent);
        entries
            .into_iter()
            .find(|e| e.entry.event.name() == name)
            .unwrap()
            .entry
            .at
    };
    assert!(
        at("CallSettled") - at("CallInDoubt") >= 10_000,
        "{}",
        engine.story(intent)
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_settles_at_once() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    engine
        .until_that(intent, "a doubt", |s| {
            s.items.values().any(|i| i.status.api_name() == "in_doubt")
        })
        .await;
    world.release();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(
        settled(&engine.events(intent)),
        [(Settlement::Applied, SettledBy::LateAnswer)]
    );
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_nothing_is_not_repeated_while_its_server_lives() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Failed, "{}", engine.story(intent));
    assert_eq!(
        settled(&engine.events(intent)),
        [(Settlement::NotApplied, SettledBy::Probe)]
    );
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_nothing_is_sent_again_once_its_server_process_is_dead() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    engine
        .until_that(intent, "a doubt", |s| {
            s.items.values().any(|i| i.status.api_name() == "in_doubt")
        })
        .await;
    world.restart_server();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_no_probe_can_settle_waits_for_a_person() {
    let world = World::of(&["a"]);
    world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan =
        json!({"steps": [{"id": "s", "tool": "world/set_blind", "args": {"device": "a", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    let item = "s".parse().unwrap();
    let what = What::Settle {
        item,
        verdict: Settlement::Applied,
        force: false,
        comment: Some("I looked".into()),
    };
    engine.command(intent, what).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set_blind a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_settles_early_must_say_that_it_is_forced() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_one()).await;
    engine
        .until_that(intent, "a doubt", |s| {
            s.items.values().any(|i| i.status.api_name() == "in_doubt")
        })
        .await;
    let settle = |force| What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force,
        comment: None,
    };
    assert!(engine.command(intent, settle(false)).await.is_err());
    engine.command(intent, settle(true)).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_is_repeated_while_in_doubt() {
    let world = World::of(&["a"]);
    world.misbehave("set_same a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan =
        json!({"steps": [{"id": "s", "tool": "world/set_same", "args": {"device": "a", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set_same a k=1", "set_same a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_effect_and_answer_leaves_a_doubt_that_the_next_engine_settles_by_probe() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}},
        {"id": "t", "tool": "world/set", "needs": ["s"], "args": {"device": "b", "key": "k", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    engine.until_executed(1).await;
    let engine = engine.crash_and_restart().await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(
        world.executed(),
        ["set a k=1", "set b k=1"],
        "each device got its call once"
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_the_world_ends_the_same_and_no_call_is_made_twice() {
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}},
        {"id": "t", "tool": "world/set", "needs": ["s"], "args": {"device": "b", "key": "k", "value": 1}},
    ], "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]});
    for entries in 1..60u64 {
        let world = World::of(&["a", "b"]);
        let mut engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan.clone()).await;
        let state = engine
            .until_that(intent, "progress", |s| s.seq >= entries || s.ended.is_some())
            .await;
        let finished = state.ended.is_some();
        engine = engine.crash_and_restart().await;
        let state = engine.end(intent).await;
        assert_eq!(
            state.ended.unwrap().0,
            End::Fulfilled,
            "killed after entry {entries}:\n{}",
            engine.story(intent)
        );
        assert_eq!(
            world.executed(),
            ["set a k=1", "set b k=1"],
            "killed after entry {entries}"
        );
        engine.assert_replays(intent).await;
        if finished {
            return;
        }
    }
    panic!("the plan never ended by itself");
}
