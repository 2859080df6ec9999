//! Trying again: when, how often, by whose word, and what a crash, a cancel or a halt makes of it.

use crate::rig::{Rig, set, step};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_policies::RetrySettings;
use flyball_tests::flaky::Trouble;
use serde_json::{Value, json};
use std::time::Duration;

fn turned_away(retry_after_ms: u64) -> Trouble {
    Trouble::TurnedAway {
        retry_after_ms: Some(retry_after_ms),
    }
}

fn gaps(tried: &[u64]) -> Vec<u64> {
    tried.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn shows(state: &IntentState, status: &str) -> bool {
    state
        .items
        .iter()
        .any(|(id, item)| state.item_api_name(id, item) == status)
}

async fn backing_off(rig: &Rig, intent: IntentId) -> IntentState {
    rig.engine
        .until_that(intent, "a call that backs off", |s| shows(s, "backing_off"))
        .await
}

async fn ends(rig: &Rig, intent: IntentId, end: End) -> String {
    let state = rig.engine.end(intent).await;
    let (found, reason, _) = state.ended.unwrap();
    assert_eq!(found, end, "{reason}\n{}", rig.engine.story(intent));
    rig.engine.assert_replays(intent).await;
    reason
}

/// A plan whose post-check never holds, so that all is taken back.
fn doomed(device: &str) -> Value {
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"});
    json!({"steps": [step("s", device, &[])], "post_checks": [check]})
}

fn repeatable() -> Value {
    json!({"steps": [{"id": "s", "tool": "world/set_same", "args": {"device": "a", "key": "k", "value": 1}}]})
}

async fn cancel(rig: &Rig, intent: IntentId) {
    rig.engine.command(intent, What::Cancel { reason: None }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_turned_away_is_sent_again_when_the_server_said_and_the_journal_says_by_which_rule() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(7_000), 2);
    let intent = rig.engine.submit(set("a")).await;
    let state = backing_off(&rig, intent).await;
    assert_eq!(
        state.due(state.updated_ms).wake_ms,
        state.waits.values().map(|w| w.until_ms).max()
    );
    ends(&rig, intent, End::Fulfilled).await;
    let rule = "retry.not_sent.v1";
    let wait = ("1:s:do:0".to_owned(), 7_000, rule.to_owned());
    assert_eq!(rig.waits(intent), [wait.clone(), wait]);
    assert!(
        gaps(&rig.flaky.tried("set a"))
            .iter()
            .all(|ms| (7_000..7_100).contains(ms))
    );
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_waits_for_the_rest_of_the_pause_neither_from_its_start_nor_not_at_all() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(600_000), 1);
    let intent = rig.engine.submit(set("a")).await;
    backing_off(&rig, intent).await;
    let rig = rig.crash_for(200_000, 0).await;
    ends(&rig, intent, End::Fulfilled).await;
    let gap = gaps(&rig.flaky.tried("set a"))[0];
    assert!((600_000..601_000).contains(&gap), "{gap} ms");
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn the_count_of_tries_outlives_restarts() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(10_000), 100);
    let intent = rig.engine.submit(set("a")).await;
    let mut rig = rig;
    for tries in 1..=3 {
        rig.flaky.until_tried("set a", tries).await;
        backing_off(&rig, intent).await;
        rig = rig.crash_for(1_000, 0).await;
    }
    let reason = ends(&rig, intent, End::Failed).await;
    assert!(reason.contains("could not be sent: too many requests"), "{reason}");
    assert_eq!(rig.flaky.tried("set a").len(), 4);
    assert!(rig.world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_undo_waits_as_well_and_shows_it() {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    rig.flaky.trouble("unset a", turned_away(90_000), 1);
    let intent = rig.engine.submit(doomed("a")).await;
    backing_off(&rig, intent).await;
    ends(&rig, intent, End::RolledBack).await;
    assert!(gaps(&rig.flaky.tried("unset a"))[0] >= 90_000);
    assert_eq!(rig.waits(intent).last().unwrap().2, "retry.way_back.v1");
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_a_crash_finds_backing_off_waits_for_the_rest_and_is_made_once() {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    rig.flaky.trouble("unset a", turned_away(600_000), 1);
    let intent = rig.engine.submit(doomed("a")).await;
    backing_off(&rig, intent).await;
    let rig = rig.crash_for(250_000, 0).await;
    ends(&rig, intent, End::RolledBack).await;
    let gap = gaps(&rig.flaky.tried("unset a"))[0];
    assert!((600_000..601_000).contains(&gap), "{gap} ms");
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_is_open_when_a_rollback_comes_is_waited_for() {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    let intent = rig.engine.submit(doomed("a")).await;
    rig.engine.until_executed(1).await;
    rig.flaky.set_away(true);
    rig.flaky.until_tried("ready", 5).await;
    rig.flaky.set_away(false);
    ends(&rig, intent, End::RolledBack).await;
    assert_eq!(rig.world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_stays_open_leaves_a_rollback_to_a_person_who_may_have_it_tried_again() {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    let intent = rig.engine.submit(doomed("a")).await;
    rig.engine.until_executed(1).await;
    rig.flaky.set_away(true);
    let state = rig.engine.until(intent, "stuck").await;
    assert!(state.stuck["s"].contains("the circuit is open"), "{:?}", state.stuck);
    rig.flaky.set_away(false);
    let retry = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: flyball_engine::intent::event::Resolution::Retry,
        comment: None,
    };
    rig.engine.command(intent, retry).await.unwrap();
    ends(&rig, intent, End::RolledBack).await;
    assert_eq!(rig.world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_had_is_waited_for_before_anything_is_sent() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.set_away(true);
    let intent = rig.engine.submit(set("a")).await;
    backing_off(&rig, intent).await;
    assert_eq!(rig.count(intent, "CallStarted"), 0);
    rig.flaky.set_away(false);
    ends(&rig, intent, End::Fulfilled).await;
    assert_eq!(rig.world.executed(), ["set a k=1"]);

    rig.flaky.set_away(true);
    let mut other = set("a");
    other["steps"][0]["args"]["value"] = json!(2);
    let intent = rig.engine.submit(other).await;
    let reason = ends(&rig, intent, End::Failed).await;
    assert!(reason.contains("cannot be had: the circuit is open"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn every_reading_that_is_lost_is_taken_again_after_a_pause_that_stands_in_the_journal() {
    let check = |name: &str| json!({"tool": "world/check", "args": {"name": name}, "expect": "output.good"});
    let mut gated = step("s", "a", &["all"]);
    gated["gate"] = check("gate");
    let plan = json!({
        "pre_checks": [check("pre")],
        "steps": [{"id": "all", "tool": "world/list"}, gated],
        "post_checks": [check("post")],
    });
    for (what, waits) in [
        ("list", "1:all:do:0"),
        ("get a", "1:s:do:0"),
        ("preview a", "1:s:do:0"),
        ("check pre", "1:@pre/0:do:0"),
        ("check gate", "1:s:do:0"),
        ("check post", "1:@post/0:do:0"),
    ] {
        for trouble in [Trouble::LostOnTheWay, turned_away(3_000)] {
            let rig = Rig::of(&["a"]).await;
            rig.flaky.trouble(what, trouble.clone(), 2);
            let intent = rig.engine.submit(plan.clone()).await;
            ends(&rig, intent, End::Fulfilled).await;
            let found = rig.waits(intent);
            assert_eq!(found.len(), 2, "{what}: {found:?}");
            assert!(found.iter().all(|(call, ..)| call == waits), "{what}: {found:?}");
            let least = if trouble == Trouble::LostOnTheWay { 200 } else { 3_000 };
            assert!(found.iter().all(|(_, ms, _)| *ms >= least), "{what}: {found:?}");
            assert_eq!(rig.world.executed(), ["set a k=1"], "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_a_reading_waits_changes_nothing_about_the_end() {
    for what in ["list", "get a", "preview a", "check post"] {
        let rig = Rig::of(&["a"]).await;
        rig.flaky.trouble(what, turned_away(60_000), 1);
        let mut plan = doomed("a");
        plan["steps"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"id": "all", "tool": "world/list"}));
        let intent = rig.engine.submit(plan).await;
        rig.engine.until_that(intent, "a wait", |s| !s.waits.is_empty()).await;
        let rig = rig.crash_for(20_000, 0).await;
        ends(&rig, intent, End::Fulfilled).await;
        let gap = gaps(&rig.flaky.tried(what))[0];
        assert!((60_000..61_000).contains(&gap), "{what}: {gap} ms");
        assert_eq!(rig.world.executed(), ["set a k=1"], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_stays_unreadable_waits_for_a_person_after_the_granted_tries() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("check post", Trouble::LostOnTheWay, 4);
    let intent = rig.engine.submit(doomed("a")).await;
    rig.engine.until(intent, "stuck").await;
    assert_eq!(rig.flaky.tried("check post").len(), 4);
    assert_eq!(rig.world.executed(), ["set a k=1"], "nothing is taken back");
    rig.engine.command(intent, What::Resume).await.unwrap();
    ends(&rig, intent, End::Fulfilled).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_sign_in_is_never_tried_again() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", Trouble::NotSignedIn, 100);
    let intent = rig.engine.submit(set("a")).await;
    let reason = ends(&rig, intent, End::Failed).await;
    assert!(reason.contains("401"), "{reason}");
    assert_eq!(rig.flaky.tried("set a").len(), 1);

    for what in ["list", "get a", "preview a", "check post"] {
        let rig = Rig::of(&["a"]).await;
        rig.flaky.trouble(what, Trouble::NotSignedIn, 100);
        let mut plan = doomed("a");
        plan["steps"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"id": "all", "tool": "world/list"}));
        plan["post_checks"][0]["within"] = json!("10s");
        let intent = rig.engine.submit(plan).await;
        let over = |s: &IntentState| s.ended.is_some() || !s.stuck.is_empty();
        rig.engine.until_that(intent, "an end or a person", over).await;
        assert_eq!(rig.flaky.tried(what).len(), 1, "{what}\n{}", rig.engine.story(intent));
    }
}

#[tokio::test(start_paused = true)]
async fn an_intents_retries_are_counted_and_the_fault_says_that_they_are_spent() {
    let settings = RetrySettings {
        per_intent: 2,
        ..RetrySettings::default()
    };
    let rig = Rig::with(&["a", "b"], Decision::Run, settings).await;
    rig.flaky.trouble("get a", Trouble::LostOnTheWay, 1);
    rig.flaky.trouble("set a", turned_away(10), 2);
    let intent = rig.engine.submit(set("a")).await;
    let reason = ends(&rig, intent, End::Failed).await;
    assert!(reason.contains("the intent's 2 retries are spent"), "{reason}");
    assert_eq!(rig.flaky.tried("set a").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_days_retries_are_shared_by_all_intents_and_outlive_a_restart_but_never_bind_the_way_back() {
    let settings = RetrySettings {
        per_day: 2,
        ..RetrySettings::default()
    };
    let rig = Rig::with(&["a", "b"], Decision::Run, settings).await;
    rig.flaky.trouble("set a", turned_away(10), 2);
    let first = rig.engine.submit(set("a")).await;
    ends(&rig, first, End::Fulfilled).await;
    let rig = rig.crash_for(1, 0).await;
    rig.flaky.trouble("set b", turned_away(10), 1);
    let second = rig.engine.submit(set("b")).await;
    let reason = ends(&rig, second, End::Failed).await;
    assert!(reason.contains("the day's 2 retries are spent"), "{reason}");

    rig.world.set_check("post", false);
    rig.flaky.trouble("unset b", turned_away(10), 3);
    let third = rig.engine.submit(doomed("b")).await;
    ends(&rig, third, End::RolledBack).await;

    // Another day, another budget.
    let rig = rig.crash_for(1, crate::rig::DAY).await;
    rig.world.set_check("post", true);
    rig.flaky.trouble("set b", turned_away(10), 1);
    let fourth = rig.engine.submit(doomed("b")).await;
    ends(&rig, fourth, End::Fulfilled).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_backing_off_ends_at_once_if_nothing_ever_left() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(600_000), 1);
    let intent = rig.engine.submit(set("a")).await;
    let state = backing_off(&rig, intent).await;
    cancel(&rig, intent).await;
    ends(&rig, intent, End::Cancelled).await;
    assert!(rig.wall.now_ms() - state.updated_ms < 1_000, "nothing was waited for");
    assert!(rig.world.executed().is_empty());
    assert_eq!(
        rig.count(intent, "RollbackStarted"),
        0,
        "there was nothing to take back"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_a_lost_call_waits_to_be_repeated_leaves_a_doubt_and_forgets_nothing() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set_same a", Trouble::AnswerLost, 1);
    let intent = rig.engine.submit(repeatable()).await;
    backing_off(&rig, intent).await;
    cancel(&rig, intent).await;
    let state = rig.engine.until(intent, "stuck").await;
    assert!(shows(&state, "in_doubt"), "{}", rig.engine.story(intent));
    assert_eq!(rig.world.executed(), ["set_same a k=1"], "it is not repeated");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_never_left_says_nothing_of_the_one_before_it() {
    for trouble in [turned_away(10), Trouble::NotSignedIn] {
        let rig = Rig::of(&["a"]).await;
        rig.flaky.trouble("set_same a", Trouble::AnswerLost, 1);
        rig.flaky.trouble("set_same a", trouble, 100);
        let intent = rig.engine.submit(repeatable()).await;
        let state = rig.engine.until(intent, "stuck").await;
        assert!(shows(&state, "in_doubt"), "{}", rig.engine.story(intent));
        assert_eq!(rig.world.executed(), ["set_same a k=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_halt_while_backing_off_keeps_the_call_back_until_it_is_lifted() {
    let rig = Rig::of(&["a"]).await;
    rig.flaky.trouble("set a", turned_away(5_000), 1);
    let intent = rig.engine.submit(set("a")).await;
    backing_off(&rig, intent).await;
    let anna = flyball_engine::actor::Actor::human("anna");
    rig.engine.supervisor.halt(&anna, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.flaky.tried("set a").len(), 1, "halted: nothing is sent");
    let rig = rig.crash_for(60_000, 0).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.flaky.tried("set a").len(), 1, "the halt outlives the engine");
    rig.engine.supervisor.unhalt(&anna).await.unwrap();
    ends(&rig, intent, End::Fulfilled).await;
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_while_things_are_tried_again_the_end_is_the_same() {
    for entries in 1..80u64 {
        let rig = Rig::of(&["a", "b"]).await;
        rig.world.set_check("post", false);
        for what in ["get a", "set a", "set b", "unset a", "unset b", "check post"] {
            rig.flaky.trouble(what, turned_away(2_000), 1);
        }
        let mut plan = doomed("a");
        plan["steps"].as_array_mut().unwrap().push(step("t", "b", &["s"]));
        let intent = rig.engine.submit(plan).await;
        let reached = |s: &IntentState| s.seq >= entries || s.ended.is_some();
        let finished = rig.engine.until_that(intent, "progress", reached).await.ended.is_some();
        let rig = rig.crash_for(500, 0).await;
        ends(&rig, intent, End::RolledBack).await;
        let executed = ["set a k=1", "set b k=1", "unset b k", "unset a k"];
        assert_eq!(rig.world.executed(), executed, "killed after entry {entries}");
        if finished {
            return;
        }
    }
    panic!("the plan never ended by itself");
}
