//! The part of the fold that is about one item and its calls.

use crate::ids::{CallId, ItemId};
use crate::intent::event::{Event, ProbePurpose, Reading};
use crate::intent::item::{CallState, Doubt, ItemState, ItemStatus};
use crate::journal::{Entry, Seq};

/// The item that an event is about.
pub fn item_of(event: &Event) -> Option<&ItemId> {
    match event {
        Event::StepSkipped { item, .. }
        | Event::StepSatisfied { item, .. }
        | Event::ProbeTaken { item, .. }
        | Event::PreviewTaken { item, .. }
        | Event::UndoConflict { item, .. }
        | Event::UndoBlocked { item, .. }
        | Event::Resolved { item, .. } => Some(item),
        _ => call_of(event).map(|c| &c.item),
    }
}

pub(super) fn call_of(event: &Event) -> Option<&CallId> {
    match event {
        Event::CallStarted { call, .. }
        | Event::CallAnswered { call, .. }
        | Event::CallNotSent { call, .. }
        | Event::CallRetryScheduled { call, .. }
        | Event::CallFailed { call, .. }
        | Event::CallInDoubt { call, .. }
        | Event::CallSettled { call, .. }
        | Event::LeaseExtended { call, .. }
        | Event::LeaseExpired { call, .. } => Some(call),
        _ => None,
    }
}

/// What an event makes of its item, beside the status.
pub(super) fn update_item(item: &mut ItemState, entry: &Entry, claimed_ms: i64, settle_after: i64) {
    match &entry.event {
        Event::StepSkipped { reason, .. } => item.reason = Some(reason.clone()),
        Event::StepSatisfied { output, .. } => item.output.clone_from(output),
        Event::ProbeTaken { purpose, reading, .. } if item.expanded.undoes.is_some() => {
            update_undo_look(item, *purpose, reading);
        }
        Event::ProbeTaken { purpose, reading, .. } => match purpose {
            ProbePurpose::Before => {
                item.refreshed = item.looked.is_some();
                item.looked.get_or_insert_with(|| reading.clone());
                item.before = Some(reading.clone());
            }
            ProbePurpose::Stale => {
                item.confirmed = reading.valid && reading.equal == Some(true);
                if reading.valid {
                    item.before = Some(reading.clone());
                }
            }
            // A reading that does not show the change is what our call left only where the call itself failed: else
            // another hand may have been there, and an undo must not take its work for ours.
            ProbePurpose::After | ProbePurpose::Settle
                if reading.valid && (reading.holds != Some(false) || item.status == ItemStatus::Failed) =>
            {
                item.after = Some(reading.clone());
            }
            _ => {}
        },
        Event::PreviewTaken {
            output, way_back, base, ..
        } => {
            item.preview = Some(output.clone());
            item.way_back = Some(way_back.clone());
            item.preview_base.clone_from(base);
        }
        Event::UndoConflict { why, .. } => {
            item.reason = Some(why.clone());
            item.reported = false;
        }
        Event::Resolved { resolution, .. } => {
            item.overwrite = *resolution == crate::intent::event::Resolution::Overwrite;
            item.reported = false;
            if *resolution == crate::intent::event::Resolution::Retry {
                item.looked = item.looked.take().filter(|_| item.expanded.undoes.is_none());
            }
            if item.status == ItemStatus::Waiting {
                item.generation += 1;
            }
        }
        event => update_call(item, event, entry.seq, entry.at, claimed_ms, settle_after),
    }
}

/// What an undo intent reads changes nothing of what the ledger says was there before and after.
fn update_undo_look(item: &mut ItemState, purpose: ProbePurpose, reading: &Reading) {
    match purpose {
        ProbePurpose::Before => item.looked = Some(reading.clone()),
        ProbePurpose::Stale => item.confirmed = reading.valid && reading.equal == Some(true),
        _ => {}
    }
}

fn update_call(item: &mut ItemState, event: &Event, seq: Seq, at: i64, claimed_ms: i64, settle_after: i64) {
    if let Event::CallStarted { call, args, .. } = event {
        let earlier = item.call_of(call.phase).filter(|c| c.id == *call);
        let loose = earlier.is_some_and(|c| c.loose || c.left);
        let sent_before = item.sent_at;
        if call.phase == crate::ids::Phase::Do {
            item.sent_at = Some(seq);
            // What was bound just before it was sent is what it is read back, settled and taken back with.
            item.expanded.args.get_or_insert_with(|| args.clone());
        }
        let started = CallState::started(event, at).map(|started| CallState {
            loose,
            sent_before,
            ..started
        });
        *item.call_of_mut(call.phase) = started;
        return;
    }
    let Some(id) = call_of(event) else { return };
    if let Event::CallAnswered { output, .. } = event
        && id.phase == crate::ids::Phase::Do
    {
        item.output = Some(output.clone());
    }
    if let Event::CallInDoubt { .. } = event {
        item.hot_until_ms = i64::MAX;
    }
    if let Event::CallSettled { verdict, by, fence, .. } = event {
        settle(item, id, *verdict, by, fence.is_some(), claimed_ms, settle_after);
    }
    if let Event::CallFailed { fault, .. } = event {
        item.reason = Some(fault.clone());
        item.reported = false;
    }
    if let Event::CallNotSent { .. } = event {
        never_left(item, id);
    }
    let Some(state) = item.call_of_mut(id.phase) else {
        return;
    };
    match event {
        Event::CallFailed { fault, effect, .. } => {
            state.fault = Some(fault.clone());
            state.effect = Some(*effect);
        }
        Event::CallInDoubt { reason, .. } => {
            state.doubt = Some(Doubt {
                since_ms: at,
                reason: reason.clone(),
            })
        }
        _ => {}
    }
}

/// An attempt that never left is as if it had not been made.
fn never_left(item: &mut ItemState, id: &CallId) {
    let Some(call) = item.call_of_mut(id.phase) else { return };
    call.left = false;
    let sent_before = call.sent_before;
    if id.phase == crate::ids::Phase::Do {
        item.sent_at = sent_before;
    }
}

fn settle(
    item: &mut ItemState,
    id: &CallId,
    verdict: crate::intent::event::Settlement,
    by: &crate::intent::event::SettledBy,
    fenced: bool,
    claimed_ms: i64,
    settle_after: i64,
) {
    use crate::intent::event::{FaultEffect, SettledBy, Settlement};
    let since = item
        .call_of(id.phase)
        .and_then(|c| c.doubt.as_ref())
        .map_or(claimed_ms, |d| d.since_ms.max(claimed_ms));
    item.reported = false;
    // A person may settle before the call is certain to be over: the target stays hot until it is.
    item.hot_until_ms = match by {
        SettledBy::Person { .. } => since + settle_after,
        _ => i64::MIN,
    };
    if fenced && verdict == Settlement::NotApplied {
        match id.phase {
            crate::ids::Phase::Undo => item.undo_generation += 1,
            crate::ids::Phase::Cancel => {}
            _ => item.generation += 1,
        }
    }
    // What a person was called for is decided: a rollback may have to do with the item again.
    item.reported = false;
    if let Some(call) = item.call_of_mut(id.phase) {
        call.settled = Some((verdict, by.clone()));
        call.effect = match verdict {
            Settlement::NotApplied => Some(FaultEffect::None),
            Settlement::Partial => Some(FaultEffect::Some),
            _ => None,
        };
    }
    if !fenced && verdict == Settlement::NotApplied {
        item.reason =
            Some("the call had no effect, and nothing shows that its first sending can land no more".to_owned());
    }
}
