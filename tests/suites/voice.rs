//! What was spoken changes nothing before a person has said that these are the words, whoever lets it run unattended and
//! whoever approves it. What only reads runs at once.

use async_trait::async_trait;
use flyball_engine::actor::Actor;
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::event::{Decision, End, Event, PlanSource};
use flyball_engine::intent::heard::{Heard, WORDS};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::ports::{PlanAnswer, Planned, Planner, PlanningContext};
use flyball_engine::supervisor::CommandError;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const SAID: &str = "set k of a to 1";

/// Understands every text as the same plan.
struct Understands(Value);

#[async_trait]
impl Planner for Understands {
    async fn plan(&self, _: &Request, _: &PlanningContext) -> Planned {
        Planned {
            model_calls: vec![],
            notes: vec![],
            answer: PlanAnswer::Draft {
                source: PlanSource::Runbook { id: "r".into() },
                draft: self.0.clone(),
                params: Value::Null,
                replans: 0,
            },
        }
    }
}

fn set_one() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]})
}

fn heard() -> Heard {
    Heard {
        audio: Digest::of_bytes(b"a recording"),
        kind: "wav".into(),
        bytes: 11,
        audio_ms: Some(1_500),
        model: "ears".into(),
        endpoint: "http://ears/v1".into(),
        input_tokens: 15,
        output_tokens: 8,
        cost: 0.25,
        millis: 400,
    }
}

fn spoken(mode: Mode) -> Request {
    Request {
        wish: Wish::Text(SAID.into()),
        heard: Some(heard()),
        ..Engine::request("olga", Value::Null, mode)
    }
}

async fn engine(world: &World, decision: Decision, plan: Value) -> Engine {
    let set_up: SetUp = Arc::new(move |deps| deps.planner = Arc::new(Understands(plan.clone())));
    Engine::over_with(world, decision, set_up).await
}

async fn say(engine: &Engine, intent: IntentId, answer: Value) -> Result<(), CommandError> {
    let request = WORDS.to_owned();
    engine.command(intent, What::Input { request, answer }).await
}

fn confirmed() -> Value {
    json!({"action": "accept", "content": {"confirmed": true}})
}

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

