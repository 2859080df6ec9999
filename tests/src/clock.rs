//! Time for tests: tokio's paused clock, which moves on by itself when nothing else can.

use async_trait::async_trait;
use flyball_engine::ports::Clock;
use std::time::Duration;
use tokio::time::Instant;

/// Starts at a fixed wall time; use in tests with `start_paused = true`.
pub struct PausedClock {
    started: Instant,
}

impl PausedClock {
    /// Unix milliseconds at the start: 2026-01-01T00:00:00Z.
    pub const START_MS: i64 = 1_767_225_600_000;

    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for PausedClock {
    fn now_ms(&self) -> i64 {
        Self::START_MS + self.started.elapsed().as_millis() as i64
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
