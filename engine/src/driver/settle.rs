//! Settling by probe: taken only when nothing of the call can land any more, believed only when two readings agree.

use super::facts::Facts;
use super::job::{ItemJob, Taken};
use super::{Deps, Driver};
use crate::ids::Phase;
use crate::intent::event::{Event, ProbePurpose, SettledBy, Settlement};
use crate::intent::item::CallState;
use crate::ports::RetryQuestion;
use crate::tool::Outcome;
use serde_json::Value;
use std::time::Duration;

/// A call in doubt, with what the driver knew of it when the work was started.
pub(super) struct Doubted {
    pub(super) job: ItemJob,
    pub(super) call: CallState,
    /// When this engine claimed the intent, Unix milliseconds.
    pub(super) claimed_ms: i64,
}

impl Doubted {
    /// Settles by probe. Says first that the server's process is dead, if it is and nobody said so yet: `settle_after`
    /// counts from there as well.
    pub(super) async fn settle(self) -> Facts {
        if let Some(facts) = self.newly_dead().await {
            return facts;
        }
        let mut facts = Facts::default();
        match self.reading(&mut facts).await {
            Ok(verdict) => facts.push(self.settled(verdict)),
            Err(why) => facts.push(Event::Stuck {
                why,
                item: Some(self.job.item.clone()),
                phase: Some(self.call.id.phase),
            }),
        }
        facts
    }

    /// Probes afresh after a contradiction: the reading is for the person who decides.
    pub(super) async fn recheck(self) -> Facts {
        let mut facts = Facts::default();
        let taken = self.job.probe_until(Duration::from_secs(2), |_| true).await;
        self.taken(&mut facts, &taken);
        facts
    }

    async fn newly_dead(&self) -> Option<Facts> {
        if self.call.dead_since_ms.is_some() {
            return None;
        }
        let since = dead_since(&self.job.deps, &self.call).await?;
        Some(Facts::of(Event::CallInDoubt {
            call: self.call.id.clone(),
            attempt: self.call.attempt,
            reason: "the server process that got it is dead".to_owned(),
            answered: false,
            dead_since_ms: Some(since),
        }))
    }

    /// Two readings that say the same, or why there is no verdict.
    async fn reading(&self, facts: &mut Facts) -> Result<Settlement, String> {
        let first = self.job.probe_until(Duration::from_secs(2), |_| true).await;
        let verdict = self.verdict(&first);
        // A state that changes by itself, or is still settling down, would give a verdict by chance.
        let second = match verdict {
            Ok(_) => Some(self.job.probe().await),
            Err(_) => None,
        };
        self.taken(facts, second.as_ref().unwrap_or(&first));
        match second {
            Some(second) if self.verdict(&second) != verdict => {
                Err("two readings in a row say different things of the call: a person must look and settle it".into())
            }
            _ => verdict,
        }
    }

    fn taken(&self, facts: &mut Facts, taken: &Taken) {
        let equal = taken
            .valid
            .then(|| taken.state.as_ref() == self.job.known.before.as_deref());
        self.job.taken(facts, ProbePurpose::Settle, taken, equal);
    }

    fn verdict(&self, taken: &Taken) -> Result<Settlement, String> {
        let (before, after) = (self.job.known.before.as_deref(), self.job.known.after.as_deref());
        verdict(taken, before, after, self.call.id.phase)
    }

    fn settled(&self, verdict: Settlement) -> Event {
        let evidence = match verdict {
            Settlement::Applied => "the probe shows the change",
            _ => "the probe shows the state as it was before",
        };
        Event::CallSettled {
            call: self.call.id.clone(),
            verdict,
            by: SettledBy::Probe,
            evidence: evidence.to_owned(),
            fence: self.fence(verdict),
        }
    }

    fn fence(&self, verdict: Settlement) -> Option<String> {
        let contract = self.job.contracts.of(&self.call.tool);
        let now = self.job.deps.clock.now_ms();
        let fence = self.call.fence_at(&contract, self.claimed_ms, now);
        fence
            .filter(|_| verdict == Settlement::NotApplied && may_be_sent_again(&self.job, &self.call))
            .map(str::to_owned)
    }
}

impl Driver {
    /// A doubt about a former engine's call says at once if the process that got it is proven dead: then nobody can still
    /// send it, and that need not be waited out.
    pub(super) async fn with_its_death(&mut self, event: Event) -> Event {
        let Event::CallInDoubt {
            call,
            attempt,
            reason,
            answered: false,
            dead_since_ms: None,
        } = &event
        else {
            return event;
        };
        let known = self
            .ledger
            .state
            .items
            .get(&call.item)
            .and_then(|i| i.call_of(call.phase));
        let Some(known) = known.filter(|c| c.orphaned && c.id == *call).cloned() else {
            return event;
        };
        match dead_since(&self.deps, &known).await {
            None => event,
            since => Event::CallInDoubt {
                call: call.clone(),
                attempt: *attempt,
                reason: format!("{reason}; the server process that got it is dead"),
                answered: false,
                dead_since_ms: since,
            },
        }
    }
}

/// Since when the process that got a call is proven dead, Unix milliseconds.
async fn dead_since(deps: &Deps, call: &CallState) -> Option<i64> {
    let life = call.incarnation.as_ref()?;
    let dead = deps.executor.dead_for(call.tool.server(), life).await?;
    Some(deps.clock.now_ms() - i64::try_from(dead.as_millis()).unwrap_or(0))
}

/// Whether policy lets a call that did nothing be sent once more: a fence permits it, and must not permit it for ever.
pub(super) fn may_be_sent_again(job: &ItemJob, call: &CallState) -> bool {
    let outcome = Outcome::NotSent {
        reason: "the sending before had no effect".to_owned(),
        retry_after_ms: None,
    };
    let question = RetryQuestion {
        tool: &call.tool,
        effect: job.contracts.of(&call.tool).effect,
        outcome: &outcome,
        attempts: call.id.generation + call.attempt,
        way_back: call.id.phase != Phase::Do,
    };
    job.deps.policy.retry(&question).is_some()
}

fn verdict(taken: &Taken, before: Option<&Value>, after: Option<&Value>, phase: Phase) -> Result<Settlement, String> {
    let untold = || {
        let why = taken.problem.as_deref().unwrap_or("the reading is not valid");
        format!("whether the call took effect cannot be told: {why}: a person must look and settle it")
    };
    let state = match (&taken.state, taken.valid) {
        (Some(state), true) => state,
        _ => return Err(untold()),
    };
    let as_before = before == Some(state);
    match phase {
        Phase::Undo if as_before => Ok(Settlement::Applied),
        Phase::Undo if after == Some(state) => Ok(Settlement::NotApplied),
        Phase::Undo => Err(
            "the state is neither what it was before the change nor after it: a person must look and settle it".into(),
        ),
        _ if taken.holds == Some(true) => Ok(Settlement::Applied),
        // Where nobody can say whether the change holds, "as before" says nothing either.
        _ if taken.holds.is_none() && taken.problem.is_some() => Err(untold()),
        _ if as_before => Ok(Settlement::NotApplied),
        _ if taken.holds.is_none() && taken.problem.is_some() => Err(format!(
            "the state is not as before, and whether that is the call's doing cannot be told ({}): a person must look and settle it",
            taken.problem.as_deref().unwrap_or_default()
        )),
        _ => Err(
            "the change is not in place, and the state is not as before either: a person must look and settle it"
                .into(),
        ),
    }
}
