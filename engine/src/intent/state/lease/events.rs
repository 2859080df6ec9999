//! What events make of a lease.

use super::super::item::call_of;
use super::{CallStanding, Lease, LeaseCall, LeaseFault, Standing};
use crate::ids::{CallId, Phase};
use crate::intent::event::{Event, FaultEffect, ProbePurpose, SettledBy, Settlement};
use crate::intent::item::{CallState, Doubt, ItemState, ItemStatus};
use crate::journal::Entry;

/// Folds an event that is about the item's lease alone. `Ok(false)`: it is about the item. An error says why it cannot
/// follow. `settle_after_ms`: of the item's contract.
pub(in crate::intent::state) fn fold(
    item: &mut ItemState,
    entry: &Entry,
    settle_after_ms: i64,
) -> Result<bool, String> {
    if let Event::LeaseExtended { until_ms, .. } = &entry.event {
        let lease = item.lease.as_mut().ok_or("it has no lease")?;
        lease.announced_ms = *until_ms;
        return Ok(true);
    }
    if let Event::LeaseExpired { .. } = &entry.event {
        let lease = item.lease.as_mut().ok_or("it has no lease")?;
        lease.standing = Standing::Expired;
        return Ok(true);
    }
    let Some(id) = call_of(&entry.event).filter(|id| item.is_of_the_lease(id)).cloned() else {
        return Ok(false);
    };
    match &entry.event {
        Event::CallStarted { .. } => started(item, &id, entry)?,
        Event::CallAnswered { .. } => answered(item, &id, entry.at)?,
        Event::CallSettled { verdict, by, .. } => settled(item, &id, *verdict, by, entry.at)?,
        Event::CallFailed { fault, effect, .. } => failed(item, &id, fault, *effect, entry.at),
        Event::CallInDoubt { reason, answered, .. } => {
            if !answered {
                given_up(item, &id, entry.at, settle_after_ms);
            }
            in_doubt(item, &id, reason, entry.at, settle_after_ms)?;
        }
        Event::LateAnswer { attempt, applied, .. } => {
            let lease = lease_of(item)?;
            lease.loose.retain(|l| l.call != id || l.attempt != *attempt);
            if let Some(call) = lease.calls.get_mut(&id.phase).filter(|c| c.call.id == id) {
                call.call.heard_late(*attempt, *applied);
            }
        }
        Event::CallNotSent { .. } => {
            let call = open_call(item, &id)?;
            call.standing = CallStanding::BackingOff;
            call.call.unproven.remove(&call.call.attempt);
        }
        Event::CallRetryScheduled { until_ms, .. } => {
            given_up(item, &id, entry.at, settle_after_ms);
            // One whose server could not be had was not started: that it waits stands elsewhere.
            let Ok(call) = open_call(item, &id) else {
                return Ok(true);
            };
            let may_have_landed = call.standing == CallStanding::Out;
            call.standing = CallStanding::BackingOff;
            call.retry_at_ms = Some(*until_ms);
            let left_by = entry.at.max(call.call.leaves_until_ms());
            if may_have_landed && id.phase == Phase::Extend {
                lease_of(item)?.may_last_from(left_by.saturating_add(settle_after_ms));
            }
        }
        _ => {}
    }
    Ok(true)
}

fn lease_of(item: &mut ItemState) -> Result<&mut Lease, String> {
    item.lease.as_deref_mut().ok_or_else(|| "it has no lease".to_owned())
}

/// A call whose outcome is still open.
fn open_call<'a>(item: &'a mut ItemState, id: &CallId) -> Result<&'a mut LeaseCall, String> {
    let call = lease_of(item)?.calls.get_mut(&id.phase).filter(|c| c.call.id == *id);
    let call = call.ok_or_else(|| format!("{id} was not started"))?;
    match call.standing {
        CallStanding::Done | CallStanding::Failed => Err(format!("{id} has ended")),
        _ => Ok(call),
    }
}

