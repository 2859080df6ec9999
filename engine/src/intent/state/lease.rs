//! The fold of leases. A lease is a change that a device keeps only until a timer of its own runs out, unless somebody
//! confirms it: the device takes back by itself what nobody stands up for.
//!
//! An item's status says what its `do` and its way back have come to; its lease stands beside it and says what the device
//! still waits for. `prepare`, `confirm`, `extend`, and the `cancel` that lets go of what was only prepared, are folded
//! here. The `cancel` of a pending change is an item's way back like an undo, and goes through [`ItemStatus::after`].

use super::item::call_of;
use crate::contract::{Contract, EffectClass};
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::event::{
    CheckId, CheckReading, CheckVerdict, Event, FaultEffect, ProbePurpose, SettledBy, Settlement,
};
use crate::intent::item::{CallState, Doubt, ItemState, ItemStatus};
use crate::journal::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the device holds for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing, or nothing any more.
    Free,
    /// Something that was made ready and changes nothing yet.
    Prepared,
    /// The change, until the timer runs out.
    Pending,
    /// The change, for good.
    Confirmed,
    /// Nothing: the timer ran out.
    Expired,
}

/// How a lease's call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStanding {
    Out,
    BackingOff,
    /// Confirmed, the device says; the read-back has still to agree.
    Answered,
    InDoubt,
    Done,
    Failed,
}

/// The latest call of one of a lease's phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseCall {
    pub call: CallState,
    pub standing: CallStanding,
    /// When the next attempt is due, Unix milliseconds.
    pub retry_at_ms: Option<i64>,
}

/// A call of a lease that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFault {
    pub at_ms: i64,
    pub fault: String,
}

/// A confirmable item's lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// From each `do` and `extend` on.
    pub seconds: u64,
    pub standing: Standing,
    /// Before this time the lease stands. Unix milliseconds.
    pub earliest_ms: i64,
    /// After this time it is gone; in between only the probe decides. `i64::MAX`: the call may not have landed yet.
    pub latest_ms: i64,
    pub calls: BTreeMap<Phase, LeaseCall>,
    pub faults: BTreeMap<Phase, LeaseFault>,
    /// How many extensions were begun. Each is a call of its own, not a repetition, so this is its generation.
    pub extensions: u32,
    /// The earliest end that was journaled as an extension.
    pub announced_ms: i64,
    /// When the change was last seen, and when it was last looked for.
    pub seen_ms: Option<i64>,
    pub looked_ms: Option<i64>,
    /// The post-checks hold: to be extended once more, so that all leases last until all are confirmed.
    pub to_margin: bool,
    /// A cancel was sent and did not bring the device back: the timer will.
    pub cancel_spent: bool,
}

impl Lease {
    pub(super) fn of(seconds: u64) -> Self {
        Self {
            seconds,
            standing: Standing::Free,
            earliest_ms: i64::MIN,
            latest_ms: i64::MIN,
            calls: BTreeMap::new(),
            faults: BTreeMap::new(),
            extensions: 0,
            announced_ms: i64::MIN,
            seen_ms: None,
            looked_ms: None,
            to_margin: false,
            cancel_spent: false,
        }
    }

    /// The lease's length in milliseconds.
    pub fn length_ms(&self) -> i64 {
        i64::try_from(self.seconds.saturating_mul(1000)).unwrap_or(i64::MAX / 4)
    }

    /// How a phase's latest call stands.
    pub fn stands(&self, phase: Phase) -> Option<CallStanding> {
        self.calls.get(&phase).map(|c| c.standing)
    }

    /// The generation of a phase's next call.
    pub(in crate::intent) fn generation(&self, phase: Phase) -> u32 {
        let again = self.stands(phase) == Some(CallStanding::BackingOff);
        match phase {
            Phase::Extend => self.extensions - u32::from(again && self.extensions > 0),
            _ => 0,
        }
    }

    /// The call whose outcome is not known and is to be settled. An extension in doubt needs no settlement: it leaves the
    /// earliest end where it was and moves the latest to where it might be, and the next one, or the probe, decides.
    pub fn doubtful(&self) -> Option<&CallState> {
        let settled = [Phase::Prepare, Phase::Confirm];
        let open = self
            .calls
            .iter()
            .find(|(p, c)| settled.contains(p) && c.standing == CallStanding::InDoubt);
        open.map(|(_, c)| &c.call)
    }

    /// What the standing was before a `do` that had no effect.
    fn without_effect(&self) -> Standing {
        match self.stands(Phase::Prepare) {
            Some(CallStanding::Done) => Standing::Prepared,
            _ => Standing::Free,
        }
    }

    /// The engine that sent what is still out is gone.
    pub(super) fn orphan(&mut self) {
        for call in self.calls.values_mut().filter(|c| c.standing == CallStanding::Out) {
            call.call.orphaned = true;
        }
    }

    fn lasts_from(&mut self, started_ms: i64, landed_by_ms: i64) {
        self.earliest_ms = started_ms.saturating_add(self.length_ms());
        self.latest_ms = landed_by_ms.saturating_add(self.length_ms());
        self.to_margin = false;
    }
}

impl ItemState {
    /// Whether a call of this item belongs to the lease alone and leaves the item's status where it is.
    fn is_of_the_lease(&self, call: &CallId) -> bool {
        let Some(lease) = &self.lease else { return false };
        match call.phase {
            Phase::Prepare | Phase::Confirm | Phase::Extend => true,
            Phase::Cancel => lease.standing != Standing::Pending,
            Phase::Do | Phase::Undo => false,
        }
    }

