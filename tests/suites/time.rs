//! Deadlines, windows, back-out times and approvals; and wall clocks that somebody sets.

use crate::rig::{DAY, HOUR, MINUTE, Rig, set, step};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::Window;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Deadline, Decision, End, Event};
use flyball_engine::intent::state::IntentState;
use flyball_policies::RetrySettings;
use flyball_tests::flaky::Trouble;
use flyball_tests::world::Misbehaviour;
use serde_json::{Value, json};
use std::time::Duration;

async fn pass(ms: i64) {
    tokio::time::sleep(Duration::from_millis(ms as u64)).await;
}

async fn asking(devices: &[&str]) -> Rig {
    Rig::with(devices, Decision::NeedsApproval, RetrySettings::default()).await
}

fn passed(rig: &Rig, intent: IntentId) -> Vec<Deadline> {
    let events = rig.engine.events(intent).into_iter();
    let passed = events.filter_map(|e| match e {
        Event::DeadlinePassed { which } => Some(which),
        _ => None,
    });
    passed.collect()
}

async fn ends(rig: &Rig, intent: IntentId, end: End) -> String {
    let state = rig.engine.end(intent).await;
    let (found, reason, _) = state.ended.unwrap();
    assert_eq!(found, end, "{reason}\n{}", rig.engine.story(intent));
    rig.engine.assert_replays(intent).await;
    reason
}

/// Entry times by event name, the first of each.
fn at(rig: &Rig, intent: IntentId, name: &str) -> i64 {
    let mut entries = rig.engine.journal.entries(intent).into_iter();
    let found = entries.find(|e| e.entry.event.name() == name);
    found
        .unwrap_or_else(|| panic!("no {name}:\n{}", rig.engine.story(intent)))
        .entry
        .at
}

fn checked(steps: &[Value], within: &str) -> Value {
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good", "within": within});
    json!({"steps": steps, "post_checks": [check]})
}

