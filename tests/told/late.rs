//! What is told of an answer that came after the end and says otherwise than what was settled.

use crate::{Told, says, says_not};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::{Filter, Journal};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;

/// An intent of one call, which is not answered.
async fn in_doubt(engine: &Engine) -> IntentId {
    let plan = json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    let doubt = |s: &IntentState| s.items.values().any(|i| i.status.is_doubt());
    engine.until_that(intent, "a doubt", doubt).await;
    intent
}

fn contradicted(state: &IntentState) -> bool {
    state.items.values().any(|i| i.contradiction.is_some())
}

#[tokio::test(start_paused = true)]
async fn a_contradiction_after_the_end_stands_in_the_verdict_the_report_the_list_and_the_reasons() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = in_doubt(&engine).await;
    // The person is wrong: it was executed.
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: Some("the device shows nothing".into()),
    };
    engine.command(intent, settle).await.unwrap();
    let (end, ..) = engine.end(intent).await.ended.unwrap();
    assert_ne!(end, End::Fulfilled);
    let before = Told::of(&engine, intent).await;
    assert!(before.report.contradicted.is_empty() && before.view().contradicted.is_empty());

    world.release();
    engine.until_that(intent, "a contradiction", contradicted).await;
    assert_eq!(world.value("a", "k"), Some(json!(1)), "the change is there");
    let told = Told::of(&engine, intent).await;
    let words = "that means applied, but the call was settled as not applied";
    let [sentence] = told.report.contradicted.as_slice() else {
        panic!("{:?}", told.report.contradicted)
    };
    says(&sentence.text, words);
    says(
        &told.reported,
        "! not certain: s: what it was settled as is contradicted",
    );
    assert_eq!(told.report.targets[0].applied, "contradicted");
    says(&told.view().contradicted.join("\n"), words);
    for text in [&told.why, &told.tree, &told.lines] {
        says(text, words);
        says_not(text, "NotApplied");
    }
    let rows = engine.journal.list(Filter::default()).await.unwrap();
    assert!(rows.iter().all(|row| row.contradicted), "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_made_after_it_was_taken_for_taken_back_is_told_and_can_be_taken_back() {
    let world = World::of(&["a"]);
    world.intrude("a", "k", json!(0));
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = in_doubt(&engine).await;
    // As if it had not landed yet: nothing shows when the person says that it was applied.
    world.intrude("a", "k", json!(0));
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force: true,
        comment: None,
    };
    engine.command(intent, settle).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(world.executed(), ["set a k=1"], "nothing was there to be taken back");

    world.intrude("a", "k", json!(1));
    world.release();
    engine.until_that(intent, "a contradiction", contradicted).await;
    let told = Told::of(&engine, intent).await;
    says(&told.reported, "nothing was sent to take it back");
    assert_eq!(told.report.targets[0].applied, "contradicted");
    engine.assert_replays(intent).await;
    let undo = engine.undo("olga", intent).await.unwrap();
    engine.until(undo, "stuck").await;
    let overwrite = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: flyball_engine::intent::event::Resolution::Overwrite,
        comment: None,
    };
    engine.command(undo, overwrite).await.unwrap();
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(world.value("a", "k"), Some(json!(0)));
}
