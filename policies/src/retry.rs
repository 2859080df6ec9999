//! When a call may be sent again, and what that may cost. Only what certainly did nothing, or may be repeated, is.

use flyball_engine::contract::EffectClass;
use flyball_engine::ports::{RetryBudget, RetryGranted, RetryQuestion};
use flyball_engine::tool::Outcome;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio_retry::strategy::ExponentialBackoff;

/// What the operator's settings say about trying again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySettings {
    /// One attempt takes no longer than this, whatever contract or step allow.
    pub attempt: Duration,
    /// A server that asks for more patience than this is not waited for: a person should see that.
    pub longest_wait: Duration,
    /// Retries of one intent on its way forward, readings included.
    pub per_intent: u32,
    /// Retries of all intents together on a day (UTC).
    pub per_day: u64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let budget = RetryBudget::default();
        Self {
            attempt: budget.attempt,
            longest_wait: Duration::from_secs(60 * 60),
            per_intent: budget.per_intent,
            per_day: budget.per_day,
        }
    }
}

impl RetrySettings {
    pub(crate) fn budget(&self) -> RetryBudget {
        RetryBudget {
            attempt: self.attempt,
            per_intent: self.per_intent,
            per_day: self.per_day,
        }
    }
}

/// One way of trying again.
struct Rule {
    id: &'static str,
    retries: usize,
    /// Milliseconds; the waits are two, four, eight … times this.
    factor: u64,
    max_delay: Duration,
}

/// The answer was lost; the call changes nothing.
const READ: Rule = Rule {
    id: "retry.read.v1",
    retries: 3,
    factor: 100,
    max_delay: Duration::from_secs(5),
};

/// The answer was lost; the operator says that the call may be repeated.
const IDEMPOTENT: Rule = Rule {
    id: "retry.idempotent.v1",
    retries: 3,
    factor: 250,
    max_delay: Duration::from_secs(10),
};

/// The call never left: whatever it would do, it did not.
const NOT_SENT: Rule = Rule {
    id: "retry.not_sent.v1",
    retries: 3,
    factor: 250,
    max_delay: Duration::from_secs(10),
};

/// A step of the way back did not come through. Giving up means a person, and a network that stays half changed: a
/// server that is restarted, or kept out by its circuit breaker, is waited for. About five minutes in all.
const WAY_BACK: Rule = Rule {
    id: "retry.way_back.v1",
    retries: 10,
    factor: 500,
    max_delay: Duration::from_secs(60),
};

/// Whether and when to try again.
pub(crate) fn retry(settings: &RetrySettings, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
    let (rule, asked) = match (question.outcome, question.effect) {
        (Outcome::NotSent { retry_after_ms, .. }, _) if question.way_back => (WAY_BACK, *retry_after_ms),
        (Outcome::Unknown { retry_after_ms, .. }, EffectClass::Read) if question.way_back => {
            (WAY_BACK, *retry_after_ms)
        }
        (Outcome::NotSent { retry_after_ms, .. }, _) => (NOT_SENT, *retry_after_ms),
        (Outcome::Unknown { retry_after_ms, .. }, EffectClass::Read) => (READ, *retry_after_ms),
        // With a task at hand, the task says what became of it: sending again would only add a second one.
        (
            Outcome::Unknown {
                task: None,
                retry_after_ms,
                ..
            },
            EffectClass::Idempotent,
        ) => (IDEMPOTENT, *retry_after_ms),
        _ => return None,
    };
    let made = usize::try_from(question.attempts.max(1)).ok()?;
    let after = rule.waits().nth(made - 1)?;
    let after = asked.map_or(after, |ms| after.max(Duration::from_millis(ms)));
    (after <= settings.longest_wait).then(|| RetryGranted {
        after,
        rule: rule.id.to_owned(),
    })
}

impl Rule {
    /// `from_millis` takes the base of the power, not the first wait: 2, so that `factor` scales 2, 4, 8 ….
    fn waits(&self) -> impl Iterator<Item = Duration> {
        let powers = ExponentialBackoff::from_millis(2).factor(self.factor);
        powers.max_delay(self.max_delay).take(self.retries)
    }
}
