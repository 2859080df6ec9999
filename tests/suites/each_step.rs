//! Checks of every plan here: each step may fail, each step and each undo may be done twice where its contract allows
//! that and is done once where it does not, and a cancel may come at any entry; the world then looks as it should, and the
//! intent failed where it was made to.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::sample;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const DEVICES: [&str; 3] = ["a", "b", "c"];

/// What sets values in a plan: a call of it is made once, or is safe to repeat, and so is what takes it back; and the latter
/// where nothing can be read.
const ONCE: &str = "set";
const REPEATABLE: &str = "set_both_ways";
const UNREAD: &str = "set_both_ways_unread";

/// A chain, a diamond, two writes of one value, and a fan-out in waves.
fn plans(tool: &str) -> Vec<(&'static str, Value)> {
    let tool = format!("world/{tool}");
    let set = |id: &str, device: &str, value: u32, needs: &[&str]| json!({"id": id, "tool": tool, "needs": needs, "args": {"device": device, "key": "k", "value": value}});
    let chain = json!([
        set("x", "a", 1, &[]),
        set("y", "b", 2, &["x"]),
        set("z", "c", 3, &["y"])
    ]);
    let diamond = json!([
        set("w", "a", 1, &[]),
        set("x", "b", 2, &["w"]),
        set("y", "c", 3, &["w"]),
        set("z", "a", 4, &["x", "y"])
    ]);
    let one_value = json!([set("x", "a", 1, &[]), set("y", "a", 2, &["x"])]);
    let fan_out = json!([
        {"id": "all", "tool": "world/list"},
        {"id": "x", "tool": tool, "for_each": "${steps.all.output.devices}", "waves": [1, "100%"],
         "args": {"device": "${item.name}", "key": "k", "value": 7},
         "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"}}]);
    let post = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
    let plans = [
        ("chain", chain),
        ("diamond", diamond),
        ("one value", one_value),
        ("fan-out", fan_out),
    ];
    let whole = plans.map(|(name, steps)| (name, json!({"steps": steps, "post_checks": post})));
    whole.to_vec()
}

/// The calls that a plan makes when nothing goes wrong, or when its post-check fails, in order; and what they leave.
async fn undisturbed(plan: &Value, good: bool) -> (Vec<String>, Value) {
    let world = World::of(&DEVICES);
    world.set_check("post", good);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan.clone()).await;
    let (end, ..) = engine.end(intent).await.ended.unwrap();
    let expected = if good { End::Fulfilled } else { End::RolledBack };
    assert_eq!(end, expected, "{}", engine.story(intent));
    (world.executed(), world.picture())
}

async fn calls(plan: &Value, good: bool) -> Vec<String> {
    undisturbed(plan, good).await.0
}

fn empty() -> Value {
    World::of(&DEVICES).picture()
}

