//! Calls that a server goes on with as tasks: the handle is journaled before anything else, the task is followed to its end
//! over restarts, and nothing is sent twice.

use crate::settle::{in_doubt, set_by, settlements};
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, SettledBy, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::tasks::TaskEnd;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;

fn noted(state: &IntentState) -> bool {
    state
        .items
        .values()
        .any(|i| i.call.as_ref().is_some_and(|c| c.task.is_some()))
}

fn names(engine: &Engine, intent: flyball_engine::ids::IntentId) -> Vec<&'static str> {
    engine.events(intent).iter().map(Event::name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_in_time_is_the_calls_answer() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Task(1_000, TaskEnd::Done));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let names = names(&engine, intent);
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    assert!(at("CallStarted") < at("TaskNoted") && at("TaskNoted") < at("CallAnswered"));
    assert!(!names.contains(&"CallInDoubt"), "{}", engine.story(intent));
    assert!(world.asked_about_tasks() > 1);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_outlives_its_time_is_in_doubt_and_its_end_settles_it() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Task(8_000, TaskEnd::Done));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let by = engine.events(intent).into_iter().find_map(|e| match e {
        Event::CallSettled { verdict, by, .. } => Some((verdict, by)),
        _ => None,
    });
    assert_eq!(
        by,
        Some((Settlement::Applied, SettledBy::Task)),
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_asks_for_the_task_and_does_not_send_the_call_again() {
    for tool in ["set", "set_again"] {
        let world = World::of(&["a"]);
        world.misbehave("set", Misbehaviour::Task(5_000, TaskEnd::Done));
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by(tool)).await;
        engine.until_that(intent, "the handle", noted).await;
        let engine = engine.crash_and_restart().await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        assert_eq!(world.executed(), [format!("{tool} a k=1")]);
        assert_eq!(settlements(&engine.events(intent)), [Settlement::Applied]);
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ended_without_effect_fences_the_call_and_it_is_sent_again() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Task(5_000, TaskEnd::Refused));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(settlements(&engine.events(intent)), [Settlement::NotApplied]);
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_says_nothing_and_the_probe_settles() {
    for ms in [1_000, 5_000] {
        let world = World::of(&["a"]);
        world.misbehave("set a", Misbehaviour::Task(ms, TaskEnd::Cancelled));
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by("set")).await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        assert_eq!(settlements(&engine.events(intent)), [Settlement::Applied]);
        assert_eq!(world.executed(), ["set a k=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_its_server_forgot_is_said_to_be_lost_and_the_probe_settles() {
    for ms in [1_000, 5_000, 20_000] {
        let world = World::of(&["a"]);
        world.misbehave("set a", Misbehaviour::Task(ms, TaskEnd::Lost));
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by("set")).await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        let lost = engine
            .events(intent)
            .iter()
            .any(|e| matches!(e, Event::TaskNoted { lost: Some(_), .. }));
        assert!(lost);
        assert_eq!(settlements(&engine.events(intent)), [Settlement::Applied]);
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_without_end_calls_a_person_and_its_late_end_is_still_evidence() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Task(60_000, TaskEnd::Done));
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_by("set");
    plan["steps"][0]["on_failure"] = json!("hold");
    let intent = engine.submit(plan).await;
    let state = engine.until(intent, "stuck").await;
    assert!(state.stuck["s"].contains("as a task"), "{:?}", state.stuck);
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: None,
    };
    engine.command(intent, settle).await.unwrap();
    let contradicted = |s: &IntentState| s.items.values().any(|i| i.contradiction.is_some());
    engine.until_that(intent, "a contradiction", contradicted).await;
    assert_eq!(world.executed(), ["set a k=1"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_a_task_is_carried_out_once() {
    for entries in 1..40u64 {
        let world = World::of(&["a"]);
        world.misbehave("set a", Misbehaviour::Task(5_000, TaskEnd::Done));
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by("set")).await;
        let state = engine
            .until_that(intent, "progress", |s| s.seq >= entries || s.ended.is_some())
            .await;
        let finished = state.ended.is_some();
        let engine = engine.crash_and_restart().await;
        let state = engine.end(intent).await;
        assert_eq!(
            state.ended.unwrap().0,
            End::Fulfilled,
            "killed after {entries}:\n{}",
            engine.story(intent)
        );
        assert_eq!(world.executed(), ["set a k=1"], "killed after {entries}");
        engine.assert_replays(intent).await;
        if finished {
            return;
        }
    }
    panic!("the plan never ended by itself");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_lost_after_the_end_is_journaled_and_harms_nothing() {
    let world = World::of(&["a"]);
    world.misbehave("set", Misbehaviour::Task(60_000, TaskEnd::Lost));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let what = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::TakenOver,
        force: true,
        comment: None,
    };
    engine.command(intent, what).await.unwrap();
    engine.end(intent).await;
    let lost = |e: &Event| matches!(e, Event::TaskNoted { lost: Some(_), .. });
    engine
        .until_that(intent, "the task's end", |_| engine.events(intent).iter().any(lost))
        .await;
    assert_eq!(engine.supervisor.not_driven(intent), None);
    engine.assert_replays(intent).await;
}
