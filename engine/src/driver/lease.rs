//! The calls that a lease asks for, and what the probe says of it. Each function returns facts.

use super::act::{self, Dispatch};
use super::facts::Facts;
use super::job::{ItemJob, Taken};
use super::ready::{ready, unrepeatable};
use super::work::Told;
use super::{DriveError, Driver};
use crate::contract::apply::{self, LeaseTerms};
use crate::ids::{ItemId, Phase};
use crate::intent::effects::Work;
use crate::intent::event::{Event, FaultEffect, ProbePurpose, SettledBy, Settlement};
use crate::intent::item::CallState;
use crate::intent::state::lease::{CallStanding, Standing};
use futures::future::BoxFuture;
use std::time::Duration;

/// How often a probe that is not valid is asked again.
const READABLE_WITHIN: Duration = Duration::from_secs(2);

impl Driver {
    /// What a device knows an item's change by, and for how long it keeps it.
    pub(super) fn lease_terms(&self, id: &ItemId) -> Option<LeaseTerms> {
        let lease = self.item(id).lease.as_ref()?;
        let call = self.ledger.state.next_call(id, Phase::Do);
        Some(LeaseTerms {
            id: crate::journal::call_key(self.ledger.id, &call),
            seconds: lease.seconds,
        })
    }

    /// Whether nothing of this kind may be sent now.
    pub(super) fn is_held_back(&self, work: &Work) -> bool {
        let halted = self.signals.halted.borrow().is_some();
        *self.signals.stopping.borrow() || (halted && self.ledger.state.halt_holds(work))
    }

    /// Whether the arguments of a lease's call may show what the device keeps secret.
    pub(super) fn seals_lease(&self, dispatch: &Dispatch) -> bool {
        let contract = &dispatch.job.contract;
        let Some(template) = contract.lease_call(dispatch.call.phase) else {
            return false;
        };
        let of = |name: &str| template.args.to_string().contains(name);
        let sealed = |tool| dispatch.job.contracts.of(tool).sealed;
        let preview = contract.preview.as_ref().is_some_and(|p| sealed(&p.tool));
        let probe = contract.probe.as_ref().is_some_and(|p| sealed(&p.tool));
        (of("preview") && preview) || (of("before") && probe)
    }

