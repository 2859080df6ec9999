//! What is told of what rests on a person's word alone.

use crate::{Told, says, says_not};
use flyball::http::views;
use flyball_engine::actor::Actor;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::event::{Decision, End, Resolution, Settlement};
use flyball_engine::intent::item::ItemStatus;
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Journal;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn call(id: &str, tool: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": tool, "needs": needs, "args": {"device": device, "key": "k", "value": 1}})
}

fn resolve(item: &str, resolution: Resolution, comment: &str) -> What {
    What::Resolve {
        item: item.parse().unwrap(),
        resolution,
        comment: Some(comment.to_owned()),
    }
}

fn stands(item: &str, status: ItemStatus) -> impl Fn(&IntentState) -> bool {
    let item = item.parse().unwrap();
    move |s: &IntentState| s.items.get(&item).is_some_and(|i| i.status == status)
}

async fn ended_by(engine: &Engine, intent: IntentId) -> (End, String) {
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    (end, reason)
}

#[tokio::test(start_paused = true)]
async fn the_headline_says_verified_only_of_what_a_reading_shows() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine
        .submit(json!({"steps": [call("s", "world/set", "a", &[])]}))
        .await;
    assert_eq!(
        ended_by(&engine, intent).await,
        (End::Fulfilled, "done and verified".to_owned())
    );
    let blind = json!({"steps": [call("s", "world/set_blind", "b", &[])]});
    let intent = engine.submit(blind).await;
    let (end, reason) = ended_by(&engine, intent).await;
    assert_eq!((end, reason.as_str()), (End::Fulfilled, "done; 1 change unverified"));
    let told = Told::of(&engine, intent).await;
    says(&told.reported, "fulfilled: done; 1 change unverified");
    assert_eq!(told.report.targets[0].verified, "unverified");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_only_a_person_vouches_for_is_told_of_as_settled_by_a_person() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [call("s", "world/set_blind", "a", &[]), call("t", "world/set", "b", &["s"])]});
    let intent = engine.submit(plan).await;
    engine
        .until_that(intent, "a doubt", stands("s", ItemStatus::InDoubt))
        .await;
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::Applied,
        force: true,
        comment: Some("the lamp is on".into()),
    };
    engine.command(intent, settle).await.unwrap();
    let (end, reason) = ended_by(&engine, intent).await;
    assert_eq!(
        (end, reason.as_str()),
        (End::Fulfilled, "done; 1 change settled by a person")
    );
    let told = Told::of(&engine, intent).await;
    says_not(&told.reported, "done and verified");
    let verified: Vec<&str> = told.report.targets.iter().map(|t| t.verified.as_str()).collect();
    assert_eq!(verified, ["unverified", "verified"]);
}

/// A rollback that another hand stands in the way of.
async fn conflict(world: &World, engine: &Engine) -> IntentId {
    world.misbehave("set b", Misbehaviour::HoldRefusal);
    let plan = json!({"steps": [call("one", "world/set", "a", &[]), call("two", "world/set", "b", &["one"])]});
    let intent = engine.submit(plan).await;
    engine
        .until_that(intent, "the second call", stands("two", ItemStatus::Running))
        .await;
    world.intrude("a", "k", json!(4000));
    world.release();
    engine.until(intent, "stuck").await;
    intent
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_a_person_accepted_is_shown_as_left_by_whom_and_why_and_not_as_verified() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = conflict(&world, &engine).await;
    let accept = resolve("one", Resolution::Accept, "the customer wants it");
    engine.command(intent, accept).await.unwrap();
    engine.end(intent).await;
    let told = Told::of(&engine, intent).await;
    let of_a = told.report.targets.iter().find(|t| t.target == "a").unwrap();
    assert_eq!(
        (of_a.applied.as_str(), of_a.verified.as_str()),
        ("not taken back", "unverified")
    );
    let accepted = "anna accepted it as it stands (the customer wants it)";
    assert_eq!(of_a.note.as_deref(), Some(accepted));
    says(&told.reported, accepted);
    says(&told.tree, &format!("not taken back: {accepted}"));
    for item in ["one", "two"] {
        assert_ne!(told.item(item).status, "succeeded", "{item}");
    }
    assert_eq!(told.item("one").verified, None);
    says_not(&told.tree, "resolve with");
    assert_eq!(world.value("a", "k"), Some(json!(4000)));
}