fn started(item: &mut ItemState, id: &CallId, entry: &Entry) -> Result<(), String> {
    let status = item.status;
    let lease = lease_of(item)?;
    let fits = match id.phase {
        Phase::Prepare => status == ItemStatus::Waiting && lease.standing == Standing::Free,
        Phase::Confirm | Phase::Extend => status == ItemStatus::Succeeded && lease.standing == Standing::Pending,
        _ => true,
    };
    // An extension whose answer was lost may be followed by the next one; any other call must be settled first.
    let again = match lease.stands(id.phase) {
        None | Some(CallStanding::BackingOff) => true,
        Some(CallStanding::Done | CallStanding::Failed | CallStanding::InDoubt) => id.phase == Phase::Extend,
        Some(_) => false,
    };
    if !fits || !again {
        return Err(format!("the item is {status:?}, its lease {:?}", lease.standing));
    }
    let Event::CallStarted { attempt, .. } = &entry.event else {
        return Err("it is no start".to_owned());
    };
    if id.phase == Phase::Extend && *attempt == 1 {
        lease.extensions += 1;
    }
    lease.faults.remove(&id.phase);
    let mut call = CallState::started(&entry.event, entry.at).ok_or("it is no start")?;
    let earlier = lease.calls.get(&id.phase).filter(|c| c.call.id == *id);
    call.unproven
        .extend(earlier.into_iter().flat_map(|c| c.call.unproven.clone()));
    let standing = CallStanding::Out;
    lease.calls.insert(
        id.phase,
        LeaseCall {
            call,
            standing,
            retry_at_ms: None,
        },
    );
    Ok(())
}

fn answered(item: &mut ItemState, id: &CallId, at: i64) -> Result<(), String> {
    let call = open_call(item, id)?;
    let started_ms = call.call.started_ms;
    call.standing = match id.phase {
        Phase::Confirm => CallStanding::Answered,
        _ => CallStanding::Done,
    };
    has_landed(lease_of(item)?, id.phase, started_ms, at);
    Ok(())
}

/// What a call that took effect makes of the lease.
fn has_landed(lease: &mut Lease, phase: Phase, started_ms: i64, at: i64) {
    match phase {
        Phase::Prepare => lease.standing = Standing::Prepared,
        Phase::Confirm => lease.standing = Standing::Confirmed,
        Phase::Cancel => lease.standing = Standing::Free,
        Phase::Extend => lease.lasts_from(started_ms, at),
        Phase::Do | Phase::Undo => {}
    }
}

fn settled(item: &mut ItemState, id: &CallId, verdict: Settlement, by: &SettledBy, at: i64) -> Result<(), String> {
    let call = open_call(item, id)?;
    if call.standing != CallStanding::InDoubt {
        return Err(format!("{id} is not in doubt"));
    }
    call.call.settled = Some((verdict, by.clone()));
    let started_ms = call.call.started_ms;
    call.standing = match verdict {
        Settlement::Applied => CallStanding::Done,
        _ => CallStanding::Failed,
    };
    item.reported = false;
    match verdict {
        Settlement::Applied => has_landed(lease_of(item)?, id.phase, started_ms, at),
        Settlement::TakenOver => {
            lease_of(item)?.standing = Standing::Free;
            item.status = ItemStatus::Accepted;
        }
        Settlement::NotApplied | Settlement::Partial => {
            let effect = match verdict {
                Settlement::NotApplied => FaultEffect::None,
                _ => FaultEffect::Some,
            };
            let fault = format!("the {} call was settled as {}", id.phase.as_str(), verdict.words());
            came_to_nothing(item, id.phase, &fault, effect, at);
        }
    }
    Ok(())
}

fn failed(item: &mut ItemState, id: &CallId, fault: &str, effect: FaultEffect, at: i64) {
    if let Ok(call) = open_call(item, id) {
        // A confirm that is over and may have done its work is as good as one without an answer.
        if id.phase == Phase::Confirm && call.standing == CallStanding::Out && effect != FaultEffect::None {
            call.standing = CallStanding::InDoubt;
            call.call.doubt = Some(Doubt {
                since_ms: at,
                reason: fault.to_owned(),
            });
            return;
        }
        call.standing = CallStanding::Failed;
        call.call.fault = Some(fault.to_owned());
        call.call.effect = Some(effect);
    }
    came_to_nothing(item, id.phase, fault, effect, at);
}

/// A call of the lease failed: before it was sent, by its answer, or as it was settled.
fn came_to_nothing(item: &mut ItemState, phase: Phase, fault: &str, effect: FaultEffect, at_ms: i64) {
    let fault = fault.to_owned();
    if let Some(lease) = item.lease.as_deref_mut() {
        match phase {
            Phase::Prepare if effect != FaultEffect::None => lease.standing = Standing::Prepared,
            Phase::Confirm if effect == FaultEffect::Some => lease.standing = Standing::Confirmed,
            Phase::Confirm if effect == FaultEffect::None && lease.standing == Standing::Confirmed => {
                lease.standing = Standing::Pending;
            }
            Phase::Extend if effect != FaultEffect::None => lease.may_last_from(at_ms),
            _ => {}
        }
        let told = LeaseFault {
            at_ms,
            fault: fault.clone(),
        };
        lease.faults.insert(phase, told);
    }
    match phase {
        Phase::Prepare if item.status == ItemStatus::Waiting => {
            item.status = ItemStatus::Failed;
            item.reason = Some(fault);
        }
        Phase::Cancel => item.reason = Some(format!("what was prepared may not be let go: {fault}")),
        _ => {}
    }
}

