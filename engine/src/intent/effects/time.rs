//! Deadlines, the window, the back-out time and the approval's expiry.
//!
//! Which clock decides. `now` is the engine's steady time: the wall clock at its start plus what a monotonic clock has
//! counted since, so that a wall clock that is set in mid-run neither hastens nor defers anything here. What *opens*,
//! the window, must besides be open by the wall clock (`driver/window.rs`): where the two disagree, nothing starts.
//! Order comes from the entries' numbers alone; `at` is evidence. Only the way forward has clocks: none of them ever
//! stops a rollback.

use super::{Due, Stage};
use crate::intent::event::{Deadline, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;

impl IntentState {
    pub(super) fn due_clocks(&self, now: i64, due: &mut Due) {
        if self.back_out.is_some() || self.rollback.is_some() {
            return;
        }
        let window = self.request.window.filter(|_| self.window_matters());
        let clocks = [
            (self.request.deadline_ms, Deadline::Intent),
            (window.map(|w| w.until_ms), Deadline::Window),
            (self.request.backout_by_ms, Deadline::BackoutBy),
        ];
        for (at, which) in clocks.into_iter().filter_map(|(at, which)| Some((at?, which))) {
            if now < at {
                due.wake(at);
            } else {
                due.record.push(Event::DeadlinePassed { which });
                return;
            }
        }
        self.due_expiry(now, due);
        for (asked, which) in [
            (self.open_words(), Deadline::Words),
            (self.open_meaning(), Deadline::Meaning),
        ] {
            match asked.map(|asked| asked.deadline_ms) {
                Some(at) if now < at => due.wake(at),
                Some(_) => due.record.push(Event::DeadlinePassed { which }),
                None => {}
            }
        }
    }

    /// A window is for starting changes: once everything was sent, its end stops nothing.
    fn window_matters(&self) -> bool {
        let to_send = |status| matches!(status, ItemStatus::Waiting | ItemStatus::BackingOff);
        match self.stage() {
            Stage::Executing => self.items.values().any(|i| i.mutating && to_send(i.status)),
            Stage::Verifying | Stage::RollingBack | Stage::Ended => false,
            _ => true,
        }
    }

    /// Whoever is kept from a hot target looks again when the next one cools. What is hot because a call is out wakes by
    /// the call's end; what a person settled early has nothing but its time.
    pub(super) fn wake_when_it_cools(&self, now: i64, due: &mut Due) {
        let until = self.items.values().map(ItemState::hot_until);
        if let Some(until) = until.filter(|until| *until > now && *until != i64::MAX).min() {
            due.wake(until);
        }
    }

    fn due_expiry(&self, now: i64, due: &mut Due) {
        let Some(open) = self.approval.as_ref().filter(|a| a.given_by.is_none()) else {
            return;
        };
        if now < open.expires_ms {
            due.wake(open.expires_ms);
        } else {
            due.record.push(Event::ApprovalExpired {
                approval: open.id.clone(),
            });
        }
    }
}
