//! An answer that comes late, in each phase in which an intent can be by then: it is journaled, it moves nothing that it
//! agrees with, and what it contradicts a person decides.

use crate::settle::{in_doubt, settlements};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::questions::Asking;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::time::Duration;

/// What the intent is doing when the answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Paused,
    Stuck,
    InAGate,
    Verifying,
    AwaitingInput,
    StuckGoingBack,
}

const PHASES: [Phase; 6] = [
    Phase::Paused,
    Phase::Stuck,
    Phase::InAGate,
    Phase::Verifying,
    Phase::AwaitingInput,
    Phase::StuckGoingBack,
];

impl Phase {
    /// Step `s`, whose answer is late, and what comes after it.
    fn plan(self) -> Value {
        let check = |name: &str| json!({"tool": "world/check", "args": {"name": name}, "expect": "output.good", "within": "2h"});
        let step = |id: &str, device: &str, needs: &[&str]| {
            json!({"id": id, "tool": "world/set", "needs": needs, "on_failure": "hold",
                   "args": {"device": device, "key": "k", "value": 1}})
        };
        let (mut first, mut then) = (step("s", "a", &[]), step("t", "b", &["s"]));
        if self == Self::InAGate {
            first["gate"] = check("gate");
        }
        if self == Self::StuckGoingBack {
            then["on_failure"] = json!("rollback");
        }
        json!({"steps": [first, then], "post_checks": [check("post")]})
    }

    fn prepare(self, world: &World) {
        match self {
            Self::Paused => {}
            Self::Stuck | Self::StuckGoingBack => world.misbehave("set b", Misbehaviour::Refuse),
            Self::InAGate => world.set_check("gate", false),
            Self::Verifying => world.set_check("post", false),
            Self::AwaitingInput => world.misbehave("set b", Misbehaviour::Ask(Asking::Ending)),
        }
    }

    /// Whether the intent is in it.
    fn is_now(self, state: &IntentState) -> bool {
        let name = state.api_state();
        match self {
            Self::Paused => name == "paused",
            Self::Stuck => name == "stuck",
            Self::InAGate => name == "executing",
            Self::Verifying => name == "verifying",
            Self::AwaitingInput => name == "awaiting_input",
            Self::StuckGoingBack => name == "stuck" && state.rollback.is_some(),
        }
    }

    /// Lets the intent go on to its end.
    async fn leave(self, engine: &Engine, intent: IntentId) {
        let what = match self {
            Self::Paused => What::Resume,
            Self::Stuck => resolve("t", Resolution::Retry),
            Self::InAGate => return engine.world.set_check("gate", true),
            Self::Verifying => return engine.world.set_check("post", true),
            Self::AwaitingInput => {
                let state = engine.supervisor.state(intent).await.unwrap();
                let (request, ..) = state.open_questions().next().unwrap();
                let answer = json!({"action": "accept", "content": {"seconds": 30}});
                What::Input {
                    request: request.to_owned(),
                    answer,
                }
            }
            Self::StuckGoingBack => resolve("s", Resolution::Overwrite),
        };
        engine.command(intent, what).await.unwrap();
    }

    fn end(self) -> End {
        match self {
            Self::StuckGoingBack => End::RolledBack,
            _ => End::Fulfilled,
        }
    }
}

fn resolve(item: &str, resolution: Resolution) -> What {
    What::Resolve {
        item: item.parse().unwrap(),
        resolution,
        comment: None,
    }
}

fn settle(verdict: Settlement) -> What {
    What::Settle {
        item: "s".parse().unwrap(),
        verdict,
        force: false,
        comment: None,
    }
}

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

