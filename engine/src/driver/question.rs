//! Questions: what a server asks before it goes on with a call becomes entries, and what a person answers another attempt
//! of the same call. Nothing of it leaves before that attempt is on record, as with any call.

use super::act::{Args, Dispatch};
use super::facts::Facts;
use super::job::ItemJob;
use super::ready::{SEND_WITHIN_MS, ready, unrepeatable};
use super::work::Told;
use super::{DriveError, Driver};
use crate::contract::EffectClass;
use crate::ids::{CallId, Phase};
use crate::intent::event::Event;
use crate::intent::question::Asked;
use crate::journal::{self, Journal};
use crate::payload::Payload;
use crate::question::{Answers, Posed, Question};
use crate::tool::{Outcome, ToolName};
use futures::future::BoxFuture;

/// A question as its entry keeps it, sealed or not: it was written for the person who is to answer. None: it is gone.
pub(crate) async fn posed(
    journal: &dyn Journal,
    intent: crate::ids::IntentId,
    question: &Payload,
) -> Result<Option<Posed>, journal::Error> {
    let bytes = match question.blob() {
        Some(digest) => journal.blob(intent, digest).await?,
        None => None,
    };
    let value = question.value(bytes.as_deref());
    Ok(value.and_then(|v| serde_json::from_value(v).ok()))
}

impl Dispatch {
    /// What a server's question makes of the call: entries for a person to answer, or a doubt where nobody can.
    pub(super) fn asked(&self, question: &Question) -> Facts {
        if let Some(why) = self.unanswerable(question) {
            let reason = format!("the server asks something, and {why}");
            return self.doubt(reason, question.parked.is_none());
        }
        let mut facts = Facts::default();
        let deps = &self.job.deps;
        let patience = i64::try_from(deps.policy.answer_ttl().as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = deps.clock.now_ms().saturating_add(patience);
        let sealed = self.job.contracts.of(&self.tool).sealed;
        for posed in question.posed() {
            let request = self.name(&posed, question.forms.len());
            let posed = serde_json::to_value(posed).expect("a question serialises");
            let question_ = facts.payload(posed, sealed);
            facts.push(Event::InputRequested {
                request,
                call: Some(self.call.clone()),
                question: question_,
                tool: Some(self.tool.clone()),
                deadline_ms: Some(deadline_ms),
                held: question.parked.is_some(),
            });
        }
        facts
    }

    /// The name under which a form is answered: one within the intent, and short enough to be typed.
    fn name(&self, posed: &Posed, forms: usize) -> String {
        let mut name = self.call.item.to_string();
        if self.call.phase != Phase::Do {
            name += &format!(":{}", self.call.phase.as_str());
        }
        if self.call.generation > 0 {
            name += &format!(":g{}", self.call.generation);
        }
        name += &format!(":{}", self.attempt);
        if forms > 1 {
            name += &format!(":{}", posed.key);
        }
        name
    }

    fn unanswerable(&self, question: &Question) -> Option<String> {
        let timed = self.job.contract.effect == EffectClass::Confirmable;
        if timed || !matches!(self.call.phase, Phase::Do | Phase::Undo) {
            return Some("what runs against a device's timer does not wait for a person".to_owned());
        }
        question.unanswerable(self.job.rounds)
    }

    /// Lets go of a question that became no entry: nobody will answer it.
    pub(super) async fn let_go(&self, outcome: &Outcome, facts: &Facts) {
        let Outcome::NeedsInput { question } = outcome else {
            return;
        };
        let asked = facts.events.iter().any(|e| matches!(e, Event::InputRequested { .. }));
        if let Some(parked) = question.parked.as_ref().filter(|_| !asked) {
            self.job.deps.executor.dismiss(parked).await;
        }
    }

    /// Whether it hands an answer in to a call that is still out.
    pub(super) fn hands_in(&self) -> bool {
        self.goes_on.as_ref().is_some_and(|a| a.parked.is_some())
    }
}

/// A call that goes on with an answer.
pub(super) struct Continued {
    pub(super) job: ItemJob,
    pub(super) asked: Asked,
    pub(super) call: CallId,
    pub(super) attempt: u32,
    pub(super) tool: ToolName,
    pub(super) args: Args,
    pub(super) expect_base: Option<String>,
    pub(super) timeout_ms: u64,
}

impl Driver {
    /// The next attempt of a call whose server asked, with what was answered.
    pub(super) async fn prepare_answer(&mut self, with: Continued) -> Result<BoxFuture<'static, Told>, DriveError> {
        let Some(answers) = self.answers(&with.asked).await? else {
            let fault = "the question or its answer is gone (shredded)".to_owned();
            let facts = unrepeatable(with.call, with.attempt, fault, true);
            return Ok(Box::pin(async move { Told::Facts(facts) }));
        };
        if with.asked.held {
            let told = self.handed_in(with, answers);
            return Ok(Box::pin(async move { told }));
        }
        let epoch = self.epoch;
        Ok(Box::pin(async move {
            let Continued {
                job,
                call,
                attempt,
                tool,
                args,
                expect_base,
                timeout_ms,
                ..
            } = with;
            let mut told = ready(job, call, attempt, tool, args, expect_base, timeout_ms, epoch).await;
            if let Told::Ready { dispatch, .. } = &mut told {
                dispatch.goes_on = Some(answers);
            }
            told
        }))
    }

