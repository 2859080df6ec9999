//! Persons settle what nothing else can: in part, taken over, before the time; who, when and why stand in the entry.

use crate::settle::{in_doubt, set_by};
use flyball_engine::actor::Actor;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, SettledBy, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn settle(item: &str, verdict: Settlement, force: bool) -> What {
    What::Settle {
        item: item.parse().unwrap(),
        verdict,
        force,
        comment: Some("seen on the console".into()),
    }
}

/// Two steps on two devices; the second falls silent.
fn two(device: &str) -> Value {
    json!({"steps": [
        {"id": "one", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}},
        {"id": "two", "tool": "world/set", "needs": ["one"], "args": {"device": device, "key": "l", "value": 2}},
    ]})
}

#[tokio::test(start_paused = true)]
async fn who_settled_when_and_why_stands_in_the_entry() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let before = engine.supervisor.deps().clock.now_ms();
    engine
        .command(intent, settle("s", Settlement::Applied, true))
        .await
        .unwrap();
    engine.end(intent).await;
    let entries = engine.journal.entries(intent);
    let entry = entries.iter().find(|e| e.entry.event.name() == "CallSettled").unwrap();
    assert_eq!(entry.entry.actor, Actor::human("anna"));
    assert!(entry.entry.at >= before);
    let Event::CallSettled { by, evidence, .. } = &entry.entry.event else {
        panic!("a settlement");
    };
    let expected = SettledBy::Person {
        by: Actor::human("anna"),
        comment: Some("seen on the console".into()),
        forced: true,
    };
    assert_eq!((by, evidence.as_str()), (&expected, "seen on the console"));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_in_part_is_taken_back() {
    for force in [true, false] {
        let world = World::of(&["a", "b"]);
        world.misbehave("set b", Misbehaviour::ActAndFallSilent);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(two("b")).await;
        engine.until_that(intent, "a doubt", in_doubt).await;
        world.intrude("b", "l", json!("half"));
        if !force {
            engine.until(intent, "stuck").await;
        }
        engine
            .command(intent, settle("two", Settlement::Partial, force))
            .await
            .unwrap();
        let state = engine.end(intent).await;
        assert_eq!(state.ended.unwrap().0, End::RolledBack, "{}", engine.story(intent));
        assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_took_over_is_touched_no_more() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "two", "tool": "world/set", "args": {"device": "b", "key": "l", "value": 2}},
        {"id": "three", "tool": "world/set", "needs": ["two"], "args": {"device": "b", "key": "m", "value": 3}},
        {"id": "four", "tool": "world/set", "needs": ["two"], "args": {"device": "a", "key": "m", "value": 4}},
    ]});
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    engine
        .command(intent, settle("two", Settlement::TakenOver, true))
        .await
        .unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, true), "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["set b l=2", "set a m=4"],
        "the other device gets its call"
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_leaves_alone_what_a_person_took_over_and_says_so() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("set a l", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = two("a");
    plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    engine
        .command(intent, settle("two", Settlement::TakenOver, true))
        .await
        .unwrap();
    let state = engine.until(intent, "stuck").await;
    assert!(state.stuck["one"].contains("taken over"), "{:?}", state.stuck);
    let accept = What::Resolve {
        item: "one".parse().unwrap(),
        resolution: Resolution::Accept,
        comment: None,
    };
    engine.command(intent, accept).await.unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, true));
    assert_eq!(world.executed(), ["set a k=1", "set a l=2"], "no undo went there");
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_verdict_does_not_end_the_heat() {
    let world = World::of(&["a"]);
    // The person says that nothing happened; it lands five seconds later all the same.
    world.misbehave("set a l", Misbehaviour::ActLate(7_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(two("a")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let doubted = engine.supervisor.deps().clock.now_ms();
    engine
        .command(intent, settle("two", Settlement::NotApplied, true))
        .await
        .unwrap();
    engine.until(intent, "stuck").await;
    assert!(
        engine.supervisor.deps().clock.now_ms() >= doubted + 10_000,
        "no undo before the call can land no more:\n{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1", "set a l=2"]);
    let conflict = engine
        .events(intent)
        .iter()
        .any(|e| matches!(e, Event::UndoConflict { .. } | Event::SettlementContradicted { .. }));
    assert!(
        conflict,
        "the state is not what the first call left:\n{}",
        engine.story(intent)
    );
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_a_person_settled_is_taken_back_like_any_other_call() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_by("set");
    plan["post_checks"] = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.answer_reads_with(vec![json!({"text": "% busy"}); 20]);
    engine.until(intent, "stuck").await;
    engine
        .command(intent, settle("s", Settlement::Applied, false))
        .await
        .unwrap();
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {}}));
}

