//! The brake and the questions: who stopped everything and who let it go on is on record, and nobody answers what was
//! not asked.

use flyball_engine::actor::Actor;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_engine::supervisor::CommandError;
use flyball_tests::engine::Engine;
use flyball_tests::world::World;
use serde_json::{Value, json};

fn set_one() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]})
}

#[tokio::test(start_paused = true)]
async fn a_halt_names_who_and_why_and_its_record_names_who_lifted_it_over_a_restart() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let (anna, olga) = (Actor::human("anna"), Actor::human("olga"));
    engine.supervisor.halt(&anna, Some("storm")).await.unwrap();
    let intent = engine.submit(set_one()).await;
    let held = |s: &IntentState| s.waits_out_a_halt(s.updated_ms);
    engine.until_that(intent, "held back", held).await;

    let engine = engine.crash_and_restart().await;
    let halt = engine.supervisor.halted().expect("the halt outlives the engine");
    assert_eq!(
        (halt.by.clone(), halt.to_string().as_str()),
        (anna.clone(), "halted by anna: storm")
    );
    engine.supervisor.unhalt(&olga).await.unwrap();
    let state = engine.end(intent).await;
    assert_eq!(state.ended.as_ref().unwrap().0, End::Fulfilled);
    assert!(!held(&state));

    let engine = engine.crash_and_restart().await;
    assert_eq!(engine.supervisor.halted(), None);
    let halts = engine.supervisor.halts().await.unwrap();
    let lifted = halts[0].lifted.clone().expect("it was lifted");
    assert_eq!((halts.len(), &halts[0].by, &lifted.by), (1, &anna, &olga));
    assert!(lifted.at_ms >= halts[0].at_ms);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_nobody_asked_is_refused_and_leaves_no_entry() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set_one()).await;
    let before = engine.until(intent, "awaiting_approval").await.seq;
    let what = What::Input {
        request: "q1".into(),
        answer: json!("yes"),
    };
    let refused = engine.command(intent, what).await;
    assert!(matches!(refused, Err(CommandError::Refused(why)) if why.contains("\"q1\"")));
    engine.approve(intent).await;
    let state = engine.end(intent).await;
    assert!(state.seq > before);
    assert!(!engine.story(intent).contains("InputGiven"), "{}", engine.story(intent));
}