    /// Only the life of the server that asked can take the answer, so no other is looked for.
    fn handed_in(&self, with: Continued, answers: Answers) -> Told {
        let Continued {
            mut job,
            call,
            attempt,
            tool,
            args,
            expect_base,
            timeout_ms,
            ..
        } = with;
        let out = self.item(&call.item).call_of(call.phase);
        let others = out.is_some_and(|c| c.unproven.iter().any(|other| *other != c.attempt));
        // What the server says in the end, it says of all that it did since the call came.
        job.unproven.retain(|phase| *phase != call.phase || others);
        let incarnation = out.and_then(|c| c.incarnation.clone());
        let now = self.deps.clock.now_ms();
        let timeout_ms = job.patience.attempt_ms(timeout_ms);
        let dispatch = Dispatch {
            job,
            call,
            attempt,
            tool,
            args,
            incarnation: incarnation.unwrap_or(crate::tool::Incarnation(String::new())),
            expect_base,
            send_by_ms: now + SEND_WITHIN_MS,
            deadline_ms: now.saturating_add(i64::try_from(timeout_ms).unwrap_or(i64::MAX)),
            timeout_ms,
            epoch: self.epoch,
            goes_on: Some(answers),
        };
        Told::Ready {
            facts: Facts::default(),
            dispatch: Box::new(dispatch),
        }
    }

    async fn answers(&mut self, asked: &Asked) -> Result<Option<Answers>, DriveError> {
        let mut answers = Answers::default();
        for form in asked.forms.values() {
            let posed = posed(self.deps.journal.as_ref(), self.ledger.id, &form.question).await?;
            let answer = match &form.answer {
                Some(answer) => self.value(answer).await?,
                None => None,
            };
            let Some((posed, answer)) = posed.zip(answer) else {
                return Ok(None);
            };
            answers.add(posed, answer);
        }
        Ok(Some(answers))
    }

    /// The calls that servers keep for an answer which will not come once `facts` are recorded.
    pub(super) async fn dismissed_by(&mut self, facts: &Facts) -> Result<Vec<String>, DriveError> {
        let mut parked = Vec::new();
        for event in &facts.events {
            let Event::CallInDoubt { call, .. } = event else {
                continue;
            };
            let asked = self.ledger.state.items.get(&call.item).and_then(|i| {
                let asked = i.asked.as_deref().filter(|a| a.held && !a.lost && a.call == *call);
                asked.filter(|_| i.status.is_asked())
            });
            let form = asked.and_then(|a| a.forms.values().next()).cloned();
            let Some(form) = form else { continue };
            let (journal, id) = (self.deps.journal.clone(), self.ledger.id);
            let posed = posed(journal.as_ref(), id, &form.question).await?;
            parked.extend(posed.and_then(|p| p.parked));
        }
        Ok(parked)
    }

    /// Tells the executor to let go of them, beside the driver.
    pub(super) fn dismiss(&self, parked: Vec<String>) {
        for parked in parked {
            let executor = self.deps.executor.clone();
            tokio::spawn(async move { executor.dismiss(&parked).await });
        }
    }
}
