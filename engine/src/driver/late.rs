//! Answers that come after the wait for them was given up, and the ends of tasks: journaled in whatever phase they find the
//! intent, after its end too. They may settle a doubt; they never unsettle one: what contradicts a settlement is told.

use super::act::Dispatch;
use super::facts::Facts;
use super::job::{ItemJob, said};
use super::work::{Report, Told};
use super::{Deps, DriveError, Driver};
use crate::contract::apply::{self, ErrorEffect, Known};
use crate::contract::{Contract, Contracts};
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::effects::Work;
use crate::intent::event::{Event, SettledBy, Settlement, WayBack};
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::ports::TaskReport;
use crate::tool::{Outcome, ToolName};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Between two questions about a task, whatever the server suggests.
const ASK_AT_LEAST: Duration = Duration::from_millis(100);
const ASK_AT_MOST: Duration = Duration::from_secs(10);

/// Something heard of a sending: its attempt may not be the latest one any more.
pub(super) struct Late {
    pub(super) call: CallId,
    attempt: u32,
    tool: ToolName,
    heard: Heard,
}

enum Heard {
    Answer(Outcome),
    TaskEnded(Outcome),
    TaskLost(String),
    /// The link is gone: nothing more will be heard.
    Nothing,
}

impl Late {
    fn of(call: &CallState, heard: Heard) -> Self {
        Self {
            call: call.id.clone(),
            attempt: call.attempt,
            tool: call.tool.clone(),
            heard,
        }
    }

    /// The answer that was heard, if it was one.
    pub(super) fn answer(&self) -> Option<&Outcome> {
        match &self.heard {
            Heard::Answer(outcome) | Heard::TaskEnded(outcome) => Some(outcome),
            Heard::TaskLost(_) | Heard::Nothing => None,
        }
    }

    /// What an answer says, in words, under the contracts that the call was held to: the entry, and whether it was applied.
    pub(super) fn told(
        &self,
        contracts: &Contracts,
        known: &Known,
        outcome: &Outcome,
    ) -> (Facts, Option<bool>, String) {
        let (applied, output, words) = reading(contracts, known, self, outcome);
        let reason = match self.heard {
            Heard::TaskEnded(_) => format!("its task has ended: {words}"),
            _ => format!("its answer came late: {words}"),
        };
        let mut facts = Facts::default();
        let sealed = contracts.of(&self.tool).sealed;
        let output = output.map(|o| facts.payload(o.clone(), sealed));
        facts.push(Event::LateAnswer {
            call: self.call.clone(),
            attempt: self.attempt,
            applied,
            output,
            reason: reason.clone(),
        });
        (facts, applied, reason)
    }

    fn is(&self, call: &CallState) -> bool {
        call.id == self.call && call.attempt == self.attempt
    }
}

impl Driver {
    /// Waits in the background for the reply of a call that was given up.
    pub(super) fn watch_late(&mut self, work: &Work, late: Option<oneshot::Receiver<Outcome>>) {
        let call = match work {
            Work::Send { item } | Work::Undo { item } => self.item(item).open_call(),
            Work::LeaseCall { item, phase } => self.item(item).call_of(*phase),
            _ => None,
        };
        let Some((call, late)) = call.cloned().zip(late) else {
            return;
        };
        let (look, work) = (self.ledger.state.looks, work.clone());
        self.in_flight.push(Box::pin(async move {
            let heard = late.await.map_or(Heard::Nothing, Heard::Answer);
            let told = Told::Late(Late::of(&call, heard));
            Report { work, look, told }
        }));
    }

