//! Who waits for a stream to grow. Stores call this after the sync, never before: nobody may act on what can still be lost.

use crate::ids::IntentId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// The watch channels of a journal.
#[derive(Debug)]
pub struct Watchers {
    all: watch::Sender<u64>,
    each: Mutex<HashMap<IntentId, watch::Sender<u64>>>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            all: watch::Sender::new(0),
            each: Mutex::default(),
        }
    }
}

impl Watchers {
    /// Wakes when the intent's stream or inbox grows.
    pub fn watch(&self, intent: IntentId) -> watch::Receiver<u64> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.entry(intent).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes when any intent is created or gets a command.
    pub fn watch_all(&self) -> watch::Receiver<u64> {
        self.all.subscribe()
    }

    /// The intent's stream or inbox has grown, durably.
    pub fn grown(&self, intent: IntentId) {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = each.get(&intent) else { return };
        sender.send_modify(|n| *n += 1);
        // A channel nobody listens to any more would stay for ever otherwise.
        if sender.receiver_count() == 0 {
            each.remove(&intent);
        }
    }

    /// An intent was created or got a command, durably.
    pub fn arrived(&self, intent: IntentId) {
        self.grown(intent);
        self.all.send_modify(|n| *n += 1);
    }
}
