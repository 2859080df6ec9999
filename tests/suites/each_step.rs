//! Three checks of every plan here: each step may fail, each step may be done twice, each undo may be done twice; the
//! world then looks as it should, and the intent failed where it was made to.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

const DEVICES: [&str; 3] = ["a", "b", "c"];

fn set(id: &str, device: &str, value: u32, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": "k", "value": value}})
}

/// A chain, a diamond, two writes of one value, and a fan-out in waves.
fn plans() -> Vec<(&'static str, Value)> {
    let post = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
    let whole = |steps: Value| json!({"steps": steps, "post_checks": post});
    vec![
        (
            "chain",
            whole(json!([
                set("x", "a", 1, &[]),
                set("y", "b", 2, &["x"]),
                set("z", "c", 3, &["y"])
            ])),
        ),
        (
            "diamond",
            whole(json!([
                set("w", "a", 1, &[]),
                set("x", "b", 2, &["w"]),
                set("y", "c", 3, &["w"]),
                set("z", "a", 4, &["x", "y"])
            ])),
        ),
        (
            "one value",
            whole(json!([set("x", "a", 1, &[]), set("y", "a", 2, &["x"])])),
        ),
        (
            "fan-out",
            whole(json!([
            {"id": "all", "tool": "world/list"},
            {"id": "x", "tool": "world/set", "for_each": "${steps.all.output.devices}", "waves": [1, "100%"],
             "args": {"device": "${item.name}", "key": "k", "value": 7},
             "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"}}])),
        ),
    ]
}

/// The calls that a plan makes when nothing goes wrong, or when its post-check fails, in order.
async fn calls(plan: &Value, good: bool) -> Vec<String> {
    let world = World::of(&DEVICES);
    world.set_check("post", good);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan.clone()).await;
    let (end, ..) = engine.end(intent).await.ended.unwrap();
    let expected = if good { End::Fulfilled } else { End::RolledBack };
    assert_eq!(end, expected, "{}", engine.story(intent));
    world.executed()
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
    for (name, plan) in plans() {
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
    for (name, plan) in plans() {
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

/// A person who tries the undo again after it failed.
async fn insist(engine: &Engine, intent: IntentId) -> IntentState {
    loop {
        let rest = |s: &IntentState| s.ended.is_some() || unclean(s).is_some();
        let state = engine.until_that(intent, "an end or a failed undo", rest).await;
        let Some(item) = unclean(&state).filter(|_| state.ended.is_none()) else {
            return state;
        };
        let what = What::Resolve {
            item: item.parse().unwrap(),
            resolution: Resolution::Retry,
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
    for (name, plan) in plans() {
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
                let state = insist(&engine, intent).await;
                let story = || format!("{name}, {call}, {how:?}: {}", engine.story(intent));
                assert_eq!(state.ended.unwrap().0, End::RolledBack, "{}", story());
                assert_eq!(world.picture(), empty(), "{}", story());
                assert_eq!(world.executed().len(), 2 * forward, "{}", story());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_cancelled_at_any_entry_ends_cancelled_with_nothing_left_or_had_ended_before() {
    for (name, plan) in plans().into_iter().filter(|(name, _)| *name != "chain") {
        for entries in (1..90u64).step_by(3) {
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
            assert_eq!(
                (end, partial),
                (expected, false),
                "{name} at {entries}: {}",
                engine.story(intent)
            );
            assert_eq!(
                world.picture() == empty(),
                !late,
                "{name} at {entries}: {}",
                engine.story(intent)
            );
            assert!(engine.journal_locks().await.is_empty());
            engine.assert_replays(intent).await;
            if asked.is_err() {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_cancelled_in_doubt_settles_first() {
    for (name, plan) in plans() {
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
