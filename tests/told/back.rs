//! What is told of what is taken back, and of what is not.

use crate::{Told, says, says_not};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Resolution};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn set(id: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": "k", "value": 1}})
}

async fn fulfilled(engine: &Engine) -> IntentId {
    let plan = json!({"steps": [set("one", "a", &[]), set("two", "b", &["one"])]});
    let intent = engine.submit(plan).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    intent
}

fn resolve(item: &str, resolution: Resolution, comment: &str) -> What {
    What::Resolve {
        item: item.parse().unwrap(),
        resolution,
        comment: Some(comment.to_owned()),
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_intent_has_yet_to_take_back_has_not_succeeded_and_what_it_took_back_is_undone() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let plan = json!({"steps": [set("one", "a", &[]), set("two", "b", &["one"])]});
    let of = engine.submit(plan).await;
    engine.approve(of).await;
    engine.end(of).await;
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "awaiting_approval").await;
    let told = Told::of(&engine, undo).await;
    for item in ["one", "two"] {
        assert_eq!(told.item(item).status, "waiting");
    }
    says_not(&told.tree, "succeeded");
    assert!(
        told.report.targets.iter().all(|t| t.applied == "not taken back"),
        "{:?}",
        told.report.targets
    );
    assert_eq!(world.value("a", "k"), Some(json!(1)), "nothing is taken back yet");
    engine.approve(undo).await;
    assert_eq!(engine.end(undo).await.ended.unwrap().0, End::Fulfilled);
    let told = Told::of(&engine, undo).await;
    for item in ["one", "two"] {
        assert_eq!(told.item(item).status, "undone");
    }
    assert!(
        told.report.targets.iter().all(|t| t.applied == "taken back"),
        "{:?}",
        told.report.targets
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_failed_is_shown_as_failed_and_once_a_person_leaves_it_as_not_taken_back() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine).await;
    world.misbehave("unset b", Misbehaviour::Refuse);
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    let told = Told::of(&engine, undo).await;
    assert_eq!(told.item("two").status, "undo_failed");
    says_not(&told.tree, "succeeded");
    let view = told.view();
    says(
        &view.ways.join("\n"),
        &format!("flyball resolve {undo} two retry\nflyball resolve {undo} two accept"),
    );
    engine
        .command(undo, resolve("two", Resolution::Accept, "the customer wants it"))
        .await
        .unwrap();
    let state = engine.end(undo).await;
    assert!(state.ended.unwrap().2, "it ends in part");
    let told = Told::of(&engine, undo).await;
    assert_eq!(told.item("two").status, "skipped");
    says(
        &told.tree,
        "not taken back: anna accepted it as it stands (the customer wants it)",
    );
    says_not(&told.tree, "succeeded");
    let applied: Vec<&str> = told.report.targets.iter().map(|t| t.applied.as_str()).collect();
    assert!(
        applied.contains(&"not taken back") && applied.contains(&"taken back"),
        "{applied:?}"
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {"k": 1}}));
    // Why the person did so is told wherever the decision is.
    for text in [&told.lines, &told.reported, &told.why] {
        says(text, "accept it as it is (the customer wants it)");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_shown_with_what_was_left_and_what_another_hand_has_put_there() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine).await;
    world.intrude("b", "k", json!(4000));
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    let told = Told::of(&engine, undo).await;
    let conflict = told.item("two").conflict.as_ref().unwrap();
    says(&conflict.expected.as_ref().unwrap().to_string(), "1");
    says(&conflict.found.as_ref().unwrap().to_string(), "4000");
    says(&told.tree, "left as  ");
    says(&told.tree, "found    ");
    says(&told.tree, "4000");
    says(&told.tree, &format!("(at {})", conflict.found_at.as_ref().unwrap()));
    assert_eq!(world.value("b", "k"), Some(json!(4000)));
    says(
        &told.view().ways.join("\n"),
        &["retry", "overwrite", "accept"]
            .map(|fit| format!("flyball resolve {undo} two {fit}"))
            .join("\n"),
    );
    says(&told.why, "somebody else changed it since");
    says(&told.why, &format!("flyball resolve {undo} two"));
    engine
        .command(undo, resolve("two", Resolution::Overwrite, "a mistake of ours"))
        .await
        .unwrap();
    engine.end(undo).await;
    let told = Told::of(&engine, undo).await;
    says(
        &told.reported,
        "overwrite what is there now (a mistake of ours); that was {\"k\":4000}",
    );
    assert!(told.item("two").conflict.is_none(), "it is no conflict any more");
    assert_eq!(world.value("b", "k"), None);
}

#[tokio::test(start_paused = true)]
async fn an_overwrite_that_does_not_fit_is_refused_with_where_the_item_stands_and_what_fits_there() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}, "on_failure": "hold"}]});
    world.misbehave("set a", Misbehaviour::Refuse);
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    let refused = engine.command(intent, resolve("s", Resolution::Overwrite, "")).await;
    let why = refused.unwrap_err().to_string();
    says(&why, "s is failed");
    says(
        &why,
        "overwrite is for an undo that another hand's change stands in the way of",
    );
    says(&why, "retry or accept");
    assert_eq!(world.executed(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_was_chosen_without_a_preview_is_not_told_of_as_previewed() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [set("one", "a", &[]),
        {"id": "two", "tool": "world/set_blind", "args": {"device": "b", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    engine.end(intent).await;
    let told = Told::of(&engine, intent).await;
    says(&told.lines, "one previewed; the way back is world/unset");
    says(
        &told.lines,
        "two looked at, without a preview; the way back is world/unset",
    );
    says_not(&told.lines, "two previewed");
}

#[tokio::test(start_paused = true)]
async fn a_second_undo_reports_what_was_left_for_it_and_no_other_target() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = fulfilled(&engine).await;
    world.intrude("b", "k", json!(4000));
    let first = engine.undo("olga", of).await.unwrap();
    engine.until(first, "stuck").await;
    let accept = resolve("two", Resolution::Accept, "not now");
    engine.command(first, accept).await.unwrap();
    engine.end(first).await;
    world.intrude("b", "k", json!(1));
    let second = engine.undo("olga", of).await.unwrap();
    engine.end(second).await;
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    let told = Told::of(&engine, second).await;
    let targets: Vec<&str> = told.report.targets.iter().map(|t| t.target.as_str()).collect();
    assert_eq!(targets, ["b"], "{}", told.reported);
    says(&told.tree, &format!("it was taken back by intent {first}"));
}
