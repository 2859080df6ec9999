//! Times across a change of engine, and what a passed deadline means.
//!
//! Each engine counts steadily from what the wall clock says at its start, so the times of two engines can disagree by
//! whatever that clock was set by in between. No time of a former engine is compared with one of its successor where
//! that could be dangerous: what was recorded before a claim happened before it, whatever its `at` says.

use super::IntentState;
use crate::ids::Phase;
use crate::intent::event::{Deadline, End};
use crate::intent::item::{CallState, ItemStatus};
use crate::journal::Epoch;

impl IntentState {
    /// Another engine takes over: what the former one sent has nobody who waits for its answer.
    pub(super) fn claimed(&mut self, epoch: Epoch, at: i64) {
        self.epoch = epoch;
        let last = self.updated_ms;
        self.reanchor(at);
        self.claimed_ms = at;
        for item in self.items.values_mut() {
            super::settlement::claimed(item, last, at);
            super::questions::claimed(item, at);
            let open = matches!(item.status, ItemStatus::Running | ItemStatus::Undoing);
            let phase = if item.status == ItemStatus::Undoing {
                Phase::Undo
            } else {
                Phase::Do
            };
            if let Some(call) = item.call_of_mut(phase).as_mut().filter(|_| open) {
                call.orphaned = true;
            }
        }
    }

    /// Takes the times over into the count of the engine that claims the intent at `at`.
    ///
    /// - A *wait* to try again lasts until its time, but never longer than it was granted for: a clock set back does not
    ///   stretch it. One set forward may cut it short, which is only impatience: nothing is sent again that may not be.
    /// - A *doubt* is as old as the claim at most, so that `settle_after` is counted by one clock alone.
    /// - *Heat* lasts for what was left of it at the former engine's last entry, from the claim on: no clock can cool it.
    /// - A *call* may leave the former engine's hands for what was left of its time to be sent at that engine's last entry.
    /// - A *lease* may be gone from the claim on, and lasts for what was left of it at most: the probe decides.
    /// - A *question* can be answered for as long as it was asked for, whatever a clock was set by meanwhile.
    /// - What is asked about an intent's *words* waits as long, and an open *approval* stands no longer than it was given for.
    fn reanchor(&mut self, at: i64) {
        let last = self.updated_ms;
        for wait in self.waits.values_mut() {
            (wait.since_ms, wait.until_ms) = no_longer(wait.since_ms, wait.until_ms, at);
        }
        if let Some(a) = &mut self.approval {
            (a.requested_ms, a.expires_ms) = no_longer(a.requested_ms, a.expires_ms, at);
        }
        for own in [&mut self.words, &mut self.meaning].into_iter().flatten() {
            (own.since_ms, own.deadline_ms) = no_longer(own.since_ms, own.deadline_ms, at);
        }
        for item in self.items.values_mut() {
            for call in [&mut item.call, &mut item.undo].into_iter().flatten() {
                call.reanchor(last, at);
            }
            if let Some(lease) = &mut item.lease {
                lease.claimed(last, at);
            }
            let hot = item.hot_until_ms;
            if hot > last && hot != i64::MAX {
                item.hot_until_ms = at.saturating_add(hot.saturating_sub(last));
            }
        }
    }

    pub(super) fn deadline_passed(&mut self, which: Deadline) {
        let (reason, nothing_sent) = match which {
            Deadline::Intent => ("the deadline passed", End::Failed),
            Deadline::Window => ("the window closed", End::Failed),
            Deadline::BackoutBy => ("not verified by the back-out time", End::Failed),
            Deadline::Approval => ("nobody approved in time", End::Refused),
            Deadline::Meaning => ("nobody said in time which is meant", End::Refused),
            Deadline::Words => ("nobody confirmed in time that these are the words", End::Refused),
        };
        // A plan that was only to be shown and is never applied ends as cancelled.
        let end = if self.applied { nothing_sent } else { End::Cancelled };
        self.back_out(reason, end, End::RolledBack);
    }
}

impl CallState {
    /// What a former engine did, it did before `at`, and `last` is when it wrote its last entry: by its own clock, as is
    /// until when it may send.
    pub(super) fn reanchor(&mut self, last: i64, at: i64) {
        self.send_by_ms = at.saturating_add(self.send_by_ms.saturating_sub(last).max(0));
        self.started_ms = self.started_ms.min(at);
        if let Some(doubt) = &mut self.doubt {
            doubt.since_ms = doubt.since_ms.min(at);
        }
    }
}

/// A span from `since` to `until` as a clock sees it that says `at`: not longer than it is.
pub(super) fn no_longer(since: i64, until: i64, at: i64) -> (i64, i64) {
    let longest = until.saturating_sub(since).max(0);
    (since.min(at), until.min(at.saturating_add(longest)))
}
