//! A lease lives while an engine stands up for it, and ends by itself when none does.

use super::lease::{commit_all, end, happened, sorted, without_extensions};
use flyball_engine::actor::Actor;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::time::Duration;

/// A post-check that must hold for so long.
fn watched_for(hold_for: &str) -> Value {
    let mut plan = commit_all();
    plan["post_checks"][0]["hold_for"] = json!(hold_for);
    plan
}

fn extensions(world: &World) -> usize {
    world.executed().len() - without_extensions(world).len()
}

fn pending(devices: usize) -> impl Fn(&IntentState) -> bool {
    move |s| {
        s.items
            .values()
            .filter(|i| i.status.api_name() == "succeeded" && i.is_pending())
            .count()
            == devices
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_keep_a_change_alive_through_a_long_post_check() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("10m")).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert!(world.reverted().is_empty());
    assert!((38..=46).contains(&extensions(&world)), "{}", extensions(&world));
    assert_eq!(happened(&engine, intent, "LeaseExtended"), extensions(&world));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn all_leases_are_brought_to_a_common_margin_before_any_is_confirmed() {
    let world = World::of(&["a", "b", "c"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("50s")).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    let executed = world.executed();
    let confirms = executed.iter().position(|w| w.starts_with("confirm")).unwrap();
    assert_eq!(
        sorted(executed[confirms - 3..confirms].to_vec()),
        ["extend a", "extend b", "extend c"],
        "{executed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_lost_or_refused_extension_is_followed_by_another_in_time() {
    for how in [
        Misbehaviour::ActAndFallSilent,
        Misbehaviour::FallSilent,
        Misbehaviour::Refuse,
        Misbehaviour::TurnAway,
        Misbehaviour::ActAndHoldAnswer,
    ] {
        let world = World::of(&["a"]);
        world.misbehave("extend a", how.clone());
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(watched_for("5m")).await;
        assert_eq!(
            end(&engine, intent).await,
            End::Fulfilled,
            "{how:?}\n{}",
            engine.story(intent)
        );
        assert!(world.reverted().is_empty());
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_extended_runs_out_and_everything_else_is_taken_back() {
    let world = World::of(&["a", "b"]);
    let before = world.picture();
    for _ in 0..100 {
        world.misbehave("extend a", Misbehaviour::Refuse);
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("5m")).await;
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::RolledBack, "{}", engine.story(intent));
    assert!(reason.contains("mtu/0 ran out"), "{reason}");
    assert_eq!(world.reverted(), ["a"]);
    assert_eq!(world.picture(), before);
    assert_eq!(without_extensions(&world).last().unwrap(), "cancel b");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_in_time_goes_on_with_the_lease() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("2m")).await;
    engine.until_that(intent, "two pending changes", pending(2)).await;
    let remains = engine.crash();
    tokio::time::sleep(Duration::from_secs(40)).await;
    let engine = remains.restart().await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert!(world.reverted().is_empty());
    assert_eq!(
        sorted(without_extensions(&world)[4..].to_vec()),
        ["confirm a", "confirm b"]
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_engine_stays_away_the_devices_go_back_and_the_next_engine_knows_it() {
    let world = World::of(&["a", "b"]);
    let before = world.picture();
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("2m")).await;
    engine.until_that(intent, "two pending changes", pending(2)).await;
    let sent = world.executed();
    let remains = engine.crash();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.picture(), before);
    let engine = remains.restart().await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.executed(), sent, "nothing had to be sent for it");
    assert_eq!(sorted(world.reverted()), ["a", "b"]);
    assert_eq!(happened(&engine, intent, "LeaseExpired"), 2);
    engine.assert_replays(intent).await;
}

/// The lease's earliest and latest end lie far apart, because the answer that tells was lost: the engine dies, and the
/// next one comes in between.
async fn back_in_between(how: Misbehaviour, seconds: u64) -> (World, Engine, flyball_engine::ids::IntentId) {
    let world = World::of(&["a"]);
    world.misbehave("extend a", how);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("3m")).await;
    let lost = |s: &IntentState| {
        let lease = s.items.values().find_map(|i| i.lease.as_ref());
        lease.is_some_and(|l| l.extensions == 1 && l.latest_ms - l.earliest_ms > 30_000)
    };
    engine.until_that(intent, "a lost extension", lost).await;
    let remains = engine.crash();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    (world, remains.restart().await, intent)
}

#[tokio::test(start_paused = true)]
async fn inside_the_interval_the_probe_decides_that_the_lease_still_stands() {
    let (world, engine, intent) = back_in_between(Misbehaviour::ActAndFallSilent, 40).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert!(world.reverted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn inside_the_interval_the_probe_decides_that_the_device_went_back() {
    let (world, engine, intent) = back_in_between(Misbehaviour::FallSilent, 40).await;
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
    assert_eq!(world.reverted(), ["a"]);
    assert_eq!(without_extensions(&world), ["prepare a mtu=9000", "commit a mtu=9000"]);
}

async fn killed_after_every_entry(post: bool, expected: End, executed: &[&str]) {
    for entries in 1..200u64 {
        let world = World::of(&["a", "b"]);
        world.set_check("post", post);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(commit_all()).await;
        let state = engine
            .until_that(intent, "progress", |s| s.seq >= entries || s.ended.is_some())
            .await;
        let finished = state.ended.is_some();
        let engine = engine.crash_and_restart().await;
        let story = || format!("killed after entry {entries}:\n{}", engine.story(intent));
        assert_eq!(end(&engine, intent).await, expected, "{}", story());
        assert_eq!(sorted(without_extensions(&world)), executed, "{}", story());
        assert!(world.open().is_empty() && world.reverted().is_empty(), "{}", story());
        engine.assert_replays(intent).await;
        if finished {
            return;
        }
    }
    panic!("the plan never ended by itself");
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_every_device_is_confirmed_and_no_call_is_made_twice() {
    let executed = [
        "commit a mtu=9000",
        "commit b mtu=9000",
        "confirm a",
        "confirm b",
        "prepare a mtu=9000",
        "prepare b mtu=9000",
    ];
    killed_after_every_entry(true, End::Fulfilled, &executed).await;
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_every_device_is_cancelled_and_no_call_is_made_twice() {
    let executed = [
        "cancel a",
        "cancel b",
        "commit a mtu=9000",
        "commit b mtu=9000",
        "prepare a mtu=9000",
        "prepare b mtu=9000",
    ];
    killed_after_every_entry(false, End::RolledBack, &executed).await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_intent_keeps_its_leases_alive() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("20s")).await;
    engine.until_that(intent, "a pending change", pending(1)).await;
    engine.command(intent, What::Pause { reason: None }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.reverted().is_empty() && world.open() == ["a"]);
    engine.command(intent, What::Resume).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_paused_intent_takes_its_pending_change_back() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit_until(watched_for("20s"), Duration::from_secs(600)).await;
    engine.until_that(intent, "a pending change", pending(1)).await;
    engine.command(intent, What::Pause { reason: None }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(500)).await;
    assert_eq!(world.open(), ["a"]);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(world.open().is_empty(), "{}", engine.story(intent));
    assert_eq!(end(&engine, intent).await, End::RolledBack, "{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_waits_for_a_person_keeps_its_leases_alive() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = commit_all();
    let reads = json!({"tool": "world/get", "args": {"device": "later"}, "expect": "output.values.size() > 0"});
    plan["post_checks"] = json!([reads]);
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.reverted().is_empty());
    world.intrude("later", "k", json!(1));
    engine.command(intent, What::Resume).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
}

#[tokio::test(start_paused = true)]
async fn a_halt_confirms_nothing_keeps_what_stands_and_leaves_the_cancel_open() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("20s")).await;
    engine.until_that(intent, "a pending change", pending(1)).await;
    let anna = Actor::human("anna");
    engine.supervisor.halt(&anna, Some("storm")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(world.reverted().is_empty() && world.open() == ["a"]);
    assert_eq!(without_extensions(&world), ["prepare a mtu=9000", "commit a mtu=9000"]);
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Cancelled, "{}", engine.story(intent));
    assert_eq!(without_extensions(&world).last().unwrap(), "cancel a");
    assert_eq!(world.picture(), json!({"a": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_person_who_stops_it_while_it_is_prepared_gets_everything_let_go() {
    let world = World::of(&["a", "b"]);
    world.misbehave("prepare b", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    engine.until_executed(2).await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Cancelled, "{}", engine.story(intent));
    assert!(world.open().is_empty(), "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_person_may_settle_a_confirm_in_doubt() {
    use flyball_engine::intent::event::Settlement;
    let world = World::of(&["a"]);
    world.misbehave("confirm a", Misbehaviour::ActAndFallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let in_doubt = |s: &IntentState| s.items.values().any(|i| i.doubtful_phase().is_some());
    engine.until_that(intent, "a doubt", in_doubt).await;
    let settle = What::Settle {
        item: "mtu/0".parse().unwrap(),
        verdict: Settlement::Applied,
        force: true,
        comment: Some("I looked".into()),
    };
    engine.command(intent, settle).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare a mtu=9000", "commit a mtu=9000", "confirm a"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_to_a_confirm_settles_it_at_once() {
    let world = World::of(&["a"]);
    world.misbehave("confirm a", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let in_doubt = |s: &IntentState| s.items.values().any(|i| i.doubtful_phase().is_some());
    engine.until_that(intent, "a doubt", in_doubt).await;
    world.release();
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(happened(&engine, intent, "LateAnswer"), 1);
    let entries = engine.journal.entries(intent);
    assert!(entries[entries.len() - 1].entry.at - entries[0].entry.at < 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_the_confirms_waits_for_them_and_takes_all_back() {
    let world = World::of(&["a", "b"]);
    world.misbehave("confirm b", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    engine.until_executed(6).await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Cancelled, "{}", engine.story(intent));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    assert_eq!(
        sorted(without_extensions(&world)[4..].to_vec()),
        ["confirm a", "confirm b", "unset a mtu", "unset b mtu"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_failed_and_may_stay_failed_has_gone_back_before_the_intent_ends() {
    let world = World::of(&["a", "b"]);
    world.misbehave("commit a", Misbehaviour::ActThenIntrude(json!(4000)));
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = commit_all();
    plan["steps"][1]["on_failure"] = json!("continue");
    let intent = engine.submit(plan).await;
    let (ended, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!((ended, partial), (End::Fulfilled, true), "{}", engine.story(intent));
    assert_eq!(world.reverted(), ["a"]);
    assert!(world.open().is_empty());
    assert_eq!(world.value("b", "mtu"), Some(json!(9000)));
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_turned_away_unread_are_sent_again() {
    let world = World::of(&["a"]);
    world.set_check("post", true);
    for call in ["prepare a", "commit a", "confirm a"] {
        world.misbehave(call, Misbehaviour::TurnAway);
    }
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare a mtu=9000", "commit a mtu=9000", "confirm a"]
    );
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_extension_is_a_wake_up() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(watched_for("10m")).await;
    let state = engine.until_that(intent, "a pending change", pending(1)).await;
    let lease = state.items.values().find_map(|i| i.lease.clone()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let half = lease.earliest_ms - 30_000;
    let state_now = engine.supervisor.state(intent).await.unwrap();
    let now = engine.supervisor.deps().clock.now_ms();
    assert_eq!(state_now.due(now).wake_ms, Some(half));
    assert!(state.due(half).work.iter().any(|w| w.mutates()));
}
