//! An intent that takes back what an earlier one did: its own look, verdict, approval and locks, then the same order of
//! taking back as a rollback. It has no way forward, so stopping it leaves what was taken back as it is.

use super::{Due, Stage, Work};
use crate::ids::ItemId;
use crate::intent::event::{End, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;

impl IntentState {
    /// Whether it goes back and cannot go on without a person: another intent may take over what it left.
    pub fn is_stuck_going_back(&self) -> bool {
        self.ended.is_none() && self.rollback.is_some() && !self.stuck.is_empty()
    }

    pub(super) fn due_undo_intent(&self, stage: Stage, now: i64, due: &mut Due) {
        if self.back_out.is_some() {
            return self.due_undo_stopped(now, due);
        }
        match stage {
            Stage::Planning => due.work.push(Work::Plan {
                revision: self.revision + 1,
            }),
            Stage::Looking => self.due_undo_look(due),
            Stage::AwaitingApproval if self.approval.is_none() => due.work.push(Work::RequestApproval),
            Stage::Waiting => self.due_lock(now, due),
            Stage::Executing | Stage::Verifying => self.due_undo_act(now, due),
            _ => {}
        }
    }

    /// Each item's present state is compared with what the earlier intent left, the latest on a target first.
    fn due_undo_look(&self, due: &mut Due) {
        let Some(accepted) = &self.accepted else { return };
        let open = accepted.plan.steps.iter().find(|s| !self.expanded.contains_key(&s.id));
        if let Some(step) = open {
            due.work.push(Work::Expand { step: step.id.clone() });
            return;
        }
        let mut decided = true;
        for (id, item) in &self.items {
            match item.status {
                ItemStatus::UndoConflict => {
                    decided = false;
                    self.report_unclean(id, item, due);
                }
                ItemStatus::Succeeded if !is_looked(item) => {
                    decided = false;
                    if self.later_ones(id).all(|other| !is_open(other)) {
                        due.work.push(Work::Look { item: id.clone() });
                    }
                }
                _ => {}
            }
        }
        if decided && due.record.is_empty() && due.work.is_empty() {
            due.work.push(Work::Judge);
        }
    }

    /// Items sent after this one where it acts.
    fn later_ones(&self, id: &ItemId) -> impl Iterator<Item = &ItemState> {
        let item = self.items.get(id);
        let others = self.items.values().filter(|i| i.mutating);
        others.filter(move |other| item.is_some_and(|i| other.sent_at > i.sent_at && super::overlap(i, other)))
    }

    /// Whether a later call on the same target will be taken back first, so that the present state says nothing yet of
    /// what this item's own call left.
    pub(crate) fn is_covered(&self, id: &ItemId) -> bool {
        self.later_ones(id).any(ItemState::must_be_undone)
    }

    fn due_undo_act(&self, now: i64, due: &mut Due) {
        if !self.anything_sent() {
            let unconfirmed = self.items.iter().filter(|(_, i)| must_be_confirmed(i));
            due.work
                .extend(unconfirmed.map(|(id, _)| Work::Confirm { item: id.clone() }));
            if !due.work.is_empty() {
                return;
            }
        }
        if self.due_take_back(now, due) && !self.is_anything_hot(now, due) {
            due.record.push(self.taken_back());
        }
    }

    fn is_anything_hot(&self, now: i64, due: &mut Due) -> bool {
        let hot = self.cools_at(now);
        if let Some(until) = hot {
            due.wake(until);
        }
        hot.is_some()
    }

    fn taken_back(&self) -> Event {
        let mine = || self.items.values().filter(|i| i.expanded.undoes.is_some());
        let undone = mine().filter(|i| i.status == ItemStatus::Undone);
        let unread = undone.filter(|i| i.was_sent() && !i.probed).count();
        let left = mine().filter(|i| matches!(i.status, ItemStatus::Accepted | ItemStatus::Skipped));
        let left = left.count();
        let reason = match (self.anything_sent(), unread) {
            (false, _) => "nothing was sent: what can be taken back is as it was before".to_owned(),
            (true, 0) => "taken back and verified".to_owned(),
            (true, n) => format!("taken back; {n} not verified, since no probe shows them"),
        };
        Event::IntentEnded {
            end: End::Fulfilled,
            reason: if left > 0 {
                format!("{reason}; {left} left as they are")
            } else {
                reason
            },
            partial: left > 0,
        }
    }

    /// Nothing new is sent, what is out is settled, and what a failed undo left is for a person.
    fn due_undo_stopped(&self, now: i64, due: &mut Due) {
        let Some(why) = &self.back_out else { return };
        let mut open = false;
        for (id, item) in self.items.iter().filter(|(_, i)| i.was_sent()) {
            if item.status == ItemStatus::UndoFailed {
                self.report_unclean(id, item, due);
                open = true;
            }
            open |= item.status.is_open();
        }
        if open || self.is_anything_hot(now, due) {
            return;
        }
        let sent = self.anything_sent();
        let end = match (sent, why.taken_back) {
            (false, _) => why.nothing_sent,
            (true, End::RolledBack) => End::Failed,
            (true, end) => end,
        };
        let back = self.items.values().filter(|i| i.status == ItemStatus::Undone).count();
        let reason = if sent {
            format!("{}; {back} of {} taken back", why.reason, self.items.len())
        } else {
            why.reason.clone()
        };
        due.record.push(Event::IntentEnded {
            end,
            reason,
            partial: sent,
        });
    }
}

/// Whether the present state was compared, or a person said that it need not agree.
fn is_looked(item: &ItemState) -> bool {
    item.looked.is_some() || item.overwrite
}

/// Whether the look at an item has not come to anything yet.
fn is_open(item: &ItemState) -> bool {
    match item.status {
        ItemStatus::Succeeded => !is_looked(item),
        status => status == ItemStatus::UndoConflict,
    }
}

fn must_be_confirmed(item: &ItemState) -> bool {
    item.status == ItemStatus::Succeeded && item.probed && item.looked.is_some() && !item.confirmed
}
