//! Locks: all or none, kept while stuck, taken away by a person with a reason, handed over to the undo of their holder.

use async_trait::async_trait;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use flyball_engine::ports::Clock;
use flyball_engine::target::Target;
use flyball_tests::clock::PausedClock;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn set(id: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": id, "value": 1}})
}

fn plan(steps: &[Value]) -> Value {
    json!({
        "steps": steps,
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

fn item<'a>(state: &'a IntentState, id: &str) -> &'a str {
    let item = state.items.get(&id.parse().unwrap());
    item.map_or("not there yet", |i| i.status.api_name())
}

fn resolve(item: &str, resolution: Resolution) -> What {
    What::Resolve {
        item: item.parse().unwrap(),
        resolution,
        comment: None,
    }
}

fn release(target: &str) -> What {
    What::ReleaseLock {
        target: target.to_owned(),
        reason: "the shift ends".to_owned(),
    }
}

/// A paused clock that counts how often it is looked at, and stands still for whoever looks without end.
struct CountingClock {
    steady: PausedClock,
    looks: Arc<AtomicUsize>,
}

#[async_trait]
impl Clock for CountingClock {
    fn now_ms(&self) -> i64 {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.steady.now_ms()
    }

    async fn sleep(&self, time: Duration) {
        if self.looks.load(Ordering::Relaxed) > 10_000 {
            return std::future::pending().await;
        }
        self.steady.sleep(time).await;
    }
}

async fn holders(engine: &Engine) -> Vec<(String, IntentId)> {
    let locks = engine.journal_locks().await.into_iter();
    locks.map(|l| (l.target.to_string(), l.intent)).collect()
}

/// An intent on `a` and `b` that goes back and cannot finish: the undo on `a` did nothing.
async fn stuck_going_back(engine: &Engine) -> IntentId {
    engine.world.set_check("post", false);
    engine.world.misbehave("unset a one", Misbehaviour::Lie);
    let intent = engine.submit(plan(&[set("one", "a", &[]), set("two", "b", &[])])).await;
    let stuck = |s: &IntentState| item(s, "one") == "undo_failed" && item(s, "two") == "undone" && !s.stuck.is_empty();
    engine.until_that(intent, "a failed undo", stuck).await;
    engine.world.set_check("post", true);
    intent
}

#[tokio::test(start_paused = true)]
async fn locks_are_kept_while_stuck_and_others_see_whom_they_wait_for() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = stuck_going_back(&engine).await;
    let second = engine.submit(plan(&[set("x", "a", &[])])).await;
    let state = engine.until_that(second, "a wait", |s| s.waiting_for.is_some()).await;
    let (targets, who) = state.waiting_for.unwrap();
    assert_eq!(targets, [Target::parse("device:a").unwrap()]);
    assert!(who[0].contains(&first.to_string()), "{who:?}");
    tokio::time::sleep(std::time::Duration::from_secs(24 * 3600)).await;
    assert_eq!(
        holders(&engine).await,
        [("device:a".into(), first), ("device:b".into(), first)]
    );
    assert_eq!(world.value("a", "x"), None);
    engine.command(first, resolve("one", Resolution::Retry)).await.unwrap();
    assert_eq!(engine.end(second).await.ended.unwrap().0, End::Fulfilled);
    assert!(holders(&engine).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_a_person_took_away_is_had_again_before_anything_is_written_there() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = stuck_going_back(&engine).await;
    engine.command(first, release("device:a")).await.unwrap();
    let hold = json!({"id": "y", "tool": "world/set", "on_failure": "hold", "needs": ["x"],
                      "args": {"device": "a", "key": "y", "value": 1}});
    world.misbehave("set a y", Misbehaviour::Lie);
    let second = engine.submit(plan(&[set("x", "a", &[]), hold])).await;
    engine.until(second, "stuck").await;
    let released = |e: &Event| matches!(e, Event::TargetsReleased { reason, by: Some(by), .. } if reason == "the shift ends" && by.principal() == "anna");
    assert!(engine.events(first).iter().any(released), "{}", engine.story(first));
    // The first may go on now, but not on a device that is another's.
    engine.command(first, resolve("one", Resolution::Retry)).await.unwrap();
    let waits = |s: &IntentState| s.waiting_for.is_some();
    let state = engine.until_that(first, "a wait", waits).await;
    assert_eq!(state.waiting_for.unwrap().0, [Target::parse("device:a").unwrap()]);
    assert_eq!(
        world.value("a", "one"),
        Some(json!(1)),
        "nothing was taken back on it yet"
    );
    engine.command(second, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(
        engine.end(second).await.ended.unwrap().0,
        End::Cancelled,
        "{}",
        engine.story(second)
    );
    assert_eq!(
        engine.end(first).await.ended.unwrap().0,
        End::RolledBack,
        "{}",
        engine.story(first)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    assert!(holders(&engine).await.is_empty());
    engine.assert_replays(first).await;
}

#[tokio::test(start_paused = true)]
async fn the_way_forward_ends_where_a_person_took_the_lock_away() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let held = json!({"id": "one", "tool": "world/set", "on_failure": "hold",
                      "args": {"device": "a", "key": "one", "value": 1}});
    world.misbehave("set a one", Misbehaviour::Refuse);
    let intent = engine.submit(plan(&[held, set("two", "b", &["one"])])).await;
    engine.until(intent, "stuck").await;
    engine.command(intent, release("device:b")).await.unwrap();
    engine.command(intent, resolve("one", Resolution::Retry)).await.unwrap();
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::RolledBack, "{}", engine.story(intent));
    assert!(reason.contains("lock"), "{reason}");
    assert_eq!(world.executed(), ["set a one=1", "unset a one"]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_not_released_while_the_intent_goes_on_or_a_call_may_still_land() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    world.misbehave("set_blind a", Misbehaviour::ActAndFallSilent);
    let blind = json!({"id": "s", "tool": "world/set_blind", "args": {"device": "a", "key": "k", "value": 1}});
    let intent = engine.submit(plan(&[blind])).await;
    engine
        .until_that(intent, "a doubt", |s| item(s, "s") == "in_doubt")
        .await;
    let refused = engine
        .command(intent, release("device:a"))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("only while the intent is stuck"), "{refused}");
    engine.until(intent, "stuck").await;
    let refused = engine
        .command(intent, release("device:a"))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("may still land"), "{refused}");
    let refused = engine
        .command(intent, release("device:z"))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("holds no lock"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_undo_takes_over_the_locks_and_the_rest_of_an_intent_that_is_stuck_going_back() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = stuck_going_back(&engine).await;
    let waiting = engine.submit(plan(&[set("x", "a", &[])])).await;
    engine.until_that(waiting, "a wait", |s| s.waiting_for.is_some()).await;
    let undo = engine.undo("petra", first).await.unwrap();
    let (end, _, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!((end, partial), (End::Fulfilled, false), "{}", engine.story(undo));
    let (end, reason, partial) = engine.end(first).await.ended.unwrap();
    assert_eq!((end, partial), (End::RolledBack, true), "{}", engine.story(first));
    assert!(reason.contains(&undo.to_string()), "{reason}");
    engine.end(waiting).await;
    let order: Vec<String> = world.executed().into_iter().skip(3).collect();
    assert_eq!(order, ["unset a one", "set a x=1"], "nobody came in between");
    assert!(holders(&engine).await.is_empty());
    engine.assert_replays(first).await;
    engine.assert_replays(undo).await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_waits_gets_the_locks_when_their_holder_is_stuck_again() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::NeedsApproval).await;
    world.set_check("post", false);
    world.misbehave("unset a one", Misbehaviour::Lie);
    let first = engine.submit(plan(&[set("one", "a", &[]), set("two", "b", &[])])).await;
    engine.approve(first).await;
    let stuck = |s: &IntentState| item(s, "one") == "undo_failed" && item(s, "two") == "undone" && !s.stuck.is_empty();
    engine.until_that(first, "a failed undo", stuck).await;
    let undo = engine.undo("petra", first).await.unwrap();
    engine.until(undo, "awaiting_approval").await;
    // The holder is going back once more when the other comes for its locks, and then is stuck again.
    world.misbehave("unset a one", Misbehaviour::FallSilent);
    engine.command(first, resolve("one", Resolution::Retry)).await.unwrap();
    engine.until_that(first, "another try", |s| s.stuck.is_empty()).await;
    engine.approve(undo).await;
    engine.until_that(undo, "a wait", |s| s.waiting_for.is_some()).await;
    let (end, _, partial) = engine.end(undo).await.ended.unwrap();
    assert_eq!(
        (end, partial),
        (End::Fulfilled, false),
        "{}\n{}",
        engine.story(undo),
        engine.story(first)
    );
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}));
    let (end, reason, _) = engine.end(first).await.ended.unwrap();
    assert!(
        end == End::RolledBack && reason.contains(&undo.to_string()),
        "{}",
        engine.story(first)
    );
    assert!(holders(&engine).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_cancelled_after_it_got_the_locks_leaves_none_behind() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = stuck_going_back(&engine).await;
    world.misbehave("unset a one", Misbehaviour::Lie);
    let undo = engine.undo("petra", first).await.unwrap();
    engine
        .until_that(undo, "a failed undo", |s| {
            item(s, "one") == "undo_failed" && !s.stuck.is_empty()
        })
        .await;
    engine.command(undo, What::Cancel { reason: None }).await.unwrap();
    engine.command(undo, resolve("one", Resolution::Accept)).await.unwrap();
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Cancelled,
        "{}",
        engine.story(undo)
    );
    assert!(holders(&engine).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_to_an_undo_that_ended_meanwhile_is_cleared_up_at_the_next_start() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = stuck_going_back(&engine).await;
    let done = engine.submit(plan(&[json!({"id": "r", "tool": "world/list"})])).await;
    engine.end(done).await;
    engine.command(first, What::HandOver { to: done }).await.unwrap();
    engine.end(first).await;
    assert_eq!(holders(&engine).await, [("device:a".into(), done)]);
    let engine = engine.crash_and_restart().await;
    let mut changes = flyball_engine::journal::Journal::watch(engine.journal.as_ref(), done);
    while !holders(&engine).await.is_empty() {
        changes.changed().await.unwrap();
    }
    engine.assert_replays(done).await;
}

