//! Commands that were acknowledged: none is lost, whatever becomes of the engine and of the intent meanwhile.

use crate::rig::DAY;
use flyball_engine::actor::Actor;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::Mode;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::event::{Decision, End, Event, Resolution, SettledBy, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Journal;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn step(tool: &str) -> Value {
    json!({"id": "s", "tool": format!("world/{tool}"), "on_failure": "hold", "args": {"device": "a", "key": "k", "value": 1}})
}

fn plan(tool: &str) -> Value {
    json!({
        "steps": [step(tool)],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

fn settle(verdict: Settlement, force: bool) -> What {
    What::Settle {
        item: "s".parse().unwrap(),
        verdict,
        force,
        comment: None,
    }
}

fn pause() -> What {
    What::Pause { reason: None }
}

async fn pass(ms: i64) {
    tokio::time::sleep(Duration::from_millis(ms as u64)).await;
}

/// The engine dies between the acknowledgement of a command and its first look at the inbox; another starts a second later.
async fn acknowledged(engine: Engine, intent: IntentId, what: What) -> Engine {
    let deps = engine.supervisor.deps();
    let command = Command {
        id: "c".into(),
        by: Actor::human("anna"),
        at_ms: deps.clock.now_ms(),
        what,
    };
    let state = engine.supervisor.state(intent).await.unwrap();
    let fits = flyball_engine::supervisor::inbox_fits(&state, &command, command.at_ms);
    assert_eq!(
        fits,
        Ok(()),
        "it would have been acknowledged:\n{}",
        engine.story(intent)
    );
    engine.supervisor.abort();
    engine.journal.post(intent, command).await.unwrap();
    let remains = engine.crash();
    pass(1_000).await;
    remains.restart().await
}

async fn ends(engine: &Engine, intent: IntentId, end: End) {
    let found = engine.end(intent).await.ended.unwrap();
    assert_eq!(found.0, end, "{}", engine.story(intent));
    assert!(engine.journal.inbox(intent).await.unwrap().is_empty());
    assert!(
        !engine.story(intent).contains("CommandRefused"),
        "{}",
        engine.story(intent)
    );
    engine.assert_replays(intent).await;
}

async fn stuck_in_doubt() -> (Engine, IntentId) {
    let world = World::of(&["a"]);
    world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set_blind")).await;
    engine.until(intent, "stuck").await;
    (engine, intent)
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_was_acknowledged_is_made_as_soon_as_the_next_engine_may() {
    let (engine, intent) = stuck_in_doubt().await;
    let engine = acknowledged(engine, intent, settle(Settlement::Applied, false)).await;
    ends(&engine, intent, End::Fulfilled).await;
    let entries = engine.journal.entries(intent);
    let at = |name: &str| entries.iter().rfind(|e| e.entry.event.name() == name).unwrap().entry.at;
    let waited = at("CallSettled") - at("Claimed");
    assert!((10_000..11_000).contains(&waited), "{waited} ms");
    let by_anna = |e: &Event| matches!(e, Event::CallSettled { by: SettledBy::Person { by, forced: false, .. }, .. } if by.principal() == "anna");
    assert!(engine.events(intent).iter().any(by_anna), "{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_was_acknowledged_is_made_as_soon_as_the_next_engine_may() {
    let world = World::of(&["a"]);
    world.misbehave("set_blind a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set_blind")).await;
    let doubt = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "in_doubt");
    engine.until_that(intent, "a doubt", doubt).await;
    // Settled early by force: it stands still as failed, and what was sent might land for a while.
    let early = settle(Settlement::NotApplied, true);
    engine.command(intent, early).await.unwrap();
    engine.until(intent, "stuck").await;
    pass(20_000).await;
    let release = What::ReleaseLock {
        target: "device:a".into(),
        reason: "the shift ends".into(),
    };
    let engine = acknowledged(engine, intent, release).await;
    let state = engine.until_that(intent, "a release", |s| s.locked.is_empty()).await;
    let released = state.updated_ms - state.claimed_ms;
    assert!(
        (5_000..11_000).contains(&released),
        "{released} ms: not while it may still land by the new count"
    );
    assert!(state.refused.is_empty(), "{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn approvals_pauses_and_resolutions_that_were_acknowledged_survive_the_engine() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(plan("set")).await;
    let asked = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    let approve = What::Approve {
        approval: asked.id,
        digest: asked.digest,
        comment: None,
        own: false,
    };
    let engine = acknowledged(engine, intent, approve).await;
    ends(&engine, intent, End::Fulfilled).await;

    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_approval").await;
    let engine = acknowledged(engine, intent, pause()).await;
    engine.until(intent, "paused").await;
    engine.command(intent, What::Resume).await.unwrap();
    engine.approve(intent).await;
    ends(&engine, intent, End::Fulfilled).await;

    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "stuck").await;
    let resolve = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: Resolution::Retry,
        comment: None,
    };
    let engine = acknowledged(engine, intent, resolve).await;
    ends(&engine, intent, End::Fulfilled).await;
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_fits_no_more_leaves_an_entry_with_the_reason_also_after_the_end() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_approval").await;
    engine.supervisor.abort();
    let post = async |id: &str, what: What| {
        let command = Command {
            id: id.into(),
            by: Actor::human("anna"),
            at_ms: 0,
            what,
        };
        engine.journal.post(intent, command).await.unwrap();
    };
    post("1", What::Pause { reason: None }).await;
    post("2", What::Pause { reason: None }).await;
    post("3", What::Cancel { reason: None }).await;
    post("4", What::Cancel { reason: None }).await;
    let engine = engine.crash_and_restart().await;
    engine.end(intent).await;
    let state = engine
        .until_that(intent, "both refusals", |s| s.refused.len() == 2)
        .await;
    let refused: Vec<(&str, &str)> = state
        .refused
        .iter()
        .map(|r| (r.what.as_str(), r.why.as_str()))
        .collect();
    assert_eq!(
        refused,
        [
            ("pause", "it is paused already"),
            ("cancel", "it is being stopped already")
        ]
    );
    engine.supervisor.abort();
    // It comes to the inbox while the intent ends, and the engine dies before it looks.
    let late = Command {
        id: "late".into(),
        by: Actor::human("petra"),
        at_ms: 0,
        what: What::Pause { reason: None },
    };
    engine.journal.post(intent, late).await.unwrap();
    let engine = engine.crash_and_restart().await;
    let state = engine.until_that(intent, "the third", |s| s.refused.len() == 3).await;
    assert!(
        state.refused[2].why.contains("has ended: cancelled"),
        "{:?}",
        state.refused
    );
    assert_eq!(state.refused[2].by, Actor::human("petra"));
    assert!(engine.journal.inbox(intent).await.unwrap().is_empty());
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn whenever_a_command_comes_it_is_refused_at_once_or_answered_by_an_entry() {
    let mut taken = 0;
    for moment in 0..60 {
        let world = World::of(&["a"]);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        pass(moment).await;
        if engine.command(intent, What::Cancel { reason: None }).await.is_err() {
            continue;
        }
        engine.end(intent).await;
        pass(1_000).await;
        let answers = |e: &&Event| matches!(e, Event::CancelRequested { .. } | Event::CommandRefused { .. });
        let answered = engine.events(intent).iter().filter(answers).count();
        assert_eq!(answered, 1, "at {moment} ms:\n{}", engine.story(intent));
        assert!(engine.journal.inbox(intent).await.unwrap().is_empty(), "at {moment} ms");
        taken += 1;
    }
    assert!(taken > 5, "{taken}");
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_cannot_be_driven_says_why_and_is_tried_again_until_it_can() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_approval").await;
    assert_eq!(engine.supervisor.not_driven(intent), None);
    engine.journal.refuse_writes(Some("the disk is full"));
    // That nobody approved in time cannot be written down.
    pass(DAY + 1_000).await;
    let first = engine.supervisor.not_driven(intent).expect("it is shown");
    assert!(first.why.contains("the disk is full"), "{first:?}");
    pass(DAY).await;
    let later = engine.supervisor.not_driven(intent).expect("it still is");
    let now = engine.supervisor.deps().clock.now_ms();
    let pause = later.again_ms - now;
    assert!(
        later.since_ms == first.since_ms && pause <= 300_000,
        "{first:?} {later:?}"
    );
    assert_eq!(engine.supervisor.all_not_driven(), [intent]);
    engine.journal.refuse_writes(None);
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Refused, "{}", engine.story(intent));
    assert_eq!(engine.supervisor.not_driven(intent), None);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_without_a_deadline_is_given_the_default_one_and_waits_no_longer() {
    let week: SetUp = Arc::new(|deps| deps.deadline = Some(Duration::from_secs(7 * 24 * 3600)));
    for wait in ["planned", "paused", "waiting"] {
        let world = World::of(&["a"]);
        world.misbehave("set_blind a", Misbehaviour::FallSilent);
        let engine = Engine::over_with(&world, Decision::Run, week.clone()).await;
        let mode = if wait == "planned" { Mode::Plan } else { Mode::Apply };
        let mut holder = None;
        if wait == "waiting" {
            let mut request = Engine::request("petra", plan("set_blind"), Mode::Apply);
            request.deadline_ms = Some(engine.supervisor.deps().clock.now_ms() + 365 * DAY);
            let held = engine.submit_request(request).await;
            engine.until(held, "stuck").await;
            holder = Some(held);
        }
        let intent = engine.submit_as("olga", plan("set"), mode).await;
        if wait == "paused" {
            engine.command(intent, pause()).await.unwrap();
        }
        let state = engine.until(intent, wait).await;
        let deadline = state.request.deadline_ms.expect("the default one");
        assert_eq!(deadline - state.received_ms, 7 * DAY);
        pass(7 * DAY + 1_000).await;
        let (end, reason, _) = engine.end(intent).await.ended.unwrap();
        let expected = if wait == "planned" { End::Cancelled } else { End::Failed };
        assert_eq!((end, reason.as_str()), (expected, "the deadline passed"), "{wait}");
        assert!(holder.is_none() || !world.executed().iter().any(|w| w == "set a k=1"));
    }
}
