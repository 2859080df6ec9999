//! Acting: the call itself, the read-back, settlement and undo. Each function returns facts.

use super::facts::Facts;
pub(super) use super::job::Args;
use super::job::{ItemJob, Taken, said};
use super::patience::{Refused, trouble};
use super::undo::MayOverwrite;
use crate::contract::EffectClass;
use crate::contract::apply::{self, ErrorEffect, Known};
use crate::ids::{CallId, Phase};
use crate::intent::event::{Event, FaultEffect, ProbePurpose, SettledBy, Settlement};
use crate::intent::item::CallState;
use crate::intent::resolutions::Obstacle;
use crate::ports::Answer;
use crate::question::Answers;
use crate::tool::{Incarnation, Outcome, ToolName, ToolRequest};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long after the call was given up before a probe may tell what came of it, when the undo's contract says nothing.
const UNDO_SHOWS_WITHIN: Duration = Duration::from_secs(5);
/// How long a reading that is not valid is asked for again.
const READABLE_WITHIN: Duration = Duration::from_secs(2);
/// Why an undo that finds neither the state before nor one that was read after the call is for a person.
pub(super) const UNREAD: &str =
    "what the call left was never read, so nothing shows whether somebody else changed it since";

/// A call that is ready to be recorded and sent.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) job: ItemJob,
    pub(super) call: CallId,
    pub(super) attempt: u32,
    pub(super) tool: ToolName,
    pub(super) args: Args,
    pub(super) incarnation: Incarnation,
    pub(super) expect_base: Option<String>,
    pub(super) send_by_ms: i64,
    pub(super) deadline_ms: i64,
    pub(super) timeout_ms: u64,
    pub(super) epoch: u64,
    /// What was answered, if its server asked.
    pub(super) goes_on: Option<Answers>,
}

impl Dispatch {
    /// The entry that must be durable before the call leaves.
    pub(super) fn started(&self, facts: &mut Facts, sealed: bool) {
        let event = Event::CallStarted {
            call: self.call.clone(),
            attempt: self.attempt,
            key: crate::journal::call_key(self.job.intent, &self.call),
            tool: self.tool.clone(),
            args: facts.payload(Value::Object(self.args.clone()), sealed),
            incarnation: Some(self.incarnation.clone()),
            expect_base: self.expect_base.clone(),
            send_by_ms: self.send_by_ms,
            deadline_ms: self.deadline_ms,
        };
        facts.push(event);
    }

    fn request(&self) -> ToolRequest {
        let key = crate::journal::call_key(self.job.intent, &self.call);
        let mut meta = Map::new();
        meta.insert("io.flyball/intent".into(), json!(self.job.intent));
        meta.insert("io.flyball/call".into(), json!(self.call));
        meta.insert("io.flyball/key".into(), json!(key));
        meta.insert("io.flyball/epoch".into(), json!(self.epoch));
        meta.insert("io.flyball/send_by".into(), json!(self.send_by_wall_ms()));
        meta.insert("io.flyball/purpose".into(), json!(self.call.phase));
        if let Some(lease) = self.job.known.lease.as_ref().filter(|_| self.call.phase != Phase::Undo) {
            meta.insert("io.flyball/lease".into(), json!(lease));
        }
        if let Some(base) = &self.expect_base {
            meta.insert("io.flyball/expect_base".into(), json!(base));
        }
        let mut args = self.args.clone();
        let contract = self.job.contracts.of(&self.tool);
        if let Some(name) = contract.idempotency_arg {
            args.insert(name, json!(key));
        }
        let incarnation = Some(self.incarnation.clone());
        ToolRequest {
            tool: self.tool.clone(),
            args,
            meta,
            timeout_ms: self.timeout_ms,
            mutating: true,
            incarnation,
            send_by_ms: Some(self.send_by_ms),
        }
    }

    /// Until when the server may begin with it, by the wall clock, which is what the two have in common: taken when the
    /// call is handed over, since the wall clock may have been set since the engine started to count.
    fn send_by_wall_ms(&self) -> i64 {
        let clock = &self.job.deps.clock;
        clock
            .wall_ms()
            .saturating_add(self.send_by_ms.saturating_sub(clock.now_ms()))
    }

    /// Sends the call and says what is known afterwards.
    pub(super) async fn send(&self) -> (Facts, Option<tokio::sync::oneshot::Receiver<Outcome>>) {
        let deps = &self.job.deps;
        let Answer { outcome, late } = if deps.clock.now_ms() > self.send_by_ms {
            Outcome::NotSent {
                reason: "it could not be sent in time".into(),
                retry_after_ms: None,
            }
            .into()
        } else {
            match &self.goes_on {
                Some(answers) => deps.executor.go_on(self.request(), answers.clone()).await,
                None => deps.executor.call(self.request()).await,
            }
        };
        let facts = self.told(&outcome).await;
        self.let_go(&outcome, &facts).await;
        (facts, late)
    }