#[tokio::test(start_paused = true)]
async fn two_intents_that_discover_each_others_targets_both_end() {
    for round in 0..50 {
        let world = World::of(&["a", "b"]);
        let engine = Engine::over(&world, Decision::Run).await;
        let discovered = |id: &str, first: usize, second: usize| {
            plan(&[
                json!({"id": "all", "tool": "world/list"}),
                json!({"id": format!("{id}1"), "tool": "world/set",
                       "args": {"device": format!("${{steps.all.output.devices[{first}].name}}"), "key": id, "value": 1}}),
                json!({"id": format!("{id}2"), "tool": "world/set", "needs": [format!("{id}1")],
                       "args": {"device": format!("${{steps.all.output.devices[{second}].name}}"), "key": id, "value": 2}}),
            ])
        };
        let (x, y) = tokio::join!(engine.submit(discovered("x", 0, 1)), async {
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            engine.submit(discovered("y", 1, 0)).await
        });
        for intent in [x, y] {
            assert_eq!(
                engine.end(intent).await.ended.unwrap().0,
                End::Fulfilled,
                "{}",
                engine.story(intent)
            );
        }
        let both = |executed: &[String]| executed.chunks(2).all(|c| c[0].contains("x=") == c[1].contains("x="));
        assert!(both(&world.executed()), "never interleaved: {:?}", world.executed());
        assert!(holders(&engine).await.is_empty());
    }
}