/// In this phase, with the outcome of `s` settled by probe and its answer still to come.
async fn settled_in(phase: Phase, how: Misbehaviour) -> (Engine, IntentId) {
    let world = World::of(&["a", "b"]);
    phase.prepare(&world);
    let contradicts = how == Misbehaviour::HoldRefusal;
    world.misbehave("set a", how);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(phase.plan()).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    if contradicts {
        // Somebody else makes the change meanwhile, so the probe takes it for ours.
        world.intrude("a", "k", json!(1));
    }
    if phase == Phase::Paused {
        engine.command(intent, What::Pause { reason: None }).await.unwrap();
    }
    if phase == Phase::StuckGoingBack {
        // By the time of its undo somebody else has changed what `s` did.
        engine
            .until_that(intent, "its settlement", |_| count(&engine, intent, "CallSettled") > 0)
            .await;
        world.intrude("a", "k", json!(7));
    }
    let there = |s: &IntentState| phase.is_now(s) && count(&engine, intent, "CallSettled") > 0;
    engine.until_that(intent, "the phase", there).await;
    // Long enough for whatever would go on by itself.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let state = engine.supervisor.state(intent).await.unwrap();
    assert!(phase.is_now(&state), "{phase:?}: {}", engine.story(intent));
    (engine, intent)
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_agrees_moves_nothing_in_whatever_phase_it_comes() {
    for phase in PHASES {
        let (engine, intent) = settled_in(phase, Misbehaviour::ActAndHoldAnswer).await;
        let story = || format!("{phase:?}: {}", engine.story(intent));
        let executed = engine.world.executed();
        engine.world.release();
        let heard = |_: &IntentState| count(&engine, intent, "LateAnswer") == 1;
        engine.until_that(intent, "the late answer", heard).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let state = engine.supervisor.state(intent).await.unwrap();
        assert!(phase.is_now(&state), "{}", story());
        assert_eq!(engine.world.executed(), executed, "{}", story());
        phase.leave(&engine, intent).await;
        assert_eq!(engine.end(intent).await.ended.unwrap().0, phase.end(), "{}", story());
        assert_eq!(
            settlements(&engine.events(intent)),
            [Settlement::Applied],
            "{}",
            story()
        );
        assert_eq!(count(&engine, intent, "SettlementContradicted"), 0, "{}", story());
        let sets = engine.world.executed().into_iter().filter(|c| c == "set a k=1").count();
        assert_eq!(sets, 1, "{}", story());
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_contradicts_the_probe_stops_the_intent_for_a_person_in_whatever_phase_it_comes() {
    for phase in PHASES {
        let (engine, intent) = settled_in(phase, Misbehaviour::HoldRefusal).await;
        let story = || format!("{phase:?}: {}", engine.story(intent));
        let executed = engine.world.executed();
        engine.world.release();
        let called = |s: &IntentState| s.items.values().any(|i| i.contradiction.is_some() && i.reported);
        let state = engine.until_that(intent, "a person called", called).await;
        assert!(matches!(state.api_state(), "stuck" | "paused"), "{}", story());
        // Whatever else would let it go on: nothing is sent before the person has said what is true.
        if !matches!(phase, Phase::Stuck | Phase::StuckGoingBack) {
            phase.leave(&engine, intent).await;
        }
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(engine.world.executed(), executed, "{}", story());
        engine.command(intent, settle(Settlement::NotApplied)).await.unwrap();
        settled_down(&engine, intent).await;
        let (end, ..) = engine.supervisor.state(intent).await.unwrap().ended.unwrap();
        assert_ne!(end, End::Fulfilled, "what was asked for was not done: {}", story());
        let sets = engine.world.executed().into_iter().filter(|c| c == "set a k=1").count();
        assert_eq!(sets, 0, "{}", story());
        assert_eq!(count(&engine, intent, "SettlementContradicted"), 1, "{}", story());
        engine.assert_replays(intent).await;
    }
}

/// Cancels what waits for a person still, until it has ended.
async fn settled_down(engine: &Engine, intent: IntentId) {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        if engine.supervisor.state(intent).await.unwrap().ended.is_some() {
            return;
        }
        let _ = engine.command(intent, What::Cancel { reason: None }).await;
    }
    panic!("it does not end: {}", engine.story(intent));
}
