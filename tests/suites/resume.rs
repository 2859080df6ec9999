//! Restarting: the last checkpoint and the entries after it give the state that all entries give.

use flyball_engine::actor::Actor;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, RuleApplied};
use flyball_engine::intent::{Request, checkpoint};
use flyball_engine::journal::Journal;
use flyball_engine::ports::{Policy, Proposal, RetryGranted, RetryQuestion, Verdict};
use flyball_engine::supervisor::Deps;
use flyball_tests::coming::Coming;
use flyball_tests::engine::{Engine, SetUp, Simple};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Policy that keeps trying: a server may take its time.
fn patient(deps: &mut Deps) {
    deps.policy = Arc::new(Patient);
}

struct Patient;

impl Policy for Patient {
    fn judge(&self, proposal: &Proposal) -> Verdict {
        Simple {
            decision: Decision::Run,
        }
        .judge(proposal)
    }

    fn may(&self, actor: &Actor, action: &str, request: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        Simple {
            decision: Decision::Run,
        }
        .may(actor, action, request)
    }

    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
        let after = Duration::from_secs(1);
        (question.attempts < 20).then(|| RetryGranted {
            after,
            rule: "patient".into(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_start_a_server_that_is_down_is_tried_again_by_policy_and_nothing_is_given_up() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.misbehave("set_again a", Misbehaviour::ActAndFallSilent);
    let open = engine.submit(set_one("a")).await;
    engine.until_executed(1).await;
    let down = Coming::down(&world);
    let through = down.clone();
    let set_up: SetUp = Arc::new(move |deps| {
        patient(deps);
        deps.executor = through.clone();
    });
    let engine = engine.crash().restart_with(Decision::Run, set_up).await;
    let new = engine.submit(set_one("b")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    for intent in [open, new] {
        let state = engine.supervisor.state(intent).await.unwrap();
        assert!(
            state.ended.is_none() && state.rollback.is_none(),
            "{}",
            engine.story(intent)
        );
        let waits = engine
            .events(intent)
            .iter()
            .filter(|e| e.name() == "CallRetryScheduled")
            .count();
        assert!(waits >= 2, "each wait is an entry:\n{}", engine.story(intent));
    }
    assert_eq!(world.executed().len(), 1);
    down.come_up();
    for intent in [open, new] {
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_start_an_undo_of_what_a_server_that_is_down_did_is_not_refused() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = engine.submit(set_one("a")).await;
    engine.end(first).await;
    let down = Coming::down(&world);
    let through = down.clone();
    let set_up: SetUp = Arc::new(move |deps| {
        patient(deps);
        deps.executor = through.clone();
    });
    let engine = engine.crash().restart_with(Decision::Run, set_up).await;
    let undo = engine.undo("olga", first).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(
        engine.supervisor.state(undo).await.unwrap().ended.is_none(),
        "{}",
        engine.story(undo)
    );
    down.come_up();
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(world.value("a", "mtu"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_while_the_engine_waits_for_a_server_sends_nothing_when_it_comes() {
    let world = World::of(&["a"]);
    let slow = Coming::with(&world);
    let through = slow.clone();
    let set_up: SetUp = Arc::new(move |deps| deps.executor = through.clone());
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = engine.submit(set_one("a")).await;
    engine.until(intent, "planning").await;
    // By then the engine waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    // Heard at once, although the server is not there yet.
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Cancelled);
    slow.come_up();
    assert!(world.executed().is_empty());
}

/// Panics at its first verdict.
struct Panicking(AtomicBool);

impl Policy for Panicking {
    fn judge(&self, proposal: &Proposal) -> Verdict {
        assert!(self.0.swap(true, Ordering::SeqCst), "a fault of ours");
        Patient.judge(proposal)
    }

    fn may(&self, actor: &Actor, action: &str, request: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        Patient.may(actor, action, request)
    }

    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
        Patient.retry(question)
    }
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_is_shown_as_such_and_started_again() {
    let world = World::of(&["a"]);
    let set_up: SetUp = Arc::new(|deps| deps.policy = Arc::new(Panicking(AtomicBool::new(false))));
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = engine.submit(set_one("a")).await;
    while engine.supervisor.not_driven(intent).is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let why = engine.supervisor.not_driven(intent).unwrap().why;
    assert!(why.contains("a fault of ours"), "{why}");
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(engine.supervisor.not_driven(intent), None);
    assert_eq!(world.executed().len(), 2);
}
