//! What a device keeps on a timer keeps its lock: nobody else gets the target before it is confirmed or gone, and no call
//! of a lease goes where a person took the lock away.

use super::lease::{commit_all, end, happened};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::time::Duration;

fn release() -> What {
    What::ReleaseLock {
        target: "device:a".into(),
        reason: "I need it".into(),
    }
}

fn commit(needs: &[&str]) -> Value {
    json!({"id": "m", "tool": "world/commit", "needs": needs, "args": {"device": "a", "key": "mtu", "value": 9000}})
}

fn set_b(on_failure: &str) -> Value {
    json!({"id": "s", "tool": "world/set", "on_failure": on_failure, "args": {"device": "b", "key": "k", "value": 1}})
}

/// When the first entry was made of which `good` is true.
fn at(engine: &Engine, intent: IntentId, good: impl Fn(&Event) -> bool) -> i64 {
    let entries = engine.journal.entries(intent);
    let found = entries.iter().find(|e| good(&e.entry.event));
    found.unwrap_or_else(|| panic!("{}", engine.story(intent))).entry.at
}

fn status<'a>(state: &'a IntentState, item: &str) -> &'a str {
    let item = state.items.get(&item.parse().unwrap());
    item.map_or("not there yet", |i| i.status.api_name())
}

#[tokio::test(start_paused = true)]
async fn no_person_releases_a_lock_over_a_change_that_waits_to_be_confirmed() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = commit_all();
    let reads = json!({"tool": "world/get", "args": {"device": "later"}, "expect": "output.values.size() > 0"});
    plan["post_checks"] = json!([reads]);
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    let refused = engine.command(intent, release()).await.unwrap_err().to_string();
    assert!(refused.contains("waits for it to be confirmed"), "{refused}");
    world.intrude("later", "k", json!(1));
    engine.command(intent, What::Resume).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert!(world.open().is_empty() && world.reverted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pending_change_is_handed_to_nobody_before_the_device_has_gone_back() {
    let world = World::of(&["a", "b"]);
    world.set_check("post", false);
    world.misbehave("cancel a", Misbehaviour::Refuse);
    world.misbehave("unset b", Misbehaviour::Lie);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = json!({"steps": [set_b("rollback"), commit(&[])]});
    plan["post_checks"] = commit_all()["post_checks"].clone();
    let first = engine.submit(plan).await;
    engine
        .until_that(first, "a failed undo", |s| {
            status(s, "s") == "undo_failed" && !s.stuck.is_empty()
        })
        .await;
    assert_eq!(world.open(), ["a"], "{}", engine.story(first));
    world.set_check("post", true);
    let undo = engine.undo("petra", first).await.unwrap();
    assert_eq!(end(&engine, undo).await, End::Fulfilled, "{}", engine.story(undo));
    assert_eq!(end(&engine, first).await, End::RolledBack, "{}", engine.story(first));
    let handed = at(&engine, first, |e| {
        matches!(e, Event::TargetsReleased { to: Some(_), .. })
    });
    let gone = at(&engine, first, |e| matches!(e, Event::LeaseExpired { .. }));
    assert!(handed >= gone, "{}", engine.story(first));
    assert_eq!(world.reverted(), ["a"]);
    assert!(
        !world.executed().contains(&"unset a mtu".to_owned()),
        "{:?}",
        world.executed()
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    engine.assert_replays(first).await;
    engine.assert_replays(undo).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_prepared_where_a_person_took_the_lock_away() {
    let world = World::of(&["a", "b"]);
    world.misbehave("set b", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(json!({"steps": [set_b("hold"), commit(&["s"])]})).await;
    engine.until(intent, "stuck").await;
    engine.command(intent, release()).await.unwrap();
    let retry = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: Resolution::Retry,
        comment: None,
    };
    engine.command(intent, retry).await.unwrap();
    let (ended, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(ended, End::RolledBack, "{}", engine.story(intent));
    assert!(reason.contains("lock"), "{reason}");
    assert_eq!(world.executed(), ["set b k=1", "unset b k"]);
}

/// A confirm that lands eight seconds after it was sent, and a person who says after two that it was applied.
async fn confirmed_early(world: &World) -> (Engine, IntentId) {
    world.misbehave("confirm a", Misbehaviour::ActLate(8_000));
    let engine = Engine::over(world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    let in_doubt = |s: &IntentState| s.items.values().any(|i| i.doubtful_phase().is_some());
    engine.until_that(intent, "a doubt", in_doubt).await;
    let settle = What::Settle {
        item: "mtu/0".parse().unwrap(),
        verdict: Settlement::Applied,
        force: true,
        comment: Some("it will be".into()),
    };
    engine.command(intent, settle).await.unwrap();
    let settled = |s: &IntentState| s.items.values().all(|i| i.doubtful_phase().is_none());
    engine.until_that(intent, "a settlement", settled).await;
    (engine, intent)
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_a_person_settled_early_keeps_the_locks_until_it_can_land_no_more() {
    for restarts in [false, true] {
        let world = World::of(&["a"]);
        let (mut engine, intent) = confirmed_early(&world).await;
        if restarts {
            engine = engine.crash_and_restart().await;
        }
        assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
        assert!(
            world.open().is_empty(),
            "it has landed before the end:\n{}",
            engine.story(intent)
        );
        let doubted = at(&engine, intent, |e| matches!(e, Event::CallInDoubt { .. }));
        let released = at(&engine, intent, |e| matches!(e, Event::TargetsReleased { .. }));
        assert!(released - doubted >= 10_000, "{}", engine.story(intent));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(world.reverted().is_empty());
        engine.assert_replays(intent).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_undo_waits_for_a_confirm_that_may_still_land() {
    let world = World::of(&["a"]);
    let (engine, intent) = confirmed_early(&world).await;
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(end(&engine, intent).await, End::Cancelled, "{}", engine.story(intent));
    assert_eq!(
        world.executed(),
        ["prepare a mtu=9000", "commit a mtu=9000", "confirm a", "unset a mtu"]
    );
    assert_eq!(world.picture(), json!({"a": {}}));
    assert_eq!((world.overlap(), happened(&engine, intent, "CallSettled")), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_for_a_prepare_that_may_still_land() {
    let world = World::of(&["a"]);
    // Asked again under its key, the server has it ready at once; the first asking lands nine seconds later.
    world.misbehave("prepare a", Misbehaviour::ActLate(9_000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(commit_all()).await;
    assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(world.overlap(), None, "{}", engine.story(intent));
    assert!(world.open().is_empty());
}