#[tokio::test(start_paused = true)]
async fn once_overwrite_was_given_it_is_told_what_is_awaited_and_nobody_is_asked_again() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = conflict(&world, &engine).await;
    says(&Told::of(&engine, intent).await.tree, "resolve with overwrite");
    world.misbehave("unset a", Misbehaviour::ActAndHoldAnswer);
    let overwrite = resolve("one", Resolution::Overwrite, "a mistake of ours");
    engine.command(intent, overwrite).await.unwrap();
    engine
        .until_that(intent, "the undo", stands("one", ItemStatus::Undoing))
        .await;
    let told = Told::of(&engine, intent).await;
    says(
        &told.tree,
        "anna said overwrite (a mistake of ours): the undo is under way",
    );
    says_not(&told.tree, "resolve with");
    let view = told.view();
    assert!(view.stuck.is_empty() && view.ways.is_empty(), "{view:?}");
    world.release();
    engine.end(intent).await;
    says_not(&Told::of(&engine, intent).await.tree, "anna said overwrite");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_and_has_yet_to_be_taken_in_is_told_and_nobody_is_asked_for_it_again() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = conflict(&world, &engine).await;
    let state = engine.supervisor.state(intent).await.unwrap();
    let before = views::undecided(&state, &[]);
    assert_eq!((before.stuck.len(), before.ways.len()), (1, 3), "{before:?}");
    // The engine is gone: what is recorded waits for the next one.
    let remains = engine.crash();
    let command = Command {
        id: "it".into(),
        by: Actor::human("anna"),
        at_ms: 0,
        what: resolve("one", Resolution::Overwrite, ""),
    };
    remains.journal().post(intent, command).await.unwrap();
    let inbox = remains.journal().inbox(intent).await.unwrap();
    let now = views::undecided(&state, &inbox);
    assert!(now.stuck.is_empty() && now.ways.is_empty(), "{now:?}");
    let [given] = now.given.as_slice() else {
        panic!("{now:?}")
    };
    says(given, "resolve one with overwrite, given by anna at ");
    says(given, "recorded, and yet to be taken in");
}

/// What is asked for in words is what is offered as a command, and nothing else.
#[track_caller]
fn asks_for_what_it_offers(told: &Told, item: &str, fits: &[&str]) {
    let view = told.view();
    let ways = view.ways.iter().filter(|w| w.contains(&format!(" {item} ")));
    let offered: Vec<&str> = ways.filter_map(|way| way.rsplit(' ').next()).collect();
    assert_eq!(offered, fits);
    let asked = view.stuck.iter().find(|s| s.starts_with(&format!("{item}: "))).unwrap();
    let (_, asked) = asked.split_once("resolve with ").unwrap();
    for word in ["retry", "overwrite", "accept"] {
        assert_eq!(asked.contains(word), fits.contains(&word), "{word} in {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_commands_that_are_offered_are_those_that_the_words_name() {
    for what in ["another hand", "unreadable", "blind"] {
        let world = World::of(&["a", "b"]);
        let engine = Engine::over(&world, Decision::Run).await;
        let tool = if what == "blind" {
            "world/set_blind"
        } else {
            "world/set"
        };
        let of = engine.submit(json!({"steps": [call("s", tool, "a", &[])]})).await;
        engine.end(of).await;
        let fits: &[&str] = match what {
            "another hand" => {
                world.intrude("a", "k", json!(4000));
                &["retry", "overwrite", "accept"]
            }
            "unreadable" => {
                world.set_unreadable(true);
                &["retry", "accept"]
            }
            _ => &["overwrite", "accept"],
        };
        let undo = engine.undo("olga", of).await.unwrap();
        engine.until(undo, "stuck").await;
        asks_for_what_it_offers(&Told::of(&engine, undo).await, "s", fits);
        let words = [Resolution::Retry, Resolution::Overwrite, Resolution::Accept];
        for word in words.into_iter().filter(|w| !fits.contains(&w.as_str())) {
            let refused = engine.command(undo, resolve("s", word, "")).await;
            assert!(refused.is_err(), "{what}: {word:?} was never offered");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_rollback_too_the_commands_that_are_offered_are_those_that_the_words_name() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = conflict(&world, &engine).await;
    let told = Told::of(&engine, intent).await;
    asks_for_what_it_offers(&told, "one", &["retry", "overwrite", "accept"]);
    world.set_unreadable(true);
    let retry = resolve("one", Resolution::Retry, "");
    engine.command(intent, retry).await.unwrap();
    let unreadable = |s: &IntentState| s.stuck.values().any(|why| why.contains("cannot be read"));
    engine.until_that(intent, "that it cannot be read", unreadable).await;
    asks_for_what_it_offers(&Told::of(&engine, intent).await, "one", &["retry", "accept"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_undo_left_alone_is_not_called_verified() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = engine
        .submit(json!({"steps": [call("s", "world/set", "a", &[])]}))
        .await;
    engine.end(of).await;
    world.intrude("a", "k", json!(4000));
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    engine.command(undo, What::Cancel { reason: None }).await.unwrap();
    engine.end(undo).await;
    let told = Told::of(&engine, undo).await;
    says(&told.reported, "not taken back  unverified");
}