    /// Asks the server about a task until it has ended or cannot be asked about any more.
    pub(super) fn follow_task(&self, item: &ItemId, phase: Phase) -> futures::future::BoxFuture<'static, Told> {
        let Some(call) = self.item(item).call_of(phase).cloned() else {
            return Box::pin(async { Told::Facts(Facts::default()) });
        };
        let deps = self.deps.clone();
        let bound = self.settle_after(&call.tool);
        Box::pin(async move {
            let heard = follow(&deps, &call, bound).await;
            Told::Late(Late::of(&call, heard))
        })
    }

    fn settle_after(&self, tool: &ToolName) -> Duration {
        let accepted = self.ledger.state.accepted.as_ref();
        accepted.map_or(Duration::ZERO, |a| a.contracts.of(tool).settle_after().duration())
    }

    /// Journals what was heard, and what follows from it in the state that it finds.
    pub(super) async fn hear_late(&mut self, late: Late) -> Result<(), DriveError> {
        if self.ledger.state.of_earlier(&late.call).is_some() {
            return self.hear_of_earlier(late).await;
        }
        // Before anything was sent, items come and go with each look.
        let Some(item) = self.ledger.state.items.get(&late.call.item).cloned() else {
            return Ok(());
        };
        let ended = self.ledger.state.ended.is_some();
        let facts = match &late.heard {
            Heard::Nothing => return Ok(()),
            Heard::TaskLost(reason) => lost(&item, &late, reason),
            Heard::Answer(Outcome::Unknown { task: Some(task), .. }) => noted(&item, &late, task),
            Heard::Answer(outcome) if is_asked(&item, &late) => match self.dispatch_of(&item, &late).await? {
                Some(dispatch) => ended_by_itself(&dispatch, outcome).await,
                None => Facts::default(),
            },
            Heard::Answer(outcome) => {
                let job = self.job_of(&late.call).await?;
                heard(&job, &item, &late, outcome, &SettledBy::LateAnswer, ended)
            }
            Heard::TaskEnded(outcome) => match self.dispatch_of(&item, &late).await? {
                // Still waited for: its end is the call's answer.
                Some(dispatch) => answered(&dispatch, outcome).await,
                None => {
                    let job = self.job_of(&late.call).await?;
                    heard(&job, &item, &late, outcome, &SettledBy::Task, ended)
                }
            },
        };
        if ended {
            facts.events.iter().for_each(|e| self.tell_after_the_end(e));
        }
        if facts.events.is_empty() {
            return Ok(());
        }
        self.record(facts).await?;
        // Nothing comes after the end that this could ride with.
        self.ledger.flush(Vec::new()).await
    }

    pub(super) fn tell_after_the_end(&self, event: &Event) {
        if let Event::SettlementContradicted { call, evidence } = event {
            tracing::error!(intent = %self.ledger.id, %call, evidence, "an ended intent is not what its report says");
        }
    }

    /// After the end: hears what still comes, until nothing more can or the supervisor stops. True: something came into
    /// the inbox meanwhile.
    pub(super) async fn listen_on(&mut self, inbox: &mut watch::Receiver<u64>) -> Result<bool, DriveError> {
        use futures::StreamExt;
        while !*self.signals.stopping.borrow() {
            tokio::select! {
                report = self.in_flight.next() => match report {
                    Some(report) => Box::pin(self.hear(report)).await?,
                    None => return Ok(false),
                },
                _ = inbox.changed() => return Ok(true),
                _ = self.signals.stopping.changed() => {}
            }
        }
        Ok(false)
    }

    /// The job of a call with that call's own arguments.
    async fn job_of(&mut self, call: &CallId) -> Result<ItemJob, DriveError> {
        if call.phase == Phase::Undo {
            let mut job = self.item_job(&call.item).await?;
            if let Some(WayBack::Call(undo)) = self.item(&call.item).way_back.clone()
                && let Some(Value::Object(args)) = self.value(&undo.args).await?
            {
                job.known.args = args;
            }
            return Ok(job);
        }
        if call.phase != Phase::Do {
            return self.item_job(&call.item).await;
        }
        match self.resolved_job(&call.item).await? {
            Ok(job) => Ok(job),
            Err(_) => self.item_job(&call.item).await,
        }
    }

    /// The call as it was sent, if it is still out: its task is waited for.
    async fn dispatch_of(&mut self, item: &ItemState, late: &Late) -> Result<Option<Dispatch>, DriveError> {
        let out = matches!(item.status, ItemStatus::Running | ItemStatus::Undoing) || item.status.is_asked();
        let Some(call) = item.open_call().filter(|c| out && !c.orphaned && late.is(c)).cloned() else {
            return Ok(None);
        };
        let mut job = self.job_of(&call.id).await?;
        if item.status.is_asked() {
            // What the server says now, it says of all that it did since the call came.
            let others = item.has_other_sending(&call.id, call.attempt);
            job.unproven.retain(|phase| *phase != call.id.phase || others);
        }
        let args = job.known.args.clone();
        Ok(Some(Dispatch {
            job,
            call: call.id,
            attempt: call.attempt,
            tool: call.tool,
            args,
            incarnation: call.incarnation.unwrap_or(crate::tool::Incarnation(String::new())),
            expect_base: None,
            send_by_ms: call.send_by_ms,
            deadline_ms: call.deadline_ms,
            timeout_ms: 0,
            epoch: self.epoch,
            goes_on: None,
        }))
    }
}

