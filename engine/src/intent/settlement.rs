//! What is known of calls whose outcome was or is in doubt: sendings that might still land, tasks, fences, and evidence
//! that contradicts a settlement. Pure.

use super::event::{FaultEffect, Reading, SettledBy, Settlement};
use super::item::{CallState, ItemState, ItemStatus};
use crate::contract::{Contract, Resend};
use crate::ids::{CallId, Phase};
use serde::{Deserialize, Serialize};

/// The fence of a server that honours our key: the call is sent again under the same key, for under another one the
/// first sending would count as a call of its own.
pub const SAME_KEY: &str = "the server honours the key that both sendings carry";

/// By how much the clocks of engine and server may differ. A server that refuses calls past their `send_by` goes by its own
/// wall clock: only so long afterwards is it certain that it will.
pub const CLOCKS_AGREE_WITHIN_MS: i64 = 10_000;

/// A sending that was given up without an answer: the server may still carry it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loose {
    pub call: CallId,
    pub attempt: u32,
    /// The latest of: stopped waiting, process proven dead, claimed by this engine, out of a former one's hands. Unix
    /// milliseconds.
    pub since_ms: i64,
    /// The contract's `settle_after`.
    pub bound_ms: i64,
}

impl Loose {
    /// From when on it can land no more.
    pub fn until_ms(&self) -> i64 {
        self.since_ms.saturating_add(self.bound_ms)
    }
}

/// A call that its server works on as a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub id: String,
    /// The server cannot be asked about it any more.
    pub lost: bool,
}

/// Evidence that came after a call was settled, and says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    pub phase: Phase,
    pub evidence: String,
    /// The probe was taken afresh since.
    pub probed: bool,
}

impl CallState {
    /// Whether the server should be asked how the call's task stands.
    pub fn has_open_task(&self) -> bool {
        self.task.as_ref().is_some_and(|t| !t.lost) && !self.answered
    }

    /// The latest of the moments from which `settle_after` counts: stopped waiting, process proven dead, claimed, and out
    /// of a former engine's hands.
    pub fn anchor_ms(&self, claimed_ms: i64) -> i64 {
        let stopped = self.doubt.as_ref().map_or(self.started_ms, |d| d.since_ms);
        let dead = self.dead_since_ms.unwrap_or(i64::MIN);
        stopped.max(dead).max(claimed_ms).max(self.leaves_until_ms())
    }

    /// Until when a former engine that recorded the call's start, and is paused rather than dead, may wake and send it. If
    /// the process that would get it is dead, never.
    pub fn leaves_until_ms(&self) -> i64 {
        if self.orphaned && self.dead_since_ms.is_none() {
            self.send_by_ms
        } else {
            i64::MIN
        }
    }

    /// What shows at `now` that no sending of this call can land any more, so that it may be sent again once it is
    /// settled as not applied. None: nothing does.
    pub fn fence_at(&self, contract: &Contract, claimed_ms: i64, now: i64) -> Option<&'static str> {
        let certain = self.anchor_ms(claimed_ms) + contract.settle_after().0 as i64;
        match contract.resend {
            Resend::Never => None,
            _ if self.unanswered => None,
            _ if self.answered && self.task.is_some() => Some("its task has ended"),
            _ if self.dead_since_ms.is_some() => Some("the server process that got it is dead"),
            _ if contract.idempotency_arg.is_some() => Some(SAME_KEY),
            _ if contract.refuses_stale && now > self.send_by_ms + CLOCKS_AGREE_WITHIN_MS => {
                Some("the server begins with no call past its send_by, which is over")
            }
            Resend::Bound if now >= certain => Some("the contract trusts settle_after, which is over"),
            _ => None,
        }
    }
}

impl ItemState {
    /// Whether a person took over what this item touches.
    pub fn is_taken_over(&self) -> bool {
        let taken = |call: &Option<CallState>| {
            let settled = call.as_ref().and_then(|c| c.settled.as_ref());
            settled.is_some_and(|(verdict, _)| *verdict == Settlement::TakenOver)
        };
        taken(&self.call) || taken(&self.undo)
    }

