//! Rules that change while an intent is open: what was approved under others does not start, and what runs may only be
//! stopped.

use flyball_engine::contract::EffectClass;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, WayBack};
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

fn set_one() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]})
}

fn as_before() -> SetUp {
    Arc::new(|_| {})
}

#[tokio::test(start_paused = true)]
async fn an_approval_given_before_policy_refused_it_sends_nothing() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    engine.until(intent, "awaiting_approval").await;
    let engine = engine.crash().restart_with(Decision::Refuse, as_before()).await;
    engine.approve(intent).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Refused,
        "{}",
        engine.story(intent)
    );
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_approval_under_another_contract_is_void_and_the_plan_is_made_again_under_the_present_one() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    let first = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    let stricter: SetUp = Arc::new(|deps| {
        let mut contracts = (*deps.contracts).clone();
        let contract = contracts.contracts.get_mut(&"world/set".parse().unwrap()).unwrap();
        (contract.effect, contract.undo) = (EffectClass::Irreversible, vec![]);
        deps.contracts = Arc::new(contracts);
    });
    let engine = engine.crash().restart_with(Decision::NeedsApproval, stricter).await;
    engine.approve(intent).await;
    let again =
        |s: &flyball_engine::intent::state::IntentState| s.approval.as_ref().is_some_and(|a| a.digest != first.digest);
    let state = engine.until_that(intent, "a second approval", again).await;
    assert!(world.executed().is_empty(), "nothing is sent under the old contract");
    let item = state.items.values().find(|i| i.mutating).unwrap();
    assert!(
        matches!(item.way_back, Some(WayBack::Irreversible { .. })),
        "{:?}",
        item.way_back
    );
    engine.approve(intent).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn in_mid_run_policy_may_only_deny_and_the_way_back_stays_open() {
    let world = World::of(&["a", "b"]);
    let before = world.picture();
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "all", "tool": "world/list"},
        {"id": "s", "for_each": "${steps.all.output.devices}", "tool": "world/set", "waves": [1],
         "args": {"device": "${item.name}", "key": "k", "value": 1},
         "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good", "hold_for": "5s"}}]});
    let intent = engine.submit(plan).await;
    engine.until_executed(1).await;
    let engine = engine.crash().restart_with(Decision::Refuse, as_before()).await;
    engine.until(intent, "paused").await;
    let denied = engine
        .events(intent)
        .into_iter()
        .any(|event| matches!(event, Event::PauseRequested { reason: Some(why), .. } if why.contains("policy denies")));
    assert!(denied, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a k=1"]);
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Cancelled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), before);
}
