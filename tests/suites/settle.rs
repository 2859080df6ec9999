//! Settling by probe, and sending again: never a wrong verdict, never without a fence, never under another key than the
//! fence asks for.

use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, SettledBy, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

pub(crate) fn set_by(tool: &str) -> Value {
    json!({"steps": [{"id": "s", "tool": format!("world/{tool}"), "args": {"device": "a", "key": "k", "value": 1}}]})
}

pub(crate) fn in_doubt(state: &IntentState) -> bool {
    state.items.values().any(|i| i.status.api_name() == "in_doubt")
}

pub(crate) fn settlements(events: &[Event]) -> Vec<Settlement> {
    let verdicts = events.iter().filter_map(|e| match e {
        Event::CallSettled { verdict, .. } => Some(*verdict),
        _ => None,
    });
    verdicts.collect()
}

/// The keys under which calls were sent, in order.
fn keys(events: &[Event]) -> Vec<String> {
    let keys = events.iter().filter_map(|e| match e {
        Event::CallStarted { key, .. } => Some(key.to_string()),
        _ => None,
    });
    keys.collect()
}

/// A call that does nothing and says nothing, under a contract: how the intent ends, and the keys it was sent under.
async fn silent(tool: &str) -> (End, Vec<String>, World) {
    let world = World::of(&["a"]);
    world.misbehave("set", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by(tool)).await;
    let end = engine.end(intent).await.ended.unwrap().0;
    engine.assert_replays(intent).await;
    (end, keys(&engine.events(intent)), world)
}

