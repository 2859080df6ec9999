//! Trying again: policy grants it, the budgets allow it, the journal keeps it. Nobody waits here: what is granted becomes
//! an entry with its time and its rule, and is due again at that time, also for the engine after this one.

use super::facts::Facts;
use super::work::Told;
use super::{Deps, Driver};
use crate::contract::EffectClass;
use crate::ids::{CallId, ItemId, Phase, StepId};
use crate::intent::effects::Work;
use crate::intent::event::{Awaited, CheckId, Event};
use crate::intent::state::IntentState;
use crate::journal::{Error, Journal};
use crate::ports::{RetryGranted, RetryQuestion};
use crate::tool::{Outcome, ToolName};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The fact under which the day's retries are counted.
const TODAY: &str = "retries/today";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How often all intents together tried something again today. A fact, so that a restart does not begin anew.
pub(crate) struct Today {
    journal: Arc<dyn Journal>,
    /// Day since 1970 and retries; none until read.
    spent: tokio::sync::Mutex<Option<(i64, u64)>>,
}

impl Today {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self {
            journal,
            spent: tokio::sync::Mutex::new(None),
        }
    }

    /// Takes one retry out of the day's budget. False: it is spent. A clock that goes back opens no new day.
    async fn take(&self, now_ms: i64, per_day: u64) -> Result<bool, Error> {
        let mut spent = self.spent.lock().await;
        let (day, used) = match *spent {
            Some(known) => known,
            None => self.read().await?,
        };
        let today = now_ms.div_euclid(DAY_MS).max(day);
        let used = if today == day { used } else { 0 };
        if used >= per_day {
            *spent = Some((today, used));
            return Ok(false);
        }
        let fact = json!({"day": today, "retries": used + 1});
        self.journal.put_fact(TODAY, fact).await?;
        *spent = Some((today, used + 1));
        Ok(true)
    }

    async fn read(&self) -> Result<(i64, u64), Error> {
        let fact = self.journal.fact(TODAY).await?.unwrap_or_default();
        let day = fact["day"].as_i64().unwrap_or(i64::MIN);
        Ok((day, fact["retries"].as_u64().unwrap_or(0)))
    }
}

/// Why something is not tried again.
pub(super) enum Refused {
    /// Policy sees no use in it.
    ByPolicy,
    /// A budget is spent; the sentence says which.
    Spent(String),
}

impl Refused {
    /// A problem with the reason why it stands, if it does not speak for itself.
    pub(super) fn to(&self, problem: String) -> String {
        match self {
            Self::ByPolicy => problem,
            Self::Spent(why) => format!("{problem}; not tried again: {why}"),
        }
    }
}

/// A try that a reading was granted, and what it had met.
struct PutOff {
    granted: RetryGranted,
    why: Option<String>,
}

/// What stood in the way of a call, in words. What a tool itself says may hold secrets.
pub(super) fn trouble(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::NotSent { reason, .. } | Outcome::Unknown { reason, .. } => Some(reason.clone()),
        Outcome::Rejected { message, .. } => Some(message.clone()),
        Outcome::ToolError { .. } => Some("the tool answered with an error".to_owned()),
        Outcome::Done { .. } | Outcome::NeedsInput { .. } => None,
    }
}

/// What one piece of work knows of its own tries.
#[derive(Clone)]
pub(super) struct Patience {
    deps: Arc<Deps>,
    today: Arc<Today>,
    /// Tries granted to this work so far, and to the whole intent on its way forward.
    granted: u32,
    of_intent: u32,
    way_back: bool,
    /// The try that a reading of this work was granted: the work ends with it instead of with what it found.
    put_off: Arc<Mutex<Option<PutOff>>>,
    /// A reading of this work was refused for good.
    rejected: Arc<AtomicBool>,
}

impl Patience {
    /// Asks whether a call that did not come through is tried again, and takes it out of the budgets. The way back has no
    /// budget but policy's own bound: a limit on trouble must not leave the trouble in place.
    pub(super) async fn grant(
        &self,
        tool: &ToolName,
        effect: EffectClass,
        outcome: &Outcome,
    ) -> Result<RetryGranted, Refused> {
        let question = RetryQuestion {
            tool,
            effect,
            outcome,
            attempts: self.granted + 1,
            way_back: self.way_back,
        };
        let granted = self.deps.policy.retry(&question).ok_or(Refused::ByPolicy)?;
        if self.way_back {
            return Ok(granted);
        }
        let budget = self.deps.policy.retry_budget();
        if self.of_intent >= budget.per_intent {
            let why = format!("the intent's {} retries are spent", budget.per_intent);
            return Err(Refused::Spent(why));
        }
        match self.today.take(self.deps.clock.now_ms(), budget.per_day).await {
            Ok(true) => Ok(granted),
            Ok(false) => Err(Refused::Spent(format!(
                "the day's {} retries are spent",
                budget.per_day
            ))),
            Err(error) => Err(Refused::Spent(format!("they cannot be counted: {error}"))),
        }
    }

