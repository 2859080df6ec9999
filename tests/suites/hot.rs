//! Hot targets: while a call might still land somewhere, nothing else happens there.

use crate::settle::in_doubt;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::flaky::{Flaky, Trouble};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn step(id: &str, tool: &str, device: &str, value: u32, needs: &[&str]) -> Value {
    json!({"id": id, "tool": format!("world/{tool}"), "needs": needs, "args": {"device": device, "key": "k", "value": value}})
}

/// When the first entry of this name was made.
fn at(engine: &Engine, intent: IntentId, good: impl Fn(&Event) -> bool) -> i64 {
    let entries = engine.journal.entries(intent);
    let found = entries.iter().find(|e| good(&e.entry.event));
    found.unwrap_or_else(|| panic!("{}", engine.story(intent))).entry.at
}

fn started(event: &Event, item: &str) -> bool {
    matches!(event, Event::CallStarted { call, .. } if call.item.to_string() == item)
}

#[tokio::test(start_paused = true)]
async fn a_retry_never_loses_a_later_update() {
    // The first attempt hangs and lands before the bound, wherever that falls between the calls that follow.
    for lands in [2_100, 2_500, 4_000, 8_000, 11_500] {
        let world = World::of(&["a"]);
        world.misbehave("set_again a", Misbehaviour::ActLate(lands));
        let engine = Engine::over(&world, Decision::Run).await;
        let plan = json!({"steps": [step("s", "set_again", "a", 1, &[]), step("t", "set", "a", 2, &["s"])]});
        let intent = engine.submit(plan).await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.value("a", "k"), Some(json!(2)), "{lands}: {:?}", world.executed());
        assert_eq!(world.executed().last().unwrap(), "set a k=2", "{lands}");
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_never_loses_a_later_update_over_a_restart_either() {
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(11_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [step("s", "set_again", "a", 1, &[]), step("t", "set", "a", 2, &["s"])]});
    let intent = engine.submit(plan).await;
    engine.until_executed(1).await;
    let engine = engine.crash_and_restart().await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.executed().last().unwrap(), "set a k=2", "{:?}", world.executed());
}

