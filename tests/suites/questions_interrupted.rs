//! What gets between a question and its answer: a server that goes away or waits no longer, a pause, a halt, a refusal.

use crate::questions::{accept, answer, asking, doubts, ended, names, plan};
use crate::rig;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::flaky::Trouble;
use flyball_tests::questions::Asking;
use flyball_tests::world::Misbehaviour;

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_wait_any_longer_has_answered_the_call_itself() {
    let world = asking(Asking::Waiting);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_input").await;
    world.stop_waiting();
    let end = ended(&engine, intent).await;
    assert!(matches!(end, End::Failed | End::RolledBack), "{}", engine.story(intent));
    assert_eq!(doubts(&engine, intent), []);
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_over_its_question_leaves_a_doubt_at_once() {
    let world = asking(Asking::Waiting);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_input").await;
    world.die_waiting();
    // Its process is dead, so what did nothing may be sent once more.
    assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    let (reason, answered) = doubts(&engine, intent).remove(0);
    assert!(!answered && reason.contains("waited for an answer"), "{reason}");
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_halt_hold_an_answer_back_until_they_are_lifted() {
    let world = asking(Asking::Ending);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(plan("set")).await;
    engine.until(intent, "awaiting_input").await;
    engine.command(intent, What::Pause { reason: None }).await.unwrap();
    let anna = flyball_engine::actor::Actor::human("anna");
    engine.supervisor.halt(&anna, None).await.unwrap();
    let request = "s:1".to_owned();
    let with = accept();
    engine
        .command(intent, What::Input { request, answer: with })
        .await
        .unwrap();
    engine.until_that(intent, "the answer", |s| names(s).is_empty()).await;
    engine.command(intent, What::Resume).await.unwrap();
    let held = |s: &IntentState| s.waits_out_a_halt(s.updated_ms);
    engine.until_that(intent, "held back", held).await;
    // Longer than the question was open for: what is answered has no deadline.
    tokio::time::sleep(std::time::Duration::from_secs(2 * 3600)).await;
    assert!(world.answers().is_empty());
    engine.supervisor.unhalt(&anna).await.unwrap();
    assert_eq!(ended(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_turned_away_is_sent_again_with_the_call() {
    let rig = rig::Rig::of(&["a"]).await;
    rig.world.misbehave("set a", Misbehaviour::Ask(Asking::Ending));
    let intent = rig.engine.submit(rig::set("a")).await;
    rig.engine.until(intent, "awaiting_input").await;
    rig.flaky
        .trouble("set a", Trouble::TurnedAway { retry_after_ms: None }, 1);
    answer(&rig.engine, intent, accept()).await;
    assert_eq!(
        ended(&rig.engine, intent).await,
        End::Fulfilled,
        "{}",
        rig.engine.story(intent)
    );
    assert_eq!(rig.world.answers(), [accept()]);
    assert_eq!(rig.world.executed(), ["set a k=1"]);
    assert_eq!(rig.count(intent, "CallNotSent"), 1);
}
