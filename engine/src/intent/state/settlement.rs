//! The part of the fold that is about doubt: sendings that might still land, tasks, settlements and what contradicts them.

use super::IntentState;
use super::item::call_of;
use crate::contract::Contract;
use crate::ids::{CallId, Phase};
use crate::intent::event::{Event, FaultEffect, ProbePurpose, Reading, SettledBy, Settlement};
use crate::intent::item::{CallState, Doubt, ItemState, ItemStatus};
use crate::intent::settlement::{Contradiction, Loose, SAME_KEY, Task};
use crate::journal::Entry;

impl IntentState {
    /// How long after it was given up the call of an event can still land, in milliseconds.
    pub(super) fn settle_after_of(&self, event: &Event) -> i64 {
        let tool = call_of(event)
            .and_then(|id| self.items.get(&id.item)?.call_of(id.phase))
            .map(|call| &call.tool);
        let contract = tool.and_then(|tool| Some(self.accepted.as_ref()?.contracts.of(tool)));
        contract.map_or(Contract::DEFAULT_SETTLE_AFTER, |c| c.settle_after()).0 as i64
    }
}

/// Another engine owns the intent: what might still have landed at the last entry of the one before it counts from here,
/// by this engine's clock; what was still in an earlier one's hands then may leave them as long after.
pub(super) fn claimed(item: &mut ItemState, last: i64, at: i64) {
    item.loose.retain(|l| l.until_ms() > last);
    for loose in &mut item.loose {
        loose.since_ms = at.saturating_add(loose.since_ms.saturating_sub(last).max(0));
    }
    for call in [&mut item.call, &mut item.undo].into_iter().flatten() {
        call.dead_since_ms = call.dead_since_ms.map(|since| since.min(at));
    }
    cool(item);
}

fn probed_afresh(item: &mut ItemState, reading: &Reading) {
    // Once: where it cannot be read, the undo goes by the person's word.
    item.unread &= item.status.is_open();
    if let Some(contradiction) = &mut item.contradiction {
        contradiction.probed = true;
        // What is there now is what a person decides about, and what an undo must then find.
        if reading.valid {
            item.after = Some(reading.clone());
        }
    }
}

fn noted(item: &mut ItemState, call: &CallId, task: &str, lost: bool) {
    // What only the task could tell is the probe's to tell now.
    item.reported &= !lost;
    if let Some(state) = latest(item, call) {
        let id = task.to_owned();
        state.task = Some(Task { id, lost });
    }
}

/// What an event makes of an item's doubts. `was`: its status before.
pub(super) fn update(item: &mut ItemState, was: ItemStatus, entry: &Entry, settle_after: i64) {
    let at = entry.at;
    match &entry.event {
        Event::CallInDoubt {
            call,
            attempt,
            reason,
            answered,
            dead_since_ms,
        } => {
            if was.is_doubt() {
                move_anchor(item, call, *dead_since_ms);
            } else {
                let answered = *answered || matches!(was, ItemStatus::Answered | ItemStatus::UndoAnswered);
                doubted(item, call, reason, answered, at);
                move_anchor(item, call, *dead_since_ms);
                // One that backs off became loose when its retry was scheduled.
                if !answered && is_out(was) {
                    loosen(item, call, *attempt, at, settle_after);
                }
            }
        }
        // Straight from a call that is out: its answer was lost, and it may be repeated although it may still land.
        Event::CallRetryScheduled { call, .. }
            if matches!(was, ItemStatus::Running | ItemStatus::Undoing) || item.lost_its_question() =>
        {
            let attempt = item.call_of(call.phase).map_or(0, |c| c.attempt);
            loosen(item, call, attempt, at, settle_after);
        }
        Event::TaskNoted { call, task, lost } => noted(item, call, task, lost.is_some()),
        Event::LateAnswer {
            call, attempt, applied, ..
        } => {
            item.loose.retain(|l| l.call != *call || l.attempt != *attempt);
            if let Some(state) = latest(item, call) {
                state.heard_late(*attempt, *applied);
            }
        }
        Event::CallAnswered { call, .. } | Event::CallFailed { call, .. } => {
            if let Some(state) = latest(item, call) {
                state.answered = true;
            }
        }
        Event::CallSettled {
            call,
            verdict,
            by,
            fence,
            ..
        } => settled(item, call, *verdict, by, fence.as_deref()),
        Event::SettlementContradicted { call, evidence } => contradicted(item, call, evidence),
        Event::ProbeTaken {
            purpose: ProbePurpose::Settle,
            reading,
            ..
        } => probed_afresh(item, reading),
        _ => {}
    }
    cool(item);
}

