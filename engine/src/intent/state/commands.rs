//! The fold of commands of which nothing came: kept so that whoever sent one sees why.

use super::IntentState;
use crate::actor::Actor;
use crate::intent::event::Event;
use crate::journal::Entry;
use serde::{Deserialize, Serialize};

/// So many are kept; all of them stand in the journal.
const KEPT: usize = 8;

/// A command that was acknowledged and did not fit any more when its turn came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCommand {
    /// Unix milliseconds.
    pub at_ms: i64,
    pub what: String,
    pub by: Actor,
    pub why: String,
}

impl IntentState {
    pub(super) fn command_refused(&mut self, entry: &Entry) {
        let Event::CommandRefused { what, by, why, .. } = &entry.event else {
            return;
        };
        if self.refused.len() >= KEPT {
            self.refused.remove(0);
        }
        self.refused.push(RefusedCommand {
            at_ms: entry.at,
            what: what.clone(),
            by: by.clone(),
            why: why.clone(),
        });
    }
}
