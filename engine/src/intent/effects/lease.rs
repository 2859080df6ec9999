//! Confirmable calls: a change that a device takes back by itself unless it is confirmed in time.
//!
//! All items of a step are prepared before any of them is done. Each pending lease is extended at half of its time, through
//! waves, gates and post-checks, and also while the intent is paused or waits for a person: only its deadline, a stop or a
//! rollback ends that. Once the post-checks hold, all leases are brought to a common margin and then confirmed.
//!
//! Nothing here depends on the engine being there: when it dies, nobody extends, and the device goes back by itself. The
//! engine that comes after knows from the entries until when a lease must stand and from when on it must be gone; in
//! between it asks the probe.

use super::{Due, WRITES_AT_ONCE, Work, overlap};
use crate::contract::{Contract, EffectClass};
use crate::fault::Fault;
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::event::Event;
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::intent::state::lease::{CallStanding, Lease, Standing};
use crate::plan::{Plan, Step};

/// How many extensions may be out at once: they change nothing, and must not queue behind what does.
const EXTENSIONS_AT_ONCE: usize = 32;
/// Between two looks whether a lease that may have run out still stands, and between two tries to extend it.
const AGAIN_MS: i64 = 1_000;

/// An item with its lease.
type Leased<'a> = (&'a ItemId, &'a ItemState, &'a Lease);

