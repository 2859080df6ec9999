//! Rollback: nothing new forward, every call that was sent and is not proven without effect is taken back, and the end
//! says how far that went.

use super::Due;
use crate::intent::event::{End, Event};
use crate::intent::item::ItemStatus;
use crate::intent::state::IntentState;

impl IntentState {
    pub(super) fn due_rollback(&self, now: i64, due: &mut Due) {
        let taken_back = self.due_take_back(now, due);
        let let_go = self.due_let_go(now, due) && self.lease_heat(now, due);
        if let_go && taken_back {
            self.due_rolled_back(now, due);
        }
    }

    fn due_rolled_back(&self, now: i64, due: &mut Due) {
        let hot = self.items.values().map(|i| i.hot_until_ms).max().unwrap_or(i64::MIN);
        if hot > now {
            due.wake(hot);
            return;
        }
        let why = self.rollback.clone().unwrap_or_default();
        let end = match (&self.back_out, self.anything_sent()) {
            (Some(out), true) => out.taken_back,
            (Some(out), false) => out.nothing_sent,
            (None, true) => End::RolledBack,
            (None, false) => End::Failed,
        };
        let partial = self.items.values().any(|i| i.status == ItemStatus::Accepted);
        due.record.push(Event::IntentEnded {
            end,
            reason: why,
            partial,
        });
    }
}
