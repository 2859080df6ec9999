//! When a call may be sent again. Only what certainly did nothing, or may be repeated, is.

use flyball_engine::contract::EffectClass;
use flyball_engine::ports::{RetryGranted, RetryQuestion};
use flyball_engine::tool::Outcome;
use std::time::Duration;
use tokio_retry::strategy::ExponentialBackoff;

/// A server that wants more patience than this is not waited for: a person should see that.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

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

/// Whether and when to try again.
pub(crate) fn retry(question: &RetryQuestion<'_>) -> Option<RetryGranted> {
    let (rule, asked) = match (question.outcome, question.effect) {
        (Outcome::NotSent { retry_after_ms, .. }, _) => (NOT_SENT, *retry_after_ms),
        (Outcome::Unknown { .. }, EffectClass::Read) => (READ, None),
        // With a task at hand, the task says what became of it: sending again would only add a second one.
        (Outcome::Unknown { task: None, .. }, EffectClass::Idempotent) => (IDEMPOTENT, None),
        _ => return None,
    };
    let made = usize::try_from(question.attempts.max(1)).ok()?;
    let after = rule.waits().nth(made - 1)?;
    let after = asked.map_or(after, |ms| after.max(Duration::from_millis(ms)));
    (after <= LONGEST_WAIT).then(|| RetryGranted {
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
