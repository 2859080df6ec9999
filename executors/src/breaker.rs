//! A circuit breaker per server. After so many transport failures in a row nothing is sent for a while; then one read is
//! let through, and its answer decides. Only reads are risked: a change that goes into a broken server would be in doubt.
//!
//! A transport failure is a call without an answer: no connection, a cut, a timeout, HTTP 5xx. Whatever a server says of
//! its own, an error or a refusal, shows that it can be talked to. So does a listing of its tools, which the server's
//! actor asks for after each timeout: a single slow tool opens nothing.

use crate::mcp::{Ended, not_sent};
use flyball_engine::tool::Outcome;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When a circuit opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Transport failures in a row that open it.
    pub failures: u32,
    /// The first pause; each trial that fails doubles it.
    pub pause: Duration,
    pub longest_pause: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// Where a circuit stands, as `/v1/servers` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CircuitStatus {
    Closed {
        /// Transport failures since the last answer.
        failures: u32,
    },
    Open {
        why: String,
        retry_after_ms: u64,
    },
    /// The pause is over: the next read decides.
    HalfOpen {
        why: String,
    },
}

enum Circuit {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
        pause: Duration,
        why: String,
        on_trial: bool,
    },
}

/// What a circuit says to a call.
pub(crate) enum Entry {
    Go,
    /// It goes as the trial. The place is free again once this is dropped.
    Trial(Trial),
    /// A change: a read must show first that the server answers.
    ReadFirst(Trial),
    Refused(Outcome),
}

/// The one place of a trial.
pub(crate) struct Trial(Arc<Breaker>);

impl Drop for Trial {
    fn drop(&mut self) {
        if let Circuit::Open { on_trial, .. } = &mut *self.0.circuit() {
            *on_trial = false;
        }
    }
}

/// One server's circuit.
pub(crate) struct Breaker {
    rules: BreakerRules,
    circuit: Mutex<Circuit>,
}

impl Breaker {
    pub(crate) fn new(rules: BreakerRules) -> Arc<Self> {
        Arc::new(Self {
            rules,
            circuit: Mutex::new(Circuit::Closed { failures: 0 }),
        })
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a call to be let through.
    pub(crate) fn enter(self: &Arc<Self>, mutating: bool) -> Entry {
        match &mut *self.circuit() {
            Circuit::Closed { .. } => Entry::Go,
            Circuit::Open {
                until,
                pause,
                why,
                on_trial,
            } => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() && !*on_trial {
                    *on_trial = true;
                    let trial = Trial(Arc::clone(self));
                    return if mutating {
                        Entry::ReadFirst(trial)
                    } else {
                        Entry::Trial(trial)
                    };
                }
                // While the trial is out: its end cannot be known, half of a pause is a fair guess.
                let wait = if left.is_zero() { *pause / 2 } else { left };
                Entry::Refused(refusal(why, wait))
            }
        }
    }

    /// What a call's end says of the server. None: no reply in time.
    pub(crate) fn heard(&self, ended: Option<&Ended>) {
        match ended {
            Some(ended) if ended.answered => self.answered(),
            Some(ended) => match &ended.outcome {
                Outcome::NotSent { reason, .. } | Outcome::Unknown { reason, .. } => self.failed(reason),
                _ => self.answered(),
            },
            None => self.failed("no reply in time"),
        }
    }

    /// The server answered: whatever was wrong is over.
    pub(crate) fn answered(&self) {
        *self.circuit() = Circuit::Closed { failures: 0 };
    }

    pub(crate) fn failed(&self, why: &str) {
        let mut circuit = self.circuit();
        let pause = match &mut *circuit {
            Circuit::Closed { failures } if *failures + 1 < self.rules.failures => {
                *failures += 1;
                return;
            }
            Circuit::Closed { .. } => self.rules.pause,
            Circuit::Open { until, .. } if *until > Instant::now() => return,
            Circuit::Open { pause, .. } => (*pause * 2).min(self.rules.longest_pause),
        };
        *circuit = Circuit::Open {
            until: Instant::now() + pause,
            pause,
            why: why.to_owned(),
            on_trial: false,
        };
    }

    pub(crate) fn status(&self) -> CircuitStatus {
        match &*self.circuit() {
            Circuit::Closed { failures } => CircuitStatus::Closed { failures: *failures },
            Circuit::Open { until, why, .. } => {
                let left = until.saturating_duration_since(Instant::now());
                let why = why.clone();
                if left.is_zero() {
                    return CircuitStatus::HalfOpen { why };
                }
                let retry_after_ms = millis(left);
                CircuitStatus::Open { why, retry_after_ms }
            }
        }
    }
}

fn refusal(why: &str, wait: Duration) -> Outcome {
    let mut outcome = not_sent(format!("circuit open: {why}"));
    if let Outcome::NotSent { retry_after_ms, .. } = &mut outcome {
        *retry_after_ms = Some(millis(wait));
    }
    outcome
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(failures: u32) -> Arc<Breaker> {
        let breaker = Breaker::new(BreakerRules::default());
        for _ in 0..failures {
            breaker.failed("cut");
        }
        breaker
    }

    fn retry_after(entry: &Entry) -> Option<u64> {
        match entry {
            Entry::Refused(Outcome::NotSent { retry_after_ms, .. }) => *retry_after_ms,
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_an_answer_in_between_begins_the_count_anew() {
        let breaker = broken(4);
        breaker.answered();
        for _ in 0..4 {
            breaker.failed("cut");
            assert!(matches!(breaker.enter(true), Entry::Go));
        }
        breaker.failed("cut");
        for mutating in [false, true] {
            assert_eq!(retry_after(&breaker.enter(mutating)), Some(5_000));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_read_is_let_through_and_a_change_must_be_preceded_by_one() {
        let breaker = broken(5);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(breaker.status(), CircuitStatus::HalfOpen { why: "cut".into() });
        let change = breaker.enter(true);
        assert!(matches!(change, Entry::ReadFirst(_)));
        assert!(matches!(breaker.enter(false), Entry::Refused(_)), "one at a time");
        drop(change);
        assert!(matches!(breaker.enter(false), Entry::Trial(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_fails_doubles_the_pause_and_one_that_is_answered_closes_it() {
        let breaker = broken(5);
        for pause in [5, 10, 20, 40, 60, 60] {
            assert_eq!(retry_after(&breaker.enter(false)), Some(pause * 1000));
            // What was under way when it opened comes to nothing as well: that is no trial.
            breaker.failed("cut");
            tokio::time::advance(Duration::from_secs(pause)).await;
            let trial = breaker.enter(false);
            assert!(matches!(trial, Entry::Trial(_)));
            breaker.failed("cut");
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        breaker.answered();
        assert!(matches!(breaker.enter(true), Entry::Go));
    }
}
