//! Changes that are prepared: locked, edited and validated, waiting for the word to commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::editor::Editor;

/// A prepared change that nobody commits or cancels is dropped after this long, and its lock with it.
const KEPT: Duration = Duration::from_secs(600);

/// One prepared change.
pub(super) struct Prepared {
    pub editor: Box<dyn Editor>,
    pub lines: Vec<String>,
    /// Digest of the running configuration under the lock.
    pub before: String,
}

/// All prepared changes, by device: a device has one candidate.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<String, (String, Prepared)>>);

impl Held {
    /// Keeps a prepared change for its lease.
    pub(super) fn keep(self: &Arc<Self>, device: &str, lease: &str, prepared: Prepared) {
        self.all().insert(device.to_owned(), (lease.to_owned(), prepared));
        let held: Weak<Self> = Arc::downgrade(self);
        let (device, lease) = (device.to_owned(), lease.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            let late = held.upgrade().and_then(|held| held.take(&device, &lease));
            if late.is_some() {
                tracing::warn!(%device, %lease, "a prepared change was neither committed nor cancelled; its lock is released");
            }
        });
    }

    /// The lease for which this device is prepared.
    pub(super) fn holder(&self, device: &str) -> Option<String> {
        self.all().get(device).map(|(lease, _)| lease.clone())
    }

    /// Whether exactly these lines are prepared for the lease.
    pub(super) fn has(&self, device: &str, lease: &str, lines: &[String]) -> bool {
        let all = self.all();
        all.get(device)
            .is_some_and(|(of, prepared)| of == lease && prepared.lines == lines)
    }

    /// Takes the change prepared for this lease.
    pub(super) fn take(&self, device: &str, lease: &str) -> Option<Prepared> {
        let mut all = self.all();
        if all.get(device)?.0 != lease {
            return None;
        }
        all.remove(device).map(|(_, prepared)| prepared)
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, Prepared)>> {
        self.0.lock().expect("no panic while held")
    }
}
