//! Words that can mean several things are asked about: nothing is planned, read or sent before a person has said what is
//! meant, and what was said holds whatever dies meanwhile.

use async_trait::async_trait;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, PlanSource};
use flyball_engine::intent::meaning::{MEANING, Meaning};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::ports::{PlanAnswer, Planned, Planner, PlanningContext};
use flyball_engine::supervisor::CommandError;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Takes every text for either of two runbooks; each sets another value.
struct OfTwoMinds;

fn meaning(runbook: &str, value: u64) -> Meaning {
    Meaning {
        runbook: runbook.into(),
        title: format!("Set it {runbook}"),
        params: json!({"value": value}),
    }
}

#[async_trait]
impl Planner for OfTwoMinds {
    async fn plan(&self, _: &Request, context: &PlanningContext) -> Planned {
        let answer = match &context.meant {
            Some(Meaning { runbook, params, .. }) => PlanAnswer::Draft {
                source: PlanSource::Runbook { id: runbook.clone() },
                draft: json!({"steps": [{"id": "s", "tool": "world/set",
                    "args": {"device": "a", "key": "k", "value": params["value"]}}]}),
                params: Value::Null,
                replans: 0,
            },
            None => PlanAnswer::Several {
                meanings: vec![meaning("low", 1), meaning("high", 2)],
            },
        };
        Planned {
            model_calls: vec![],
            notes: vec![],
            answer,
        }
    }
}

async fn engine(world: &World, decision: Decision) -> Engine {
    let set_up: SetUp = Arc::new(|deps| deps.planner = Arc::new(OfTwoMinds));
    Engine::over_with(world, decision, set_up).await
}

fn words() -> Request {
    Request {
        wish: Wish::Text("set k of a".into()),
        ..Engine::request("olga", Value::Null, Mode::Apply)
    }
}

async fn say(engine: &Engine, intent: IntentId, answer: Value) -> Result<(), CommandError> {
    let request = MEANING.to_owned();
    engine.command(intent, What::Input { request, answer }).await
}

fn choice(name: &str) -> Value {
    json!({"action": "accept", "content": {"meaning": name}})
}

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_before_a_person_has_said_what_is_meant_and_then_that_is_done() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run).await;
    let intent = engine.submit_request(words()).await;
    let state = engine.until(intent, "awaiting_input").await;
    let asked = state.open_meaning().unwrap();
    let form = engine.supervisor.form(intent, &asked.form).await.unwrap().unwrap();
    assert_eq!(form.message, "set k of a");
    let offered = form.schema.pointer("/properties/meaning/oneOf").unwrap();
    assert_eq!(
        *offered,
        json!([{"const": "low", "title": "Set it low, with value 1"},
            {"const": "high", "title": "Set it high, with value 2"}])
    );
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(world.reads(), 0, "nothing is even looked at");
    assert!(engine.journal_locks().await.is_empty());
    assert_eq!(
        count(&engine, intent, "PlanningStarted"),
        1,
        "and nobody plans meanwhile"
    );

    say(&engine, intent, choice("high")).await.unwrap();
    let end = engine.end(intent).await;
    assert_eq!(end.ended.as_ref().unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a k=2"]);
    let source = end.accepted.unwrap().source;
    assert_eq!(source, PlanSource::Runbook { id: "high".into() });
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_said_holds_whatever_dies_and_whatever_goes_stale_meanwhile() {
    let world = World::of(&["a"]);
    let first = engine(&world, Decision::NeedsApproval).await;
    let intent = first.submit_request(words()).await;
    first.until(intent, "awaiting_input").await;
    let second = first.crash_and_restart().await;
    second.until(intent, "awaiting_input").await;
    say(&second, intent, choice("low")).await.unwrap();
    let third = second.crash_and_restart().await;
    third.until(intent, "awaiting_approval").await;
    let fourth = third.crash_and_restart().await;
    world.intrude("a", "other", json!(7));
    fourth.approve(intent).await;
    fourth
        .until_that(intent, "a second look", |s| s.looks == 2 && s.approval.is_some())
        .await;
    fourth.approve(intent).await;
    assert_eq!(fourth.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(count(&fourth, intent, "InputRequested"), 1, "it is asked once");
    assert_eq!(world.executed(), ["set a k=1"]);
    fourth.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_means_or_says_in_time_or_wants_any_more_does_nothing() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::Run).await;
    let declined = engine.submit_request(words()).await;
    engine.until(declined, "awaiting_input").await;
    say(&engine, declined, json!({"action": "decline"})).await.unwrap();
    let (end, reason, _) = engine.end(declined).await.ended.unwrap();
    assert_eq!(
        (end, reason.as_str()),
        (End::Refused, "anna says that none of these is meant")
    );
    assert!(say(&engine, declined, choice("low")).await.is_err(), "and that stands");

    let unanswered = engine.submit_request(words()).await;
    engine.until(unanswered, "awaiting_input").await;
    tokio::time::sleep(Duration::from_secs(3601)).await;
    let (end, reason, _) = engine.end(unanswered).await.ended.unwrap();
    assert_eq!(
        (end, reason.as_str()),
        (End::Refused, "nobody said in time which is meant")
    );

    let cancelled = engine.submit_request(words()).await;
    engine.until(cancelled, "awaiting_input").await;
    engine.command(cancelled, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(engine.end(cancelled).await.ended.unwrap().0, End::Cancelled);
    assert_eq!((world.reads(), world.executed().len()), (0, 0));
    for intent in [declined, unanswered, cancelled] {
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_offered_is_no_answer_and_an_answer_is_given_once() {
    let world = World::of(&["a"]);
    let engine = engine(&world, Decision::NeedsApproval).await;
    let intent = engine.submit_request(words()).await;
    engine.until(intent, "awaiting_input").await;
    for answer in [choice("middle"), json!({"action": "accept"}), json!("low")] {
        let told = say(&engine, intent, answer.clone()).await;
        assert!(matches!(told, Err(CommandError::BadAnswer(_))), "{answer}: {told:?}");
    }
    say(&engine, intent, choice("low")).await.unwrap();
    engine.until(intent, "awaiting_approval").await;
    assert!(say(&engine, intent, choice("high")).await.is_err());
    let given = engine.events(intent).into_iter().filter_map(|event| match event {
        Event::InputGiven { answer, .. } => answer.value(None),
        _ => None,
    });
    assert_eq!(given.collect::<Vec<_>>(), [choice("low")]);
}