impl IntentState {
    fn leases(&self) -> impl Iterator<Item = Leased<'_>> {
        let items = self.items.iter();
        items.filter_map(|(id, item)| item.lease.as_deref().map(|lease| (id, item, lease)))
    }

    /// What leases ask for whatever part of the loop the intent is in: calls that are out are followed to their end,
    /// what stands is kept alive, what has run out is known to be gone.
    pub(super) fn due_leases(&self, now: i64, due: &mut Due) {
        for leased in self.leases() {
            self.due_open_lease_calls(leased, now, due);
            self.due_life(leased, now, due);
        }
    }

    fn due_open_lease_calls(&self, (id, item, lease): Leased<'_>, now: i64, due: &mut Due) {
        for open in lease.calls.values() {
            match open.standing {
                CallStanding::Out if open.call.orphaned => due.record.push(self.orphaned(lease, &open.call, now)),
                // Nothing goes forward any more, and an attempt may have got through.
                CallStanding::BackingOff
                    if !self.goes_forward()
                        && open.call.id.phase == Phase::Confirm
                        && !open.call.unproven.is_empty() =>
                {
                    let event = in_doubt(&open.call, "it was to be repeated, but nothing goes forward any more");
                    due.record.push(event);
                }
                CallStanding::Answered => due.work.push(Work::LeaseRead { item: id.clone() }),
                _ => {}
            }
        }
        let Some(call) = lease.doubtful().filter(|_| !item.reported) else {
            return;
        };
        let lands_until = call.anchor_ms(self.claimed_ms).saturating_add(self.settle_after_ms(id));
        let told = self
            .contract_of_item(id)
            .is_some_and(|c| c.probe.is_some_and(|p| p.pending.is_some()));
        let asked = lease.looked_ms.is_some_and(|looked| looked >= lands_until);
        // Where no probe tells whether a change waits to be confirmed, it shows once an unconfirmed one would be gone.
        let at = match call.id.phase {
            Phase::Confirm if !told || asked => self.unconfirmed_gone_at(id, lease).max(lands_until),
            _ => lands_until,
        };
        if now < at {
            due.wake(at);
        } else {
            due.work.push(Work::LeaseRead { item: id.clone() });
        }
    }

    /// From when on a change that nobody confirmed must have been taken back, with a moment for the device to do it.
    pub(crate) fn unconfirmed_gone_at(&self, id: &ItemId, lease: &Lease) -> i64 {
        lease.latest_ms.saturating_add(self.settle_after_ms(id))
    }

    fn orphaned(&self, lease: &Lease, call: &CallState, now: i64) -> Event {
        let tool = self.lease_tool(&call.id);
        let repeatable = tool.is_some_and(|c| c.effect == EffectClass::Idempotent);
        // A confirm that comes after its time would only be refused, whatever the first one did.
        let late = call.id.phase == Phase::Confirm && now >= lease.earliest_ms;
        match repeatable && !late {
            true => Event::CallRetryScheduled {
                call: call.id.clone(),
                until_ms: now,
                rule: "idempotent.orphaned".into(),
                reading: None,
                why: Some("the engine that sent it stopped before the answer".to_owned()),
            },
            false => in_doubt(call, "the engine that sent it stopped before the answer"),
        }
    }

    /// What the operator says of the tool that a lease's call goes to.
    fn lease_tool(&self, call: &CallId) -> Option<Contract> {
        let tool = &self.contract_of_item(&call.item)?.lease_call(call.phase)?.tool.clone();
        Some(self.accepted.as_ref()?.contracts.of(tool))
    }

    fn settle_after_ms(&self, id: &ItemId) -> i64 {
        let contract = self.contract_of_item(id);
        contract.map_or(Contract::DEFAULT_SETTLE_AFTER, |c| c.settle_after()).0 as i64
    }

    /// Keeps a pending lease alive on the way forward, and says when it is gone.
    fn due_life(&self, leased @ (id, item, lease): Leased<'_>, now: i64, due: &mut Due) {
        let done = matches!(
            item.status,
            ItemStatus::Succeeded
                | ItemStatus::Failed
                | ItemStatus::UndoFailed
                | ItemStatus::UndoConflict
                | ItemStatus::Blocked
        );
        if lease.standing != Standing::Pending || !done {
            return;
        }
        if lease.earliest_ms > lease.announced_ms {
            due.record.push(Event::LeaseExtended {
                call: lease
                    .calls
                    .get(&Phase::Extend)
                    .map_or_else(|| self.next_call(id, Phase::Do), |c| c.call.id.clone()),
                until_ms: lease.earliest_ms,
            });
            return;
        }
        if is_out(lease, Phase::Confirm) || is_out(lease, Phase::Extend) || lease.doubtful().is_some() {
            return;
        }
        if now >= lease.latest_ms {
            let confirm = lease.calls.get(&Phase::Confirm);
            // One that was to be repeated may have got through the first time.
            let confirm = confirm.filter(|c| c.standing == CallStanding::BackingOff);
            due.record.push(match confirm {
                Some(c) => in_doubt(&c.call, "its time was over before it could be sent again"),
                None => self.expired(id, lease),
            });
            return;
        }
        due.wake(lease.latest_ms);
        let kept = self.goes_forward() && item.status == ItemStatus::Succeeded;
        if kept && self.is_extendable(id) {
            self.due_extension(leased, now, due);
        }
    }

    fn goes_forward(&self) -> bool {
        self.back_out.is_none() && self.rollback.is_none()
    }

    fn is_extendable(&self, id: &ItemId) -> bool {
        self.contract_of_item(id).is_some_and(|c| c.extend.is_some())
    }

    /// The fact that an item's lease is gone.
    pub(crate) fn expired(&self, id: &ItemId, lease: &Lease) -> Event {
        Event::LeaseExpired {
            call: self.next_call(id, Phase::Do),
            earliest_ms: lease.earliest_ms,
            latest_ms: lease.latest_ms,
        }
    }

    fn due_extension(&self, (id, _, lease): Leased<'_>, now: i64, due: &mut Due) {
        let tried = last_try(lease);
        if now < lease.earliest_ms {
            let at = match (retry_at(lease, Phase::Extend), tried) {
                (Some(at), _) => at,
                // The next try is half way to the end: early enough to matter, and not without end.
                (_, Some(tried)) => tried + AGAIN_MS.max((lease.earliest_ms - tried) / 2),
                _ if lease.to_margin => lease.earliest_ms - lease.length_ms() / 4 * 3,
                _ => lease.earliest_ms - lease.length_ms() / 4 * 2,
            };
            if now < at {
                due.wake(at.min(lease.earliest_ms));
            } else {
                self.due_lease_call(id, Phase::Extend, EXTENSIONS_AT_ONCE, due);
            }
            return;
        }
        // It may be gone: only what the probe shows tells whether there is anything left to extend.
        let seen = lease.seen_ms.filter(|seen| *seen >= lease.earliest_ms);
        if seen.is_some_and(|seen| tried.is_none_or(|tried| seen > tried)) {
            self.due_lease_call(id, Phase::Extend, EXTENSIONS_AT_ONCE, due);
            return;
        }
        let last = lease.looked_ms.max(tried).filter(|last| *last >= lease.earliest_ms);
        match last.map(|last| last + AGAIN_MS) {
            Some(next) if now < next => due.wake(next),
            _ => due.work.push(Work::LeaseRead { item: id.clone() }),
        }
    }

    /// Sends a lease's call unless too many are out already.
    fn due_lease_call(&self, id: &ItemId, phase: Phase, at_once: usize, due: &mut Due) {
        let out = self.leases().filter(|(_, _, lease)| is_out(lease, phase)).count();
        let planned = due
            .work
            .iter()
            .filter(|w| matches!(w, Work::LeaseCall { phase: p, .. } if *p == phase))
            .count();
        if out + planned < at_once {
            due.work.push(Work::LeaseCall {
                item: id.clone(),
                phase,
            });
        }
    }

    /// Prepares all items of a step. True: nothing stands in the way of doing the first.
    pub(super) fn due_prepares(&self, step: &Step, now: i64, due: &mut Due) -> bool {
        let contracts = self.accepted.as_ref().map(|a| a.contracts.of(&step.tool));
        if contracts.is_none_or(|c| c.effect != EffectClass::Confirmable || c.prepare.is_none()) {
            return true;
        }
        let mut ready = true;
        for (id, item) in self.items_of(&step.id).filter(|(_, i)| i.status == ItemStatus::Waiting) {
            let Some(lease) = item.lease.as_deref().filter(|l| l.standing != Standing::Prepared) else {
                continue;
            };
            ready = false;
            match self.lost_its_lock(item) {
                true => due.record.push(self.stays_unsent(id)),
                false => self.due_once(id, lease, Phase::Prepare, now, due),
            }
        }
        ready
    }

    /// Sends a call that goes once: not while it is out or in doubt, not before its back-off is over.
    fn due_once(&self, id: &ItemId, lease: &Lease, phase: Phase, now: i64, due: &mut Due) {
        match (lease.stands(phase), retry_at(lease, phase)) {
            (None, _) => self.due_lease_call(id, phase, WRITES_AT_ONCE, due),
            (Some(CallStanding::BackingOff), Some(at)) if now < at => due.wake(at),
            (Some(CallStanding::BackingOff), _) => self.due_lease_call(id, phase, WRITES_AT_ONCE, due),
            _ => {}
        }
    }

    /// Confirms what is pending, once all of it is sure to last until all is confirmed. True: nothing is open any more.
    pub(super) fn due_confirms(&self, now: i64, due: &mut Due) -> bool {
        let pending: Vec<Leased<'_>> = self
            .leases()
            .filter(|(_, i, l)| l.standing == Standing::Pending && i.status == ItemStatus::Succeeded)
            .collect();
        // What failed under a lease, and was to be left so, goes back by itself before the intent can end.
        let hanging = |i: &ItemState, l: &Lease| l.standing == Standing::Pending && i.status == ItemStatus::Failed;
        let open = self
            .leases()
            .any(|(_, i, l)| is_out(l, Phase::Confirm) || l.doubtful().is_some() || hanging(i, l));
        if pending.is_empty() {
            let let_go = self.due_let_go(now, due);
            return !open && let_go && self.lease_heat(now, due);
        }
        let begun = self.leases().any(|(_, _, l)| l.calls.contains_key(&Phase::Confirm));
        let in_doubt = self
            .leases()
            .any(|(_, _, l)| l.stands(Phase::Confirm) == Some(CallStanding::InDoubt));
        // While it is not known whether one was confirmed, the others can still be cancelled instead of undone.
        let margin = |(id, _, lease): &Leased<'_>| has_margin(lease, self.is_extendable(id), now);
        if in_doubt || (!begun && !pending.iter().all(margin)) {
            return false;
        }
        for (id, item, lease) in pending {
            if self.lost_its_lock(item) {
                self.due_relock(due);
                continue;
            }
            let extending = |w: &Work| matches!(w, Work::LeaseCall { item, phase: Phase::Extend } if item == id);
            if now < lease.earliest_ms && !is_out(lease, Phase::Extend) && !due.work.iter().any(extending) {
                self.due_once(id, lease, Phase::Confirm, now, due);
            }
        }
        false
    }

    /// Why what was done under a lease cannot be kept: it ran out, or could not be confirmed.
    pub(super) fn lease_lost(&self) -> Option<String> {
        self.leases().find_map(|(id, item, lease)| {
            if lease.standing == Standing::Expired && item.status == ItemStatus::Succeeded {
                return Some(format!(
                    "the device's timer for {id} ran out before the change was confirmed"
                ));
            }
            let fault = lease.faults.get(&Phase::Confirm)?;
            Some(format!("{id} could not be confirmed: {}", fault.fault))
        })
    }

    /// Whether a rollback has to do with leases although nothing that changes anything was sent.
    pub(super) fn anything_prepared(&self) -> bool {
        self.leases()
            .any(|(_, _, lease)| may_be_prepared(lease) || lease.calls.contains_key(&Phase::Prepare))
    }

    /// Whether an item's way back has to wait for its lease.
    pub(super) fn waits_for_lease(&self, item: &ItemState, now: i64, due: &mut Due) -> bool {
        let Some(lease) = item.lease.as_deref() else {
            return false;
        };
        if is_out(lease, Phase::Confirm) || is_out(lease, Phase::Extend) || lease.doubtful().is_some() {
            return true;
        }
        // A cancel may go to what is pending; an undo must not meet a call of the lease that lands late.
        if lease.standing != Standing::Pending && lease.hot_until_ms() > now {
            due.wake(lease.hot_until_ms());
            return true;
        }
        let left_to_the_timer = lease.standing == Standing::Pending && lease.cancel_spent;
        if left_to_the_timer {
            due.wake(lease.latest_ms);
        }
        left_to_the_timer
    }

    /// When the outcome of a cancel in doubt may be asked for: after it can land no more, and if the change stands then,
    /// once the timer must have taken it back.
    pub(super) fn cancel_settles_at(&self, id: &ItemId, item: &ItemState, at: i64) -> i64 {
        let cancel = item.open_call().is_some_and(|c| c.id.phase == Phase::Cancel);
        match item.lease.as_deref().filter(|_| cancel) {
            Some(lease) if lease.looked_ms.is_some_and(|looked| looked >= at) => {
                self.unconfirmed_gone_at(id, lease).max(at)
            }
            _ => at,
        }
    }

    /// Lets go of what was prepared and never done. True: nothing is prepared any more, as far as can be known.
    pub(super) fn due_let_go(&self, now: i64, due: &mut Due) -> bool {
        let mut gone = true;
        for (id, item, lease) in self.leases() {
            if is_out(lease, Phase::Prepare) || lease.doubtful().is_some() {
                gone = false;
            } else if may_be_prepared(lease) && !item.status.is_open() {
                gone &= is_over(lease, Phase::Cancel);
                if !is_over(lease, Phase::Cancel) {
                    self.due_once(id, lease, Phase::Cancel, now, due);
                }
            }
        }
        gone
    }

    /// A lease's call that was given up may still land for a while. True: none can.
    pub(super) fn lease_heat(&self, now: i64, due: &mut Due) -> bool {
        let until = self.leases().map(|(_, _, lease)| lease.hot_until_ms());
        match until.max().filter(|until| *until > now) {
            Some(until) => {
                due.wake(until);
                false
            }
            None => true,
        }
    }

    /// Why leases of this plan would stand in each other's way: a target holds one at a time, and any other change there
    /// would confirm it or be lost with it.
    pub(super) fn lease_clash(&self, plan: &Plan) -> Option<Event> {
        let (id, other) = self.leases().find_map(|(id, item, _)| {
            let runs = |i: &ItemState| i.mutating && !matches!(i.status, ItemStatus::Skipped | ItemStatus::Satisfied);
            let before = plan
                .step(&id.step)
                .map(|(_, facts)| plan.ancestors(facts))
                .unwrap_or_default();
            let mut others = self
                .items
                .iter()
                .filter(|(other, o)| *other != id && runs(o) && runs(item));
            // What is done and over before may share the target, unless it leaves a lease of its own.
            let clashes = |other: &ItemId, o: &ItemState| {
                overlap(item, o) && (o.lease.is_some() || !before.contains(&other.step))
            };
            others
                .find(|(other, o)| clashes(other, o))
                .map(|(other, _)| (id, other))
        })?;
        let targets: Vec<&str> = self.items[id].expanded.targets.iter().map(|t| t.as_str()).collect();
        let reason = format!(
            "{id} is to be confirmed in the end, and {other} changes {} as well: put both into one call, or {other} into \
             an intent of its own",
            targets.join(", ")
        );
        let fault = Fault::new(
            format!("/plan/steps/{}", id.step),
            "lease.one_per_target",
            reason.clone(),
        );
        Some(Event::PlanRefused {
            revision: self.revision,
            faults: vec![fault],
            reason,
            final_: true,
        })
    }
}