    /// Whether the device may still hold the change on a timer.
    pub fn is_pending(&self) -> bool {
        self.lease.as_ref().is_some_and(|l| l.standing == Standing::Pending)
    }

    /// Whether this very call is in doubt.
    pub fn is_in_doubt(&self, call: &CallId) -> bool {
        let own = self.open_call().is_some_and(|c| c.id == *call && c.doubt.is_some());
        let of_lease = self.lease.as_ref().and_then(|l| l.calls.get(&call.phase));
        own || of_lease.is_some_and(|c| c.call.id == *call && c.standing == CallStanding::InDoubt)
    }

    /// The phase of the call whose outcome only evidence can tell.
    pub fn doubtful_phase(&self) -> Option<Phase> {
        match self.status {
            ItemStatus::InDoubt | ItemStatus::UndoInDoubt => self.open_call().map(|c| c.id.phase),
            _ => self.lease.as_ref().and_then(|l| l.doubtful()).map(|c| c.id.phase),
        }
    }
}

/// The lease of an item whose tool has this contract: none unless it is confirmable.
pub(super) fn of(contract: &Contract) -> Option<Box<Lease>> {
    let confirmable = contract.effect == EffectClass::Confirmable;
    confirmable.then(|| Box::new(Lease::of(contract.lease().0.div_ceil(1000))))
}

/// A post-check that holds calls for a margin in which all leases can be confirmed.
pub(super) fn follow_check(items: &mut BTreeMap<ItemId, ItemState>, reading: &CheckReading) {
    if matches!(reading.check, CheckId::Post { .. }) && reading.verdict == CheckVerdict::Held {
        for lease in items.values_mut().filter_map(|i| i.lease.as_mut()) {
            lease.to_margin = true;
        }
    }
}

/// Folds an event that is about the item's lease alone. `Ok(false)`: it is about the item. An error says why it cannot
/// follow. `settle_after_ms`: of the item's contract.
pub(super) fn fold(item: &mut ItemState, entry: &Entry, settle_after_ms: i64) -> Result<bool, String> {
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
        Event::CallInDoubt { reason, .. } => in_doubt(item, &id, reason, entry.at, settle_after_ms)?,
        Event::CallNotSent { .. } => {
            let call = open_call(item, &id)?;
            call.standing = CallStanding::BackingOff;
            call.call.left = false;
        }
        Event::CallRetryScheduled { until_ms, .. } => {
            // One whose server could not be had was not started: that it waits stands elsewhere.
            if let Ok(call) = open_call(item, &id) {
                call.standing = CallStanding::BackingOff;
                call.retry_at_ms = Some(*until_ms);
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
    let earlier = lease.calls.get(&id.phase).filter(|c| c.call.id == *id);
    let loose = earlier.is_some_and(|c| c.call.loose || c.call.left);
    let call = CallState::started(&entry.event, entry.at).ok_or("it is no start")?;
    let call = CallState { loose, ..call };
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
            let fault = format!("the {} call was settled as {verdict:?}", id.phase.as_str());
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
            Phase::Extend if effect != FaultEffect::None => {
                lease.latest_ms = lease.latest_ms.max(at_ms.saturating_add(lease.length_ms()));
            }
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

fn in_doubt(item: &mut ItemState, id: &CallId, reason: &str, at: i64, settle_after_ms: i64) -> Result<(), String> {
    let call = open_call(item, id)?;
    call.standing = CallStanding::InDoubt;
    call.call.doubt = Some(Doubt {
        since_ms: at,
        reason: reason.to_owned(),
    });
    let lease = lease_of(item)?;
    match id.phase {
        Phase::Extend => {
            let landed_by = at.saturating_add(settle_after_ms);
            lease.latest_ms = lease.latest_ms.max(landed_by.saturating_add(lease.length_ms()));
        }
        Phase::Confirm => lease.standing = Standing::Pending,
        _ => {}
    }
    Ok(())
}

/// What an event of the item itself makes of its lease.
pub(super) fn follow(item: &mut ItemState, entry: &Entry, settle_after_ms: i64) {
    let status = item.status;
    let Some(lease) = item.lease.as_deref_mut() else {
        return;
    };
    let at = entry.at;
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
        Some(Phase::Do) => follow_do(lease, &entry.event, at, settle_after_ms),
        Some(Phase::Cancel) => match &entry.event {
            Event::CallFailed { .. } => lease.cancel_spent = true,
            Event::CallSettled { verdict, .. } if *verdict != Settlement::Applied => lease.cancel_spent = true,
            _ if status == ItemStatus::Undone => lease.standing = Standing::Free,
            _ => {}
        },
        _ => {}
    }
}

fn follow_do(lease: &mut Lease, event: &Event, at: i64, settle_after_ms: i64) {
    let landed_by = |lease: &Lease, by: i64| lease.latest_ms.min(by.saturating_add(lease.length_ms()));
    match event {
        Event::CallStarted { .. } => {
            lease.standing = Standing::Pending;
            lease.lasts_from(at, i64::MAX);
            lease.announced_ms = lease.earliest_ms;
        }
        Event::CallAnswered { .. } => lease.latest_ms = landed_by(lease, at),
        Event::CallInDoubt { .. } => lease.latest_ms = landed_by(lease, at.saturating_add(settle_after_ms)),
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
