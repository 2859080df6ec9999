//! The engine's clock. It takes the wall clock for right when it starts, and counts steadily from there: whoever sets the
//! wall clock afterwards neither hastens nor defers anything. A restart takes the wall clock for right again.

use async_trait::async_trait;
use flyball_engine::ports::Clock;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Steady time over a wall clock.
pub(crate) struct SystemClock {
    /// What the wall clock said at the start, Unix milliseconds.
    anchor_ms: i64,
    /// The time since boot at the start.
    started: Duration,
}

impl SystemClock {
    pub(crate) fn start() -> Self {
        Self {
            anchor_ms: wall_ms(),
            started: since_boot(),
        }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let passed = since_boot().saturating_sub(self.started);
        self.anchor_ms.saturating_add(millis(passed))
    }

    fn wall_ms(&self) -> i64 {
        wall_ms()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

fn wall_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Unlike the monotonic clock behind `Instant`, this one counts the time that the machine was suspended: deadlines do
/// not wait for a laptop to be opened.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_from_the_wall_clock_and_never_goes_back() {
        let clock = SystemClock::start();
        let mut last = clock.now_ms();
        assert!((clock.wall_ms() - last).abs() < 10_000);
        for _ in 0..1_000 {
            let now = clock.now_ms();
            assert!(now >= last);
            last = now;
        }
    }
}
