//! Starting what is due: takes what a piece of work needs out of the state, so that it can run beside the driver.

use super::act::{self, Dispatch, UndoStart};
use super::expand::NotExpanded;
use super::facts::Facts;
use super::late::Late;
use super::patience::Waits;
use super::question::Continued;
use super::ready::{ready, unrepeatable};
use super::settle::Doubted;
use super::undo::MayOverwrite;
use super::{DriveError, Driver, ask, checks, expand, judge, look, planning, undo};
use crate::actor::Actor;
use crate::expr::Bindings;
use crate::ids::{IntentId, ItemId, Phase, StepId};
use crate::intent::effects::Work;
use crate::intent::event::{Event, WayBack};
use crate::intent::item::ItemState;
use crate::intent::resolutions::Obstacle;
use crate::payload::Payload;
use crate::plan::{Step, StepFacts};
use crate::ports::Clock;
use crate::tool::Outcome;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::oneshot;

/// Work that takes longer is named in the log: whoever asks why an intent stands still should find it.
const LONG_WORK: Duration = Duration::from_secs(120);

/// Does a piece of work; says so in the log for as long as it is overdue.
async fn named_if_long(intent: IntentId, work: &Work, clock: &dyn Clock, told: impl Future<Output = Told>) -> Told {
    let mut told = std::pin::pin!(told);
    let mut patience = LONG_WORK;
    loop {
        tokio::select! {
            biased;
            told = &mut told => return told,
            () = clock.sleep(patience) => tracing::warn!(%intent, ?work, "still at work after {patience:?} more"),
        }
        patience *= 2;
    }
}

/// What a piece of work has to tell.
pub(super) enum Told {
    Facts(Facts),
    /// A call is ready: to be recorded, then sent.
    Ready {
        facts: Facts,
        dispatch: Box<Dispatch>,
    },
    Sent {
        facts: Facts,
        late: Option<oneshot::Receiver<Outcome>>,
    },
    Late(Late),
}

pub(super) struct Report {
    pub(super) work: Work,
    /// The look that it was started in.
    pub(super) look: u32,
    pub(super) told: Told,
}

impl Driver {
    /// Starts a piece of work. True: it was done on the spot and the state changed.
    pub(super) async fn begin(&mut self, work: Work) -> Result<bool, DriveError> {
        if work.mutates() && self.is_held_back(&work) {
            return Ok(false);
        }
        match &work {
            Work::Lock => {
                self.shut_by_the_wall = !self.is_open_by_the_wall();
                return if self.shut_by_the_wall {
                    Ok(false)
                } else {
                    self.lock().await
                };
            }
            Work::RequestApproval => {
                let facts = judge::request_approval(&self.deps, &self.ledger.state);
                self.record(facts).await?;
                return Ok(true);
            }
            Work::ReadBack => {
                let facts = ask::read_back(&self.deps, &self.ledger.state);
                self.record(facts).await?;
                return Ok(true);
            }
            Work::Expand { step } => {
                let facts = self.expand(step).await?;
                self.record(facts).await?;
                return Ok(true);
            }
            Work::Send { item } => {
                if let Some(denied) = self.denied_now(item).await? {
                    self.record(Facts::of(denied)).await?;
                    return Ok(true);
                }
            }
            _ => {}
        }
        let (patience, waits) = (self.patience_for(&work), Waits::of(&self.ledger.state, &work));
        self.patience = Some(patience.clone());
        let future = self.prepare(&work).await?;
        self.spawn(work, async move { patience.instead_of(future.await, waits.as_ref()) });
        Ok(false)
    }

    fn spawn(&mut self, work: Work, told: impl Future<Output = Told> + Send + 'static) {
        let (intent, look, clock) = (self.ledger.id, self.ledger.state.looks, self.deps.clock.clone());
        self.started.insert(work.clone());
        self.in_flight.push(Box::pin(async move {
            let told = named_if_long(intent, &work, clock.as_ref(), told).await;
            Report { work, look, told }
        }));
    }

