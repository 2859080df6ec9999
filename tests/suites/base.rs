//! Devices that know their configuration by a digest: what voids an approval, and of what a moved base is evidence.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, SettledBy, Settlement};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn set(tool: &str, key: &str) -> Value {
    json!({"steps": [{"id": "s", "tool": format!("world/{tool}"), "args": {"device": "a", "key": key, "value": 1}}]})
}

fn stale(engine: &Engine, intent: IntentId) -> Vec<String> {
    let events = engine.events(intent).into_iter();
    let why = events.filter_map(|e| match e {
        Event::PlanStale { why, .. } => Some(why),
        _ => None,
    });
    why.collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_approved_for_one_device_the_second_stays_approved_and_finds_the_base_that_the_first_left() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let (one, two) = (
        engine.submit(set("set_based", "k")).await,
        engine.submit(set("set_based", "l")).await,
    );
    engine.until(one, "awaiting_approval").await;
    engine.until(two, "awaiting_approval").await;
    for intent in [one, two] {
        engine.approve(intent).await;
        let (end, reason, _) = engine.end(intent).await.ended.unwrap();
        assert_eq!(end, End::Fulfilled, "{reason}\n{}", engine.story(intent));
        assert_eq!(stale(&engine, intent), [""; 0]);
        engine.assert_replays(intent).await;
    }
    assert_eq!(world.executed(), ["set_based a k=1", "set_based a l=1"]);
    let bases = engine.events(two).into_iter().filter_map(|e| match e {
        Event::PreviewTaken { base, .. } => base,
        _ => None,
    });
    let bases: Vec<String> = bases.collect();
    assert!(
        bases.len() == 2 && bases[0] != bases[1],
        "both bases are on record: {bases:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_others_under_the_lock_void_the_approval_and_a_person_sees_the_new_ones() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set("set_based", "k")).await;
    let first = engine.until(intent, "awaiting_approval").await.approval.unwrap();
    world.intrude("a", "mode", json!("new"));
    engine.approve(intent).await;
    let second = |s: &flyball_engine::intent::state::IntentState| {
        s.api_state() == "awaiting_approval" && s.approval.as_ref().is_some_and(|a| a.digest != first.digest)
    };
    engine.until_that(intent, "a second approval", second).await;
    assert!(world.executed().is_empty());
    assert!(stale(&engine, intent)[0].contains("not the one that was looked at"));
    engine.approve(intent).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set_based a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_finds_another_base_after_all_has_done_nothing_and_is_looked_at_again() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    let intent = engine.submit(set("set_based", "k")).await;
    engine.until(intent, "awaiting_approval").await;
    world.misbehave("set_based a", Misbehaviour::FindAnotherBase);
    engine.approve(intent).await;
    let again = |s: &flyball_engine::intent::state::IntentState| s.looks == 2 && s.api_state() == "awaiting_approval";
    engine.until_that(intent, "a second look", again).await;
    assert!(stale(&engine, intent)[0].contains("somebody else changed it"));
    assert!(
        engine.journal_locks().await.is_empty(),
        "nobody is kept waiting meanwhile"
    );
    engine.approve(intent).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{reason}");
    assert_eq!(world.executed(), ["set_based a k=1"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn another_base_after_something_was_sent_is_a_failure_that_takes_the_rest_back() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/set", "args": {"device": "b", "key": "k", "value": 1}},
        {"id": "t", "tool": "world/set_based", "needs": ["s"], "args": {"device": "a", "key": "k", "value": 1}},
    ]});
    world.misbehave("set_based a", Misbehaviour::FindAnotherBase);
    let intent = engine.submit(plan).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(world.executed(), ["set b k=1", "unset b k"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_refuses_at_the_look_is_refused_in_its_own_words() {
    let world = World::of(&["a"]);
    world.intrude("a", "frozen", json!(true));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set("set_based", "k")).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Refused);
    assert_eq!(reason, "world/set_based: a is frozen: nothing is set there");
    assert!(world.executed().is_empty());
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_may_fail_is_left_out_where_its_tool_refuses_it() {
    let world = World::of(&["a", "b"]);
    world.intrude("a", "frozen", json!(true));
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "list", "tool": "world/list", "args": {}},
        {"id": "s", "tool": "world/set_based", "for_each": "${steps.list.output.devices}", "on_failure": "continue",
         "args": {"device": "${item.name}", "key": "k", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    let (end, reason, partial) = engine.end(intent).await.ended.unwrap();
    assert!(end == End::Fulfilled && partial, "{reason}\n{}", engine.story(intent));
    assert_eq!(world.executed(), ["set_based b k=1"]);
}

fn in_doubt(state: &flyball_engine::intent::state::IntentState) -> bool {
    state.items.values().any(|i| i.status.is_doubt())
}

#[tokio::test(start_paused = true)]
async fn another_hands_edit_is_no_evidence_that_raw_lines_landed_and_a_persons_word_counts() {
    let world = World::of(&["a"]);
    world.misbehave("set_raw a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set("set_raw", "k")).await;
    let state = engine.until_that(intent, "a doubt", in_doubt).await;
    let item = "s".parse().unwrap();
    let settling = state.settling(&item).unwrap();
    let call = state.items[&item].open_call().unwrap();
    assert!(settling.by_probe && settling.at_ms == Some(state.settled_from(call)));
    world.intrude("a", "other", json!(7));
    let state = engine.until(intent, "stuck").await;
    let waits = state.settling(&item).unwrap();
    assert!(!waits.by_probe && waits.at_ms.is_none(), "a person is asked: {waits:?}");
    assert!(state.stuck["s"].contains("a person must look"), "{:?}", state.stuck);
    let settled = |e: &Event| matches!(e, Event::CallSettled { .. });
    assert!(!engine.events(intent).iter().any(settled), "{}", engine.story(intent));
    let what = What::Settle {
        item,
        verdict: Settlement::Applied,
        force: false,
        comment: Some("I looked".into()),
    };
    engine.command(intent, what).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn raw_lines_are_verified_by_the_base_that_their_own_answer_names() {
    for (how, by) in [
        (None, None),
        (Some(Misbehaviour::ActAndHoldAnswer), Some(SettledBy::LateAnswer)),
    ] {
        let world = World::of(&["a"]);
        let engine = Engine::over(&world, Decision::Run).await;
        if let Some(how) = how {
            world.misbehave("set_raw a", how);
        }
        let intent = engine.submit(set("set_raw", "k")).await;
        if by.is_some() {
            engine.until_that(intent, "a doubt", in_doubt).await;
            world.release();
        }
        let state = engine.end(intent).await;
        assert_eq!(
            state.ended.as_ref().unwrap().0,
            End::Fulfilled,
            "{}",
            engine.story(intent)
        );
        let after = state.items[&"s".parse().unwrap()].after.clone().unwrap();
        assert_eq!(after.holds, Some(true), "{by:?}");
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn raw_lines_that_never_landed_are_settled_as_such_by_the_base_that_stayed() {
    let world = World::of(&["a"]);
    world.misbehave("set_raw a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set("set_raw", "k")).await;
    engine.end(intent).await;
    let settled = engine.events(intent).into_iter().find_map(|e| match e {
        Event::CallSettled { verdict, by, .. } => Some((verdict, by)),
        _ => None,
    });
    assert_eq!(settled, Some((Settlement::NotApplied, SettledBy::Probe)));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_reads_something_else_says_what_was_expected_and_what_was_read() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.set_check("health", false);
    let plan = json!({"steps": [
        {"id": "s", "tool": "world/check", "args": {"name": "health"}, "expect": "output.good", "within": "2s"},
    ]});
    let intent = engine.submit(plan).await;
    let (_, reason, _) = engine.end(intent).await.ended.unwrap();
    assert!(
        reason.contains("expected output.good; read {\"good\":false"),
        "{reason}"
    );
}