async fn follow(deps: &Arc<Deps>, call: &CallState, patience: Duration) -> Heard {
    let Some(task) = &call.task else { return Heard::Nothing };
    let mut silent_since: Option<i64> = None;
    let mut pause = ASK_AT_LEAST;
    loop {
        let report = deps.executor.task(call.tool.server(), &task.id).await;
        let now = deps.clock.now_ms();
        match report {
            TaskReport::Ended(outcome) => return Heard::TaskEnded(outcome),
            TaskReport::Lost { reason } => return Heard::TaskLost(reason),
            TaskReport::Working { poll_after } => {
                silent_since = None;
                pause = poll_after.unwrap_or(pause * 2);
            }
            // A server that is down may come back and know the task still: durable is what it promised.
            TaskReport::Unreachable { reason } => {
                let since = *silent_since.get_or_insert(now);
                if now - since >= i64::try_from(patience.as_millis()).unwrap_or(i64::MAX) {
                    return Heard::TaskLost(reason);
                }
                pause *= 2;
            }
        }
        pause = pause.clamp(ASK_AT_LEAST, ASK_AT_MOST);
        deps.clock.sleep(pause).await;
    }
}

/// The end of a task that is still waited for. A partial one is read back here, before anything else is heard.
async fn answered(dispatch: &Dispatch, outcome: &Outcome) -> Facts {
    match outcome {
        Outcome::Unknown { reason, .. } => dispatch.answered_doubt(reason.clone()),
        outcome => dispatch.told(outcome).await,
    }
}

/// Whether the server waits for an answer within this very call.
fn is_asked(item: &ItemState, late: &Late) -> bool {
    item.status.is_asked() && item.open_call().is_some_and(|c| late.is(c))
}

/// The end of a call whose server did not wait for the answer to its question.
async fn ended_by_itself(dispatch: &Dispatch, outcome: &Outcome) -> Facts {
    match outcome {
        Outcome::Unknown { reason, .. } => dispatch.doubt(
            format!("it ended while its server waited for an answer: {reason}"),
            false,
        ),
        outcome => dispatch.told(outcome).await,
    }
}

fn lost(item: &ItemState, late: &Late, reason: &str) -> Facts {
    let task = item
        .call_of(late.call.phase)
        .filter(|c| late.is(c))
        .and_then(|c| c.task.clone());
    let Some(task) = task else { return Facts::default() };
    let mut facts = Facts::of(Event::TaskNoted {
        call: late.call.clone(),
        task: task.id,
        lost: Some(reason.to_owned()),
    });
    if matches!(item.status, ItemStatus::Running | ItemStatus::Undoing) {
        facts.push(Event::CallInDoubt {
            call: late.call.clone(),
            attempt: late.attempt,
            reason: format!("the task that the server made of it is lost: {reason}"),
            answered: false,
            dead_since_ms: None,
        });
    }
    facts
}

fn noted(item: &ItemState, late: &Late, task: &str) -> Facts {
    let known = item.call_of(late.call.phase).is_some_and(|c| late.is(c) && !c.answered);
    if !known {
        return Facts::default();
    }
    Facts::of(Event::TaskNoted {
        call: late.call.clone(),
        task: task.to_owned(),
        lost: None,
    })
}

/// What an answer says of the world: whether the call was applied, if that can be told, and in words.
fn reading<'a>(
    contracts: &Contracts,
    known: &Known,
    late: &Late,
    outcome: &'a Outcome,
) -> (Option<bool>, Option<&'a Value>, String) {
    let contract = contracts.of(&late.tool);
    match outcome {
        Outcome::Done { output } => match apply::fails(&contract, known, output) {
            Ok(false) => (Some(true), Some(output), "done".to_owned()),
            _ => (
                effect(&contract, known, output),
                Some(output),
                format!("a failure: {}", said(output, contract.sealed)),
            ),
        },
        Outcome::ToolError { output } => (
            effect(&contract, known, output),
            Some(output),
            format!("an error: {}", said(output, contract.sealed)),
        ),
        Outcome::Rejected { code, message } => (Some(false), None, format!("a refusal ({code}): {message}")),
        Outcome::NotSent { reason, .. } => (Some(false), None, format!("turned away unread: {reason}")),
        Outcome::Unknown { reason, .. } => (None, None, reason.clone()),
        Outcome::NeedsInput { .. } => (None, None, "a question that nobody can answer here".to_owned()),
    }
}

