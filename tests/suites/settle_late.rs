//! Answers that come late: journaled in every later phase. They may settle, never unsettle; what contradicts a settlement
//! is probed afresh and makes the intent stuck.

use crate::settle::{in_doubt, set_by, settlements};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, ProbePurpose, Settlement};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

fn settle(verdict: Settlement, force: bool) -> What {
    What::Settle {
        item: "s".parse().unwrap(),
        verdict,
        force,
        comment: None,
    }
}

async fn until_told(engine: &Engine, intent: IntentId, name: &str) {
    engine
        .until_that(intent, name, |_| count(engine, intent, name) > 0)
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_while_the_probe_is_under_way_settles_and_the_probe_is_dropped() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    let state = engine.until_that(intent, "a doubt", in_doubt).await;
    let call = state.items.values().next().unwrap().call.clone().unwrap();
    let left = state.settled_from(&call) - engine.supervisor.deps().clock.now_ms();
    // Probes find nothing they could believe, so that the settling one goes on for a while.
    world.set_unreadable(true);
    tokio::time::sleep(std::time::Duration::from_millis(left as u64 + 500)).await;
    assert!(in_doubt(&engine.supervisor.state(intent).await.unwrap()));
    world.set_unreadable(false);
    world.release();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(settlements(&engine.events(intent)).len(), 1, "{}", engine.story(intent));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_agrees_with_the_settlement_is_journaled_and_changes_nothing() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_by("set");
    plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good",
        "within": "60s", "hold_for": "20s"}]);
    let intent = engine.submit(plan).await;
    until_told(&engine, intent, "CallSettled").await;
    world.release();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(count(&engine, intent, "LateAnswer"), 1);
    assert_eq!(count(&engine, intent, "SettlementContradicted"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_contradicts_the_settlement_is_probed_afresh_and_makes_the_intent_stuck() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_by("set");
    plan["steps"][0]["on_failure"] = json!("hold");
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    // The person is wrong.
    engine
        .command(intent, settle(Settlement::NotApplied, true))
        .await
        .unwrap();
    until_told(&engine, intent, "CallSettled").await;
    world.release();
    until_told(&engine, intent, "SettlementContradicted").await;
    let state = engine
        .until_that(intent, "a person called", |s| {
            s.items
                .values()
                .any(|i| i.contradiction.as_ref().is_some_and(|c| c.probed) && i.reported)
        })
        .await;
    assert_eq!(state.api_state(), "stuck");
    let last = engine.events(intent).into_iter().rev().find_map(|e| match e {
        Event::ProbeTaken { purpose, reading, .. } => Some((purpose, reading.holds)),
        _ => None,
    });
    assert_eq!(
        last,
        Some((ProbePurpose::Settle, Some(true))),
        "{}",
        engine.story(intent)
    );
    // Nothing moves until the person has looked again.
    engine
        .command(intent, settle(Settlement::Applied, false))
        .await
        .unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a k=1"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_person_took_for_harmless_is_taken_back_once_its_answer_says_otherwise() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "first", "tool": "world/set", "args": {"device": "b", "key": "k", "value": 1}},
        {"id": "s", "tool": "world/set", "needs": ["first"], "args": {"device": "a", "key": "k", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    engine
        .command(intent, settle(Settlement::NotApplied, true))
        .await
        .unwrap();
    // In rollback by now: nothing shows that it can be sent again.
    until_told(&engine, intent, "RollbackStarted").await;
    world.release();
    until_told(&engine, intent, "SettlementContradicted").await;
    let decided = |s: &flyball_engine::intent::state::IntentState| {
        s.items.values().any(|i| i.contradiction.is_some() && i.reported)
    };
    engine.until_that(intent, "a person called", decided).await;
    engine
        .command(intent, settle(Settlement::Applied, false))
        .await
        .unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_end_is_journaled_and_a_contradiction_told() {
    for (how, contradicts) in [
        (Misbehaviour::ActAndHoldAnswer, false),
        (Misbehaviour::HoldRefusal, true),
    ] {
        let world = World::of(&["a"]);
        world.misbehave("set a", how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by("set")).await;
        engine.until_that(intent, "a doubt", in_doubt).await;
        if contradicts {
            // Somebody else made the change meanwhile, so the probe takes it for ours.
            world.intrude("a", "k", json!(1));
        }
        assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        world.release();
        let told = if contradicts {
            "SettlementContradicted"
        } else {
            "LateAnswer"
        };
        until_told(&engine, intent, told).await;
        assert_eq!(
            count(&engine, intent, "SettlementContradicted"),
            usize::from(contradicts)
        );
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "ends are final"
        );
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_former_generation_is_journaled_as_that_and_contradicts_its_settlement() {
    let world = World::of(&["a"]);
    // The probe shows nothing, the bound is trusted, the call is sent again; then the first one says that it was done.
    world.misbehave("set_bound a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_by("set_bound");
    plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good",
        "within": "60s", "hold_for": "20s"}]);
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.answer_reads_with(vec![json!({"values": {}}); 2]);
    engine.until_executed(2).await;
    world.release();
    engine.until(intent, "stuck").await;
    let late = engine.events(intent).into_iter().find_map(|e| match e {
        Event::LateAnswer { call, .. } => Some(call.generation),
        _ => None,
    });
    assert_eq!(late, Some(0), "{}", engine.story(intent));
    assert_eq!(count(&engine, intent, "SettlementContradicted"), 1);
    engine
        .command(intent, settle(Settlement::Applied, false))
        .await
        .unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_former_attempt_is_journaled_as_that_and_ends_its_heat() {
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set_again", "args": {"device": "a", "key": "k", "value": 1}},
        {"id": "t", "tool": "world/set", "needs": ["s"], "args": {"device": "a", "key": "k", "value": 2}},
    ]});
    let intent = engine.submit(plan).await;
    let succeeded =
        |s: &flyball_engine::intent::state::IntentState| s.items.values().any(|i| i.status.api_name() == "succeeded");
    let state = engine.until_that(intent, "the second attempt", succeeded).await;
    let hot = state.items.values().map(|i| i.hot_until_ms).max().unwrap();
    let now = engine.supervisor.deps().clock.now_ms();
    assert!(hot > now + 5_000, "the first attempt might still land");
    world.release();
    engine
        .until_that(intent, "the next step", |s| {
            s.items.values().filter(|i| i.sent_at.is_some()).count() == 2
        })
        .await;
    assert!(
        engine.supervisor.deps().clock.now_ms() < hot - 5_000,
        "its answer ended the heat"
    );
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let late = engine.events(intent).into_iter().find_map(|e| match e {
        Event::LateAnswer { attempt, .. } => Some(attempt),
        _ => None,
    });
    assert_eq!(late, Some(1));
    assert_eq!(world.value("a", "k"), Some(json!(2)));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_that_tells_nothing_leaves_the_probe_to_settle() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::HoldRefusal);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.release();
    // It says that nothing was done, and the call is over: it may be sent again.
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(settlements(&engine.events(intent)), [Settlement::NotApplied]);
    assert_eq!(world.executed(), ["set a k=1"]);
}

