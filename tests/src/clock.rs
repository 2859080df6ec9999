//! Time for tests: tokio's paused clock, which moves on by itself when nothing else can.

use async_trait::async_trait;
use flyball_engine::ports::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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

/// A paused clock that shows what it showed a moment ago, now 0, now 1 or 2 ms, and never goes back: two looks of one piece
/// of code differ, as on a machine with much to do, and what it waits for may come due between them.
pub struct LaggingClock {
    paused: PausedClock,
    looks: AtomicI64,
    shown: AtomicI64,
}

impl LaggingClock {
    const LAGS: [i64; 4] = [2, 0, 1, 2];

    pub fn start() -> Self {
        Self {
            paused: PausedClock::start(),
            looks: AtomicI64::new(0),
            shown: AtomicI64::new(i64::MIN),
        }
    }
}

#[async_trait]
impl Clock for LaggingClock {
    fn now_ms(&self) -> i64 {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let lag = Self::LAGS[look.unsigned_abs() as usize % Self::LAGS.len()];
        let now = self.paused.now_ms() - lag;
        self.shown.fetch_max(now, Ordering::Relaxed).max(now)
    }

    async fn sleep(&self, time: Duration) {
        self.paused.sleep(time).await;
    }
}

/// A wall clock that somebody may set, over the tests' steady time. Clones see the same one.
#[derive(Clone)]
pub struct Wall {
    started: Instant,
    set_by_ms: Arc<AtomicI64>,
}

impl Wall {
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
            set_by_ms: Arc::default(),
        }
    }

    /// Somebody sets the clock ahead, or back.
    pub fn set(&self, by: i64) {
        self.set_by_ms.fetch_add(by, Ordering::Relaxed);
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        let set_by = self.set_by_ms.load(Ordering::Relaxed);
        PausedClock::START_MS + self.started.elapsed().as_millis() as i64 + set_by
    }
}

/// An engine's clock over such a wall clock: it takes that for right when it starts, and counts steadily from there.
pub struct SteadyClock {
    wall: Wall,
    anchor_ms: i64,
    started: Instant,
}

impl SteadyClock {
    pub fn over(wall: &Wall) -> Self {
        Self {
            wall: wall.clone(),
            anchor_ms: wall.now_ms(),
            started: Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for SteadyClock {
    fn now_ms(&self) -> i64 {
        self.anchor_ms + self.started.elapsed().as_millis() as i64
    }

    fn wall_ms(&self) -> i64 {
        self.wall.now_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