/// An undo that waits for the locks of an intent one of whose own undos was given up and may still land.
async fn an_undo_that_waits_for_what_may_land(engine: &Engine) -> (IntentId, IntentId) {
    let world = &engine.world;
    world.set_check("post", false);
    world.misbehave("unset a", Misbehaviour::ActLate(8_000));
    let first = engine.submit(plan(&[set("one", "a", &[])])).await;
    engine
        .until_that(first, "a doubt", |s| item(s, "one") == "in_doubt")
        .await;
    let settle = What::Settle {
        item: "one".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: None,
    };
    engine.command(first, settle).await.unwrap();
    engine
        .until_that(first, "a failed undo", |s| {
            item(s, "one") == "undo_failed" && !s.stuck.is_empty()
        })
        .await;
    world.set_check("post", true);
    let undo = engine.undo("petra", first).await.unwrap();
    engine
        .until_that(undo, "a wait for the locks", |s| s.waiting_for.is_some())
        .await;
    (first, undo)
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_may_still_land_keeps_the_locks_from_the_next_one() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let (first, undo) = an_undo_that_waits_for_what_may_land(&engine).await;
    let refused = engine.command(first, What::HandOver { to: undo }).await;
    assert!(refused.unwrap_err().to_string().contains("may still land"));
    assert_eq!(
        engine.end(undo).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(undo)
    );
    assert_eq!(engine.end(first).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(world.executed(), ["set a one=1", "unset a one"], "taken back once");
    assert_eq!(world.overlap(), None);
    assert!(holders(&engine).await.is_empty());
    engine.assert_replays(first).await;
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_paused_while_it_waits_for_heat_sleeps_and_goes_on_when_it_may() {
    let world = World::of(&["a"]);
    let looks = Arc::new(AtomicUsize::new(0));
    let counts = looks.clone();
    let set_up: SetUp = Arc::new(move |deps| {
        let (steady, looks) = (PausedClock::start(), counts.clone());
        deps.clock = Arc::new(CountingClock { steady, looks });
    });
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let (first, undo) = an_undo_that_waits_for_what_may_land(&engine).await;
    engine.command(undo, What::Pause { reason: None }).await.unwrap();
    engine.until_that(undo, "a pause", |s| s.paused.is_some()).await;
    let before = looks.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let looked = looks.load(Ordering::Relaxed) - before;
    assert!(looked < 200, "it looked at the clock {looked} times in an hour");
    assert_eq!(holders(&engine).await, [("device:a".into(), first)]);
    engine.command(undo, What::Resume).await.unwrap();
    let (end, ..) = engine.end(undo).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", engine.story(undo));
    assert_eq!(world.executed(), ["set a one=1", "unset a one"], "taken back once");
}

#[tokio::test(start_paused = true)]
async fn what_was_in_doubt_when_an_undo_was_planned_is_taken_over_as_well() {
    let world = World::of(&["a", "b"]);
    world.set_check("post", false);
    world.misbehave("unset a one", Misbehaviour::Lie);
    world.misbehave("unset b two", Misbehaviour::FallSilent);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = engine.submit(plan(&[set("one", "a", &[]), set("two", "b", &[])])).await;
    let half = |s: &IntentState| item(s, "one") == "undo_failed" && item(s, "two") == "in_doubt" && !s.stuck.is_empty();
    engine.until_that(first, "a failed undo and one in doubt", half).await;
    world.set_check("post", true);
    let undo = engine.undo("petra", first).await.unwrap();
    let state = engine.end(undo).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", engine.story(undo));
    assert_eq!(world.picture(), json!({"a": {}, "b": {}}), "{}", engine.story(first));
    assert_eq!(engine.end(first).await.ended.unwrap().0, End::RolledBack);
    assert!(holders(&engine).await.is_empty());
    engine.assert_replays(undo).await;
}
