//! A server asks before it goes on with a call: a person answers, and the call goes on as another attempt on record. What
//! nobody answers is in doubt and settled like any other doubt.

use async_trait::async_trait;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Journal;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::question::Answers;
use flyball_engine::supervisor::CommandError;
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use flyball_tests::engine::Engine;
use flyball_tests::questions::Asking;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;

const BOTH: [Asking; 2] = [Asking::Ending, Asking::Waiting];

pub(crate) fn plan(tool: &str) -> Value {
    json!({"steps": [{"id": "s", "tool": format!("world/{tool}"), "args": {"device": "a", "key": "k", "value": 1}}]})
}

pub(crate) fn asking(how: Asking) -> World {
    let world = World::of(&["a", "b"]);
    world.misbehave("set a", Misbehaviour::Ask(how));
    world
}

pub(crate) fn accept() -> Value {
    json!({"action": "accept", "content": {"seconds": 30}})
}

pub(crate) fn names(state: &IntentState) -> Vec<String> {
    state.open_questions().map(|(name, ..)| name.to_owned()).collect()
}

/// Answers the open questions, in their order.
pub(crate) async fn answer(engine: &Engine, intent: IntentId, with: Value) {
    let state = engine.until(intent, "awaiting_input").await;
    for request in names(&state) {
        let answer = with.clone();
        engine
            .command(intent, What::Input { request, answer })
            .await
            .expect("the question is open");
    }
}

pub(crate) async fn ended(engine: &Engine, intent: IntentId) -> End {
    let state = engine.end(intent).await;
    engine.assert_replays(intent).await;
    state.ended.expect("it has ended").0
}

fn rests(state: &IntentState) -> bool {
    state.ended.is_some() || !names(state).is_empty()
}

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

