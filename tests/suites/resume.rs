//! Restarting: the last checkpoint and the entries after it give the state that all entries give.

use flyball_engine::intent::checkpoint;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::journal::Journal;
use flyball_tests::coming::Coming;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;

fn set_all() -> Value {
    json!({
        "steps": [
            {"id": "all", "tool": "world/list"},
            {"id": "mtu", "for_each": "${steps.all.output.devices}", "tool": "world/set", "waves": ["100%"],
             "args": {"device": "${item.name}", "key": "mtu", "value": 9000}}
        ]
    })
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_starts_from_a_checkpoint_goes_on_as_one_that_folds_everything() {
    let names: Vec<String> = (0..60).map(|n| format!("d{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::of(&names);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    engine.until_executed(55).await;
    let stored = engine.journal.checkpoint(intent).await.unwrap().expect("one was taken");
    assert!(stored.seq >= 256, "{}", stored.seq);
    let engine = engine.crash_and_restart().await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed().len(), 60, "each device gets its call once");
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_fits_in_any_part_no_more_is_ignored() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    let state = engine.end(intent).await;
    let last = engine.journal.entries(intent).pop().unwrap();
    let head = flyball_engine::journal::Head {
        seq: last.entry.seq,
        hash: last.hash.clone(),
    };
    let good = checkpoint::take(&state, &head);
    assert_eq!(checkpoint::restore(good.clone(), Some(&last.hash)), Some((state, head)));
    assert_eq!(checkpoint::restore(good.clone(), None), None);
    assert_eq!(checkpoint::restore(good.clone(), Some(&good.digest)), None);
    let mut other = good.clone();
    other.state["revision"] = json!(7);
    assert_eq!(checkpoint::restore(other, Some(&last.hash)), None);
    let mut other = good;
    other.fold_version += 1;
    assert_eq!(checkpoint::restore(other, Some(&last.hash)), None);
}

fn set_one(device: &str) -> Value {
    let first = json!({"id": "first", "tool": "world/set_again", "args": {"device": device, "key": "k", "value": 1}});
    let then = json!({"id": "then", "tool": "world/set", "needs": ["first"],
        "args": {"device": device, "key": "mtu", "value": 9000}});
    json!({"steps": [first, then]})
}

#[tokio::test(start_paused = true)]
async fn after_a_start_an_open_intent_waits_for_its_own_servers_and_a_new_one_for_all() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.misbehave("set_again a", Misbehaviour::ActAndFallSilent);
    let open = engine.submit(set_one("a")).await;
    engine.until_executed(1).await;
    let slow = Coming::with(&world);
    let through = slow.clone();
    let set_up: SetUp = Arc::new(move |deps| deps.executor = through.clone());
    let engine = engine.crash().restart_with(Decision::Run, set_up).await;
    let new = engine.submit(set_one("b")).await;
    assert_eq!(engine.end(open).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(engine.supervisor.state(new).await.unwrap().api_state(), "planning");
    slow.come_up();
    assert_eq!(engine.end(new).await.ended.unwrap().0, End::Fulfilled);
}
