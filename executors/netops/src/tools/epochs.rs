//! The fence against an engine that another has taken an intent over from.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::reply::Fault;
use crate::inventory::Device;

/// How long an epoch is remembered at least. A call of a former owner that is older than this is past its `send_by`.
const KEPT: Duration = Duration::from_secs(3600);
/// So many are remembered before old ones are looked for.
const MANY: usize = 4096;

/// The highest epoch that has called for each device on behalf of each intent. Each intent counts the claims of its own:
/// the epochs of two intents say nothing about each other.
#[derive(Debug, Default)]
pub(super) struct Epochs(Mutex<HashMap<(String, String), Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    highest: u64,
    at: Instant,
}

impl Epochs {
    /// Refuses an epoch below the highest seen, and remembers a higher one. A call without epoch is not an engine's; one
    /// with an epoch and without an intent stands for an intent without a name.
    pub(super) fn check(&self, device: &Device, intent: Option<&str>, epoch: Option<u64>) -> Result<(), Fault> {
        let Some(epoch) = epoch else { return Ok(()) };
        let key = (device.name.clone(), intent.unwrap_or_default().to_owned());
        match self.highest(key, epoch, Instant::now()) {
            highest if epoch < highest => Err(Fault::OldEpoch {
                device: device.name.clone(),
                epoch,
                seen: highest,
            }),
            _ => Ok(()),
        }
    }

    fn highest(&self, key: (String, String), epoch: u64, at: Instant) -> u64 {
        let mut seen = self.0.lock().expect("no panic while held");
        if seen.len() >= MANY && !seen.contains_key(&key) {
            seen.retain(|_, s| at.duration_since(s.at) < KEPT);
        }
        let known = seen.entry(key).or_insert(Seen { highest: epoch, at });
        known.highest = known.highest.max(epoch);
        known.at = at;
        known.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(intent: &str) -> (String, String) {
        ("bj-core-1".to_owned(), intent.to_owned())
    }

    #[test]
    fn epochs_of_one_intent_say_nothing_about_another() {
        let (epochs, now) = (Epochs::default(), Instant::now());
        assert_eq!(epochs.highest(key("old"), 7, now), 7);
        assert_eq!(epochs.highest(key("young"), 1, now), 1);
        assert_eq!(epochs.highest(key("old"), 6, now), 7, "a former owner is found out");
    }

    #[test]
    fn only_what_is_past_any_call_is_forgotten() {
        let (epochs, start) = (Epochs::default(), Instant::now());
        for n in 0..MANY {
            epochs.highest(key(&n.to_string()), 9, start);
        }
        let soon = start + KEPT / 2;
        epochs.highest(key("0"), 9, soon);
        epochs.highest(key("one more"), 1, soon);
        assert_eq!(epochs.highest(key("1"), 1, soon), 9);
        epochs.highest(key("and another"), 1, start + KEPT);
        assert_eq!(
            epochs.highest(key("0"), 1, start + KEPT),
            9,
            "called for within the hour"
        );
        assert_eq!(epochs.highest(key("2"), 1, start + KEPT), 1, "not called for any more");
    }
}