/// The second step of two, on `b`, is found done in part by a person; what becomes of it then is the step's to say.
async fn in_part(engine: &Engine, on_failure: &str) -> IntentId {
    let mut plan = two("b");
    plan["steps"][1]["on_failure"] = json!(on_failure);
    let intent = engine.submit(plan).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    engine.world.intrude("b", "l", json!("half"));
    engine.until(intent, "stuck").await;
    let verdict = settle("two", Settlement::Partial, false);
    engine.command(intent, verdict).await.unwrap();
    intent
}

#[tokio::test(start_paused = true)]
async fn what_was_left_in_part_is_known_to_an_undo_that_comes_much_later() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let of = in_part(&engine, "continue").await;
    let (end, _, partial) = engine.end(of).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, true), "{}", engine.story(of));
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let undo = engine.undo("olga", of).await.unwrap();
    let (end, _, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, false), "{}", engine.story(undo));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    engine.assert_replays(of).await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_did_after_a_verdict_of_in_part_is_not_overwritten() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = in_part(&engine, "hold").await;
    let read = |s: &IntentState| s.items[&"two".parse().unwrap()].after.is_some();
    engine.until_that(intent, "a reading of what was left", read).await;
    world.intrude("b", "l", json!("theirs"));
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    let conflict = |s: &IntentState| s.items[&"two".parse().unwrap()].status.api_name() == "undo_conflict";
    engine.until_that(intent, "a conflict", conflict).await;
    assert_eq!(world.value("b", "l"), Some(json!("theirs")));
}

#[tokio::test(start_paused = true)]
async fn what_was_left_in_part_is_read_only_when_nothing_of_it_can_land_any_more() {
    let world = World::of(&["a"]);
    world.misbehave("set a l", Misbehaviour::ActLate(7_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(two("a")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    let verdict = settle("two", Settlement::Partial, true);
    engine.command(intent, verdict).await.unwrap();
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a k=1", "set a l=2", "unset a l", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_of_in_part_on_what_cannot_be_read_is_the_persons_word() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(two("b")).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.set_unreadable(true);
    engine.until(intent, "stuck").await;
    let verdict = settle("two", Settlement::Partial, false);
    engine.command(intent, verdict).await.unwrap();
    // Unreadable when it was to be read, unreadable before the undo: that is not sent.
    let conflict = |s: &IntentState| s.items[&"two".parse().unwrap()].status.api_name() == "undo_conflict";
    engine.until_that(intent, "an unreadable undo", conflict).await;
    world.set_unreadable(false);
    for item in ["two", "one"] {
        let unclean = |s: &IntentState| !s.items[&item.parse().unwrap()].status.needs_a_person();
        let state = engine.supervisor.state(intent).await.unwrap();
        if !unclean(&state) {
            let retry = What::Resolve {
                item: item.parse().unwrap(),
                resolution: Resolution::Retry,
                comment: None,
            };
            engine.command(intent, retry).await.unwrap();
        }
    }
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_says_how_far_it_came_is_taken_back_although_it_is_busy_right_after() {
    let world = World::of(&["a"]);
    world.misbehave("set", Misbehaviour::StopHalfWay(json!("half")));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_by("set_in_part")).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {}}));
}