    /// The same for a reading: if it is granted, the work it belongs to is put off as a whole.
    pub(super) async fn put_off(
        &self,
        tool: &ToolName,
        effect: EffectClass,
        outcome: &Outcome,
    ) -> Result<Duration, Refused> {
        let granted = self.grant(tool, effect, outcome).await?;
        let after = granted.after;
        let why = trouble(outcome);
        *self.put_off.lock().unwrap_or_else(PoisonError::into_inner) = Some(PutOff { granted, why });
        Ok(after)
    }

    /// A reading was refused for good: to ask again would not help, and could lock an account out.
    pub(super) fn give_up(&self) {
        self.rejected.store(true, Ordering::Relaxed);
    }

    /// Whether there is no use in reading again now: it is to be done later, or never.
    pub(super) fn is_over(&self) -> bool {
        let put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.is_some() || self.rejected.load(Ordering::Relaxed)
    }

    /// Whoever polls until a time waits by itself while that lasts: the pause before its next poll.
    pub(super) fn next_poll(&self, now_ms: i64, until_ms: i64) -> Option<Duration> {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |g: &RetryGranted| now_ms.saturating_add(g.after.as_millis() as i64) < until_ms;
        put_off.take_if(|p| fits(&p.granted)).map(|p| p.granted.after)
    }

    fn take(&self) -> Option<PutOff> {
        self.put_off.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How long an attempt may take, whatever contract or step allow.
    pub(super) fn attempt_ms(&self, timeout_ms: u64) -> u64 {
        let most = u64::try_from(self.deps.policy.retry_budget().attempt.as_millis()).unwrap_or(u64::MAX);
        timeout_ms.min(most)
    }

    pub(super) fn until_ms(&self, granted: &RetryGranted) -> i64 {
        let after = i64::try_from(granted.after.as_millis()).unwrap_or(i64::MAX);
        self.deps.clock.now_ms().saturating_add(after)
    }

    /// What a piece of work tells: if a reading of it is to be taken again, that and nothing else. What it found besides
    /// is read again with it, as after a restart.
    pub(super) fn instead_of(&self, told: Told, waits: Option<&Waits>) -> Told {
        let (Some(PutOff { granted, why }), Some(waits)) = (self.take(), waits) else {
            return told;
        };
        Told::Facts(Facts::of(Event::CallRetryScheduled {
            call: waits.call.clone(),
            until_ms: self.until_ms(&granted),
            rule: granted.rule,
            reading: waits.reading.clone(),
            why,
        }))
    }
}

/// Under what name a piece of work waits.
pub(super) struct Waits {
    call: CallId,
    reading: Option<Awaited>,
}

impl Waits {
    pub(super) fn of(state: &IntentState, work: &Work) -> Option<Self> {
        let awaited = state.awaited(work)?;
        let of_item = |item: &ItemId, phase| state.next_call(item, phase);
        // No step can be called so: ids of steps begin with a letter.
        let nobody = |name: &str, index| {
            let step = StepId(name.to_owned());
            CallId {
                revision: state.revision,
                item: ItemId { step, index },
                phase: Phase::Do,
                generation: 0,
            }
        };
        let call = match &awaited {
            Awaited::Call { call } => {
                let call = call.clone();
                return Some(Self { call, reading: None });
            }
            Awaited::VerifyUndo { item } => of_item(item, Phase::Undo),
            Awaited::Settle { item } => {
                let open = state.items.get(item).and_then(|i| i.open_call());
                open.map_or_else(|| of_item(item, Phase::Do), |c| c.id.clone())
            }
            Awaited::Step { item }
            | Awaited::Look { item }
            | Awaited::Confirm { item }
            | Awaited::Verify { item }
            | Awaited::Lease { item }
            | Awaited::Check {
                check: CheckId::Gate { item } | CheckId::Expect { item },
                ..
            } => of_item(item, Phase::Do),
            Awaited::Plan { .. } => nobody("@plan", None),
            Awaited::Check {
                check: CheckId::Pre { index },
                ..
            } => nobody("@pre", Some(*index)),
            Awaited::Check {
                check: CheckId::Post { index },
                ..
            } => nobody("@post", Some(*index)),
        };
        Some(Self {
            call,
            reading: Some(awaited),
        })
    }
}

impl Driver {
    /// The patience of a piece of work that is about to start.
    pub(super) fn patience_for(&self, work: &Work) -> Patience {
        let state = &self.ledger.state;
        let follows_a_call = matches!(
            work,
            Work::Undo { .. }
                | Work::VerifyUndo { .. }
                | Work::Verify { .. }
                | Work::Settle { .. }
                | Work::LeaseRead { .. }
        );
        Patience {
            deps: self.deps.clone(),
            today: self.signals.retries.clone(),
            granted: state.tries_granted(state.awaited(work).as_ref()),
            of_intent: state.retries,
            way_back: follows_a_call || state.back_out.is_some() || state.rollback.is_some(),
            put_off: Arc::default(),
            rejected: Arc::default(),
        }
    }

    /// The patience of work that asks for nothing.
    pub(super) fn no_patience(&self) -> Patience {
        Patience {
            deps: self.deps.clone(),
            today: self.signals.retries.clone(),
            granted: u32::MAX - 1,
            of_intent: self.ledger.state.retries,
            way_back: false,
            put_off: Arc::default(),
            rejected: Arc::default(),
        }
    }
}