fn is_out(status: ItemStatus) -> bool {
    matches!(
        status,
        ItemStatus::Running | ItemStatus::Undoing | ItemStatus::Asked | ItemStatus::UndoAsked
    )
}

fn latest<'a>(item: &'a mut ItemState, id: &CallId) -> Option<&'a mut CallState> {
    item.call_of_mut(id.phase).as_mut().filter(|c| c.id == *id)
}

impl CallState {
    /// One of its attempts was answered after all. `applied`: what the answer says of it.
    pub(super) fn heard_late(&mut self, attempt: u32, applied: Option<bool>) {
        self.answered |= attempt == self.attempt;
        if applied == Some(false) {
            self.unproven.remove(&attempt);
        }
    }
}

fn cool(item: &mut ItemState) {
    let hottest = item.loose.iter().map(Loose::until_ms).max();
    item.hot_until_ms = hottest.unwrap_or(i64::MIN);
}

fn loosen(item: &mut ItemState, call: &CallId, attempt: u32, at: i64, bound_ms: i64) {
    let leaves_until = item.call_of(call.phase).map_or(i64::MIN, CallState::leaves_until_ms);
    item.loose.retain(|l| l.until_ms() > at);
    item.loose.push(Loose {
        call: call.clone(),
        attempt,
        since_ms: at.max(leaves_until),
        bound_ms,
    });
}

fn doubted(item: &mut ItemState, call: &CallId, reason: &str, answered: bool, at: i64) {
    item.reported = false;
    if let Some(state) = latest(item, call) {
        state.answered |= answered;
        state.doubt = Some(Doubt {
            since_ms: at,
            reason: reason.to_owned(),
        });
    }
}

fn move_anchor(item: &mut ItemState, call: &CallId, dead_since_ms: Option<i64>) {
    let Some(dead) = dead_since_ms else { return };
    if let Some(state) = latest(item, call) {
        state.dead_since_ms = Some(dead);
    }
    for loose in item.loose.iter_mut().filter(|l| l.call == *call) {
        loose.since_ms = loose.since_ms.max(dead);
    }
}

fn settled(item: &mut ItemState, id: &CallId, verdict: Settlement, by: &SettledBy, fence: Option<&str>) {
    let decided = item.contradiction.take().is_some();
    item.reported = false;
    if verdict == Settlement::Partial && id.phase == Phase::Do && item.probed && !decided {
        // A reading from before the verdict is not what the person saw.
        (item.after, item.unread) = (None, true);
    }
    let grows = fence.is_some_and(|f| f != SAME_KEY);
    if verdict == Settlement::NotApplied && grows && !decided {
        match id.phase {
            Phase::Undo => item.undo_generation += 1,
            // Sent once: the device's own timer does what it did not.
            Phase::Cancel => {}
            _ => item.generation += 1,
        }
    }
    if let Some(call) = item.call_of_mut(id.phase) {
        call.settled = Some((verdict, by.clone()));
        call.fence = fence.map(str::to_owned);
        call.effect = match verdict {
            Settlement::NotApplied => Some(FaultEffect::None),
            Settlement::Partial => Some(FaultEffect::Some),
            Settlement::Applied | Settlement::TakenOver => None,
        };
    }
    item.reason = match verdict {
        Settlement::NotApplied if fence.is_none() => {
            Some("the call had no effect, and nothing shows that its first sending can land no more".to_owned())
        }
        Settlement::Partial => Some("a person found it done in part".to_owned()),
        Settlement::TakenOver => Some("a person has taken it over".to_owned()),
        _ => item.reason.take(),
    };
}

fn contradicted(item: &mut ItemState, id: &CallId, evidence: &str) {
    item.reported = false;
    item.contradiction = Some(Contradiction {
        phase: id.phase,
        evidence: evidence.to_owned(),
        probed: false,
    });
    // It is not proven any more that the call had no effect: a rollback must not pass it over.
    if let Some(call) = item.call_of_mut(id.phase) {
        call.effect = Some(FaultEffect::Unknown);
    }
}