    /// A lease's next call of a phase.
    pub(super) async fn prepare_lease_call(
        &mut self,
        item: &ItemId,
        phase: Phase,
    ) -> Result<BoxFuture<'static, Told>, DriveError> {
        let call = self.ledger.state.next_call(item, phase);
        let attempt = self.next_attempt(item, &call);
        let job = match self.sendable_job(item).await? {
            Ok(job) => job,
            // What was done is kept, confirmed or let go of whatever has become of the tool that did it.
            Err(_) if phase != Phase::Prepare => self.item_job(item).await?,
            Err(fault) => {
                let unproven = self.item(item).unproven(phase);
                return Ok(told(unrepeatable(call, attempt, fault, unproven)));
            }
        };
        if phase == Phase::Prepare && self.was_changed_since(item) {
            return Ok(Box::pin(async move {
                Told::Facts(act::refresh(job, call, attempt, false).await)
            }));
        }
        let unproven = job.unproven.contains(&phase);
        let Some(template) = job.contract.lease_call(phase).cloned() else {
            let fault = format!("the contract of {} names no {}", job.tool, phase.as_str());
            return Ok(told(unrepeatable(call, attempt, fault, unproven)));
        };
        let args = match apply::lease_args(&template, &job.known) {
            Ok(args) => args,
            Err(why) => return Ok(told(unrepeatable(call, attempt, why, unproven))),
        };
        let expect_base = match phase {
            Phase::Prepare => self.expected_base(item),
            _ => None,
        };
        let stands_until = self.item(item).lease.as_ref().map_or(i64::MAX, |l| l.earliest_ms);
        let timeout_ms = job.contracts.of(&template.tool).timeout().0;
        let epoch = self.epoch;
        Ok(Box::pin(async move {
            let mut told = ready(job, call, attempt, template.tool, args, expect_base, timeout_ms, epoch).await;
            if let (Told::Ready { dispatch, .. }, Phase::Confirm) = (&mut told, phase) {
                // What may have run out must not be confirmed: the device may have gone back already.
                dispatch.send_by_ms = dispatch.send_by_ms.min(stands_until);
            }
            told
        }))
    }

    /// An item's way back: a cancel while it is pending, nothing if the device has gone back by itself, else the undo.
    pub(super) async fn prepare_way_back(&mut self, item: &ItemId) -> Result<BoxFuture<'static, Told>, DriveError> {
        let standing = self.item(item).lease.as_ref().map(|l| (l.standing, l.earliest_ms));
        let may_be_gone = match standing {
            Some((Standing::Pending, earliest)) => self.deps.clock.now_ms() >= earliest,
            Some((Standing::Expired, _)) => true,
            _ => return self.prepare_undo(item).await,
        };
        let job = self.item_job(item).await?;
        let next = match self.item(item).is_pending() {
            true => self.prepare_lease_call(item, Phase::Cancel).await?,
            false => self.prepare_undo(item).await?,
        };
        if !may_be_gone {
            return Ok(next);
        }
        // After its time a device may take a moment to go back; while it may still be pending, one look must do.
        let within = match self.item(item).is_pending() {
            true => READABLE_WITHIN,
            false => job.contract.settle_after().duration(),
        };
        let expired = self
            .item(item)
            .lease
            .as_deref()
            .filter(|l| l.standing == Standing::Pending);
        let expired = expired.map(|lease| self.ledger.state.expired(item, lease));
        Ok(Box::pin(async move {
            match gone_back(&job, expired, within).await {
                Some(facts) => Told::Facts(facts),
                None => next.await,
            }
        }))
    }

    /// Takes the probe for a lease's sake: after a confirm, to settle a doubt, or to see whether it still stands.
    pub(super) async fn prepare_lease_read(&mut self, item: &ItemId) -> Result<BoxFuture<'static, Told>, DriveError> {
        let job = self.item_job(item).await?;
        let Some(lease) = self.item(item).lease.as_deref().cloned() else {
            return Ok(told(Facts::default()));
        };
        let expired = self.ledger.state.expired(item, &lease);
        let doubtful = lease.doubtful().cloned();
        let confirmed = lease
            .calls
            .get(&Phase::Confirm)
            .filter(|c| c.standing == CallStanding::Answered);
        let confirmed = confirmed.map(|c| c.call.clone());
        let gone = self.deps.clock.now_ms() >= self.ledger.state.unconfirmed_gone_at(item, &lease);
        Ok(Box::pin(async move {
            Told::Facts(match (confirmed, doubtful) {
                (Some(call), _) => verify_confirm(job, call).await,
                (None, Some(call)) if call.id.phase == Phase::Prepare => settle_prepare(job, call).await,
                (None, Some(call)) => settle_confirm(job, call, expired, gone).await,
                (None, None) => still_there(job, expired).await,
            })
        }))
    }

    /// Settles the doubt about the cancel of a pending change.
    pub(super) fn prepare_cancel_settlement(&self, job: ItemJob, call: CallState) -> BoxFuture<'static, Told> {
        let lease = self.item(&job.item).lease.as_deref();
        let gone_at = lease.map_or(i64::MIN, |l| self.ledger.state.unconfirmed_gone_at(&job.item, l));
        let may_go_back = self.deps.clock.now_ms() < gone_at;
        Box::pin(async move { Told::Facts(settle_cancel(job, call, may_go_back).await) })
    }
}

fn told(facts: Facts) -> BoxFuture<'static, Told> {
    Box::pin(async move { Told::Facts(facts) })
}

fn is_as_before(job: &ItemJob, taken: &Taken) -> bool {
    taken.valid && taken.state.as_ref() == job.known.before.as_deref()
}

/// Whether the change itself shows: as the contract says, or as our call left it.
fn shows(job: &ItemJob, taken: &Taken) -> bool {
    let as_left = job.known.after.is_some() && taken.state.as_ref() == job.known.after.as_deref();
    taken.valid && !is_as_before(job, taken) && (taken.holds == Some(true) || as_left)
}

/// The device has gone back by itself: nothing is left to be taken back. None: it has not. `expired`: to be told as well.
async fn gone_back(job: &ItemJob, expired: Option<Event>, within: Duration) -> Option<Facts> {
    let taken = job.probe_until(within, |t| is_as_before(job, t)).await;
    if !is_as_before(job, &taken) {
        return None;
    }
    let mut facts = Facts::default();
    facts.events.extend(expired);
    job.taken(&mut facts, ProbePurpose::AfterUndo, &taken, Some(true));
    Some(facts)
}

/// Reads back after a confirm: the change must be there, and wait for nothing any more.
async fn verify_confirm(job: ItemJob, call: CallState) -> Facts {
    let kept = |t: &Taken| t.holds != Some(false) && t.pending != Some(true);
    let taken = job.probe_until(job.holds_within(), kept).await;
    let mut facts = Facts::default();
    job.taken(
        &mut facts,
        ProbePurpose::After,
        &taken,
        Some(is_as_before(&job, &taken)),
    );
    let (call, attempt) = (call.id, call.attempt);
    if !taken.valid {
        let why = taken.problem.unwrap_or_else(|| "the reading is not valid".to_owned());
        let reason = format!("the device says that it is confirmed, but the state cannot be read back: {why}");
        facts.push(Event::CallInDoubt {
            call,
            attempt,
            reason,
            answered: true,
            dead_since_ms: None,
        });
    } else if !kept(&taken) || is_as_before(&job, &taken) {
        let (why, effect) = match taken.pending {
            Some(true) => ("still waits for it", FaultEffect::None),
            _ => ("does not show the change", FaultEffect::Unknown),
        };
        facts.push(Event::CallFailed {
            call,
            attempt,
            fault: format!("the device says that it is confirmed, but {why}"),
            effect,
            output: None,
        });
    }
    facts
}

