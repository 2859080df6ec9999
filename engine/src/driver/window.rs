//! Whether an intent's window is open by the wall clock too.
//!
//! Everything that is timed goes by the engine's steady clock, which follows no setting of the wall clock in mid-run.
//! Starting a change is the one thing for which that is not careful enough: if the two clocks disagree, one of them is
//! wrong, and nobody here can tell which. So nothing starts until both say that the window is open. What has started
//! goes on, and what ends, ends by steady time. A restart takes the wall clock for right again.

use super::Driver;
use crate::intent::effects::Work;
use std::time::Duration;

/// How often it is looked whether clocks that disagree have come together: nothing tells when a clock is set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Driver {
    /// Whether changes may start now by the wall clock. Always, without a window.
    pub(super) fn is_open_by_the_wall(&self) -> bool {
        let Some(window) = self.ledger.state.request.window else {
            return true;
        };
        let wall = self.deps.clock.wall_ms();
        let open = (window.from_ms..window.until_ms).contains(&wall);
        if !open {
            tracing::warn!(
                intent = %self.ledger.id,
                wall_ms = wall,
                steady_ms = self.deps.clock.now_ms(),
                "the wall clock was set: by it the window is not open, so nothing starts until it is again or the engine restarts"
            );
        }
        open
    }

    /// When to look at the wall clock again, if it alone kept the intent from starting at the last look: by now it may be
    /// open, and nobody has begun.
    pub(super) fn look_again_ms(&self, due: &[Work]) -> Option<i64> {
        let kept = due.contains(&Work::Lock) && self.shut_by_the_wall;
        kept.then(|| i64::try_from(LOOK_AGAIN.as_millis()).unwrap_or(i64::MAX))
    }
}
