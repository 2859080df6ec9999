//! What became of each value in the world, and by whose hand: so that a test can tell whose work was overwritten by whom.

use crate::world::World;
use serde_json::Value;
use tokio::time::Instant;

/// Who wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hand {
    /// Somebody else.
    Foreign,
    /// A call of an engine's.
    Call { under: String, undo: bool },
}

/// One write. No value: it was taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    pub at: Instant,
    pub device: String,
    pub key: String,
    pub value: Option<Value>,
    pub by: Hand,
}

impl Write {
    pub(crate) fn now(device: &str, key: &str, value: Option<Value>, by: Hand) -> Self {
        Self {
            at: Instant::now(),
            device: device.to_owned(),
            key: key.to_owned(),
            value,
            by,
        }
    }
}

impl World {
    /// Every write to one value, in order.
    pub fn history(&self, device: &str, key: &str) -> Vec<Write> {
        let inner = self.inner();
        let writes = inner.history.iter();
        writes.filter(|w| w.device == device && w.key == key).cloned().collect()
    }
}