pub(crate) fn doubts(engine: &Engine, intent: IntentId) -> Vec<(String, bool)> {
    let events = engine.events(intent).into_iter();
    let doubts = events.filter_map(|e| match e {
        Event::CallInDoubt { reason, answered, .. } => Some((reason, answered)),
        _ => None,
    });
    doubts.collect()
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_person_answers_lets_the_call_go_on_once_under_its_key() {
    for how in BOTH {
        let world = asking(how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        let state = engine.until(intent, "awaiting_input").await;
        assert_eq!(names(&state), ["s:1"]);
        assert!(world.executed().is_empty());
        assert_eq!(engine.journal_locks().await.len(), 1, "its target stays locked");
        answer(&engine, intent, accept()).await;
        assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
        assert_eq!(world.answers(), [accept()]);
        let starts = engine.events(intent).into_iter().filter_map(|e| match e {
            Event::CallStarted { attempt, key, .. } => Some((attempt, key.to_string())),
            _ => None,
        });
        let starts: Vec<_> = starts.collect();
        let key = starts[0].1.clone();
        assert_eq!(starts, [(1, key.clone()), (2, key.clone())], "each round is an attempt");
        assert_eq!(world.executed_calls(), [(key, "set a k=1".to_owned())]);
    }
}

/// Looks into the journal whenever an answer leaves.
struct Witness {
    world: World,
    journal: Arc<dyn Journal>,
}

#[async_trait]
impl ToolExecutor for Witness {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.world.catalogue()
    }
    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        self.world.ready(server).await
    }
    async fn call(&self, request: ToolRequest) -> Answer {
        self.world.call(request).await
    }
    async fn go_on(&self, request: ToolRequest, answers: Answers) -> Answer {
        let intent: IntentId = serde_json::from_value(request.meta["io.flyball/intent"].clone()).unwrap();
        let entries = self.journal.read(intent, 0, 1000).await.unwrap();
        let last_two: Vec<&Event> = entries.iter().rev().take(2).map(|e| &e.entry.event).collect();
        assert!(
            matches!(
                last_two[..],
                [Event::CallStarted { attempt: 2, .. }, Event::InputGiven { .. }]
            ),
            "{last_two:?}"
        );
        self.world.go_on(request, answers).await
    }
    async fn is_dead(&self, server: &str, life: &Incarnation) -> bool {
        self.world.is_dead(server, life).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_leaves_only_when_it_and_the_attempt_that_carries_it_are_on_record() {
    for how in BOTH {
        let world = asking(how);
        let through = world.clone();
        let set_up = Arc::new(move |deps: &mut flyball_engine::supervisor::Deps| {
            deps.executor = Arc::new(Witness {
                world: through.clone(),
                journal: deps.journal.clone(),
            });
        });
        let engine = Engine::over_with(&world, Decision::Run, set_up).await;
        let intent = engine.submit(plan("set")).await;
        answer(&engine, intent, accept()).await;
        assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_is_a_doubt_at_its_deadline_and_settled_by_probe() {
    for (how, acted) in [
        (Asking::Ending, false),
        (Asking::HavingActed, true),
        (Asking::Waiting, false),
    ] {
        let world = asking(how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        let end = if acted { End::Fulfilled } else { End::Failed };
        assert_eq!(ended(&engine, intent).await, end, "{}", engine.story(intent));
        let held = how == Asking::Waiting;
        let reason = "nobody answered the server's question in time".to_owned();
        assert_eq!(doubts(&engine, intent), [(reason, !held)], "{how:?}");
        assert_eq!(count(&engine, intent, "CallSettled"), 1);
        assert_eq!(world.dismissed(), u32::from(held), "a server that waits is told");
        assert_eq!(world.executed().len(), usize::from(acted), "{how:?}");
        assert!(engine.journal_locks().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_declines_is_told_to_the_server_and_its_answer_counts() {
    for how in BOTH {
        let world = asking(how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        answer(&engine, intent, json!({"action": "decline"})).await;
        let end = ended(&engine, intent).await;
        assert!(matches!(end, End::Failed | End::RolledBack), "{}", engine.story(intent));
        assert_eq!(world.answers(), [json!({"action": "decline"})]);
        assert!(world.executed().is_empty());
        // Of a call that ended with the question, its refusal says nothing of what was done before.
        assert_eq!(doubts(&engine, intent).len(), usize::from(how == Asking::Ending));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_question_was_declined_or_not_answered_is_not_sent_again_by_itself() {
    for declined in [true, false] {
        let world = World::of(&["a"]);
        world.misbehave("set_bound a", Misbehaviour::Ask(Asking::Ending));
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set_bound")).await;
        if declined {
            answer(&engine, intent, json!({"action": "decline"})).await;
        }
        let end = ended(&engine, intent).await;
        assert_eq!(end, End::Failed, "{}", engine.story(intent));
        assert_eq!(doubts(&engine, intent).len(), 1);
        assert!(world.executed().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_a_question_is_open_sends_nothing_more_and_settles_what_was_sent() {
    for how in BOTH {
        let world = asking(how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        engine.until(intent, "awaiting_input").await;
        engine.command(intent, What::Cancel { reason: None }).await.unwrap();
        assert_eq!(ended(&engine, intent).await, End::Cancelled, "{}", engine.story(intent));
        assert!(world.executed().is_empty() && world.answers().is_empty());
        assert_eq!(doubts(&engine, intent).len(), 1);
        assert_eq!(count(&engine, intent, "CallStarted"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_a_question_that_ended_its_call_can_still_be_answered_and_one_that_was_waited_for_is_a_doubt() {
    for how in BOTH {
        let world = asking(how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        engine.until(intent, "awaiting_input").await;
        let engine = engine.crash_and_restart().await;
        if how == Asking::Ending {
            answer(&engine, intent, accept()).await;
            assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
            assert_eq!(world.executed(), ["set a k=1"]);
        } else {
            assert_eq!(ended(&engine, intent).await, End::Failed, "{}", engine.story(intent));
            assert!(!doubts(&engine, intent)[0].1);
            assert!(world.executed().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_around_a_question_the_call_is_made_once_or_taken_for_not_made() {
    for entries in 1..60u64 {
        let world = asking(Asking::Ending);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(plan("set")).await;
        let state = engine
            .until_that(intent, "progress", |s| s.seq >= entries || rests(s))
            .await;
        // A question is answered in the life before the crash as well, for what comes after it is to be crashed too.
        if state.seq < entries && state.ended.is_none() {
            answer(&engine, intent, accept()).await;
            engine
                .until_that(intent, "progress", |s| s.seq >= entries || s.ended.is_some())
                .await;
        }
        let finished = engine.supervisor.state(intent).await.unwrap().ended.is_some();
        let engine = engine.crash_and_restart().await;
        let state = engine.until_that(intent, "rest", rests).await;
        if state.ended.is_none() {
            answer(&engine, intent, accept()).await;
        }
        let (end, story) = (ended(&engine, intent).await, engine.story(intent));
        let made = if end == End::Fulfilled {
            vec!["set a k=1"]
        } else {
            vec![]
        };
        assert_eq!(world.executed(), made, "killed after {entries}: {story}");
        // Only a start that got no answer is a doubt, and nothing lets it be sent again.
        let lost = doubts(&engine, intent).iter().any(|(why, _)| why.contains("stopped"));
        assert!(
            end == End::Fulfilled || (end == End::Failed && lost),
            "killed after {entries}: {story}"
        );
        if finished {
            return;
        }
    }
    panic!("the plan never ended by itself");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_is_refused_with_its_faults_and_the_question_stays_open() {
    let world = asking(Asking::Ending);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_input").await;
    let input = |answer: Value| What::Input {
        request: "s:1".into(),
        answer,
    };
    for (bad, at) in [
        (
            json!({"action": "accept", "content": {"seconds": 0}}),
            "/answer/content/seconds",
        ),
        (json!({"action": "accept", "content": {}}), "/answer/content/seconds"),
        (json!({"action": "perhaps"}), "/answer/action"),
        (json!(30), "/answer"),
    ] {
        match engine.command(intent, input(bad)).await {
            Err(CommandError::BadAnswer(faults)) => assert_eq!(faults[0].pointer, at),
            other => panic!("{other:?}"),
        }
    }
    let state = engine.until(intent, "awaiting_input").await;
    assert_eq!(names(&state), ["s:1"]);
    assert_eq!(count(&engine, intent, "InputGiven"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_once_and_never_after_the_end() {
    let world = asking(Asking::Ending);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_input").await;
    let input = || What::Input {
        request: "s:1".into(),
        answer: accept(),
    };
    // Both are taken in before the driver sees either: the second comes too late.
    let (first, second) = tokio::join!(engine.command(intent, input()), engine.command(intent, input()));
    assert!(first.is_ok() || second.is_ok());
    assert_eq!(ended(&engine, intent).await, End::Fulfilled);
    assert_eq!(count(&engine, intent, "InputGiven"), 1);
    assert_eq!((world.executed().len(), world.answers().len()), (1, 1));
    let after = engine.command(intent, input()).await;
    assert!(matches!(after, Err(CommandError::Refused(why)) if why.contains("has ended")));
}

#[tokio::test(start_paused = true)]
async fn several_forms_are_answered_one_by_one_and_the_call_goes_on_with_all() {
    let world = asking(Asking::Twice);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    let state = engine.until(intent, "awaiting_input").await;
    assert_eq!(names(&state), ["s:1:how", "s:1:more"]);
    let request = "s:1:more".to_owned();
    let answer_ = accept();
    engine
        .command(
            intent,
            What::Input {
                request,
                answer: answer_,
            },
        )
        .await
        .unwrap();
    let one_left = |s: &IntentState| names(s) == ["s:1:how"];
    let state = engine.until_that(intent, "one left", one_left).await;
    assert_eq!(state.api_state(), "awaiting_input");
    answer(&engine, intent, accept()).await;
    assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(world.answers().len(), 2);
    assert_eq!(count(&engine, intent, "CallStarted"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_again_and_again_is_given_up_after_ten_rounds() {
    let world = World::of(&["a"]);
    for _ in 0..20 {
        world.misbehave("set a", Misbehaviour::Ask(Asking::Ending));
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    for _ in 0..10 {
        answer(&engine, intent, accept()).await;
        let taken = |s: &IntentState| names(s).is_empty() || s.ended.is_some();
        engine.until_that(intent, "the answer taken", taken).await;
    }
    assert_eq!(ended(&engine, intent).await, End::Failed, "{}", engine.story(intent));
    assert_eq!(count(&engine, intent, "InputRequested"), 10);
    assert!(doubts(&engine, intent)[0].0.contains("10 times"));
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_no_person_can_give_is_a_doubt_at_once() {
    let world = asking(Asking::ForAModel);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    assert_eq!(ended(&engine, intent).await, End::Failed, "{}", engine.story(intent));
    let (reason, answered) = doubts(&engine, intent).remove(0);
    assert!(answered && reason.contains("a model's answer"), "{reason}");
    assert_eq!(count(&engine, intent, "InputRequested"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_undo_asks_as_well_and_goes_on_with_the_answer() {
    for how in BOTH {
        let world = World::of(&["a"]);
        world.misbehave("unset a", Misbehaviour::Ask(how));
        world.set_check("post", false);
        let engine = Engine::over(&world, Decision::Run).await;
        let mut plan = plan("set");
        plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
        let intent = engine.submit(plan).await;
        let state = engine.until(intent, "awaiting_input").await;
        assert_eq!(names(&state), ["s:undo:1"]);
        answer(&engine, intent, accept()).await;
        assert_eq!(
            ended(&engine, intent).await,
            End::RolledBack,
            "{}",
            engine.story(intent)
        );
        assert_eq!(world.executed(), ["set a k=1", "unset a k"], "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_a_question_without_a_deadline_still_folds_and_opens_nothing() {
    let old =
        json!({"type": "InputRequested", "request": "q1", "call": null, "question": {"inline": {"message": "?"}}});
    let event: Event = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(serde_json::to_value(&event).unwrap(), old, "it is written as it was");
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(plan("set")).await;
    let mut state = engine.until(intent, "awaiting_approval").await;
    let mut entry = engine.journal.entries(intent).pop().unwrap().entry;
    for (event, call) in [(event.clone(), None), (event, Some("1:s:do:0"))] {
        let Event::InputRequested { request, question, .. } = event else {
            unreachable!()
        };
        entry.seq = state.seq + 1;
        entry.event = Event::InputRequested {
            request,
            call: call.map(|c| c.parse().unwrap()),
            question,
            tool: None,
            deadline_ms: None,
            held: false,
        };
        state.apply(&entry, &flyball_engine::intent::state::NoBlobs).unwrap();
    }
    assert_eq!((names(&state).len(), state.api_state()), (0, "awaiting_approval"));
}