#[tokio::test(start_paused = true)]
async fn a_spoken_change_that_may_run_unattended_waits_until_a_person_has_confirmed_its_words() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run, set_one()).await;
    let intent = engine.submit_request(spoken(Mode::Apply)).await;
    let state = engine.until(intent, "awaiting_input").await;
    let back = state.open_words().unwrap();
    let form = engine.supervisor.form(intent, &back.form).await.unwrap().unwrap();
    assert_eq!(form.message, SAID, "the very words are read back");
    assert_eq!(state.tokens, (15, 8), "hearing counts");
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert!(world.executed().is_empty());
    assert!(engine.journal_locks().await.is_empty(), "it keeps nobody waiting");
    assert_eq!(count(&engine, intent, "CallStarted"), 0);

    say(&engine, intent, confirmed()).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a k=1"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn words_that_a_person_does_not_confirm_change_nothing() {
    for decision in [Decision::Run, Decision::NeedsApproval] {
        let world = World::of(&["a"]);
        let engine = engine(&world, decision, set_one()).await;
        let declined = engine.submit_request(spoken(Mode::Apply)).await;
        engine.until(declined, "awaiting_input").await;
        say(&engine, declined, json!({"action": "decline"})).await.unwrap();
        let (end, reason, _) = engine.end(declined).await.ended.unwrap();
        assert_eq!(end, End::Refused);
        assert!(reason.contains("anna says that these are not the words"), "{reason}");
        assert!(say(&engine, declined, confirmed()).await.is_err(), "and that stands");

        let unanswered = engine.submit_request(spoken(Mode::Apply)).await;
        engine.until(unanswered, "awaiting_input").await;
        tokio::time::sleep(Duration::from_secs(3601)).await;
        let (end, reason, _) = engine.end(unanswered).await.ended.unwrap();
        assert_eq!(end, End::Refused);
        assert!(reason.contains("nobody confirmed in time"), "{reason}");
        assert!(world.executed().is_empty());
        engine.assert_replays(declined).await;
        engine.assert_replays(unanswered).await;
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_person_confirms_words_and_only_by_saying_so() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run, set_one()).await;
    let intent = engine.submit_request(spoken(Mode::Apply)).await;
    engine.until(intent, "awaiting_input").await;
    for answer in [
        json!({"action": "accept"}),
        json!({"action": "accept", "content": {"confirmed": false}}),
        json!({"action": "accept", "content": {"confirmed": "true"}}),
        json!({"action": "accept", "content": {"confirmed": true, "text": "reload"}}),
        json!("yes"),
    ] {
        let told = say(&engine, intent, answer.clone()).await;
        let Err(CommandError::BadAnswer(faults)) = told else {
            panic!("{answer}: {told:?}")
        };
        // Who says "no" in the form is told how to say it.
        let way_out = faults[0].suggestion.as_deref().unwrap_or_default();
        let says_no = answer["content"]["confirmed"] == json!(false);
        assert!(way_out.contains("--decline") || !says_no, "{answer}: {faults:?}");
    }
    let robot = Actor {
        agent: Some("robot".into()),
        ..Actor::default()
    };
    let command = Command {
        id: "by-an-agent".into(),
        by: robot,
        at_ms: engine.supervisor.deps().clock.now_ms(),
        what: What::Input {
            request: WORDS.into(),
            answer: confirmed(),
        },
    };
    let told = engine
        .supervisor
        .command(intent, command)
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("only a person"), "{told}");
    assert_eq!(
        engine.supervisor.state(intent).await.unwrap().api_state(),
        "awaiting_input"
    );
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_asked_for_after_the_words_and_does_not_stand_for_them() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::NeedsApproval, set_one()).await;
    let intent = engine.submit_request(spoken(Mode::Apply)).await;
    let state = engine.until(intent, "awaiting_input").await;
    assert!(
        state.approval.is_none(),
        "nobody is asked to approve what nobody may have said"
    );
    say(&engine, intent, confirmed()).await.unwrap();
    engine.until(intent, "awaiting_approval").await;
    assert!(world.executed().is_empty());
    engine.approve(intent).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn what_was_spoken_and_only_planned_is_read_back_when_it_is_to_be_applied() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run, set_one()).await;
    let intent = engine.submit_request(spoken(Mode::Plan)).await;
    engine.until(intent, "planned").await;
    engine.command(intent, What::Apply).await.unwrap();
    engine.until(intent, "awaiting_input").await;
    assert!(world.executed().is_empty());
    say(&engine, intent, confirmed()).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn what_was_spoken_and_changes_nothing_asks_nobody() {
    let world = World::of(&["a"]);
    let read = json!({"steps": [{"id": "s", "tool": "world/get", "args": {"device": "a"}}]});
    let reads = engine(&world, Decision::Run, read).await;
    let intent = reads.submit_request(spoken(Mode::Apply)).await;
    assert_eq!(reads.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(count(&reads, intent, "InputRequested"), 0);

    world.intrude("a", "k", json!(1));
    let satisfied = engine(&world, Decision::Run, set_one()).await;
    let intent = satisfied.submit_request(spoken(Mode::Apply)).await;
    assert_eq!(satisfied.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(count(&satisfied, intent, "InputRequested"), 0, "it is in place already");
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn words_are_asked_about_once_whatever_dies_and_whatever_goes_stale_meanwhile() {
    let world = World::of(&["a"]);
    let first = engine(&world, Decision::NeedsApproval, set_one()).await;
    let intent = first.submit_request(spoken(Mode::Apply)).await;
    first.until(intent, "awaiting_input").await;
    let second = first.crash_and_restart().await;
    second.until(intent, "awaiting_input").await;
    assert_eq!(
        count(&second, intent, "InputRequested"),
        1,
        "the question outlives the engine"
    );
    say(&second, intent, confirmed()).await.unwrap();
    second.until(intent, "awaiting_approval").await;
    let third = second.crash_and_restart().await;
    world.intrude("a", "other", json!(7));
    third.approve(intent).await;
    third
        .until_that(intent, "a second look", |s| s.looks == 2 && s.approval.is_some())
        .await;
    third.approve(intent).await;
    assert_eq!(third.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(
        count(&third, intent, "InputRequested"),
        1,
        "the words are the same as before"
    );
    third.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn no_entry_says_that_a_change_started_whose_words_nobody_confirmed() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run, set_one()).await;
    let typed = Request {
        heard: None,
        ..spoken(Mode::Apply)
    };
    let intent = engine.submit_request(typed).await;
    engine.end(intent).await;
    let mut entries = engine.journal.entries(intent).into_iter().map(|e| e.entry);
    let mut first = entries.next().unwrap();
    let Event::IntentReceived { request } = &mut first.event else {
        panic!("{first:?}")
    };
    request.heard = Some(heard());
    let mut state = flyball_engine::intent::state::IntentState::begin(intent, &first).unwrap();
    let refused = entries.find_map(|entry| state.apply(&entry, &flyball_engine::intent::state::NoBlobs).err());
    let refused = refused.expect("the fold holds even where the effects would not");
    assert_eq!(refused.event, "CallStarted");
    assert!(refused.why.contains("nobody has confirmed the words"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_does_not_join_what_was_spoken() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run, set_one()).await;
    let intent = engine.submit_request(spoken(Mode::Apply)).await;
    let again = engine.supervisor.submit(spoken(Mode::Apply), None).await.unwrap();
    assert!(again.joined && again.intent == intent);
    let typed = Request {
        heard: None,
        ..spoken(Mode::Apply)
    };
    let typed = engine.supervisor.submit(typed, None).await.unwrap();
    assert!(!typed.joined, "it would wait for what it does not need");
    assert_eq!(engine.end(typed.intent).await.ended.unwrap().0, End::Fulfilled);
}