fn in_doubt(call: &CallState, reason: &str) -> Event {
    Event::CallInDoubt {
        call: call.id.clone(),
        attempt: call.attempt,
        reason: reason.to_owned(),
        answered: false,
        dead_since_ms: None,
    }
}

fn is_out(lease: &Lease, phase: Phase) -> bool {
    matches!(lease.stands(phase), Some(CallStanding::Out | CallStanding::Answered))
}

/// Whether a call that goes once has ended, one way or the other.
fn is_over(lease: &Lease, phase: Phase) -> bool {
    let ended = matches!(
        lease.stands(phase),
        Some(CallStanding::Done | CallStanding::Failed | CallStanding::InDoubt)
    );
    ended || lease.faults.contains_key(&phase)
}

/// Whether the device may hold something that was made ready. One that is to be sent again may have been there before.
fn may_be_prepared(lease: &Lease) -> bool {
    let again = lease.standing == Standing::Free && lease.stands(Phase::Prepare) == Some(CallStanding::BackingOff);
    lease.standing == Standing::Prepared || again
}

fn retry_at(lease: &Lease, phase: Phase) -> Option<i64> {
    let call = lease
        .calls
        .get(&phase)
        .filter(|c| c.standing == CallStanding::BackingOff)?;
    call.retry_at_ms
}

/// When the latest extension came to nothing.
fn last_try(lease: &Lease) -> Option<i64> {
    let failed = lease.faults.get(&Phase::Extend).map(|f| f.at_ms);
    let call = lease
        .calls
        .get(&Phase::Extend)
        .filter(|c| c.standing == CallStanding::InDoubt);
    failed.max(call.and_then(|c| c.call.doubt.as_ref()).map(|d| d.since_ms))
}

/// Whether a lease lasts long enough for all to be confirmed. One that cannot be extended must do with what is left.
fn has_margin(lease: &Lease, extendable: bool, now: i64) -> bool {
    let quarters = match (extendable, lease.to_margin) {
        (true, true) => 3,
        (true, false) => 2,
        (false, _) => 1,
    };
    lease.earliest_ms - now > lease.length_ms() / 4 * quarters
}