    async fn prepare(&mut self, work: &Work) -> Result<futures::future::BoxFuture<'static, Told>, DriveError> {
        let state = &self.ledger.state;
        Ok(match work {
            Work::Plan { revision } => {
                let (deps, request, revision) = (self.deps.clone(), state.request.clone(), *revision);
                let intent = state.id;
                let patience = self.patience.clone().unwrap_or_else(|| self.no_patience());
                let before = self.tried_before().await?;
                Box::pin(async move {
                    Told::Facts(match request.undo_of {
                        Some(of) => undo::plan(&deps, intent, of, revision).await,
                        None => planning::plan(&deps, &request, revision, before, &patience).await,
                    })
                })
            }
            Work::Judge => {
                let proposal = self.proposal().await?;
                let deps = self.deps.clone();
                Box::pin(async move { Told::Facts(judge::judge(&deps, proposal).await) })
            }
            Work::Check { check, purpose } => {
                let job = self.check_job(check, *purpose).await?;
                Box::pin(async move { Told::Facts(checks::take(job).await) })
            }
            Work::Read { item } => {
                let job = self.read_job(item).await?;
                Box::pin(async move { Told::Facts(checks::read_step(job).await) })
            }
            Work::Look { item } if state.request.undo_of.is_some() => {
                let (covered, anew) = (state.is_covered(item), state.looks > 1);
                let job = self.item_job(item).await?;
                Box::pin(async move { Told::Facts(undo::look(job, covered, anew).await) })
            }
            Work::Look { item } => {
                let job = self.item_job(item).await?;
                let call = self.ledger.state.next_call(item, Phase::Do);
                let plan = self.looking(item);
                Box::pin(async move { Told::Facts(look::look(job, call, plan).await) })
            }
            Work::Confirm { item } => self.prepare_confirm(item).await?,
            Work::Send { item } => self.prepare_send(item).await?,
            Work::Undo { item } => self.prepare_way_back(item).await?,
            Work::LeaseCall { item, phase } => self.prepare_lease_call(item, *phase).await?,
            Work::LeaseRead { item } => self.prepare_lease_read(item).await?,
            Work::FollowTask { item, phase, .. } => self.follow_task(item, *phase),
            Work::Verify { item } | Work::VerifyUndo { item } | Work::Settle { item } | Work::Recheck { item } => {
                self.prepare_reading(work, item).await?
            }
            Work::Expand { .. } | Work::Lock | Work::ReadBack | Work::RequestApproval => {
                unreachable!("done on the spot")
            }
        })
    }

    async fn prepare_reading(
        &mut self,
        work: &Work,
        item: &ItemId,
    ) -> Result<futures::future::BoxFuture<'static, Told>, DriveError> {
        let job = self.item_job(item).await?;
        let state = self.item(item);
        let found = state.found.clone().filter(|_| state.overwrite);
        let overwrite = state.overwrite;
        let phase = state.contradiction.as_ref().map_or(Phase::Do, |c| c.phase);
        let call = match work {
            Work::Recheck { .. } => state.call_of(phase).cloned(),
            _ => state.open_call().cloned(),
        };
        let claimed_ms = self.ledger.state.claimed_ms;
        let Some(call) = call else {
            return Ok(Box::pin(async { Told::Facts(Facts::default()) }));
        };
        let may_land = self.item(item).may_land_yet(&call, self.deps.clock.now_ms());
        Ok(match work {
            Work::Verify { .. } => Box::pin(async move { Told::Facts(act::verify(job, call, may_land).await) }),
            Work::VerifyUndo { .. } => {
                let found = self.optional(found.and_then(|r| r.state)).await?;
                let overwritten = overwrite.then_some(act::Overwritten { found });
                Box::pin(async move { Told::Facts(act::verify_undo(job, call, overwritten, may_land).await) })
            }
            Work::Recheck { .. } => {
                Box::pin(async move { Told::Facts(Doubted { job, call, claimed_ms }.recheck().await) })
            }
            _ if call.id.phase == Phase::Cancel => self.prepare_cancel_settlement(job, call),
            _ => Box::pin(async move { Told::Facts(Doubted { job, call, claimed_ms }.settle().await) }),
        })
    }

    async fn prepare_send(&mut self, item: &ItemId) -> Result<futures::future::BoxFuture<'static, Told>, DriveError> {
        let call = self.ledger.state.next_call(item, Phase::Do);
        let attempt = self.next_attempt(item, &call);
        let job = match self.sendable_job(item).await? {
            Ok(job) => job,
            Err(fault) => {
                let unproven = self.item(item).unproven(Phase::Do);
                return Ok(Box::pin(async move {
                    Told::Facts(unrepeatable(call, attempt, fault, unproven))
                }));
            }
        };
        if self.was_changed_since(item) {
            let sent = self.item(item).sent_at.is_some();
            return Ok(Box::pin(async move {
                Told::Facts(act::refresh(job, call, attempt, sent).await)
            }));
        }
        let expect_base = self.expected_base(item);
        let (tool, args) = (job.tool.clone(), job.known.args.clone());
        let timeout = self.step_of(item).and_then(|(s, _)| s.timeout);
        let timeout_ms = timeout.map_or(job.contract.timeout().0, |t| t.0.min(job.contract.timeout().0));
        if let Some(asked) = self.item(item).answered_question(Phase::Do).cloned() {
            let with = Continued {
                job,
                asked,
                call,
                attempt,
                tool,
                args,
                expect_base,
                timeout_ms,
            };
            return self.prepare_answer(with).await;
        }
        Ok(Box::pin(ready(
            job,
            call,
            attempt,
            tool,
            args,
            expect_base,
            timeout_ms,
            self.epoch,
        )))
    }

    pub(super) async fn prepare_undo(
        &mut self,
        item: &ItemId,
    ) -> Result<futures::future::BoxFuture<'static, Told>, DriveError> {
        let job = self.item_job(item).await?;
        let call = self.ledger.state.next_call(item, Phase::Undo);
        let attempt = self.next_attempt(item, &call);
        let may = self.may_overwrite(item).await?;
        let state = self.item(item);
        let undo = match state.way_back.clone() {
            Some(WayBack::Call(undo)) => undo,
            Some(WayBack::Irreversible { why }) => return Ok(irreversible(item, &why)),
            None => return Ok(irreversible(item, "no way back was found at the look")),
        };
        let args = match self.value(&undo.args).await? {
            Some(Value::Object(args)) => args,
            _ => return Ok(irreversible(item, "the arguments of the undo are gone (shredded)")),
        };
        if let Some(asked) = self.item(item).answered_question(Phase::Undo).cloned() {
            let timeout_ms = job.contracts.of(&undo.tool).timeout().0;
            let (tool, expect_base) = (undo.tool, None);
            let with = Continued {
                job,
                asked,
                call,
                attempt,
                tool,
                args,
                expect_base,
                timeout_ms,
            };
            return self.prepare_answer(with).await;
        }
        let epoch = self.epoch;
        Ok(Box::pin(async move {
            match act::before_undo(&job, may).await {
                UndoStart::Told(facts) => Told::Facts(facts),
                UndoStart::Go { facts, base } => {
                    let timeout_ms = job.contracts.of(&undo.tool).timeout().0;
                    match ready(job, call, attempt, undo.tool, args, base, timeout_ms, epoch).await {
                        Told::Ready { dispatch, .. } => Told::Ready { facts, dispatch },
                        told => told,
                    }
                }
            }
        }))
    }

    async fn may_overwrite(&mut self, item: &ItemId) -> Result<MayOverwrite, DriveError> {
        let state = self.item(item);
        if state.overwrite {
            let seen = state.seen_in_conflict().and_then(|r| r.state.clone());
            return Ok(MayOverwrite::Seen(self.optional(seen).await?));
        }
        Ok(match state.is_partial_unseen() {
            true => MayOverwrite::Anything,
            false => MayOverwrite::Nothing,
        })
    }

    /// Records the start of a call. It is sent once that is durable.
    pub(super) async fn dispatch(
        &mut self,
        work: Work,
        mut facts: Facts,
        dispatch: Dispatch,
    ) -> Result<(), DriveError> {
        if self.is_held_back(&work) {
            self.started.remove(&work);
            return Ok(());
        }
        let sealed = dispatch.call.phase == Phase::Undo
            && matches!(self.item(&dispatch.call.item).way_back, Some(WayBack::Call(ref u)) if matches!(u.args, Payload::Sealed { .. }));
        let sealed = sealed || self.seals_lease(&dispatch);
        dispatch.started(&mut facts, sealed);
        self.note(facts, &Actor::engine()).await?;
        self.owed.calls.push((work, dispatch));
        Ok(())
    }

    pub(super) fn send(&mut self, work: Work, dispatch: Dispatch) {
        let lost = self.lost.clone();
        self.spawn(work, async move {
            if lost.load(Ordering::SeqCst) {
                return Told::Facts(Facts::default());
            }
            let (facts, late) = dispatch.send().await;
            Told::Sent { facts, late }
        });
    }

    async fn expand(&mut self, step: &StepId) -> Result<Facts, DriveError> {
        if let Some(of) = self.ledger.state.request.undo_of {
            return self.expand_undo(of).await;
        }
        let (definition, facts, contracts, platforms) = {
            let accepted = self
                .ledger
                .state
                .accepted
                .as_ref()
                .expect("only an accepted plan has steps");
            let (step, facts) = accepted.plan.step(step).expect("due names steps of the plan");
            let platforms = accepted.plan.platforms.clone();
            (step.clone(), facts.clone(), accepted.contracts.clone(), platforms)
        };
        let scope = self.scope(&facts.binds).await?;
        let inventory = self.deps.inventory.as_ref();
        let expanded = expand::expand(&definition, &facts, &contracts, inventory, &scope, &platforms);
        Ok(expanded.unwrap_or_else(|NotExpanded { rule, why }| {
            let pointer = format!("/plan/steps/{step}");
            Facts::of(Event::PlanRefused {
                revision: self.ledger.state.revision,
                faults: vec![crate::fault::Fault::new(pointer, rule, why.clone())],
                reason: format!("step {step} cannot be expanded: {why}"),
                final_: true,
            })
        }))
    }

    /// What the steps named have given, and the plan's parameters and alarm.
    pub(super) async fn scope(&mut self, steps: &[StepId]) -> Result<Bindings, DriveError> {
        let accepted = self.ledger.state.accepted.clone().expect("only an accepted plan binds");
        let mut scope = Bindings::new();
        scope.set(crate::expr::Root::Params, accepted.plan.params.clone());
        scope.set(crate::expr::Root::Alarm, accepted.plan.alarm.clone());
        for id in steps {
            let Some((step, facts)) = accepted.plan.step(id) else {
                continue;
            };
            let payloads: Vec<Option<Payload>> =
                self.ledger.state.items_of(id).map(|(_, i)| i.output.clone()).collect();
            let mut outputs = Vec::with_capacity(payloads.len());
            for payload in payloads.into_iter().flatten() {
                outputs.extend(self.value(&payload).await?.map(Arc::new));
            }
            match (step.fans_out(facts), outputs.pop()) {
                (true, last) => scope.for_each_step(id, outputs.into_iter().chain(last).collect()),
                (false, Some(output)) => scope.step(id, output),
                (false, None) => {}
            }
        }
        Ok(scope)
    }

    /// A payload's value. None: its blob is gone.
    pub(super) async fn value(&mut self, payload: &Payload) -> Result<Option<Value>, DriveError> {
        let Some(digest) = payload.blob() else {
            return Ok(payload.value(None));
        };
        if self.ledger.seen.get(digest).is_none()
            && let Some(bytes) = self.deps.journal.blob(self.ledger.id, digest).await?
        {
            self.ledger.seen.insert(digest.clone(), bytes);
        }
        let bytes = self.ledger.seen.get(digest);
        Ok(payload.value(bytes.as_deref().map(Vec::as_slice)))
    }

    pub(super) async fn optional(&mut self, payload: Option<Payload>) -> Result<Option<Arc<Value>>, DriveError> {
        Ok(match payload {
            Some(payload) => self.value(&payload).await?.map(Arc::new),
            None => None,
        })
    }

    pub(super) fn item(&self, id: &ItemId) -> &ItemState {
        self.ledger.state.items.get(id).expect("due names items of the state")
    }

    pub(super) fn step_of(&self, id: &ItemId) -> Option<(&Step, &StepFacts)> {
        self.ledger.state.accepted.as_ref()?.plan.step(&id.step)
    }
}

fn irreversible(item: &ItemId, why: &str) -> futures::future::BoxFuture<'static, Told> {
    let why = format!(
        "it cannot be taken back: {why}: put it right by hand, then {}",
        Obstacle::NoWayBack.ask()
    );
    let facts = Facts::of(Event::UndoConflict {
        item: item.clone(),
        found: None,
        why,
    });
    Box::pin(async move { Told::Facts(facts) })
}