/// The attempts of a repeatable call come to these, one after the other; the answers that were held back come once the
/// call is in doubt, or after the end.
async fn attempts(tool: &str, come_to: &[Misbehaviour], after_the_end: bool) {
    let world = World::of(&["a"]);
    for how in come_to {
        world.misbehave(tool, how.clone());
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by(tool)).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    if after_the_end {
        engine.end(intent).await;
    }
    world.release();
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{tool}: {reason}\n{}", engine.story(intent));
    until_told(&engine, intent, "LateAnswer").await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(settlements(&engine.events(intent)), [Settlement::Applied], "{tool}");
    assert_eq!(count(&engine, intent, "SettlementContradicted"), 0, "{tool}");
    assert_eq!(world.executed().len(), 1, "{tool}: what it did is not done again");
    assert_eq!(world.value("a", "k"), Some(json!(1)), "{tool}");
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn one_attempt_that_did_nothing_says_nothing_of_the_others() {
    use Misbehaviour::{ActAndComplain, ActAndFallSilent, HoldRefusal};
    for after_the_end in [false, true] {
        // The first was applied so long ago that it can land no more when the others are given up.
        attempts(
            "set_patient",
            &[ActAndFallSilent, HoldRefusal, HoldRefusal],
            after_the_end,
        )
        .await;
        // The last was answered, with nothing that tells what it did.
        attempts("set_again", &[HoldRefusal, ActAndComplain], after_the_end).await;
    }
}

#[tokio::test(start_paused = true)]
async fn once_every_attempt_is_known_to_have_done_nothing_the_call_is_settled_at_once() {
    let world = World::of(&["a"]);
    for _ in 0..3 {
        world.misbehave("set_again", Misbehaviour::HoldRefusal);
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_again")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let doubted = engine.supervisor.deps().clock.now_ms();
    world.release();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Failed);
    assert!(engine.supervisor.deps().clock.now_ms() < doubted + 5_000);
    assert_eq!(settlements(&engine.events(intent)), [Settlement::NotApplied]);
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_late_answers_that_come_together_settle_once() {
    let world = World::of(&["a"]);
    for _ in 0..3 {
        world.misbehave("set_again", Misbehaviour::ActAndHoldAnswer);
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_again")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.release();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(settlements(&engine.events(intent)), [Settlement::Applied]);
    assert_eq!(count(&engine, intent, "LateAnswer"), 3);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_show_while_an_earlier_sending_may_still_land_is_found_when_it_has() {
    // The first sending lands after its time, the second one's server lies: nothing shows when it is read back.
    let world = World::of(&["a"]);
    world.misbehave("set_again a", Misbehaviour::ActLate(6_500));
    world.misbehave("set_again a", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [{"id": "s", "tool": "world/set_again", "on_failure": "continue",
        "args": {"device": "a", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    let (end, reason, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!(
        (end, partial),
        (End::Fulfilled, false),
        "{reason}\n{}",
        engine.story(intent)
    );
    assert_eq!(world.value("a", "k"), Some(json!(1)));
    assert_eq!(world.executed(), ["set_again a k=1"], "done once");
    assert_eq!(count(&engine, intent, "CallInDoubt"), 1);
    engine.assert_replays(intent).await;
}
