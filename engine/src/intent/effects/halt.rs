//! What a halt holds back.

use super::Work;
use crate::ids::Phase;
use crate::intent::state::IntentState;

impl IntentState {
    /// Whether a halt holds this piece of work back. It leaves alone what keeps things as they are (an extension) and what
    /// the device would do by itself if nothing were sent (a cancel).
    pub fn halt_holds(&self, work: &Work) -> bool {
        match work {
            Work::LeaseCall { phase, .. } => !matches!(phase, Phase::Extend | Phase::Cancel),
            Work::Undo { item } => !self.items.get(item).is_some_and(|i| i.is_pending()),
            work => work.mutates(),
        }
    }

    /// Whether something is due at `now` (Unix milliseconds) that a halt holds back.
    pub fn waits_out_a_halt(&self, now: i64) -> bool {
        self.due(now).work.iter().any(|work| self.halt_holds(work))
    }
}