    /// Whether the call is proven to have had no effect.
    pub fn is_harmless(&self) -> bool {
        let effect = self.call.as_ref().and_then(|c| c.effect);
        effect == Some(FaultEffect::None)
    }

    /// Whether a person found the call done in part, and what it left is still to be read: until then nothing may change it.
    pub fn is_unread(&self) -> bool {
        self.unread && self.status == ItemStatus::Failed
    }

    /// Whether a person found the call done in part, and no reading shows what it left.
    pub fn is_partial_unseen(&self) -> bool {
        let settled = self.call.as_ref().and_then(|c| c.settled.as_ref());
        self.after.is_none() && settled.is_some_and(|(verdict, _)| *verdict == Settlement::Partial)
    }

    /// The reading that the latest conflict showed to whoever is to decide. An undo intent may have met it at its look.
    pub fn seen_in_conflict(&self) -> Option<&Reading> {
        let looked = || self.looked.as_ref().filter(|_| self.expanded.undoes.is_some());
        self.found.as_ref().or_else(looked).filter(|r| r.valid)
    }

    /// How a call of this item stands that may be older than the latest of its phase. None: it was not settled.
    pub fn settlement_of(&self, id: &CallId) -> Option<Settlement> {
        let latest = self.call_of(id.phase)?;
        if latest.id == *id {
            return latest.settled.as_ref().map(|(verdict, _)| *verdict);
        }
        // A generation grows only after the one before it was settled as not applied. But an extension whose answer was
        // lost is followed by the next without anybody having settled it.
        let settled_first = id.phase != Phase::Extend && id.generation < latest.id.generation;
        settled_first.then_some(Settlement::NotApplied)
    }

    /// Whether an attempt of the phase's latest call left us, or may have, and nothing shows that it did nothing.
    pub fn unproven(&self, phase: Phase) -> bool {
        let call = self.call_of(phase).filter(|c| c.id.phase == phase);
        call.is_some_and(|c| c.effect != Some(FaultEffect::None) && !c.unproven.is_empty())
    }

    /// Whether an attempt of the call other than this one may have had an effect: it was answered or not, it may have landed
    /// long ago or may still land.
    pub fn has_other_sending(&self, id: &CallId, attempt: u32) -> bool {
        let call = self.call_of(id.phase).filter(|c| c.id == *id);
        call.is_some_and(|c| c.unproven.iter().any(|other| *other != attempt))
    }

    /// Whether another attempt of the call than its latest was given up and may still land at `now`.
    pub fn may_land_yet(&self, call: &CallState, now: i64) -> bool {
        let other = |l: &&Loose| l.call == call.id && l.attempt != call.attempt;
        self.loose.iter().filter(other).any(|l| l.until_ms() > now)
    }
}

impl ItemStatus {
    /// The status after a person's verdict on a call that was settled before, and whose settlement was contradicted.
    pub(super) fn after_decision(self, phase: Phase, verdict: Settlement, by: &SettledBy) -> Option<Self> {
        use Settlement::{Applied, NotApplied, Partial, TakenOver};
        if !matches!(by, SettledBy::Person { .. }) || self.is_open() {
            return None;
        }
        match (phase, verdict, self) {
            (_, TakenOver, _) => Some(Self::Accepted),
            (Phase::Undo | Phase::Cancel, Applied, _) => Some(Self::Undone),
            (Phase::Undo | Phase::Cancel, NotApplied, _) => Some(Self::Succeeded),
            (Phase::Undo | Phase::Cancel, Partial, _) => Some(Self::UndoFailed),
            (_, Applied, s) if s.is_undone_or_undoable() => Some(s),
            (_, Applied, _) => Some(Self::Succeeded),
            (_, NotApplied, Self::Waiting | Self::BackingOff) => Some(self),
            (_, NotApplied | Partial, _) => Some(Self::Failed),
        }
    }

    fn is_undone_or_undoable(self) -> bool {
        matches!(
            self,
            Self::Undone | Self::UndoFailed | Self::UndoConflict | Self::Blocked | Self::Accepted
        )
    }
}

#[cfg(test)]
mod tests;
