//! What a start found open, until all of it is taken up: claimed, folded, and known what is due of it.

use crate::ports::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Held by each driver until it has taken its intent up. The last to let go says so in the log.
pub(crate) struct Pickup {
    clock: Arc<dyn Clock>,
    began_ms: i64,
    found: AtomicUsize,
}

impl Pickup {
    pub(super) fn begin(clock: &Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            began_ms: clock.now_ms(),
            found: AtomicUsize::new(0),
        })
    }

    /// One more was found: what its driver is to hold.
    pub(super) fn found(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.found.fetch_add(1, Ordering::Relaxed);
        Some(self.clone())
    }
}

impl Drop for Pickup {
    fn drop(&mut self) {
        let (found, took_ms) = (*self.found.get_mut(), self.clock.now_ms() - self.began_ms);
        if found > 0 {
            tracing::info!(found, took_ms, "open intents are taken up");
        }
    }
}
