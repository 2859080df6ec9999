//! Reading again until what is expected holds, and what of it goes into the journal.

use super::Deps;
use super::job::{Args, POLL, ReadAnswer, read};
use super::patience::Patience;
use crate::contract::Contracts;
use crate::expr::{Bindings, Root};
use crate::tool::ToolName;
use serde_json::Value;
use std::time::Duration;

/// Of one polling, at most this many readings before the last are kept: a counter in an answer changes at each poll.
const CHANGES_KEPT: usize = 16;

/// An expectation of a read-only step, a gate or a check.
#[derive(Clone)]
pub(super) struct Expectation {
    pub(super) expr: Option<crate::expr::Expr>,
    pub(super) within: Duration,
    pub(super) hold_for: Duration,
    pub(super) scope: Bindings,
}

/// One reading.
#[derive(Clone, PartialEq)]
pub(super) struct Poll {
    /// `Ok(true)`: it held. `Err`: no answer could be had.
    pub(super) held: Result<bool, String>,
    pub(super) output: Option<Value>,
    /// Why it does not hold, where that is not simply `false`.
    pub(super) problem: Option<String>,
}

/// How polling ended.
#[derive(Clone)]
pub(super) struct Polled {
    /// The first reading and those that differed from the one before, the last aside, each with its number from 1.
    pub(super) earlier: Vec<(u32, Poll)>,
    /// The last reading; `held` is `Ok(true)` only if it held for as long as asked.
    pub(super) last: Poll,
    pub(super) polls: u32,
}

/// Reads until the expectation holds (and stays so), or time is up. Unreadable is not missed.
///
/// A reading that did not come through and may be taken again counts as a poll while time is left; after that it puts
/// off the work that this belongs to.
pub(super) async fn poll(
    patience: &Patience,
    deps: &Deps,
    contracts: &Contracts,
    tool: &ToolName,
    args: Args,
    expect: &Expectation,
) -> Polled {
    let until = deps.clock.now_ms() + expect.within.as_millis() as i64;
    let hold_for = expect.hold_for.as_millis() as i64;
    let (mut since, mut polls, mut earlier) = (None, 0, Vec::new());
    let mut before: Option<Poll> = None;
    loop {
        polls += 1;
        let now_read = expect.look(read(patience, deps, contracts, tool, args.clone(), "check").await);
        let now = deps.clock.now_ms();
        since = (now_read.held == Ok(true)).then(|| since.unwrap_or(now));
        let pause = patience.next_poll(now, until).unwrap_or(POLL).max(POLL);
        let stayed = since.is_some_and(|since| now - since >= hold_for);
        // Time that the state must stay good counts on top of the time it may take to become so.
        if stayed || patience.is_over() || (since.is_none() && now >= until) {
            let last = now_read;
            return Polled { earlier, last, polls };
        }
        if before.as_ref() != Some(&now_read) && earlier.len() < CHANGES_KEPT {
            earlier.push((polls, now_read.clone()));
        }
        before = Some(now_read);
        deps.clock.sleep(pause).await;
    }
}

impl Expectation {
    fn look(&self, answer: ReadAnswer) -> Poll {
        match answer {
            Err(unread) => Poll {
                held: Err(unread.why.clone()),
                output: None,
                problem: Some(unread.why),
            },
            Ok(output) => {
                let held = self.judge(&output);
                Poll {
                    problem: held.as_ref().err().cloned(),
                    held: Ok(held.unwrap_or(false)),
                    output: Some(output),
                }
            }
        }
    }

    fn judge(&self, output: &Value) -> Result<bool, String> {
        let Some(expr) = &self.expr else { return Ok(true) };
        expr.eval_bool(&self.scope.clone().with(Root::Output, output.clone()))
            .map_err(|e| e.to_string())
    }
}
