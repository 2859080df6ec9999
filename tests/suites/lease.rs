//! Confirmable calls: what a device takes back by itself is kept only once everything is verified.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, End, Event, SettledBy, Settlement};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

pub(crate) fn commit_all() -> Value {
    json!({
        "steps": [
            {"id": "all", "tool": "world/list"},
            {"id": "mtu", "for_each": "${steps.all.output.devices}", "tool": "world/commit", "waves": [1, "100%"],
             "args": {"device": "${item.name}", "key": "mtu", "value": 9000},
             "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"}}
        ],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

/// What was executed, without the extensions.
pub(crate) fn without_extensions(world: &World) -> Vec<String> {
    let executed = world.executed().into_iter();
    executed.filter(|words| !words.starts_with("extend")).collect()
}

pub(crate) fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words
}

pub(crate) fn happened(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

pub(crate) async fn end(engine: &Engine, intent: IntentId) -> End {
    engine.end(intent).await.ended.expect("it has ended").0
}

#[tokio::test(start_paused = true)]
async fn all_are_prepared_before_any_is_changed_and_all_are_confirmed_after_the_checks() {
    let world = World::of(&["a", "b", "c"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    let executed = without_extensions(&world);
    assert_eq!(
        sorted(executed[..3].to_vec()),
        ["prepare a mtu=9000", "prepare b mtu=9000", "prepare c mtu=9000"]
    );
    assert_eq!(executed[3], "commit a mtu=9000");
    assert_eq!(
        sorted(executed[4..6].to_vec()),
        ["commit b mtu=9000", "commit c mtu=9000"]
    );
    assert_eq!(sorted(executed[6..].to_vec()), ["confirm a", "confirm b", "confirm c"]);
    assert!(world.open().is_empty() && world.reverted().is_empty());
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn one_refused_prepare_of_three_lets_the_others_go_and_nothing_was_changed() {
    let world = World::of(&["a", "b", "c"]);
    world.misbehave("prepare b", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::Failed, "{}", engine.story(intent));
    assert!(reason.contains("mtu/1"), "{reason}");
    assert_eq!(
        sorted(world.executed()),
        ["cancel a", "cancel c", "prepare a mtu=9000", "prepare c mtu=9000"]
    );
    assert!(world.open().is_empty());
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_prepare_whose_answer_is_lost_is_asked_again_under_its_key() {
    let world = World::of(&["a"]);
    world.misbehave("prepare a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare a mtu=9000", "commit a mtu=9000", "confirm a"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_missed_post_check_cancels_what_is_pending_on_every_device() {
    let world = World::of(&["a", "b", "c"]);
    world.intrude("b", "mtu", json!(1500));
    let before = world.picture();
    world.set_check("post", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.picture(), before);
    assert_eq!(
        sorted(without_extensions(&world)[6..].to_vec()),
        ["cancel a", "cancel b", "cancel c"]
    );
    assert!(world.reverted().is_empty(), "no device had to do it by itself");
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_does_not_hold_cancels_the_first_and_lets_go_of_the_rest() {
    let world = World::of(&["a", "b"]);
    world.set_check("gate", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    let executed = world.executed();
    assert_eq!(executed[2], "commit a mtu=9000");
    assert_eq!(sorted(executed[3..].to_vec()), ["cancel a", "cancel b"]);
    assert!(world.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_do_whose_answer_is_lost_is_settled_by_probe_and_goes_on() {
    let world = World::of(&["a", "b"]);
    world.misbehave("commit a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(without_extensions(&world).len(), 6);
    assert!(world.reverted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_do_that_had_no_effect_is_not_sent_again_and_what_was_prepared_is_let_go() {
    let world = World::of(&["a", "b"]);
    world.misbehave("commit a", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Failed, "{}", engine.story(intent));
    assert_eq!(
        sorted(world.executed()),
        ["cancel a", "cancel b", "prepare a mtu=9000", "prepare b mtu=9000"]
    );
    assert!(world.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_confirm_whose_answer_is_lost_is_settled_once_an_unconfirmed_change_would_be_gone() {
    let world = World::of(&["a", "b", "c"]);
    world.misbehave("confirm b", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let in_doubt =
        |s: &flyball_engine::intent::state::IntentState| s.items.values().any(|i| i.doubtful_phase().is_some());
    engine.until_that(intent, "a doubt", in_doubt).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(
        sorted(without_extensions(&world)[6..].to_vec()),
        ["confirm a", "confirm b", "confirm c"]
    );
    let by_probe = engine.events(intent).into_iter().any(|e| {
        matches!(
            e,
            Event::CallSettled {
                verdict: Settlement::Applied,
                by: SettledBy::Probe,
                ..
            }
        )
    });
    assert!(by_probe, "{}", engine.story(intent));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_never_arrived_takes_the_confirmed_ones_back_by_their_undo() {
    let world = World::of(&["a", "b", "c"]);
    let before = world.picture();
    world.misbehave("confirm b", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.picture(), before);
    assert_eq!(world.reverted(), ["b"], "{}", engine.story(intent));
    assert_eq!(
        sorted(without_extensions(&world)[6..].to_vec()),
        ["confirm a", "confirm c", "unset a mtu", "unset c mtu"]
    );
    assert_eq!(happened(&engine, intent, "LeaseExpired"), 1);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_confirm_cancels_what_is_pending_and_undoes_what_was_confirmed() {
    let world = World::of(&["a", "b", "c"]);
    let before = world.picture();
    world.misbehave("confirm b", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::RolledBack, "{}", engine.story(intent));
    assert!(reason.contains("mtu/1 could not be confirmed"), "{reason}");
    assert_eq!(world.picture(), before);
    assert_eq!(
        sorted(without_extensions(&world)[6..].to_vec()),
        ["cancel b", "confirm a", "confirm c", "unset a mtu", "unset c mtu"]
    );
}

/// As [`commit_all`], where the probe tells whether a change waits to be confirmed.
fn commit_all_shown() -> Value {
    let mut plan = commit_all();
    plan["steps"][1]["tool"] = json!("world/commit_shown");
    plan
}

#[tokio::test(start_paused = true)]
async fn a_device_that_says_confirmed_and_still_waits_is_found_out_and_cancelled() {
    let world = World::of(&["a", "b"]);
    world.misbehave("confirm b", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all_shown()).await;
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::RolledBack, "{}", engine.story(intent));
    assert!(reason.contains("still waits"), "{reason}");
    assert_eq!(
        sorted(without_extensions(&world)[4..].to_vec()),
        ["cancel b", "confirm a", "unset a mtu"]
    );
    assert!(world.reverted().is_empty() && world.picture() == json!({"a": {}, "b": {}}));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_shows_what_is_pending_settles_a_lost_confirm_before_the_timer_runs_out() {
    for (how, ended) in [
        (Misbehaviour::ActAndFallSilent, End::Fulfilled),
        (Misbehaviour::FallSilent, End::RolledBack),
    ] {
        let world = World::of(&["a", "b"]);
        world.misbehave("confirm b", how);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(commit_all_shown()).await;
        assert_eq!(end(&engine, intent).await, ended, "{}", engine.story(intent));
        assert!(world.reverted().is_empty() && world.open().is_empty());
        let (first, last) = (
            engine.journal.entries(intent)[0].entry.at,
            engine.journal.entries(intent),
        );
        assert!(
            last.last().unwrap().entry.at - first < 30_000,
            "{}",
            engine.story(intent)
        );
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_answer_is_lost_is_settled_by_probe() {
    let world = World::of(&["a"]);
    world.set_check("post", false);
    world.misbehave("cancel a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare a mtu=9000", "commit a mtu=9000", "cancel a"]
    );
    assert!(world.reverted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_cancel_did_not_take_back_the_devices_own_timer_does() {
    for how in [Misbehaviour::FallSilent, Misbehaviour::Refuse, Misbehaviour::Lie] {
        let world = World::of(&["a", "b"]);
        let before = world.picture();
        world.set_check("post", false);
        world.misbehave("cancel a", how.clone());
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(commit_all()).await;
        assert_eq!(
            end(&engine, intent).await,
            End::RolledBack,
            "{how:?}\n{}",
            engine.story(intent)
        );
        assert_eq!(world.picture(), before);
        assert_eq!(world.reverted(), ["a"], "{how:?}");
        let executed = world.executed();
        assert!(!executed.iter().any(|words| words.starts_with("unset")), "{executed:?}");
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_confirmable_steps_on_one_device_are_refused_at_the_look_with_the_reason() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let commit = |id: &str, needs: Value| json!({"id": id, "tool": "world/commit", "needs": needs, "args": {"device": "a", "key": id, "value": 1}});
    let intent = engine
        .submit(json!({"steps": [commit("one", json!([])), commit("two", json!(["one"]))]}))
        .await;
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::Refused, "{}", engine.story(intent));
    assert!(
        reason.contains("one") && reason.contains("two") && reason.contains("device:a"),
        "{reason}"
    );
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_change_of_the_device_may_come_before_a_confirmable_one_but_not_after_it() {
    let step = |id: &str, tool: &str, needs: Value| json!({"id": id, "tool": tool, "needs": needs, "args": {"device": "a", "key": id, "value": 1}});
    for (plan, ends) in [
        (
            json!([
                step("s", "world/set", json!([])),
                step("c", "world/commit", json!(["s"]))
            ]),
            End::RolledBack,
        ),
        (
            json!([
                step("c", "world/commit", json!([])),
                step("s", "world/set", json!(["c"]))
            ]),
            End::Refused,
        ),
        (
            json!([step("c", "world/commit", json!([])), step("s", "world/set", json!([]))]),
            End::Refused,
        ),
    ] {
        let world = World::of(&["a"]);
        world.set_check("post", false);
        let engine = Engine::over(&world, Decision::Run).await;
        let post = json!([{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]);
        let intent = engine.submit(json!({"steps": plan, "post_checks": post})).await;
        assert_eq!(end(&engine, intent).await, ends, "{}", engine.story(intent));
        assert_eq!(world.picture(), json!({"a": {}}));
        if ends == End::RolledBack {
            assert_eq!(
                world.executed(),
                ["set a s=1", "prepare a c=1", "commit a c=1", "cancel a", "unset a s"]
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_place_already_is_neither_prepared_nor_confirmed() {
    let world = World::of(&["a", "b"]);
    world.intrude("a", "mtu", json!(9000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare b mtu=9000", "commit b mtu=9000", "confirm b"]
    );
}