fn by_probe(call: &CallState, verdict: Settlement, evidence: &str) -> Event {
    Event::CallSettled {
        call: call.id.clone(),
        verdict,
        by: SettledBy::Probe,
        evidence: evidence.to_owned(),
        fence: None,
    }
}

fn stuck(job: &ItemJob, call: &CallState, taken: &Taken) -> Event {
    let seen = match (&taken.problem, taken.valid) {
        (Some(problem), false) => problem.as_str(),
        (None, false) => "the reading is not valid",
        _ => "the state shows neither the change nor what was there before",
    };
    let phase = call.id.phase.as_str();
    Event::Stuck {
        why: format!("what came of the {phase} call cannot be told: {seen}: a person must look and settle it"),
        item: Some(job.item.clone()),
        phase: Some(call.id.phase),
    }
}

/// A prepare that may have been carried out changed nothing that runs; it is let go of with the others.
async fn settle_prepare(job: ItemJob, call: CallState) -> Facts {
    let taken = job.probe_until(READABLE_WITHIN, |_| true).await;
    let as_before = is_as_before(&job, &taken);
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::Settle, &taken, Some(as_before));
    facts.push(match as_before {
        true => by_probe(
            &call,
            Settlement::Partial,
            "the state is as before, and something may be prepared: it is let go",
        ),
        false => stuck(&job, &call, &taken),
    });
    facts
}

/// Settles the doubt about a confirm. `gone`: by now an unconfirmed change must have been taken back; before, only a
/// probe that tells whether it is pending decides.
async fn settle_confirm(job: ItemJob, call: CallState, expired: Event, gone: bool) -> Facts {
    let taken = job.probe_until(READABLE_WITHIN, |_| true).await;
    let as_before = is_as_before(&job, &taken);
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::Settle, &taken, Some(as_before));
    if as_before {
        facts.push(by_probe(
            &call,
            Settlement::NotApplied,
            "the device has gone back: the change was not confirmed",
        ));
        facts.push(expired);
    } else if taken.pending == Some(true) {
        let evidence = "the change is there, and the device still waits for it to be confirmed";
        facts.push(by_probe(&call, Settlement::NotApplied, evidence));
    } else if shows(&job, &taken) && taken.pending == Some(false) {
        let evidence = "the change is there, and the device waits for nothing";
        facts.push(by_probe(&call, Settlement::Applied, evidence));
    } else if !gone {
        // Looked at once more when the timer must have run out.
    } else if shows(&job, &taken) {
        let evidence = "the change has outlived the device's timer";
        facts.push(by_probe(&call, Settlement::Applied, evidence));
    } else {
        facts.push(stuck(&job, &call, &taken));
    }
    facts
}

/// Settles the cancel of a pending change. `may_go_back`: the device's timer may still do what the cancel did not.
async fn settle_cancel(job: ItemJob, call: CallState, may_go_back: bool) -> Facts {
    let taken = job.probe_until(READABLE_WITHIN, |_| true).await;
    let as_before = is_as_before(&job, &taken);
    let mut facts = Facts::default();
    job.taken(
        &mut facts,
        ProbePurpose::Settle,
        &taken,
        taken.valid.then_some(as_before),
    );
    if as_before {
        facts.push(by_probe(
            &call,
            Settlement::Applied,
            "the state is as it was before the change",
        ));
    } else if may_go_back {
        // Looked at once more when the timer must have run out.
    } else if shows(&job, &taken) {
        facts.push(by_probe(
            &call,
            Settlement::NotApplied,
            "the change stands although the device's timer has run out",
        ));
    } else {
        facts.push(stuck(&job, &call, &taken));
    }
    facts
}

/// Looks whether a lease that may have run out still stands.
async fn still_there(job: ItemJob, expired: Event) -> Facts {
    let taken = job.probe().await;
    let as_before = is_as_before(&job, &taken);
    let mut facts = Facts::default();
    job.taken(
        &mut facts,
        ProbePurpose::Settle,
        &taken,
        taken.valid.then_some(as_before),
    );
    if as_before {
        facts.push(expired);
    }
    facts
}
