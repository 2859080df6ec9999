//! What becomes due is done then, however the moment falls between two looks at the clock.

use crate::rig::Rig;
use crate::settle::{set_by, settlements};
use flyball_engine::intent::event::{Decision, End, Event, Settlement};
use flyball_engine::intent::{Mode, Window};
use flyball_engine::ports::Clock;
use flyball_engine::span::Span;
use flyball_tests::clock::{LaggingClock, PausedClock};
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::flaky::Trouble;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn what_becomes_due_between_two_looks_at_the_clock_is_not_slept_over() {
    for settle_after in 1..=40 {
        let world = World::of(&["a"]);
        world.misbehave("set a", Misbehaviour::ActAndFallSilent);
        let set_up: SetUp = Arc::new(move |deps| {
            let mut contracts = World::contracts();
            for contract in contracts.contracts.values_mut() {
                contract.settle_after = Some(Span(settle_after));
            }
            deps.contracts = Arc::new(contracts);
            deps.clock = Arc::new(LaggingClock::start());
        });
        let engine = Engine::over_with(&world, Decision::Run, set_up).await;
        let (intent, began) = (engine.submit(set_by("set")).await, Instant::now());
        let (end, ..) = engine.end(intent).await.ended.unwrap();
        let story = || format!("settle_after {settle_after} ms:\n{}", engine.story(intent));
        assert_eq!(end, End::Fulfilled, "{}", story());
        assert_eq!(
            settlements(&engine.events(intent)),
            [Settlement::Applied],
            "{}",
            story()
        );
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}: {}",
            began.elapsed(),
            story()
        );
    }
}

/// A wall clock that trails the steady one by a moment at the first look after the window opened, and then does no more.
struct TrailsOnce {
    steady: PausedClock,
    opens_ms: i64,
    looked: AtomicBool,
}

#[async_trait::async_trait]
impl Clock for TrailsOnce {
    fn now_ms(&self) -> i64 {
        self.steady.now_ms()
    }

    fn wall_ms(&self) -> i64 {
        let now = self.now_ms();
        let trails = now >= self.opens_ms && !self.looked.swap(true, Ordering::Relaxed);
        if trails { self.opens_ms - 1 } else { now }
    }

    async fn sleep(&self, time: Duration) {
        self.steady.sleep(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_that_opens_by_the_wall_clock_between_two_looks_at_it_is_not_missed() {
    let opens_ms = PausedClock::START_MS + 3_600_000;
    let world = World::of(&["a"]);
    let set_up: SetUp = Arc::new(move |deps| {
        deps.clock = Arc::new(TrailsOnce {
            steady: PausedClock::start(),
            opens_ms,
            looked: AtomicBool::new(false),
        });
    });
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let mut request = Engine::request("olga", set_by("set"), Mode::Apply);
    request.window = Some(Window {
        from_ms: opens_ms,
        until_ms: opens_ms + 3_600_000,
    });
    let intent = engine.submit_request(request).await;
    let (end, ..) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a k=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_when_it_was_decided_to_however_long_the_disk_takes_to_write_that_down() {
    let rig = Rig::of(&["a"]).await;
    rig.engine.journal.slow_down(Duration::from_secs(6));
    let retry_after_ms = Some(10_000);
    rig.flaky.trouble("list", Trouble::TurnedAway { retry_after_ms }, 1);
    let plan = json!({"steps": [{"id": "all", "tool": "world/list"}]});
    let intent = rig.engine.submit(plan).await;
    let (end, ..) = rig.engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Fulfilled, "{}", rig.engine.story(intent));
    let events = rig.engine.events(intent);
    let due = events.iter().find_map(|e| match e {
        Event::CallRetryScheduled { until_ms, .. } => Some(until_ms - PausedClock::START_MS),
        _ => None,
    });
    let late = rig.flaky.tried("list")[1].cast_signed() - due.unwrap();
    assert!(
        (0..100).contains(&late),
        "{late} ms late:\n{}",
        rig.engine.story(intent)
    );
}