    /// What an outcome says of the call while it is out.
    pub(super) async fn told(&self, outcome: &Outcome) -> Facts {
        let (call, attempt) = (self.call.clone(), self.attempt);
        let contract = self.job.contracts.of(&self.tool);
        let known = Known {
            args: self.args.clone(),
            ..self.job.known.clone()
        };
        match outcome {
            Outcome::Done { output } => match apply::fails(&contract, &known, output) {
                Ok(false) => {
                    let mut facts = Facts::default();
                    let output = facts.payload(output.clone(), contract.sealed);
                    facts.push(Event::CallAnswered { call, attempt, output });
                    facts
                }
                Ok(true) => {
                    self.refused(output, apply::error_means(&contract, &known, output))
                        .await
                }
                Err(why) => self.answered_doubt(format!("whether it failed cannot be told: {why}")),
            },
            Outcome::ToolError { output } => {
                self.refused(output, apply::error_means(&contract, &known, output))
                    .await
            }
            Outcome::Rejected { code, message } => self.failed(
                format!("{} rejected it ({code}): {message}", self.tool),
                FaultEffect::None,
                None,
            ),
            Outcome::NotSent { reason, .. } => self.not_sent(reason, outcome).await,
            // The only exact way to learn how it ends: nothing is done with it before it is journaled.
            Outcome::Unknown { task: Some(task), .. } => self.noted(task),
            Outcome::Unknown { reason, .. } if contract.effect == EffectClass::Idempotent => {
                match self.retry(outcome).await {
                    Ok(event) => Facts::of(event),
                    Err(refused) => self.doubt(refused.to(reason.clone()), false),
                }
            }
            Outcome::Unknown { reason, .. } => self.doubt(reason.clone(), false),
            Outcome::NeedsInput { question } => self.asked(question),
        }
    }

    async fn refused(&self, output: &Value, means: ErrorEffect) -> Facts {
        let sealed = self.job.contracts.of(&self.tool).sealed;
        let fault = format!("{}: {}", self.tool, said(output, sealed));
        match means {
            ErrorEffect::None => self.failed(fault, FaultEffect::None, Some(output)),
            ErrorEffect::Unknown => self.answered_doubt(fault),
            ErrorEffect::Partial => {
                let mut facts = self.failed(fault, FaultEffect::Unknown, Some(output));
                // What the call left is what an undo will expect to find.
                if self.call.phase == Phase::Do && self.job.contract.probe.is_some() {
                    let taken = self.job.probe_until(READABLE_WITHIN, |_| true).await;
                    self.job.taken(&mut facts, ProbePurpose::After, &taken, None);
                }
                facts
            }
        }
    }

    fn noted(&self, task: &str) -> Facts {
        let mut facts = Facts::of(Event::TaskNoted {
            call: self.call.clone(),
            task: task.to_owned(),
            lost: None,
        });
        if !matches!(self.call.phase, Phase::Do | Phase::Undo) {
            // What has to be over before a device's timer does not wait for a task.
            facts.extend(self.doubt("the server works on it as a task".to_owned(), false));
        }
        facts
    }

    /// The server has ended the call, and what it did is not known.
    pub(super) fn answered_doubt(&self, reason: String) -> Facts {
        self.doubt(reason, true)
    }

    pub(super) fn doubt(&self, reason: String, answered: bool) -> Facts {
        Facts::of(Event::CallInDoubt {
            call: self.call.clone(),
            attempt: self.attempt,
            reason,
            answered,
            dead_since_ms: None,
        })
    }

    fn failed(&self, fault: String, effect: FaultEffect, output: Option<&Value>) -> Facts {
        if effect == FaultEffect::None && self.job.unproven.contains(&self.call.phase) {
            return self.answered_doubt(format!("{fault}: but an attempt before it may have had an effect"));
        }
        let mut facts = Facts::default();
        let output = output.map(|o| facts.payload(o.clone(), false));
        facts.push(Event::CallFailed {
            call: self.call.clone(),
            attempt: self.attempt,
            fault,
            effect,
            output,
        });
        facts
    }