async fn slow_check(bound: impl FnOnce(&mut flyball_engine::intent::Request, i64)) -> (Rig, IntentId) {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    let intent = rig.submit(checked(&[step("s", "a", &[])], "2h"), bound).await;
    rig.engine.until(intent, "verifying").await;
    (rig, intent)
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_scheduled_until_its_window_opens_over_a_restart_too() {
    let rig = Rig::of(&["a"]).await;
    let window = |now| Window {
        from_ms: now + HOUR,
        until_ms: now + 2 * HOUR,
    };
    let intent = rig.submit(set("a"), |r, now| r.window = Some(window(now))).await;
    let state = rig.engine.until(intent, "scheduled").await;
    let from = state.request.window.unwrap().from_ms;
    rig.engine
        .until_that(intent, "a wake-up", |s| s.due(s.updated_ms).wake_ms == Some(from))
        .await;
    let rig = rig.crash_for(600_000, 0).await;
    ends(&rig, intent, End::Fulfilled).await;
    assert!(at(&rig, intent, "TargetsLocked") >= from);
    assert_eq!(rig.world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_closes_before_anything_is_sent_ends_the_intent() {
    let rig = asking(&["a"]).await;
    let window = |now| Window {
        from_ms: now,
        until_ms: now + HOUR,
    };
    let intent = rig.submit(set("a"), |r, now| r.window = Some(window(now))).await;
    rig.engine.until(intent, "awaiting_approval").await;
    let reason = ends(&rig, intent, End::Failed).await;
    assert_eq!(
        (reason.as_str(), passed(&rig, intent)),
        ("the window closed", vec![Deadline::Window])
    );
    assert!(rig.world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_window_that_closes_between_two_changes_lets_nothing_new_start_and_the_way_back_goes_on_after_it() {
    let rig = Rig::of(&["a", "b"]).await;
    let window = |now| Window {
        from_ms: now,
        until_ms: now + HOUR,
    };
    let away = |minutes: u64| Trouble::TurnedAway {
        retry_after_ms: Some(minutes * 60_000),
    };
    rig.flaky.trouble("set b", away(59), 2);
    rig.flaky.trouble("unset a", away(30), 1);
    let plan = json!({"steps": [step("s", "a", &[]), step("t", "b", &["s"])]});
    let intent = rig.submit(plan, |r, now| r.window = Some(window(now))).await;
    let reason = ends(&rig, intent, End::RolledBack).await;
    assert_eq!(reason, "the window closed");
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
    let window_ms = at(&rig, intent, "DeadlinePassed") - at(&rig, intent, "IntentReceived");
    let back_ms = at(&rig, intent, "IntentEnded") - at(&rig, intent, "DeadlinePassed");
    assert_eq!(window_ms, HOUR);
    assert!(
        back_ms >= 30 * MINUTE,
        "the undo was waited for, {back_ms} ms after the window"
    );
}

#[tokio::test(start_paused = true)]
async fn a_window_is_for_starting_changes_what_was_sent_in_time_is_verified_after_it() {
    let window = |now| Window {
        from_ms: now,
        until_ms: now + MINUTE,
    };
    let (rig, intent) = slow_check(|r, now| r.window = Some(window(now))).await;
    pass(2 * MINUTE).await;
    rig.world.set_check("post", true);
    ends(&rig, intent, End::Fulfilled).await;
    assert_eq!(passed(&rig, intent), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_verified_by_the_back_out_time_is_backed_out() {
    let (rig, intent) = slow_check(|r, now| r.backout_by_ms = Some(now + HOUR)).await;
    let reason = ends(&rig, intent, End::RolledBack).await;
    assert_eq!(reason, "not verified by the back-out time");
    assert_eq!(passed(&rig, intent), [Deadline::BackoutBy]);
    assert_eq!(
        at(&rig, intent, "DeadlinePassed") - at(&rig, intent, "IntentReceived"),
        HOUR
    );
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn the_back_out_time_passes_also_while_no_engine_runs() {
    let (rig, intent) = slow_check(|r, now| r.backout_by_ms = Some(now + HOUR)).await;
    let rig = rig.crash_for(2 * HOUR as u64, 0).await;
    let reason = ends(&rig, intent, End::RolledBack).await;
    assert_eq!(reason, "not verified by the back-out time");
    assert_eq!(rig.world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_back_out_time_that_passes_before_the_start_lets_nothing_start() {
    let rig = asking(&["a"]).await;
    let intent = rig.submit(set("a"), |r, now| r.backout_by_ms = Some(now + HOUR)).await;
    ends(&rig, intent, End::Failed).await;
    assert_eq!(passed(&rig, intent), [Deadline::BackoutBy]);
}

#[tokio::test(start_paused = true)]
#[allow(clippy::too_many_lines, reason = "one case after the other")]
async fn a_deadline_ends_what_has_sent_nothing_in_whatever_it_waits() {
    for waits in [
        "planned",
        "awaiting_approval",
        "scheduled",
        "waiting",
        "paused",
        "backing off",
        "reading",
    ] {
        let rig = if waits == "awaiting_approval" {
            asking(&["a"]).await
        } else {
            Rig::of(&["a"]).await
        };
        if waits == "waiting" {
            rig.world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
            let holder = json!({"steps": [{"id": "s", "tool": "world/set_blind", "args": {"device": "a", "key": "x", "value": 1}}]});
            let holder = rig.engine.submit(holder).await;
            rig.engine.until(holder, "stuck").await;
        }
        let far = Trouble::TurnedAway {
            retry_after_ms: Some(3_000_000),
        };
        match waits {
            "backing off" => rig.flaky.trouble("set a", far, 5),
            "reading" => rig.flaky.trouble("get a", far, 5),
            _ => {}
        }
        let before = rig.world.executed().len();
        let intent = rig
            .submit(set("a"), |r, now| {
                r.deadline_ms = Some(now + 10 * MINUTE);
                if waits == "planned" {
                    r.mode = flyball_engine::intent::Mode::Plan;
                }
                if matches!(waits, "scheduled" | "paused") {
                    r.window = Some(Window {
                        from_ms: now + HOUR,
                        until_ms: now + 2 * HOUR,
                    });
                }
            })
            .await;
        if waits == "paused" {
            rig.engine.until(intent, "scheduled").await;
            rig.engine.command(intent, What::Pause { reason: None }).await.unwrap();
        }
        if !matches!(waits, "backing off" | "reading") {
            rig.engine.until(intent, waits).await;
        }
        let end = if waits == "planned" {
            End::Cancelled
        } else {
            End::Failed
        };
        let reason = ends(&rig, intent, end).await;
        assert_eq!(reason, "the deadline passed", "{waits}");
        assert_eq!(
            at(&rig, intent, "DeadlinePassed") - at(&rig, intent, "IntentReceived"),
            10 * MINUTE
        );
        assert_eq!(rig.world.executed().len(), before, "{waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_takes_back_what_was_sent_in_whatever_it_waits() {
    for waits in ["a gate", "a check", "a call", "a pause", "a person", "a reading"] {
        let rig = Rig::of(&["a", "b"]).await;
        let mut plan = checked(&[step("s", "a", &[]), step("t", "b", &["s"])], "2h");
        let never = |name: &str| json!({"tool": "world/check", "args": {"name": name}, "expect": "output.good", "within": "2h"});
        let far = Trouble::TurnedAway {
            retry_after_ms: Some(3_000_000),
        };
        match waits {
            "a gate" => {
                plan["steps"][0]["gate"] = never("gate");
                rig.world.set_check("gate", false);
            }
            "a check" => rig.world.set_check("post", false),
            "a call" => rig.flaky.trouble("set b", far, 5),
            "a reading" => rig.flaky.trouble("check post", far, 50),
            "a person" => {
                plan["steps"][1]["on_failure"] = json!("hold");
                rig.world.misbehave("set b", Misbehaviour::Refuse);
            }
            _ => rig.world.set_check("post", false),
        }
        if waits == "a reading" {
            plan["post_checks"][0].as_object_mut().unwrap().remove("within");
        }
        let intent = rig.submit(plan, |r, now| r.deadline_ms = Some(now + 10 * MINUTE)).await;
        rig.engine.until_executed(1).await;
        if waits == "a pause" {
            rig.engine.command(intent, What::Pause { reason: None }).await.unwrap();
        }
        let reason = ends(&rig, intent, End::RolledBack).await;
        assert_eq!(reason, "the deadline passed", "{waits}");
        assert_eq!(rig.world.picture(), json!({"a": {}, "b": {}}), "{waits}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_a_doubt_settles_it_first_and_then_takes_it_back() {
    let rig = Rig::of(&["a"]).await;
    rig.world.misbehave("set a", Misbehaviour::ActAndFallSilent);
    let intent = rig.submit(set("a"), |r, now| r.deadline_ms = Some(now + 3_000)).await;
    ends(&rig, intent, End::RolledBack).await;
    assert!(at(&rig, intent, "CallSettled") - at(&rig, intent, "CallInDoubt") >= 10_000);
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn no_clock_stops_a_rollback() {
    let rig = Rig::of(&["a"]).await;
    rig.world.set_check("post", false);
    let away = Trouble::TurnedAway {
        retry_after_ms: Some(50 * 60_000),
    };
    rig.flaky.trouble("unset a", away, 3);
    let intent = rig
        .submit(checked(&[step("s", "a", &[])], "1s"), |r, now| {
            r.deadline_ms = Some(now + 30 * MINUTE);
            r.backout_by_ms = Some(now + 40 * MINUTE);
            r.window = Some(Window {
                from_ms: now,
                until_ms: now + 20 * MINUTE,
            });
        })
        .await;
    rig.engine.until(intent, "rolling_back").await;
    let rig = rig.crash_for(HOUR as u64, 0).await;
    ends(&rig, intent, End::RolledBack).await;
    assert_eq!(passed(&rig, intent), []);
    assert_eq!(rig.world.executed(), ["set a k=1", "unset a k"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_bar_the_way_back_that_a_cancel_asks_for() {
    let (rig, intent) = slow_check(|_, _| {}).await;
    rig.engine.command(intent, What::Pause { reason: None }).await.unwrap();
    rig.engine.until(intent, "paused").await;
    rig.engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    ends(&rig, intent, End::Cancelled).await;
    assert_eq!(rig.world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_a_day_ahead_opens_no_window_and_lets_no_time_pass() {
    let rig = asking(&["a"]).await;
    let intent = rig
        .submit(set("a"), |r, now| {
            r.deadline_ms = Some(now + 3 * HOUR);
            r.window = Some(Window {
                from_ms: now + HOUR,
                until_ms: now + 2 * HOUR,
            });
        })
        .await;
    rig.engine.until(intent, "awaiting_approval").await;
    rig.wall.set(DAY);
    pass(30 * MINUTE).await;
    rig.engine.approve(intent).await;
    rig.engine.until(intent, "scheduled").await;
    // By steady time the window is open from here on; by the wall it closed long ago. One of them is wrong.
    pass(45 * MINUTE).await;
    assert_eq!(rig.count(intent, "TargetsLocked"), 0, "{}", rig.engine.story(intent));
    rig.wall.set(-DAY);
    ends(&rig, intent, End::Fulfilled).await;
    assert_eq!(passed(&rig, intent), []);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_set_a_day_back_defers_no_deadline_and_opens_no_window() {
    let (rig, intent) = slow_check(|r, now| r.backout_by_ms = Some(now + HOUR)).await;
    rig.wall.set(-DAY);
    ends(&rig, intent, End::RolledBack).await;
    assert_eq!(
        at(&rig, intent, "DeadlinePassed") - at(&rig, intent, "IntentReceived"),
        HOUR
    );

    let rig = Rig::of(&["a"]).await;
    let window = |now| Window {
        from_ms: now + HOUR,
        until_ms: now + 2 * HOUR,
    };
    let intent = rig.submit(set("a"), |r, now| r.window = Some(window(now))).await;
    rig.engine.until(intent, "scheduled").await;
    rig.wall.set(-DAY);
    let reason = ends(&rig, intent, End::Failed).await;
    assert_eq!(
        reason, "the window closed",
        "the two clocks never agreed that it was open"
    );
    assert!(rig.world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn settling_waits_its_full_time_whatever_the_wall_clock_does() {
    for jump in [DAY, -DAY] {
        let rig = Rig::of(&["a"]).await;
        rig.world.misbehave("set a", Misbehaviour::ActAndFallSilent);
        let intent = rig.engine.submit(set("a")).await;
        let doubt = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "in_doubt");
        rig.engine.until_that(intent, "a doubt", doubt).await;
        rig.wall.set(jump);
        ends(&rig, intent, End::Fulfilled).await;
        let waited = at(&rig, intent, "CallSettled") - at(&rig, intent, "CallInDoubt");
        assert!((10_000..11_000).contains(&waited), "{waited} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_whose_clock_disagrees_with_that_of_the_one_before_it_settles_after_its_own_time() {
    for jump in [DAY, -DAY] {
        let rig = Rig::of(&["a"]).await;
        rig.world.misbehave("set a", Misbehaviour::ActAndFallSilent);
        let intent = rig.engine.submit(set("a")).await;
        let doubt = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "in_doubt");
        rig.engine.until_that(intent, "a doubt", doubt).await;
        let rig = rig.crash_for(1_000, jump).await;
        let restarted = rig.wall.now_ms();
        ends(&rig, intent, End::Fulfilled).await;
        let waited = at(&rig, intent, "CallSettled") - restarted;
        assert!((10_000..11_000).contains(&waited), "{waited} ms after a jump of {jump}");
        assert_eq!(rig.world.executed(), ["set a k=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_between_two_engines_stretches_no_pause_beyond_what_was_granted() {
    let rig = Rig::of(&["a"]).await;
    let away = Trouble::TurnedAway {
        retry_after_ms: Some(600_000),
    };
    rig.flaky.trouble("set a", away, 1);
    let intent = rig.engine.submit(set("a")).await;
    rig.engine.until_that(intent, "a pause", |s| !s.waits.is_empty()).await;
    let rig = rig.crash_for(1_000, -DAY).await;
    let restarted = rig.wall.now_ms();
    ends(&rig, intent, End::Fulfilled).await;
    let waited = at(&rig, intent, "IntentEnded") - restarted;
    assert!((600_000..605_000).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_target_stays_hot_over_a_restart_however_far_the_clock_was_set_ahead() {
    let rig = Rig::of(&["a"]).await;
    rig.world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let blind = json!({"id": "s", "tool": "world/set_blind", "args": {"device": "a", "key": "x", "value": 1}});
    let intent = rig.engine.submit(checked(&[blind], "1s")).await;
    let doubt = |s: &IntentState| s.items.values().any(|i| i.status.api_name() == "in_doubt");
    rig.engine.until_that(intent, "a doubt", doubt).await;
    let settle = What::Settle {
        item: "s".parse().unwrap(),
        verdict: flyball_engine::intent::event::Settlement::Applied,
        force: true,
        comment: None,
    };
    rig.engine.command(intent, settle).await.unwrap();
    rig.engine.until(intent, "verifying").await;
    let rig = rig.crash_for(1_000, DAY).await;
    let restarted = rig.wall.now_ms();
    ends(&rig, intent, End::Fulfilled).await;
    let checked = at(&rig, intent, "ChecksTaken") - restarted;
    assert!(
        (9_000..11_000).contains(&checked),
        "judged {checked} ms after the restart"
    );
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_gives_expires_by_steady_time() {
    for jump in [2 * DAY, -DAY] {
        let rig = asking(&["a"]).await;
        let intent = rig.engine.submit(set("a")).await;
        rig.engine.until(intent, "awaiting_approval").await;
        rig.wall.set(jump);
        let reason = ends_in(&rig, intent, 25 * HOUR).await;
        assert_eq!(reason, (End::Refused, "nobody approved in time".to_owned()));
        let stood = at(&rig, intent, "ApprovalExpired") - at(&rig, intent, "ApprovalRequested");
        assert_eq!(stood, DAY);
    }
}

async fn ends_in(rig: &Rig, intent: IntentId, ms: i64) -> (End, String) {
    pass(ms).await;
    let (end, reason, _) = rig.engine.end(intent).await.ended.unwrap();
    (end, reason)
}
