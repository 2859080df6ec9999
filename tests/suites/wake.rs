//! What becomes due is done then, however the moment falls between two looks at the clock.

use crate::settle::{set_by, settlements};
use flyball_engine::intent::event::{Decision, End, Settlement};
use flyball_engine::span::Span;
use flyball_tests::clock::LaggingClock;
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::{Misbehaviour, World};
use std::sync::Arc;
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
