//! Nothing mutates without a contract or a person, and what was approved is what is sent.

use flyball_engine::canonical::Digest;
use flyball_engine::intent::Mode;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event};
use flyball_tests::engine::Engine;
use flyball_tests::world::World;
use serde_json::{Value, json};

fn set_one() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]})
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_until_a_person_has_approved() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    engine.until(intent, "awaiting_approval").await;
    assert!(world.executed().is_empty());
    engine.approve(intent).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_something_else_is_refused() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    let approval = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    let what = What::Approve {
        approval: approval.id,
        digest: Digest::zero(),
        comment: None,
        own: false,
    };
    assert!(engine.command(intent, what).await.is_err());
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_by_another_hand_after_the_approval_voids_it_and_the_plan_is_looked_at_again() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    let first = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    world.intrude("a", "other", json!(7));
    engine.approve(intent).await;
    let state = engine
        .until_that(intent, "a second approval", |s| {
            s.looks == 2 && s.approval.as_ref().is_some_and(|a| a.digest != first.digest)
        })
        .await;
    assert_eq!(state.api_state(), "awaiting_approval");
    assert!(world.executed().is_empty(), "the stale plan was not sent");
    engine.approve(intent).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.value("a", "other"), Some(json!(7)));
}

#[tokio::test(start_paused = true)]
async fn a_denial_ends_the_intent_as_refused() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    let approval = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    engine
        .command(
            intent,
            What::Deny {
                approval: approval.id,
                comment: Some("not today".into()),
            },
        )
        .await
        .unwrap();
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Refused);
    assert!(reason.contains("not today"));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gives_expires() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    engine.until(intent, "awaiting_approval").await;
    tokio::time::sleep(std::time::Duration::from_secs(25 * 3600)).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Refused);
    assert!(
        engine
            .events(intent)
            .iter()
            .any(|e| matches!(e, Event::ApprovalExpired { .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn what_policy_refuses_is_not_sent() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Refuse).await;
    let intent = engine.submit(set_one()).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Refused);
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_only_asked_for_waits_to_be_applied() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit_as("olga", set_one(), Mode::Plan).await;
    engine.until(intent, "planned").await;
    assert!(world.executed().is_empty());
    engine.command(intent, What::Apply).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn a_halt_stops_what_is_sent_and_its_end_lets_it_go_on() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    engine.until(intent, "awaiting_approval").await;
    let anna = flyball_engine::actor::Actor::human("anna");
    engine.supervisor.halt(&anna, Some("storm")).await.unwrap();
    engine.approve(intent).await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert!(world.executed().is_empty());
    engine.supervisor.unhalt(&anna).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn who_approves_sees_which_open_intents_want_the_same_targets() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let set = |key: &str, device: &str| {
        json!({"summary": key, "steps": [
        {"id": "s", "tool": "world/set", "args": {"device": device, "key": key, "value": 1}}]})
    };
    let first = engine.submit(set("mtu", "a")).await;
    engine.until(first, "awaiting_approval").await;
    let elsewhere = engine.submit_as("rosa", set("mtu", "b"), Mode::Apply).await;
    let state = engine.until(elsewhere, "awaiting_approval").await;
    assert!(state.judged.unwrap().beside.is_empty());
    let second = engine.submit_as("rosa", set("cost", "a"), Mode::Apply).await;
    let state = engine.until(second, "awaiting_approval").await;
    let beside = state.judged.unwrap().beside;
    assert_eq!(beside.len(), 1);
    assert_eq!(
        (beside[0].intent, beside[0].state.as_str()),
        (first, "awaiting_approval")
    );
    assert!(
        beside[0].targets.iter().all(|target| target.device() == Some("a")),
        "{beside:?}"
    );
    engine.assert_replays(second).await;
}
