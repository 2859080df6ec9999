//! The part of the fold that is about one item and its calls.

use crate::ids::{CallId, ItemId};
use crate::intent::event::{Event, ProbePurpose, Reading};
use crate::intent::item::{CallState, ItemState, ItemStatus};
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
        | Event::InputRequested {
            call: Some(call),
            deadline_ms: Some(_),
            ..
        }
        | Event::CallAnswered { call, .. }
        | Event::CallNotSent { call, .. }
        | Event::CallRetryScheduled { call, .. }
        | Event::CallFailed { call, .. }
        | Event::CallInDoubt { call, .. }
        | Event::TaskNoted { call, .. }
        | Event::LateAnswer { call, .. }
        | Event::CallSettled { call, .. }
        | Event::SettlementContradicted { call, .. }
        | Event::LeaseExtended { call, .. }
        | Event::LeaseExpired { call, .. } => Some(call),
        _ => None,
    }
}

/// What an event makes of its item, beside the status.
pub(super) fn update_item(item: &mut ItemState, entry: &Entry) {
    match &entry.event {
        Event::StepSkipped { reason, .. } => item.reason = Some(reason.clone()),
        Event::StepSatisfied { output, .. } => item.output.clone_from(output),
        Event::ProbeTaken {
            purpose: ProbePurpose::BeforeUndo,
            reading,
            ..
        } => item.found = Some(reading.clone()),
        Event::ProbeTaken { purpose, reading, .. } if item.expanded.undoes.is_some() => {
            update_undo_look(item, *purpose, reading);
        }
        Event::ProbeTaken { purpose, reading, .. } => match purpose {
            ProbePurpose::Before => {
                item.refreshed = item.looked.as_ref().map(|_| entry.seq);
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
            item.met_at = Some(entry.at);
            item.overwrite = false;
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
        event => update_call(item, event, entry.seq, entry.at),
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

fn update_call(item: &mut ItemState, event: &Event, seq: Seq, at: i64) {
    if let Event::CallStarted { call, args, .. } = event {
        let earlier = item.call_of(call.phase).filter(|c| c.id == *call);
        let mut before = earlier.map(|c| c.unproven.clone()).unwrap_or_default();
        // An answer goes to the very call that is out: it is no other sending.
        if let Some(out) = earlier.filter(|_| item.holds_question()) {
            before.remove(&out.attempt);
        }
        let sent_before = item.sent_at;
        if call.phase == crate::ids::Phase::Do {
            item.sent_at = Some(seq);
            // An answer is that of its own sending.
            item.output = None;
            // What was bound just before it was sent is what it is read back, settled and taken back with.
            item.expanded.args.get_or_insert_with(|| args.clone());
        }
        let started = CallState::started(event, at).map(|mut started| {
            started.unproven.extend(before);
            CallState { sent_before, ..started }
        });
        *item.call_of_mut(call.phase) = started;
        return;
    }
    let Some(id) = call_of(event) else { return };
    if let Event::LateAnswer {
        call,
        applied: Some(true),
        output: Some(output),
        ..
    } = event
        && item.status == ItemStatus::InDoubt
        && item.call.as_ref().is_some_and(|c| c.id == *call)
    {
        item.output = Some(output.clone());
    }
    if let Event::CallAnswered { output, .. } = event
        && id.phase == crate::ids::Phase::Do
    {
        item.output = Some(output.clone());
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
    if let Event::CallFailed { fault, effect, .. } = event {
        state.fault = Some(fault.clone());
        state.effect = Some(*effect);
    }
}

/// An attempt that never left is as if it had not been made.
fn never_left(item: &mut ItemState, id: &CallId) {
    if item.holds_question() {
        return;
    }
    let Some(call) = item.call_of_mut(id.phase) else { return };
    call.unproven.remove(&call.attempt);
    let sent_before = call.sent_before;
    if id.phase == crate::ids::Phase::Do {
        item.sent_at = sent_before;
    }
}
