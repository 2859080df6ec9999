//! Rollback: what was sent is taken back, what somebody else did is not overwritten, and a failed undo is loud.

use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn set_all() -> Value {
    json!({
        "steps": [
            {"id": "all", "tool": "world/list"},
            {"id": "mtu", "for_each": "${steps.all.output.devices}", "tool": "world/set", "waves": [1, "100%"],
             "args": {"device": "${item.name}", "key": "mtu", "value": 9000},
             "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"}}
        ],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good", "within": "2s"}]
    })
}

#[tokio::test(start_paused = true)]
async fn a_missed_post_check_takes_everything_back_latest_first() {
    let world = World::of(&["a", "b"]);
    world.intrude("a", "mtu", json!(1500));
    let before = world.picture();
    world.set_check("post", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    let (end, reason, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, false), "{}", engine.story(intent));
    assert!(reason.contains("post-check 1"), "{reason}");
    assert_eq!(world.picture(), before);
    assert_eq!(
        world.executed(),
        ["set a mtu=9000", "set b mtu=9000", "unset b mtu", "set a mtu=1500"]
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_does_not_hold_leaves_the_next_wave_untouched() {
    let world = World::of(&["a", "b", "c"]);
    let before = world.picture();
    world.set_check("gate", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
    assert_eq!(world.picture(), before);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_says_yes_and_does_nothing_is_found_out_by_the_probe() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert!(world.executed().is_empty(), "nothing was done, so nothing was undone");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActThenIntrude(json!(4000)));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    let taken_back = |s: &flyball_engine::intent::state::IntentState| {
        s.items.values().any(|i| i.status.api_name() == "undone") && !s.stuck.is_empty()
    };
    engine
        .until_that(intent, "the other device taken back", taken_back)
        .await;
    assert_eq!(
        world.value("b", "mtu"),
        Some(json!(4000)),
        "the other hand's value stands"
    );
    assert_eq!(world.value("a", "mtu"), None, "the other device was taken back");
    let conflict = engine
        .events(intent)
        .into_iter()
        .any(|e| matches!(e, Event::UndoConflict { .. }));
    assert!(conflict, "{}", engine.story(intent));
    let accept = What::Resolve {
        item: "mtu/1".parse().unwrap(),
        resolution: Resolution::Accept,
        comment: None,
    };
    engine.command(intent, accept).await.unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, true));
    assert_eq!(world.value("b", "mtu"), Some(json!(4000)));
}

#[tokio::test(start_paused = true)]
async fn a_person_may_let_the_undo_overwrite() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActThenIntrude(json!(4000)));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    engine.until(intent, "stuck").await;
    let overwrite = What::Resolve {
        item: "mtu/0".parse().unwrap(),
        resolution: Resolution::Overwrite,
        comment: None,
    };
    engine.command(intent, overwrite).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.value("a", "mtu"), None);
}

#[tokio::test(start_paused = true)]
async fn what_changed_after_a_person_looked_is_not_overwritten_by_their_word() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActThenIntrude(json!(4000)));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    engine.until(intent, "stuck").await;
    let overwrite = || What::Resolve {
        item: "mtu/0".parse().unwrap(),
        resolution: Resolution::Overwrite,
        comment: None,
    };
    world.intrude("a", "mtu", json!(5000));
    engine.command(intent, overwrite()).await.unwrap();
    let again = |s: &flyball_engine::intent::state::IntentState| {
        let reason = s.items.values().find_map(|i| i.reason.as_deref());
        !s.stuck.is_empty() && reason.is_some_and(|r| r.contains("is another now"))
    };
    let state = engine.until_that(intent, "a second conflict", again).await;
    assert_eq!(
        world.value("a", "mtu"),
        Some(json!(5000)),
        "nobody let that be overwritten"
    );
    assert_eq!(world.executed(), ["set a mtu=9000"]);
    assert!(
        state.items.values().all(|i| !i.overwrite),
        "the word was said of another state"
    );
    // Said again, of what is there now.
    engine.command(intent, overwrite()).await.unwrap();
    let end = engine.end(intent).await.ended.unwrap().0;
    assert_eq!(end, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_intent_takes_back_what_it_did() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    engine
        .until_that(intent, "a doubt", |s| {
            s.items.values().any(|i| i.status.api_name() == "in_doubt")
        })
        .await;
    engine
        .command(
            intent,
            What::Cancel {
                reason: Some("wrong site".into()),
            },
        )
        .await
        .unwrap();
    world.release();
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Cancelled, "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn an_undo_whose_answer_is_lost_is_settled_like_any_other_call() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("unset a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_undo_is_loud_and_can_be_tried_again() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("unset a", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    engine.until(intent, "stuck").await;
    let retry = What::Resolve {
        item: "mtu/0".parse().unwrap(),
        resolution: Resolution::Retry,
        comment: None,
    };
    engine.command(intent, retry).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_rollback_changes_nothing_about_its_end() {
    for entries in 20..80u64 {
        let world = World::of(&["a", "b"]);
        world.set_check("post", false);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_all()).await;
        let state = engine
            .until_that(intent, "progress", |s| s.seq >= entries || s.ended.is_some())
            .await;
        let finished = state.ended.is_some();
        let engine = engine.crash_and_restart().await;
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::RolledBack,
            "{}",
            engine.story(intent)
        );
        let mut executed = world.executed();
        executed.sort();
        assert_eq!(
            executed,
            ["set a mtu=9000", "set b mtu=9000", "unset a mtu", "unset b mtu"],
            "killed after {entries}"
        );
        if finished {
            return;
        }
    }
    panic!("the rollback never ended by itself");
}

