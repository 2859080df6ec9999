//! What is told of an intent that waits for a person, and of what a person does to it.

use crate::{Told, says, says_not};
use flyball::http::views;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, Event, Settlement};
use flyball_engine::intent::replay::replay;
use flyball_engine::intent::state::{IntentState, NoBlobs};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;

fn doubtful(s: &IntentState) -> bool {
    s.items.values().any(|i| i.status.is_doubt())
}

/// A call that acted and did not answer, on a world that tells nothing any more.
async fn in_doubt_of_what_cannot_be_read() -> (Engine, IntentId) {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]});
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", doubtful).await;
    world.set_unreadable(true);
    (engine, intent)
}

#[tokio::test(start_paused = true)]
async fn why_says_what_a_stuck_intent_waits_for_and_the_command_that_fits_it() {
    let (engine, intent) = in_doubt_of_what_cannot_be_read().await;
    engine.until(intent, "stuck").await;
    let told = Told::of(&engine, intent).await;
    says(&told.why, "waits for a person\n  s: ");
    let way = format!("flyball settle {intent} s applied");
    says(&told.why, &way);
    let view = told.view();
    assert_eq!(view.ways.first(), Some(&way), "{:?}", view.ways);
    says_not(&view.ways.join("\n"), "resolve");
}

#[tokio::test(start_paused = true)]
async fn the_next_probe_of_a_doubt_is_never_shown_in_the_past() {
    let (engine, intent) = in_doubt_of_what_cannot_be_read().await;
    let (mut to_come, mut under_way) = (0, 0);
    loop {
        let state = engine.supervisor.state(intent).await.unwrap();
        let now = engine.supervisor.deps().clock.now_ms();
        let doubts = views::doubts(&state, now);
        let Some(doubt) = doubts.first() else { break };
        if state.api_state() == "stuck" {
            assert_eq!(doubt.waits, "a person must settle it");
            break;
        }
        match &doubt.settles_at {
            Some(at) => {
                assert!(*at > flyball::http::dto::time(now), "{at}");
                to_come += 1;
            }
            None => {
                says(&doubt.waits, "being probed since");
                under_way += 1;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert!(to_come > 0 && under_way > 0, "{to_come} to come, {under_way} under way");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_a_person_released_is_told_of_with_who_and_why() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.misbehave("set a", Misbehaviour::Refuse);
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}, "on_failure": "hold"}]});
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    let release = What::ReleaseLock {
        target: "device:a".into(),
        reason: "the night shift needs it".into(),
    };
    engine.command(intent, release).await.unwrap();
    let released = |e: &Event| matches!(e, Event::TargetsReleased { by: Some(_), .. });
    engine
        .until_that(intent, "a release", |_| engine.events(intent).iter().any(released))
        .await;
    assert!(engine.journal_locks().await.is_empty());
    let told = Told::of(&engine, intent).await;
    let entries = engine.journal.entries(intent);
    let shown = views::released(&entries);
    for text in [&told.reported, &told.why, &told.lines, &shown.join("\n")] {
        says(text, "released the lock on device:a: the night shift needs it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_forced_word_still_holds_up_is_told_with_until_when_and_no_longer() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}, "on_failure": "hold"}]});
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", doubtful).await;
    let word = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: None,
    };
    engine.command(intent, word).await.unwrap();
    let state = engine.until(intent, "stuck").await;
    let now = engine.supervisor.deps().clock.now_ms();
    let until = state.items[&"s".parse().unwrap()].hot_until();
    assert!(until > now, "it might land for a while");
    let told = views::cooling(&state, now);
    let line = format!(
        "s: what was sent may still land: nothing more is done on device:a until {}",
        flyball::http::dto::time(until)
    );
    assert_eq!(told, [line]);
    assert_eq!(views::cooling(&state, until), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn between_the_word_and_the_end_a_stuck_undo_is_about_to_move_and_at_rest_it_is_not() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}]});
    let of = engine.submit(plan).await;
    engine.end(of).await;
    world.intrude("a", "k", json!(4000));
    let undo = engine.undo("olga", of).await.unwrap();
    engine.until(undo, "stuck").await;
    let seen = |upto: &str| {
        let entries = engine.journal.entries(undo);
        let last = entries.iter().position(|e| e.entry.event.name() == upto).unwrap();
        let state = replay(undo, &entries[..=last], &NoBlobs).unwrap();
        let due = state.due(engine.supervisor.deps().clock.now_ms());
        (state.api_state().to_owned(), views::is_about_to_move(&due))
    };
    assert_eq!(seen("Stuck"), ("stuck".to_owned(), false));
    engine.command(undo, What::Cancel { reason: None }).await.unwrap();
    engine.end(undo).await;
    assert!(seen("CancelRequested").1, "what it shows then is not where it rests");
    assert!(!seen("IntentEnded").1);
}
