//! The part of the fold that turns an intent round.

use super::{BackOut, IntentState};
use crate::intent::event::End;
use crate::intent::item::ItemStatus;

impl IntentState {
    /// From here on it goes back. What a person was asked about the way forward is decided with that.
    pub(super) fn goes_back(&mut self, why: &str) {
        self.rollback = Some(why.to_owned());
        self.stuck.remove("intent");
        for (id, item) in self.items.iter_mut().filter(|(_, i)| i.status == ItemStatus::Failed) {
            item.reported = false;
            self.stuck.remove(&id.to_string());
        }
    }

    /// The first reason to back out stands; later ones do not soften it.
    pub(super) fn back_out(&mut self, reason: &str, nothing_sent: End, taken_back: End) {
        if self.back_out.is_none() {
            // Who paused the way forward did not mean to bar the way back; that can be paused anew.
            self.paused = None;
            self.back_out = Some(BackOut {
                reason: reason.to_owned(),
                nothing_sent,
                taken_back,
            });
        }
    }
}