/// A run in which one call misbehaves.
async fn run(plan: &Value, good: bool, call: &str, how: Misbehaviour) -> (World, Engine, IntentId) {
    let world = World::of(&DEVICES);
    world.set_check("post", good);
    world.misbehave(call, how);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan.clone()).await;
    (world, engine, intent)
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_step_takes_everything_back() {
    for (name, plan) in plans(ONCE) {
        for call in calls(&plan, true).await {
            for how in [Misbehaviour::Refuse, Misbehaviour::Lie, Misbehaviour::FallSilent] {
                let (world, engine, intent) = run(&plan, true, &call, how.clone()).await;
                let (end, reason, partial) = engine.end(intent).await.ended.unwrap();
                let story = || format!("{name}, {call}, {how:?}: {}", engine.story(intent));
                assert!(matches!(end, End::RolledBack | End::Failed) && !partial, "{}", story());
                assert_eq!(world.picture(), empty(), "{}", story());
                let failed = engine.events(intent).into_iter().find_map(|e| match e {
                    Event::CallFailed { call, .. }
                    | Event::CallSettled {
                        call,
                        verdict: Settlement::NotApplied,
                        ..
                    } => Some(call.item.to_string()),
                    _ => None,
                });
                let failed = failed.unwrap_or_else(|| panic!("{}", story()));
                assert!(reason.contains(&format!("step {failed} failed")), "{reason}");
                engine.assert_replays(intent).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_that_was_done_without_an_answer_ends_as_if_it_had_been_answered() {
    for (name, plan) in plans(ONCE) {
        let undisturbed = calls(&plan, true).await;
        for call in &undisturbed {
            let (world, engine, intent) = run(&plan, true, call, Misbehaviour::ActAndFallSilent).await;
            let state = engine.end(intent).await;
            let (end, ..) = state.ended.unwrap();
            assert_eq!(end, End::Fulfilled, "{name}, {call}: {}", engine.story(intent));
            assert_eq!(world.executed().len(), undisturbed.len(), "{name}, {call}: once each");
        }
    }
}

/// How often each call was made.
fn counted<'a>(calls: impl IntoIterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.as_str()).or_default() += 1;
    }
    counts
}

/// Each of the calls alone, and all of them in one run.
fn each_and_all(calls: &[String]) -> Vec<Vec<String>> {
    let each = calls.iter().map(|call| vec![call.clone()]);
    each.chain([calls.to_vec()]).collect()
}

#[tokio::test(start_paused = true)]
async fn each_step_that_may_be_repeated_is_done_twice_when_its_answer_is_lost_and_leaves_the_same() {
    for (name, plan) in plans(REPEATABLE) {
        let (once, picture) = undisturbed(&plan, true).await;
        for lost in each_and_all(&once) {
            let world = World::of(&DEVICES);
            lost.iter()
                .for_each(|call| world.misbehave(call, Misbehaviour::ActAndFallSilent));
            let engine = Engine::over(&world, Decision::Run).await;
            let intent = engine.submit(plan.clone()).await;
            let (end, _, partial) = engine.end(intent).await.ended.unwrap();
            let story = || format!("{name}, {lost:?}: {}", engine.story(intent));
            assert_eq!((end, partial), (End::Fulfilled, false), "{}", story());
            assert_eq!(
                counted(&world.executed()),
                counted(once.iter().chain(&lost)),
                "{}",
                story()
            );
            assert_eq!(world.picture(), picture, "{}", story());
            let mut keys: Vec<String> = world.executed_calls().into_iter().map(|(key, _)| key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), once.len(), "twice under one key: {}", story());
            engine.assert_replays(intent).await;
        }
    }
}

/// A run whose post-check fails, with calls of its way back that misbehave. What a person has to resolve is sent all the same.
async fn taken_back(plan: &Value, forward: usize, calls: &[String], how: &Misbehaviour) -> (World, Engine, IntentId) {
    let world = World::of(&DEVICES);
    world.set_check("post", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan.clone()).await;
    engine.until_executed(forward).await;
    // The same words may also be a step's: only the undo is to misbehave.
    calls.iter().for_each(|call| world.misbehave(call, how.clone()));
    let state = insist(&engine, intent, Resolution::Overwrite).await;
    let (end, _, partial) = state.ended.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let story = || format!("{calls:?}, {how:?}: {}", engine.story(intent));
    assert_eq!((end, partial), (End::RolledBack, false), "{}", story());
    assert_eq!(world.picture(), empty(), "{}", story());
    engine.assert_replays(intent).await;
    (world, engine, intent)
}

#[tokio::test(start_paused = true)]
async fn each_undo_that_may_be_repeated_is_done_twice_when_its_answer_is_lost_and_nothing_can_be_read() {
    for (name, plan) in plans(UNREAD) {
        let forward = calls(&plan, true).await.len();
        let (world, ..) = taken_back(&plan, forward, &[], &Misbehaviour::ActAndFallSilent).await;
        let once = world.executed();
        for lost in each_and_all(&once[forward..]) {
            let (world, engine, intent) = taken_back(&plan, forward, &lost, &Misbehaviour::ActAndFallSilent).await;
            let story = || format!("{name}, {lost:?}: {}", engine.story(intent));
            assert_eq!(
                counted(&world.executed()),
                counted(once.iter().chain(&lost)),
                "{}",
                story()
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_may_be_repeated_is_not_once_it_shows_that_it_was_done() {
    for (name, plan) in plans(REPEATABLE) {
        let forward = calls(&plan, true).await.len();
        let once = calls(&plan, false).await;
        for lost in each_and_all(&once[forward..]) {
            for how in [Misbehaviour::ActLate(9_000), Misbehaviour::ActAndFallSilent] {
                let (world, engine, intent) = taken_back(&plan, forward, &lost, &how).await;
                let story = || format!("{name}, {lost:?}, {how:?}: {}", engine.story(intent));
                assert_eq!(counted(&world.executed()), counted(&once), "{}", story());
            }
        }
    }
}

/// A person who resolves each undo that failed or is in conflict so.
async fn insist(engine: &Engine, intent: IntentId, resolution: Resolution) -> IntentState {
    loop {
        let rest = |s: &IntentState| s.ended.is_some() || unclean(s).is_some();
        let state = engine.until_that(intent, "an end or a failed undo", rest).await;
        let Some(item) = unclean(&state).filter(|_| state.ended.is_none()) else {
            return state;
        };
        let what = What::Resolve {
            item: item.parse().unwrap(),
            resolution,
            comment: None,
        };
        engine.command(intent, what).await.unwrap();
        engine.until_that(intent, "the resolution", |s| s.seq > state.seq).await;
    }
}

fn unclean(state: &IntentState) -> Option<String> {
    let failed = state
        .items
        .iter()
        .find(|(_, i)| matches!(i.status.api_name(), "undo_failed" | "undo_conflict"));
    failed.map(|(id, _)| id.to_string())
}

#[tokio::test(start_paused = true)]
async fn each_undo_may_fail_or_lose_its_answer_and_be_done_again() {
    for (name, plan) in plans(ONCE) {
        let forward = calls(&plan, true).await.len();
        for call in &calls(&plan, false).await[forward..] {
            for how in [
                Misbehaviour::ActAndFallSilent,
                Misbehaviour::Lie,
                Misbehaviour::Refuse,
                Misbehaviour::FallSilent,
            ] {
                // The same words may also be a step's: only the undo is to misbehave.
                let world = World::of(&DEVICES);
                world.set_check("post", false);
                let engine = Engine::over(&world, Decision::Run).await;
                let intent = engine.submit(plan.clone()).await;
                engine.until_executed(forward).await;
                world.misbehave(call, how.clone());
                let state = insist(&engine, intent, Resolution::Retry).await;
                let story = || format!("{name}, {call}, {how:?}: {}", engine.story(intent));
                assert_eq!(state.ended.unwrap().0, End::RolledBack, "{}", story());
                assert_eq!(world.picture(), empty(), "{}", story());
                assert_eq!(world.executed().len(), 2 * forward, "{}", story());
            }
        }
    }
}

/// Cancels once the journal holds so many entries. False: it had ended before.
async fn cancelled_at(name: &str, plan: &Value, entries: u64) -> bool {
    let world = World::of(&DEVICES);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan.clone()).await;
    let far = |s: &IntentState| s.seq >= entries || s.ended.is_some();
    engine.until_that(intent, "progress", far).await;
    let asked = engine.command(intent, What::Cancel { reason: None }).await;
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    // The command may come when the last check has just held: then it is fulfilled, and says so.
    let late = asked.is_err() || end == End::Fulfilled;
    let expected = if late { End::Fulfilled } else { End::Cancelled };
    let story = || format!("{name} at {entries}: {}", engine.story(intent));
    assert_eq!((end, partial), (expected, false), "{}", story());
    assert_eq!(world.picture() == empty(), !late, "{}", story());
    assert!(engine.journal_locks().await.is_empty(), "{}", story());
    engine.assert_replays(intent).await;
    asked.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_cancelled_at_any_entry_ends_cancelled_with_nothing_left_or_had_ended_before() {
    let every = if sample::full() { 1 } else { 3 };
    let mut runs = 0;
    for tool in [ONCE, REPEATABLE] {
        for (name, plan) in plans(tool) {
            let mut entries = 1;
            // To the end of each plan, however long it is.
            while cancelled_at(name, &plan, entries).await {
                (entries, runs) = (entries + every, runs + 1);
            }
        }
    }
    sample::say("cancel at an entry", runs, "runs");
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_cancelled_in_doubt_settles_first() {
    for (name, plan) in plans(ONCE) {
        for call in calls(&plan, true).await {
            for how in [
                Misbehaviour::ActAndFallSilent,
                Misbehaviour::FallSilent,
                Misbehaviour::ActAndHoldAnswer,
            ] {
                let (world, engine, intent) = run(&plan, true, &call, how.clone()).await;
                let doubt = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "in_doubt");
                engine.until_that(intent, "a doubt", doubt).await;
                engine.command(intent, What::Cancel { reason: None }).await.unwrap();
                let (end, _, partial) = engine.end(intent).await.ended.unwrap();
                let story = || format!("{name}, {call}, {how:?}: {}", engine.story(intent));
                assert_eq!((end, partial), (End::Cancelled, false), "{}", story());
                assert_eq!(world.picture(), empty(), "{}", story());
                let executed = world.executed();
                let undone = executed.len().is_multiple_of(2);
                assert!(undone, "each call once, each undo once: {executed:?}");
            }
        }
    }
}
