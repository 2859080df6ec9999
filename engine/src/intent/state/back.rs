//! The part of the fold that turns an intent round.

use super::{BackOut, IntentState};
use crate::ids::ItemId;
use crate::intent::event::End;
use crate::intent::item::{ItemState, ItemStatus};

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

    /// What a person is only told of, and need not settle: what was answered about a lease's call contradicts what it was
    /// settled as. Until the person says that it may go on, nothing of it is taken back.
    pub fn only_told(&self) -> impl Iterator<Item = &ItemId> {
        let only_told = |(id, item): &(&ItemId, &ItemState)| {
            let asked = item.status.needs_a_person() || item.contradiction.is_some() || item.doubtful_phase().is_some();
            item.reported && !asked && self.stuck.contains_key(&id.to_string())
        };
        self.items.iter().filter(only_told).map(|(id, _)| id)
    }

    pub(super) fn seen_by_a_person(&mut self) {
        let told: Vec<ItemId> = self.only_told().cloned().collect();
        for id in told {
            self.stuck.remove(&id.to_string());
            if let Some(item) = self.items.get_mut(&id) {
                item.reported = false;
            }
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
