//! Rollback: nothing new forward, every call that was sent and is not proven without effect is taken back, and the end
//! says how far that went.

use super::Due;
use crate::ids::{ItemId, Phase};
use crate::intent::event::{End, Event, FaultEffect};
use crate::intent::item::ItemStatus;
use crate::intent::state::IntentState;

impl IntentState {
    pub(super) fn due_rollback(&self, now: i64, due: &mut Due) {
        if let Some(to) = self.handed_to {
            if let Some(until) = self.cools_at(now) {
                due.wake(until);
                return;
            }
            due.record.push(Event::IntentEnded {
                end: self.back_out.as_ref().map_or(End::RolledBack, |out| out.taken_back),
                reason: format!(
                    "{}; what is left was taken over by intent {to}",
                    self.rollback.as_deref().unwrap_or_default()
                ),
                partial: true,
            });
            return;
        }
        let taken_back = self.due_take_back(now, due);
        let let_go = self.due_let_go(now, due) && self.lease_heat(now, due);
        if let_go && taken_back {
            self.due_rolled_back(now, due);
        }
    }

    /// A step on a target whose lock a person took away: the way forward ends there.
    pub(super) fn stays_unsent(&self, id: &ItemId) -> Event {
        Event::CallFailed {
            call: self.next_call(id, Phase::Do),
            attempt: 0,
            fault: "a person took the lock on its target away".to_owned(),
            effect: FaultEffect::None,
            output: None,
        }
    }

    fn due_rolled_back(&self, now: i64, due: &mut Due) {
        if let Some(until) = self.cools_at(now) {
            due.wake(until);
            return;
        }
        let why = self.rollback.clone().unwrap_or_default();
        if self.may_plan_anew() {
            let revision = self.revision + 1;
            due.record.push(Event::ReplanDecided { revision, why });
            return;
        }
        let taken_back = self.back_out.as_ref().map_or(End::RolledBack, |out| out.taken_back);
        let end = match (self.ever_sent(), self.ever_changed()) {
            (true, true) => taken_back,
            // There was nothing to take back.
            (true, false) if taken_back == End::RolledBack => End::Failed,
            (true, false) => taken_back,
            (false, _) => self.back_out.as_ref().map_or(End::Failed, |out| out.nothing_sent),
        };
        let partial = self.items.values().any(|i| i.status == ItemStatus::Accepted);
        due.record.push(Event::IntentEnded {
            end,
            reason: why,
            partial,
        });
    }
}