/// A call that is out is waited for no more: it may still land.
fn given_up(item: &mut ItemState, id: &CallId, at: i64, settle_after_ms: i64) {
    let out = |c: &&mut LeaseCall| c.call.id == *id && c.standing == CallStanding::Out;
    let Some(lease) = item.lease.as_deref_mut() else { return };
    if let Some(call) = lease.calls.get_mut(&id.phase).filter(out).map(|c| &c.call) {
        let (attempt, since_ms) = (call.attempt, at.max(call.leaves_until_ms()));
        lease.loosen(id, attempt, since_ms, settle_after_ms);
    }
}

fn in_doubt(item: &mut ItemState, id: &CallId, reason: &str, at: i64, settle_after_ms: i64) -> Result<(), String> {
    let call = open_call(item, id)?;
    call.standing = CallStanding::InDoubt;
    call.call.doubt = Some(Doubt {
        since_ms: at,
        reason: reason.to_owned(),
    });
    let left_by = at.max(call.call.leaves_until_ms());
    let lease = lease_of(item)?;
    match id.phase {
        Phase::Extend => lease.may_last_from(left_by.saturating_add(settle_after_ms)),
        Phase::Confirm => lease.standing = Standing::Pending,
        _ => {}
    }
    Ok(())
}

/// What an event of the item itself makes of its lease.
pub(in crate::intent::state) fn follow(item: &mut ItemState, entry: &Entry, settle_after_ms: i64) {
    let (status, at) = (item.status, entry.at);
    let left_by = at.max(item.call.as_ref().map_or(i64::MIN, CallState::leaves_until_ms));
    let Some(lease) = item.lease.as_deref_mut() else {
        return;
    };
    if let Event::ProbeTaken { purpose, reading, .. } = &entry.event {
        lease.looked_ms = Some(at);
        let shows = reading.valid && reading.holds != Some(false) && reading.equal != Some(true);
        match purpose {
            ProbePurpose::After | ProbePurpose::Settle if shows => {
                lease.seen_ms = Some(at);
                let confirm = lease.calls.get_mut(&Phase::Confirm);
                let kept = reading.pending != Some(true);
                if let Some(call) = confirm.filter(|c| kept && c.standing == CallStanding::Answered) {
                    call.standing = CallStanding::Done;
                }
            }
            ProbePurpose::AfterUndo if status == ItemStatus::Undone => lease.standing = Standing::Free,
            _ => {}
        }
        return;
    }
    match call_of(&entry.event).map(|c| c.phase) {
        Some(Phase::Do) => follow_do(lease, &entry.event, at, left_by, settle_after_ms),
        Some(Phase::Cancel) => match &entry.event {
            Event::CallFailed { .. } => lease.cancel_spent = true,
            Event::CallSettled { verdict, .. } if *verdict != Settlement::Applied => lease.cancel_spent = true,
            _ if status == ItemStatus::Undone => lease.standing = Standing::Free,
            _ => {}
        },
        _ => {}
    }
}

/// `left_by`: when the call had left us for certain.
fn follow_do(lease: &mut Lease, event: &Event, at: i64, left_by: i64, settle_after_ms: i64) {
    let landed_by = |lease: &Lease, by: i64| lease.latest_ms.min(by.saturating_add(lease.length_ms()));
    match event {
        Event::CallStarted { .. } => {
            lease.standing = Standing::Pending;
            lease.lasts_from(at, i64::MAX);
            lease.announced_ms = lease.earliest_ms;
        }
        Event::CallAnswered { .. } => lease.latest_ms = landed_by(lease, at),
        Event::CallInDoubt { .. } => lease.latest_ms = landed_by(lease, left_by.saturating_add(settle_after_ms)),
        Event::CallNotSent { .. } => lease.standing = lease.without_effect(),
        Event::CallFailed {
            effect: FaultEffect::None,
            ..
        } => lease.standing = lease.without_effect(),
        Event::CallFailed { .. } => lease.latest_ms = landed_by(lease, at),
        Event::CallSettled { verdict, by, .. } => match verdict {
            Settlement::Applied | Settlement::Partial => {
                // A person may say so before it is certain that nothing lands any more.
                let person = matches!(by, SettledBy::Person { .. });
                let by = if person { at.saturating_add(settle_after_ms) } else { at };
                lease.latest_ms = landed_by(lease, by);
            }
            Settlement::NotApplied => lease.standing = lease.without_effect(),
            Settlement::TakenOver => lease.standing = Standing::Free,
        },
        _ => {}
    }
}
