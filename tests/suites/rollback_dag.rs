//! Rollback as a DAG: leaves first, latest first on one target, side by side where there is no order, bounded like the
//! waves; where one undo is not clean, earlier ones on its target are blocked and other targets go on.

use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

const TEN: [&str; 10] = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"];

fn set(id: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": id, "value": 1}})
}

fn plan(steps: &[Value]) -> Value {
    json!({
        "steps": steps,
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

fn on_all(waves: &Value) -> Value {
    plan(&[
        json!({"id": "all", "tool": "world/list"}),
        json!({"id": "k", "tool": "world/set", "for_each": "${steps.all.output.devices}", "waves": waves,
               "args": {"device": "${item.name}", "key": "k", "value": 1}}),
    ])
}

/// Runs a plan that fails its post-check, to its end.
async fn rolled_back(world: &World, plan: Value) -> Engine {
    world.set_check("post", false);
    let before = world.picture();
    let engine = Engine::over(world, Decision::Run).await;
    let intent = engine.submit(plan).await;
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, false), "{}", engine.story(intent));
    assert_eq!(world.picture(), before);
    engine.assert_replays(intent).await;
    engine
}

fn undos(world: &World) -> Vec<String> {
    let undos = world.executed().into_iter().filter(|w| w.starts_with("unset"));
    undos.collect()
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

#[tokio::test(start_paused = true)]
async fn what_has_no_order_is_taken_back_side_by_side_eight_at_once() {
    let world = World::of(&TEN);
    rolled_back(&world, on_all(&json!(["100%"]))).await;
    assert_eq!(undos(&world).len(), 10);
    assert_eq!(world.most_undos_at_once(), 8);
}

#[tokio::test(start_paused = true)]
async fn waves_are_taken_back_in_reverse_and_none_is_larger_than_it_was() {
    let world = World::of(&TEN);
    rolled_back(&world, on_all(&json!([1, 3, "100%"]))).await;
    let devices: Vec<String> = undos(&world).iter().map(|w| w[6..8].to_owned()).collect();
    let wave = |from: usize, to: usize| {
        let mut wave = devices[from..to].to_vec();
        wave.sort();
        wave
    };
    assert_eq!(
        wave(0, 6),
        ["d4", "d5", "d6", "d7", "d8", "d9"],
        "the last wave goes back first"
    );
    assert_eq!(wave(6, 9), ["d1", "d2", "d3"]);
    assert_eq!(wave(9, 10), ["d0"]);
    assert_eq!(world.most_undos_at_once(), 6);
}

#[tokio::test(start_paused = true)]
async fn two_members_of_a_redundancy_group_are_never_taken_back_at_once() {
    let world = World::of(&["a", "b"]);
    let list = "${[{'name': 'a', 'redundancy_group': 'r'}, {'name': 'b', 'redundancy_group': 'r'}]}";
    let step = json!({"id": "k", "tool": "world/set", "for_each": list, "waves": ["100%"],
                      "args": {"device": "${item.name}", "key": "k", "value": 1}});
    rolled_back(&world, plan(&[step])).await;
    assert_eq!(undos(&world), ["unset b k", "unset a k"]);
    assert_eq!(world.most_undos_at_once(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_waits_for_all_that_was_built_on_it_even_on_other_devices_and_over_reads() {
    let world = World::of(&["a", "b", "c"]);
    let read = json!({"id": "look", "tool": "world/check", "needs": ["one"], "args": {"name": "x"}});
    let steps = [
        set("one", "a", &[]),
        read,
        set("two", "b", &["look"]),
        set("three", "c", &[]),
    ];
    rolled_back(&world, plan(&steps)).await;
    let undos = undos(&world);
    let at = |w: &str| undos.iter().position(|u| u == w).unwrap();
    assert!(at("unset b two") < at("unset a one"), "{undos:?}");
    assert_eq!(world.most_undos_at_once(), 2, "the step without order went beside");
}

#[tokio::test(start_paused = true)]
async fn where_an_undo_is_not_clean_the_earlier_one_on_that_device_is_blocked_and_all_others_go_on() {
    let world = World::of(&["a", "b", "c"]);
    world.set_check("post", false);
    world.misbehave("unset a two", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    // `zero` was built on by `two`, on another device: not clean there is no reason to leave it.
    let steps = [
        set("zero", "c", &[]),
        set("one", "a", &[]),
        set("two", "a", &["one", "zero"]),
        set("other", "b", &[]),
    ];
    let intent = engine.submit(plan(&steps)).await;
    let rest = |s: &IntentState| item(s, "other") == "undone" && item(s, "zero") == "undone" && !s.stuck.is_empty();
    let state = engine.until_that(intent, "the others taken back", rest).await;
    assert_eq!((item(&state, "two"), item(&state, "one")), ("undo_failed", "blocked"));
    let blocked_by = |e: &Event| matches!(e, Event::UndoBlocked { item, by } if item.to_string() == "one" && by.to_string() == "two");
    assert_eq!(engine.events(intent).iter().filter(|e| blocked_by(e)).count(), 1);
    engine.command(intent, resolve("two", Resolution::Retry)).await.unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, false), "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}, "c": {}}));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_leaves_as_it_is_no_longer_blocks_the_earlier_undo_unless_the_state_differs() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("unset a two", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine
        .submit(plan(&[set("one", "a", &[]), set("two", "a", &["one"])]))
        .await;
    engine
        .until_that(intent, "a block", |s| {
            s.items.values().any(|i| i.status.api_name() == "blocked")
        })
        .await;
    engine
        .command(intent, resolve("two", Resolution::Accept))
        .await
        .unwrap();
    // What `two` left stands, so the device is not as `one` left it: the undo of `one` would take that for its own.
    let state = engine
        .until_that(intent, "a conflict", |s| {
            item(s, "one") == "undo_conflict" && !s.stuck.is_empty()
        })
        .await;
    assert_eq!(state.api_state(), "stuck");
    engine
        .command(intent, resolve("one", Resolution::Overwrite))
        .await
        .unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, true), "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {"two": 1}}));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_on_a_device_in_doubt_while_other_devices_go_on() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set_blind a two", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let blind = json!({"id": "two", "tool": "world/set_blind", "needs": ["one"],
                       "args": {"device": "a", "key": "two", "value": 1}});
    let steps = [set("one", "a", &[]), blind, set("other", "b", &[])];
    let intent = engine.submit(plan(&steps)).await;
    engine.until(intent, "stuck").await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    engine
        .until_that(intent, "the other device", |s| item(s, "other") == "undone")
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    let state = engine.supervisor.state(intent).await.unwrap();
    assert_eq!((item(&state, "two"), item(&state, "one")), ("in_doubt", "succeeded"));
    assert_eq!(undos(&world), ["unset b other"]);
    let settle = What::Settle {
        item: "two".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: false,
        comment: None,
    };
    engine.command(intent, settle).await.unwrap();
    engine
        .until_that(intent, "a conflict", |s| item(s, "one") == "undo_conflict")
        .await;
    assert!(
        !undos(&world).contains(&"unset a one".to_owned()),
        "the person was wrong, and the probe saw it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_a_person_settled_is_taken_back_like_any_other_call() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let blind = json!({"id": "s", "tool": "world/set_blind", "args": {"device": "a", "key": "k", "value": 1}});
    let intent = engine.submit(plan(&[blind])).await;
    engine.until(intent, "stuck").await;
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force: false,
        comment: None,
    };
    engine.command(intent, settle).await.unwrap();
    // No probe: whether somebody else was there cannot be told, so a person decides once more.
    engine
        .until_that(intent, "a conflict", |s| {
            item(s, "s") == "undo_conflict" && !s.stuck.is_empty()
        })
        .await;
    engine
        .command(intent, resolve("s", Resolution::Overwrite))
        .await
        .unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_in_a_parallel_rollback_each_undo_is_made_once() {
    for entries in (40..400u64).step_by(7) {
        let world = World::of(&TEN[..6]);
        world.set_check("post", false);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(on_all(&json!([2, "100%"]))).await;
        let far = |s: &IntentState| s.seq >= entries || s.ended.is_some();
        let finished = engine.until_that(intent, "progress", far).await.ended.is_some();
        let engine = engine.crash_and_restart().await;
        let (end, _, partial) = engine.end(intent).await.ended.unwrap();
        assert_eq!((end, partial), (End::RolledBack, false), "{}", engine.story(intent));
        assert_eq!(world.picture(), World::of(&TEN[..6]).picture());
        let mut executed = world.executed();
        let all = executed.len();
        executed.sort();
        executed.dedup();
        assert_eq!((all, executed.len()), (12, 12), "killed after {entries}");
        engine.assert_replays(intent).await;
        if finished {
            return;
        }
    }
    panic!("the rollback never ended by itself");
}