#[tokio::test(start_paused = true)]
async fn two_steps_on_one_value_are_taken_back_one_by_one_to_what_was_there_before_both() {
    let world = World::of(&["a"]);
    world.intrude("a", "k", json!(0));
    world.set_check("post", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let set = |id: &str, value: u32, needs: Value| json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": "a", "key": "k", "value": value}});
    let intent = engine
        .submit(json!({
            "steps": [set("one", 1, json!([])), set("two", 2, json!(["one"]))],
            "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
        }))
        .await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1", "set a k=2", "set a k=1", "set a k=0"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_conflict_blocked_is_taken_back_once_a_person_has_decided_the_conflict() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("unset a two", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let set = |id: &str, needs: Value| json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": "a", "key": id, "value": 1}});
    let intent = engine
        .submit(json!({
            "steps": [set("one", json!([])), set("two", json!(["one"]))],
            "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
        }))
        .await;
    let blocked = |s: &flyball_engine::intent::state::IntentState| {
        s.items.values().any(|i| i.status.api_name() == "blocked") && !s.stuck.is_empty()
    };
    engine.until_that(intent, "a blocked undo", blocked).await;
    assert_eq!(
        world.executed(),
        ["set a one=1", "set a two=1"],
        "the earlier one on the same device waits"
    );
    let retry = What::Resolve {
        item: "two".parse().unwrap(),
        resolution: Resolution::Retry,
        comment: None,
    };
    engine.command(intent, retry).await.unwrap();
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_that_may_have_had_an_effect_is_not_sent_again_by_a_retry() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::ActThenIntrude(json!(4000)));
    let engine = Engine::over(&world, Decision::Run).await;
    let step =
        json!({"id": "s", "tool": "world/set", "on_failure": "hold", "args": {"device": "a", "key": "k", "value": 1}});
    let intent = engine.submit(json!({"steps": [step]})).await;
    engine.until(intent, "stuck").await;
    let retry = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: Resolution::Retry,
        comment: None,
    };
    assert!(engine.command(intent, retry).await.is_err(), "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn an_intent_none_of_whose_calls_had_an_effect_has_failed_and_nothing_was_rolled_back() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    let (end, reason, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((end, partial), (End::Failed, false), "{}", engine.story(intent));
    assert!(reason.contains("refused"), "{reason}");
    let sent = engine
        .events(intent)
        .iter()
        .any(|e| matches!(e, Event::CallStarted { .. }));
    assert!(sent && world.executed().is_empty());
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn one_call_with_an_effect_makes_a_fault_a_rollback() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all()).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_may_overwrite_and_changes_nothing_is_loud_all_the_same() {
    for beside in [false, true] {
        let world = World::of(&["a"]);
        world.set_check("post", false);
        if !beside {
            world.misbehave("set a", Misbehaviour::ActThenIntrude(json!(4000)));
        }
        world.misbehave("unset a", Misbehaviour::Lie);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(set_all()).await;
        if beside {
            let done = |s: &flyball_engine::intent::state::IntentState| {
                s.items
                    .values()
                    .any(|i| i.mutating && i.status.api_name() == "succeeded")
            };
            engine.until_that(intent, "the change", done).await;
            world.intrude("a", "other", json!(4000));
        }
        engine.until(intent, "stuck").await;
        let overwrite = || What::Resolve {
            item: "mtu/0".parse().unwrap(),
            resolution: Resolution::Overwrite,
            comment: None,
        };
        let before = world.picture();
        engine.command(intent, overwrite()).await.unwrap();
        let failed = |s: &flyball_engine::intent::state::IntentState| {
            s.items.values().any(|i| i.status.api_name() == "undo_failed") && !s.stuck.is_empty()
        };
        engine.until_that(intent, "a failed undo", failed).await;
        assert_eq!(world.picture(), before, "it lied");
        engine.command(intent, overwrite()).await.unwrap();
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            End::RolledBack,
            "{}",
            engine.story(intent)
        );
        assert_eq!(world.value("a", "mtu"), None);
        engine.assert_replays(intent).await;
    }
}
