//! Who writes at present. Syncs are dear, for the disk and for the processor: where many write, a group waits for a
//! share of them. Where few do, nobody waits.

use crate::judge::Ask;
use flyball_engine::ids::IntentId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Who wrote within this time will write again soon.
const LATELY: Duration = Duration::from_millis(50);
/// One of so many that write makes up a group worth its sync. Two or three that write are below it: nothing is waited for.
const SHARE: usize = 4;
/// Nobody waits longer for others.
const PATIENCE: Duration = Duration::from_millis(10);

/// The intents that were written to lately.
#[derive(Default)]
pub(crate) struct Crowd(HashMap<IntentId, Instant>);

impl Crowd {
    /// Notes who is behind a request.
    pub(crate) fn note(&mut self, ask: &Ask, now: Instant) {
        let intent = match ask {
            Ask::Create(new) => new.intent,
            Ask::Claim(intent) | Ask::Commit(intent, ..) => *intent,
            _ => return,
        };
        self.0.insert(intent, now);
    }

    /// How many requests a group that is begun now should have, and until when they are waited for.
    pub(crate) fn expected(&mut self, now: Instant) -> (usize, Instant) {
        self.0.retain(|_, seen| now.duration_since(*seen) < LATELY);
        (self.0.len() / SHARE, now + PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(crowd: &mut Crowd, many: usize, at: Instant) {
        (0..many).for_each(|_| crowd.note(&Ask::Claim(IntentId::fresh()), at));
    }

    #[test]
    fn a_group_waits_for_a_share_of_those_who_wrote_lately_and_few_wait_for_nobody() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        wrote(&mut crowd, 3, now);
        assert_eq!(crowd.expected(now).0, 0);
        wrote(&mut crowd, 29, now);
        assert_eq!(crowd.expected(now).0, 8);
        assert_eq!(crowd.expected(now + LATELY).0, 0, "who is silent is not waited for");
    }
}