fn effect(contract: &Contract, known: &Known, output: &Value) -> Option<bool> {
    (apply::error_means(contract, known, output) == ErrorEffect::None).then_some(false)
}

/// Journals an answer, and settles or contradicts where it can.
fn heard(job: &ItemJob, item: &ItemState, late: &Late, outcome: &Outcome, by: &SettledBy, ended: bool) -> Facts {
    let (mut facts, applied, reason) = late.told(&job.contracts, &job.known, outcome);
    let verdict = match applied {
        Some(true) => Settlement::Applied,
        Some(false) => Settlement::NotApplied,
        None => return facts,
    };
    // One of several sendings that had no effect says nothing of the others.
    if verdict == Settlement::NotApplied && item.has_other_sending(&late.call, late.attempt) {
        return facts;
    }
    if item.is_in_doubt(&late.call) {
        facts.events.extend(settled(job, item, late, verdict, by, reason));
    } else if let Some(was) = item.settlement_of(&late.call) {
        facts.events.extend(contradicted(late, was, verdict, &reason, ended));
        facts
            .events
            .extend(landed_after_all(item, late, verdict, &reason, ended));
    }
    facts
}

/// A change that was not there when it was to be taken back, so that nothing was sent for it, was made all the same.
fn landed_after_all(item: &ItemState, late: &Late, verdict: Settlement, reason: &str, ended: bool) -> Option<Event> {
    let made = verdict == Settlement::Applied && late.call.phase == Phase::Do;
    let passed_over = item.status == ItemStatus::Undone && item.undo.is_none();
    (ended && made && passed_over && item.contradiction.is_none()).then(|| Event::SettlementContradicted {
        call: late.call.clone(),
        evidence: format!("{reason}: that means applied, but nothing was sent to take it back: it was not there then"),
    })
}

fn settled(
    job: &ItemJob,
    item: &ItemState,
    late: &Late,
    verdict: Settlement,
    by: &SettledBy,
    evidence: String,
) -> Option<Event> {
    let contract = job.contracts.of(&late.tool);
    let call = item.call_of(late.call.phase)?;
    let resend = contract.resend != crate::contract::Resend::Never && !call.unanswered;
    let again = resend && super::settle::may_be_sent_again(job, call);
    Some(Event::CallSettled {
        call: late.call.clone(),
        verdict,
        by: by.clone(),
        evidence,
        // An answer ends the call: nothing of it can land any more.
        fence: (verdict == Settlement::NotApplied && again).then(|| "the server has ended the call".to_owned()),
    })
}

/// What contradicts a settlement, in words. Nothing, where that was not about yes or no.
pub(super) fn contradiction(was: Settlement, says: Settlement, reason: &str) -> Option<String> {
    let decided = matches!(was, Settlement::Applied | Settlement::NotApplied);
    (decided && was != says).then(|| {
        let (says, was) = (says.words(), was.words());
        format!("{reason}: that means {says}, but the call was settled as {was}")
    })
}

fn contradicted(late: &Late, was: Settlement, says: Settlement, reason: &str, ended: bool) -> Vec<Event> {
    let Some(evidence) = contradiction(was, says, reason) else {
        return Vec::new();
    };
    let mut events = vec![Event::SettlementContradicted {
        call: late.call.clone(),
        evidence: evidence.clone(),
    }];
    // Of the calls that only a lease knows no new settlement is asked for: a person is told, looks, and says that it may go on.
    if !ended && matches!(late.call.phase, Phase::Prepare | Phase::Confirm) {
        events.push(Event::Stuck {
            why: format!("{evidence}: look at the device, then let it go on (resume)"),
            item: Some(late.call.item.clone()),
            phase: Some(late.call.phase),
        });
    }
    events
}
