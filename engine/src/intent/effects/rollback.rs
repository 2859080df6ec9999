//! Rollback: take back every call that was sent and is not proven without effect, latest first, one at a time.

use super::{Due, Work};
use crate::ids::ItemId;
use crate::intent::event::{End, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;

impl IntentState {
    pub(super) fn due_rollback(&self, now: i64, due: &mut Due) {
        let mut latest_first: Vec<(&ItemId, &ItemState)> =
            self.items.iter().filter(|(_, i)| i.must_be_undone()).collect();
        latest_first.sort_by_key(|(_, i)| std::cmp::Reverse(i.sent_at));
        let mut unclean: Vec<(&ItemId, &ItemState)> = Vec::new();
        for (id, item) in &latest_first {
            match item.status {
                ItemStatus::UndoFailed | ItemStatus::UndoConflict => {
                    self.report_unclean(id, item, due);
                    unclean.push((id, item));
                }
                _ => {
                    if let Some((by, _)) = unclean.iter().find(|(_, other)| super::overlap(item, other)) {
                        if item.status == ItemStatus::Blocked {
                            // Blocked stays blocked until what blocks it is clean; others go on.
                            unclean.push((id, item));
                            continue;
                        }
                        let (item, by) = ((*id).clone(), (*by).clone());
                        due.record.push(Event::UndoBlocked { item, by });
                        return;
                    }
                    if self.due_undo(id, item, now, due) {
                        return;
                    }
                }
            }
        }
        let let_go = self.due_let_go(now, due) && self.lease_heat(now, due);
        if let_go && latest_first.is_empty() && !self.items.values().any(|i| i.mutating && i.status.is_open()) {
            self.due_rolled_back(now, due);
        }
    }

    /// True: this item's undo is what goes on now (or what is waited for).
    fn due_undo(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) -> bool {
        if item.reported || self.waits_for_lease(item, due) {
            return false;
        }
        let undoing = self
            .items
            .values()
            .any(|i| matches!(i.status, ItemStatus::Undoing | ItemStatus::UndoAnswered));
        if undoing {
            return true;
        }
        if item.hot_until_ms > now && item.hot_until_ms != i64::MAX {
            due.wake(item.hot_until_ms);
            return false;
        }
        if self.is_hot(id, item, now) {
            self.wake_when_it_cools(now, due);
            return false;
        }
        due.work.push(Work::Undo { item: id.clone() });
        true
    }

    fn report_unclean(&self, id: &ItemId, item: &ItemState, due: &mut Due) {
        if !item.reported {
            let why = item
                .reason
                .clone()
                .unwrap_or_else(|| "it could not be taken back".to_owned());
            due.record.push(Event::Stuck {
                why,
                item: Some(id.clone()),
                phase: Some(crate::ids::Phase::Undo),
            });
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