    async fn not_sent(&self, reason: &str, outcome: &Outcome) -> Facts {
        let (call, attempt) = (self.call.clone(), self.attempt);
        let mut facts = Facts::of(Event::CallNotSent {
            call,
            attempt,
            reason: reason.to_owned(),
        });
        match self.retry(outcome).await {
            Ok(event) => facts.push(event),
            // The call itself is out at the server still.
            Err(refused) if self.hands_in() => {
                let reason = refused.to(format!("the answer could not be handed in: {reason}"));
                facts.extend(self.doubt(reason, false));
            }
            Err(refused) => {
                let fault = refused.to(format!("it could not be sent: {reason}"));
                facts.extend(self.failed(fault, FaultEffect::None, None));
            }
        }
        facts
    }

    async fn retry(&self, outcome: &Outcome) -> Result<Event, Refused> {
        let effect = self.job.contracts.of(&self.tool).effect;
        let granted = self.job.patience.grant(&self.tool, effect, outcome).await?;
        Ok(Event::CallRetryScheduled {
            call: self.call.clone(),
            until_ms: self.job.patience.until_ms(&granted),
            rule: granted.rule,
            reading: None,
            why: trouble(outcome),
        })
    }
}

/// Reads the state before a call anew, after an earlier call of the same intent has changed it. `sent`: it went out before,
/// and was settled as without effect.
pub(super) async fn refresh(mut job: ItemJob, call: CallId, attempt: u32, sent: bool) -> Facts {
    let taken = job.probe_until(READABLE_WITHIN, |_| true).await;
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::Before, &taken, None);
    if !taken.valid {
        let why = taken.problem.unwrap_or_else(|| "the reading is not valid".to_owned());
        let fault = format!("the state before cannot be read, so nothing is sent: {why}");
        facts.push(Event::CallFailed {
            call,
            attempt,
            fault,
            effect: FaultEffect::None,
            output: None,
        });
    } else if taken.holds == Some(true) && sent {
        let fault = "the change shows, although the call was settled as without effect: nobody can tell whose it is";
        facts.push(Event::CallFailed {
            call,
            attempt,
            fault: fault.to_owned(),
            effect: FaultEffect::Unknown,
            output: None,
        });
    } else if taken.holds == Some(true) {
        return super::look::satisfied(facts, &job, &taken);
    } else {
        // The way back leads to what the earlier call left, not to what was there before both.
        job.known.before = taken.state.map(Into::into);
        match super::look::preview(&mut job, &mut facts).await {
            Ok(event) => facts.push(event),
            Err(unread) => {
                facts.push(Event::CallFailed {
                    call,
                    attempt,
                    fault: unread.why,
                    effect: FaultEffect::None,
                    output: None,
                });
            }
        }
    }
    facts
}

/// Reads back after an answer: the change must show within the contract's time. `others_may_land`: an earlier attempt of
/// the call was given up and may land yet, so that what does not show now is no failure yet.
pub(super) async fn verify(job: ItemJob, call: CallState, others_may_land: bool) -> Facts {
    let mut taken = job.probe_until(job.holds_within(), |t| t.holds != Some(false)).await;
    if taken.valid && taken.holds.is_none() && is_a_persons_word(&call) {
        // The reading tells neither way, so it takes nothing from what the person saw.
        taken.problem = None;
    }
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::After, &taken, None);
    let (id, attempt) = (call.id, call.attempt);
    let no_evidence = !taken.valid || (taken.holds.is_none() && taken.problem.is_some());
    if no_evidence {
        let why = taken.problem.unwrap_or_else(|| "the reading is not valid".to_owned());
        let reason = format!("the tool said yes, but the state cannot be read back: {why}");
        facts.push(Event::CallInDoubt {
            call: id,
            attempt,
            reason,
            answered: true,
            dead_since_ms: None,
        });
    } else if taken.holds == Some(false) && others_may_land {
        facts.push(Event::CallInDoubt {
            call: id,
            attempt,
            reason: "the tool said yes, but the change does not show, and an earlier sending may still land".to_owned(),
            answered: true,
            dead_since_ms: None,
        });
    } else if taken.holds == Some(false) {
        let fault = "the tool said yes, but the change does not show".to_owned();
        facts.push(Event::CallFailed {
            call: id,
            attempt,
            fault,
            effect: FaultEffect::Unknown,
            output: None,
        });
    }
    facts
}

fn is_a_persons_word(call: &CallState) -> bool {
    matches!(&call.settled, Some((Settlement::Applied, SettledBy::Person { .. })))
}

/// What an undo finds before it is sent.
pub(super) enum UndoStart {
    /// Already as before, in conflict, or unreadable: said in the facts.
    Told(Facts),
    /// To be sent, expecting this base.
    Go { facts: Facts, base: Option<String> },
}

/// That a person let an undo overwrite what somebody else did.
pub(super) struct Overwritten {
    /// What the undo found before it was sent. None: its reading is gone, so nothing shows that it changed anything.
    pub(super) found: Option<Arc<Value>>,
}

