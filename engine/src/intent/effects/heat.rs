//! Hot targets: where a call was sent that might still land, nothing else of this intent may happen. A fence permits the
//! same call to be sent again; it does not end heat. Heat ends when the call is answered, when its task has ended, or when
//! `settle_after` has passed since the latest of its three moments.

use super::{Due, overlap};
use crate::ids::ItemId;
use crate::intent::item::ItemState;
use crate::intent::state::IntentState;

impl IntentState {
    /// Whether another item's call is out, or might still land, where this item acts; or whether what became of one there
    /// is for a person to decide.
    pub(super) fn is_hot(&self, id: &ItemId, item: &ItemState, now: i64) -> bool {
        self.items.iter().filter(|(other, _)| *other != id).any(|(_, other)| {
            let open = other.status.is_open() || other.hot_until() > now || other.contradiction.is_some();
            other.mutating && open && overlap(item, other)
        })
    }

    /// Whether any call might still land where this item acts, its own included: then a verdict on it says nothing.
    pub(super) fn is_scorched(&self, id: &ItemId, item: &ItemState, now: i64) -> bool {
        item.hot_until_ms > now || item.contradiction.is_some() || self.is_hot(id, item, now)
    }

    /// Whether what another item's call has left where this item acts is still to be read.
    pub(super) fn is_unread_near(&self, id: &ItemId, item: &ItemState) -> bool {
        let mut unread = self.items.iter().filter(|(_, other)| other.is_unread());
        unread.any(|(other, o)| other != id && overlap(item, o))
    }

    /// Looks again when the first target has cooled: what waits for it names no time of its own.
    pub(super) fn due_heat(&self, now: i64, due: &mut Due) {
        let hot = self
            .items
            .values()
            .map(ItemState::hot_until)
            .filter(|until| *until > now);
        if let Some(until) = hot.min() {
            due.wake(until);
        }
    }

    /// When the last call that was given up can land no more. None: none can by now.
    pub fn cools_at(&self, now: i64) -> Option<i64> {
        let hottest = self.items.values().map(ItemState::hot_until).max();
        hottest.filter(|until| *until > now)
    }
}