#[tokio::test(start_paused = true)]
async fn a_call_without_effect_is_sent_again_only_where_its_first_sending_is_fenced() {
    for (tool, again) in [
        ("set", false),
        ("set_never", false),
        ("set_bound", true),
        ("set_stale", true),
        ("set_keyed", true),
    ] {
        let (end, keys, world) = silent(tool).await;
        let expected = if again { End::Fulfilled } else { End::Failed };
        assert_eq!(end, expected, "{tool}");
        assert_eq!(keys.len(), 1 + usize::from(again), "{tool}");
        assert_eq!(world.executed().len(), usize::from(again), "{tool}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_of_the_key_keeps_the_key_and_every_other_one_takes_a_new_one() {
    let (_, keys, _) = silent("set_keyed").await;
    assert_eq!(
        keys[0], keys[1],
        "else the first sending would count as a call of its own"
    );
    for tool in ["set_bound", "set_stale"] {
        let (_, keys, _) = silent(tool).await;
        assert_ne!(
            keys[0], keys[1],
            "{tool}: what the server remembers of the first is not asked for again"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_sending_that_lands_after_all_changes_nothing_where_the_server_honours_the_key() {
    let world = World::of(&["a"]);
    // It lands long after the contract said that it could not.
    world.misbehave("set", Misbehaviour::ActLate(60_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_keyed")).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert_eq!(world.executed(), ["set_keyed a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_says_a_word_is_not_asked_for_ever() {
    let world = World::of(&["a"]);
    for _ in 0..20 {
        world.misbehave("set", Misbehaviour::FallSilent);
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_bound")).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Failed);
    assert_eq!(keys(&engine.events(intent)).len(), 3, "as often as policy retries");
}

#[tokio::test(start_paused = true)]
async fn the_keys_of_a_call_are_the_same_over_attempts_and_restarts() {
    let world = World::of(&["a"]);
    world.misbehave("set_again", Misbehaviour::FallSilent);
    world.misbehave("set_again", Misbehaviour::TurnAway);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_again")).await;
    let started = |s: &IntentState| s.items.values().any(|i| i.sent_at.is_some());
    engine.until_that(intent, "a call that is out", started).await;
    let engine = engine.crash_and_restart().await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let keys = keys(&engine.events(intent));
    assert_eq!(keys.len(), 3, "{}", engine.story(intent));
    assert!(keys.iter().all(|k| *k == keys[0]), "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_death_of_the_server_that_comes_late_moves_the_time_of_the_probe() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    let died = engine.supervisor.deps().clock.now_ms();
    world.restart_server();
    engine.end(intent).await;
    let entries = engine.journal.entries(intent);
    let settled = entries.iter().find(|e| e.entry.event.name() == "CallSettled").unwrap();
    assert!(settled.entry.at - died >= 10_000, "{}", engine.story(intent));
    let said = entries.iter().any(
        |e| matches!(e.entry.event, Event::CallInDoubt { dead_since_ms: Some(at), .. } if (at - died).abs() < 100),
    );
    assert!(said, "the death is in the journal:\n{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn the_claim_of_another_engine_moves_the_time_of_the_probe() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    let engine = engine.crash_and_restart().await;
    let claimed = engine.supervisor.deps().clock.now_ms();
    engine.end(intent).await;
    let entries = engine.journal.entries(intent);
    let settled = entries.iter().find(|e| e.entry.event.name() == "CallSettled").unwrap();
    assert!(settled.entry.at - claimed >= 10_000, "{}", engine.story(intent));
}

/// What probes answer once the doubt is there; nothing of it may pass for a verdict.
async fn lied_to(readings: Vec<Value>) {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.answer_reads_with(readings.clone());
    engine.until(intent, "stuck").await;
    assert_eq!(settlements(&engine.events(intent)), [], "{readings:?}");
    // A person looks.
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force: false,
        comment: Some("I looked".into()),
    };
    engine.command(intent, settle).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a k=1"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_not_valid_settles_nothing() {
    lied_to(vec![json!({"text": "% busy"}); 20]).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_changes_from_reading_to_reading_settles_nothing() {
    lied_to(vec![json!({"values": {"k": 1}}), json!({"values": {}})]).await;
    lied_to(vec![json!({"values": {}}), json!({"values": {"k": 7}})]).await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_neither_before_nor_after_settles_nothing() {
    lied_to(vec![json!({"values": {"k": 7}}); 2]).await;
}

#[tokio::test(start_paused = true)]
async fn an_expression_without_a_result_settles_nothing() {
    lied_to(vec![json!({"values": 5}); 2]).await;
}

#[tokio::test(start_paused = true)]
async fn a_holds_without_a_result_after_a_yes_is_a_doubt_and_no_success() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let intent = engine.submit(set_by("set")).await;
    engine.until_executed(1).await;
    // The answer comes late and says yes; the read-back then gives nonsense.
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.answer_reads_with(vec![json!({"values": 5})]);
    world.release();
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", engine.story(intent));
    let events = engine.events(intent);
    let doubts = events.iter().filter(|e| matches!(e, Event::CallInDoubt { .. })).count();
    assert_eq!(doubts, 2, "{}", engine.story(intent));
    assert_eq!(settlements(&events), [Settlement::Applied, Settlement::Applied]);
}

#[tokio::test(start_paused = true)]
async fn a_person_cannot_have_an_unfenced_call_sent_again() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let step =
        json!({"id": "s", "tool": "world/set", "on_failure": "hold", "args": {"device": "a", "key": "k", "value": 1}});
    let intent = engine.submit(json!({"steps": [step]})).await;
    engine.until(intent, "stuck").await;
    let resolve = |resolution| What::Resolve {
        item: "s".parse().unwrap(),
        resolution,
        comment: None,
    };
    assert!(engine.command(intent, resolve(Resolution::Retry)).await.is_err());
    engine.command(intent, resolve(Resolution::Accept)).await.unwrap();
    engine.end(intent).await;
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_undo_in_doubt_that_had_no_effect_is_sent_again_only_when_fenced() {
    for (dies, calls) in [(false, 1), (true, 2)] {
        let world = World::of(&["a"]);
        world.set_check("post", false);
        world.misbehave("unset a", Misbehaviour::FallSilent);
        let engine = Engine::over(&world, Decision::Run).await;
        let mut plan = set_by("set");
        plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
        let intent = engine.submit(plan).await;
        engine.until_that(intent, "a doubt", in_doubt).await;
        if dies {
            world.restart_server();
            assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
        } else {
            engine.until(intent, "stuck").await;
        }
        let undos = engine
            .events(intent)
            .iter()
            .filter(|e| matches!(e, Event::CallStarted { call, .. } if call.phase == flyball_engine::ids::Phase::Undo))
            .count();
        assert_eq!(undos, calls, "{}", engine.story(intent));
        assert_eq!(settlements(&engine.events(intent)), [Settlement::NotApplied]);
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_settled_a_call_stands_in_its_entry() {
    let world = World::of(&["a"]);
    world.misbehave("set", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_stale")).await;
    engine.end(intent).await;
    let settled = engine.events(intent).into_iter().find_map(|e| match e {
        Event::CallSettled {
            by, evidence, fence, ..
        } => Some((by, evidence, fence)),
        _ => None,
    });
    let (by, evidence, fence) = settled.unwrap();
    assert_eq!(by, SettledBy::Probe);
    assert!(evidence.contains("as it was before"), "{evidence}");
    assert!(fence.unwrap().contains("send_by"));
}

#[tokio::test(start_paused = true)]
async fn where_no_reading_shows_the_change_the_calls_own_answer_says_it_on_time_or_late() {
    for late in [false, true] {
        let world = World::of(&["a"]);
        if late {
            world.misbehave("set", Misbehaviour::ActAndHoldAnswer);
        }
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_by("set_unseen")).await;
        if late {
            engine.until_that(intent, "a doubt", in_doubt).await;
            world.release();
        }
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        assert_eq!(world.executed(), ["set_unseen a k=1"]);
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_reading_shows_the_change_a_lost_answer_is_for_a_person_and_no_proof_that_nothing_was_done() {
    let world = World::of(&["a"]);
    world.misbehave("set", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_unseen")).await;
    engine.until(intent, "stuck").await;
    assert!(
        settlements(&engine.events(intent)).is_empty(),
        "{}",
        engine.story(intent)
    );
    let seen = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force: false,
        comment: None,
    };
    engine.command(intent, seen).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set_unseen a k=1"]);
    engine.assert_replays(intent).await;
}