/// Reads the state before an undo: it must be what our last call left, or what a person saw and let it overwrite.
pub(super) async fn before_undo(job: &ItemJob, may: MayOverwrite) -> UndoStart {
    let mut facts = Facts::default();
    if job.contract.probe.is_none() {
        if !matches!(may, MayOverwrite::Nothing) {
            return UndoStart::Go { facts, base: None };
        }
        let fits = Obstacle::NoProbe.ask();
        facts.push(Event::UndoConflict {
            item: job.item.clone(),
            found: None,
            why: format!(
                "there is no probe, so nothing shows whether somebody else changed it since: check it, then {fits}"
            ),
        });
        return UndoStart::Told(facts);
    }
    let taken = job.probe_until(Duration::from_secs(2), |_| true).await;
    let as_left = taken.valid && job.known.after.is_some() && taken.state.as_ref() == job.known.after.as_deref();
    let as_before = taken.valid && taken.state.as_ref() == job.known.before.as_deref();
    if as_before {
        job.taken(&mut facts, ProbePurpose::AfterUndo, &taken, Some(true));
        return UndoStart::Told(facts);
    }
    job.taken(&mut facts, ProbePurpose::BeforeUndo, &taken, Some(as_left));
    if taken.valid && (as_left || may.allows(taken.state.as_ref())) {
        return UndoStart::Go {
            facts,
            base: taken.base,
        };
    }
    let why = match (&taken.problem, taken.valid) {
        (problem, false) => format!(
            "the state cannot be read, so the undo is not sent: {}: {}",
            problem.as_deref().unwrap_or("the reading is not valid"),
            Obstacle::Unreadable.ask()
        ),
        _ if matches!(may, MayOverwrite::Seen(_)) => format!(
            "the state is another now than the one that overwrite was said of: look at it again, then {}",
            Obstacle::AnotherHand.ask()
        ),
        _ if job.known.after.is_none() => format!("{UNREAD}: look at it, then {}", Obstacle::Unknown.ask()),
        _ => format!("somebody else changed it since: {}", Obstacle::AnotherHand.ask()),
    };
    let sealed = job
        .contract
        .probe
        .as_ref()
        .is_some_and(|p| job.contracts.of(&p.tool).sealed);
    let found = taken.state.map(|s| facts.payload(s, sealed));
    facts.push(Event::UndoConflict {
        item: job.item.clone(),
        found,
        why,
    });
    UndoStart::Told(facts)
}

/// Reads back after an undo: the state must be what it was before the change. `overwritten`: a person let the undo
/// overwrite somebody else's change, so "as before" cannot be asked for exactly; then it must at least have changed what
/// it found, and our change must not show any more.
pub(super) async fn verify_undo(
    job: ItemJob,
    call: CallState,
    overwritten: Option<Overwritten>,
    others_may_land: bool,
) -> Facts {
    let before = job.known.before.clone();
    let within = job.holds_within().max(UNDO_SHOWS_WITHIN);
    let gone = |t: &Taken| t.holds == Some(false) || job.contract.holds.is_none();
    let changed = |t: &Taken, found: &Value| t.state.as_ref().is_some_and(|s| s != found);
    let found = overwritten.as_ref().and_then(|o| o.found.as_deref());
    let taken_back = |t: &Taken| {
        let as_before = t.state.as_ref() == before.as_deref();
        t.valid && (as_before || found.is_some_and(|found| changed(t, found) && gone(t)))
    };
    let taken = job.probe_until(within, taken_back).await;
    let equal = taken_back(&taken);
    let mut facts = Facts::default();
    job.taken(&mut facts, ProbePurpose::AfterUndo, &taken, Some(equal));
    let (id, attempt) = (call.id, call.attempt);
    if !taken.valid || (!equal && others_may_land) {
        let reason = match taken.valid {
            false => "the undo was answered, but the state cannot be read back",
            true => "the undo was answered, but does not show, and an earlier sending of it may still land",
        };
        let reason = reason.to_owned();
        facts.push(Event::CallInDoubt {
            call: id,
            attempt,
            reason,
            answered: true,
            dead_since_ms: None,
        });
    } else if !equal {
        let fault = match overwritten {
            None => "the undo was answered, but the state is not what it was before",
            Some(_) => "the undo was answered, but it changed nothing, or the change that it takes back shows still",
        };
        facts.push(Event::CallFailed {
            call: id,
            attempt,
            fault: fault.to_owned(),
            effect: FaultEffect::Unknown,
            output: None,
        });
    }
    facts
}