#[tokio::test(start_paused = true)]
async fn another_device_does_not_wait_for_the_heat() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(9_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        step("s", "set_again", "a", 1, &[]),
        step("there", "set", "b", 2, &["s"]),
        step("here", "set", "a", 2, &["s"]),
    ]});
    let intent = engine.submit(plan).await;
    engine.end(intent).await;
    let given_up = at(&engine, intent, |e| matches!(e, Event::CallRetryScheduled { .. }));
    assert!(at(&engine, intent, |e| started(e, "there")) < given_up + 1_000);
    assert!(at(&engine, intent, |e| started(e, "here")) >= given_up + 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_post_check_is_not_judged_while_a_call_might_still_land() {
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(9_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [step("s", "set_again", "a", 1, &[])],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]});
    let intent = engine.submit(plan).await;
    engine.end(intent).await;
    let given_up = at(&engine, intent, |e| matches!(e, Event::CallRetryScheduled { .. }));
    assert!(at(&engine, intent, |e| matches!(e, Event::ChecksTaken { .. })) >= given_up + 10_000);
    assert!(at(&engine, intent, |e| matches!(e, Event::TargetsReleased { .. })) >= given_up + 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_gate_is_not_judged_while_a_call_might_still_land() {
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(9_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let mut gated = step("s", "set_again", "a", 1, &[]);
    gated["gate"] = json!({"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"});
    let intent = engine.submit(json!({"steps": [gated]})).await;
    engine.end(intent).await;
    let given_up = at(&engine, intent, |e| matches!(e, Event::CallRetryScheduled { .. }));
    assert!(at(&engine, intent, |e| matches!(e, Event::ChecksTaken { .. })) >= given_up + 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_intent_neither_undoes_nor_releases_what_is_hot() {
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(9_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [step("s", "set_again", "a", 1, &[])],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]});
    let intent = engine.submit(plan).await;
    let succeeded = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "succeeded");
    engine.until_that(intent, "the second attempt", succeeded).await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Cancelled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set_again a k=1", "set_again a k=1", "unset a k"]);
    assert_eq!(world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn no_person_releases_a_lock_over_a_call_that_might_still_land() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = json!({"steps": [step("s", "set", "a", 1, &[])]});
    plan["steps"][0]["on_failure"] = json!("hold");
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: None,
    };
    engine.command(intent, settle).await.unwrap();
    engine.until(intent, "stuck").await;
    let release = || What::ReleaseLock {
        target: "device:a".into(),
        reason: "I need it".into(),
    };
    assert!(engine.command(intent, release()).await.is_err());
    tokio::time::sleep(Duration::from_secs(11)).await;
    engine.command(intent, release()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn items_of_a_for_each_on_one_target_go_one_after_the_other() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "each", "for_each": [{"d": "a", "k": "x"}, {"d": "a", "k": "y"}, {"d": "a", "k": "z"}], "waves": ["100%"],
         "tool": "world/set", "args": {"device": "${item.d}", "key": "${item.k}", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.most_at_once(), 1);
    assert_eq!(world.executed().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_item_on_a_target_whose_call_is_in_doubt_waits_for_its_settlement() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set a x", Misbehaviour::ActLate(6_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "each", "for_each": [{"d": "a", "k": "x"}, {"d": "a", "k": "y"}, {"d": "b", "k": "z"}], "waves": ["100%"],
         "tool": "world/set", "args": {"device": "${item.d}", "key": "${item.k}", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set b z=1", "set a x=1", "set a y=1"]);
}

/// Two steps on one value, a foreign edit before, between or after them, and a rollback: what was not ours is never
/// overwritten.
async fn edited(when: &str) -> (Engine, IntentId, World) {
    let world = World::of(&["a"]);
    world.intrude("a", "k", json!(0));
    world.set_check("post", false);
    if when == "between" {
        world.misbehave("set a k=1", Misbehaviour::ActAndHoldAnswer);
    }
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let plan = json!({"steps": [step("one", "set", "a", 1, &[]), step("two", "set", "a", 2, &["one"])],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good", "within": "5s"}]});
    let intent = engine.submit(plan).await;
    if when == "before" {
        engine.until(intent, "awaiting_approval").await;
        world.intrude("a", "other", json!("theirs"));
    }
    engine.approve(intent).await;
    (engine, intent, world)
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_before_the_first_of_two_steps_voids_the_approval() {
    let (engine, intent, world) = edited("before").await;
    engine.until_that(intent, "another look", |s| s.looks == 2).await;
    engine.approve(intent).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {"k": 0, "other": "theirs"}}));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_between_two_steps_on_one_target_is_left_in_place_by_their_undo() {
    let (engine, intent, world) = edited("between").await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    // The probe has settled the first one; then another hand is there before the second is sent.
    engine
        .until_that(intent, "a settlement", |s| {
            s.items.values().any(|i| i.status.api_name() == "succeeded")
        })
        .await;
    world.intrude("a", "other", json!("theirs"));
    engine.until(intent, "stuck").await;
    assert_eq!(
        world.picture()["a"]["other"],
        json!("theirs"),
        "{}",
        engine.story(intent)
    );
    let conflicts = engine
        .events(intent)
        .iter()
        .filter(|e| matches!(e, Event::UndoConflict { .. }))
        .count();
    assert_eq!(
        conflicts,
        1,
        "the first step's state is not what it left:\n{}",
        engine.story(intent)
    );
}

#[tokio::test(start_paused = true)]
async fn a_foreign_edit_after_two_steps_on_one_target_is_left_in_place_by_their_undo() {
    for (key, theirs) in [("k", json!(7)), ("other", json!("theirs"))] {
        let (engine, intent, world) = edited("after").await;
        // Both are done, and the post-check is still waited for.
        let both = |s: &IntentState| {
            let done = s.items.values().filter(|i| i.status.api_name() == "succeeded");
            done.count() == 2
        };
        engine.until_that(intent, "both steps", both).await;
        world.intrude("a", key, theirs.clone());
        let state = engine.until(intent, "stuck").await;
        let status = |item: &str| state.items[&item.parse().unwrap()].status.api_name();
        assert_eq!((status("two"), status("one")), ("undo_conflict", "blocked"), "{key}");
        assert_eq!(world.value("a", key), Some(theirs), "{}", engine.story(intent));
        assert_eq!(world.executed(), ["set a k=1", "set a k=2"], "nothing went over it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_call_changed_while_one_waited_to_be_sent_is_read_again_before_it_goes() {
    for away in [true, false] {
        let world = World::of(&["a"]);
        world.set_check("post", false);
        let flaky = Flaky::before(&world);
        let engine = Engine::through(Arc::new(flaky.clone()), &world, Decision::Run).await;
        let set = |id: &str, needs: &[&str]| json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": "a", "key": id, "value": 1}});
        let plan = json!({"steps": [set("x", &[]), set("y", &["x"]), set("z", &["x"])],
            "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]});
        // Turned away before it was recorded, or after: either way it has not left, and `z` goes meanwhile.
        if !away {
            world.misbehave("set a y", Misbehaviour::TurnAway);
        }
        let intent = engine.submit(plan).await;
        engine.until_executed(1).await;
        if away {
            flaky.trouble("ready", Trouble::TurnedAway { retry_after_ms: None }, 1);
        }
        let (end, _, partial) = engine.end(intent).await.ended.unwrap();
        assert_eq!((end, partial), (End::RolledBack, false), "{}", engine.story(intent));
        assert_eq!(
            world.executed(),
            [
                "set a x=1",
                "set a z=1",
                "set a y=1",
                "unset a y",
                "unset a z",
                "unset a x"
            ]
        );
        assert_eq!(world.picture(), json!({"a": {}}));
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_fails_blocks_the_earlier_one_on_its_target_and_no_other() {
    let world = World::of(&["a", "b"]);
    world.set_check("post", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        step("here", "set", "b", 5, &[]),
        {"id": "one", "tool": "world/set", "args": {"device": "a", "key": "x", "value": 1}},
        {"id": "two", "tool": "world/set", "needs": ["one"], "args": {"device": "a", "key": "y", "value": 2}},
    ], "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]});
    world.misbehave("unset a y", Misbehaviour::Lie);
    let intent = engine.submit(plan).await;
    let status = |s: &IntentState, item: &str| s.items.get(&item.parse().unwrap()).map_or("", |i| i.status.api_name());
    let state = engine
        .until_that(intent, "everything else taken back", |s| {
            status(s, "here") == "undone" && status(s, "two") == "undo_failed" && status(s, "one") == "blocked"
        })
        .await;
    assert!(!state.stuck.is_empty());
    assert_eq!(world.picture(), json!({"a": {"x": 1, "y": 2}, "b": {}}));
}
