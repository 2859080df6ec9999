//! One item's calls: what is sent, how an answer is read, how a probe is taken and judged. No state changes here; each
//! function returns facts for the driver to record.

use super::Deps;
use super::facts::Facts;
use super::patience::Patience;
use crate::canonical::Digest;
pub(super) use crate::contract::apply::Args;
use crate::contract::apply::{self, Known};
use crate::contract::{Contract, Contracts, EffectClass};
use crate::ids::{ItemId, Phase};
use crate::intent::event::{Event, ProbePurpose, Reading};
use crate::tool::{Outcome, ToolName, ToolRequest};
use serde_json::{Map, Value, json};

use std::sync::Arc;
use std::time::Duration;

/// How long a read-only call may take when no contract says otherwise.
const READ_TIMEOUT_MS: u64 = 30_000;
/// Between two polls of the same thing.
pub(super) const POLL: Duration = Duration::from_millis(250);

/// Everything that an item's calls need, taken out of the state when the work starts.
#[derive(Clone)]
pub(super) struct ItemJob {
    pub(super) deps: Arc<Deps>,
    pub(super) intent: crate::ids::IntentId,
    pub(super) item: ItemId,
    pub(super) tool: ToolName,
    pub(super) contract: Contract,
    pub(super) contracts: Arc<Contracts>,
    /// The definition that the plan was accepted with.
    pub(super) pin: Option<Digest>,
    /// Its server was not to be had, so that nobody could look whether the arguments fit its tool.
    pub(super) unchecked: bool,
    /// The arguments and what is known around the call so far.
    pub(super) known: Known,
    pub(super) patience: Patience,
    /// Phases of which an attempt may have had an effect that nothing shows yet.
    pub(super) unproven: Vec<Phase>,
    /// How often the server of the present call has asked so far.
    pub(super) rounds: u32,
}

/// Why a read-only call gave nothing that can be used.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    pub(super) why: String,
    /// The tool has looked at what is asked and says no, in these words. None: it could not look.
    pub(super) refusal: Option<String>,
}

impl From<String> for Unread {
    fn from(why: String) -> Self {
        Self { why, refusal: None }
    }
}

/// A read-only call's answer, or why there is none.
pub(super) type ReadAnswer = Result<Value, Unread>;

/// Calls a read-only tool once. If it does not come through and policy grants another try, the work that it belongs to
/// is put off: it hears the problem, should find its end, and is due again as a whole.
pub(super) async fn read(
    patience: &Patience,
    deps: &Deps,
    contracts: &Contracts,
    tool: &ToolName,
    args: Args,
    purpose: &str,
) -> ReadAnswer {
    let contract = contracts.of(tool);
    let timeout_ms = patience.attempt_ms(contract.timeout.map_or(READ_TIMEOUT_MS, |t| t.0));
    let meta = Map::from_iter([("io.flyball/purpose".to_owned(), json!(purpose))]);
    let request = ToolRequest {
        tool: tool.clone(),
        args: args.clone(),
        meta,
        timeout_ms,
        mutating: false,
        incarnation: None,
        send_by_ms: None,
    };
    let outcome = deps.executor.call(request).await.outcome;
    let problem = match &outcome {
        Outcome::Done { output } => match apply::fails(&contract, &Known::of(args), output) {
            Ok(false) => return Ok(output.clone()),
            Ok(true) => return Err(said_no(tool, output, "reports a failure", contract.sealed)),
            Err(why) => return Err(why.into()),
        },
        Outcome::ToolError { output } => {
            return Err(said_no(tool, output, "answered with an error", contract.sealed));
        }
        Outcome::Rejected { code, message } => {
            patience.give_up();
            return Err(format!("{tool} was rejected ({code}): {message}").into());
        }
        Outcome::NotSent { reason, .. } => format!("{tool} could not be reached: {reason}"),
        Outcome::Unknown { reason, .. } => format!("{tool} gave no answer: {reason}"),
        Outcome::NeedsInput { .. } => return Err(format!("{tool} asks for input, which a read may not").into()),
    };
    match patience.put_off(tool, EffectClass::Read, &outcome).await {
        Ok(_) => Err(problem.into()),
        Err(refused) => Err(refused.to(problem).into()),
    }
}

fn said_no(tool: &ToolName, output: &Value, how: &str, sealed: bool) -> Unread {
    let refusal = refusal(output, sealed);
    let why = match &refusal {
        Some(said) => format!("{tool} refuses: {said}"),
        None => format!("{tool} {how}: {}", said(output, sealed)),
    };
    Unread { why, refusal }
}

/// A tool's own no. `refused` says that it was said on purpose, before anything was done, and `error` says it in a
/// sentence; errors without it (a device that does not answer) say nothing of what was asked.
pub(super) fn refusal(output: &Value, sealed: bool) -> Option<String> {
    let refused = output.get("refused").filter(|r| !r.is_null())?;
    let sentence = [output.get("error"), Some(refused)]
        .into_iter()
        .flatten()
        .find_map(Value::as_str);
    Some(sentence_or_all(sentence, refused, sealed))
}

/// The sentence that a tool says, else all of what it says; not that, where it may hold a device's own secrets.
fn sentence_or_all(sentence: Option<&str>, all: &Value, sealed: bool) -> String {
    match sentence {
        Some(sentence) => brief(&json!({ "text": sentence })),
        None if sealed => "(not shown: it may hold secrets)".to_owned(),
        None => brief(all),
    }
}

/// What a tool says went wrong: the sentence of its error, where there is one, else all that it answered.
pub(super) fn said(output: &Value, sealed: bool) -> String {
    let error = output.get("error");
    let mut sentences = [error, error.and_then(|e| e.get("message")), output.get("message")]
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let sentence = sentences.find(|s| !s.trim().is_empty());
    sentence_or_all(sentence, output, sealed)
}

/// An output in one line, for messages.
pub(super) fn brief(output: &Value) -> String {
    let text = match output.get("text").and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => output.to_string(),
    };
    let line = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// A probe's reading with the values behind it.
pub(super) type Taken = apply::Judged;

impl ItemJob {
    /// Takes the probe once and judges it.
    pub(super) async fn probe(&self) -> Taken {
        let Some(probe) = &self.contract.probe else {
            return Taken {
                problem: Some("the contract has no probe".into()),
                ..Taken::default()
            };
        };
        let args = match apply::probe_args(&self.contract, &self.known.args) {
            Some(Ok(args)) => args,
            Some(Err(why)) => {
                return Taken {
                    problem: Some(why),
                    ..Taken::default()
                };
            }
            None => return Taken::default(),
        };
        match read(&self.patience, &self.deps, &self.contracts, &probe.tool, args, "probe").await {
            Ok(output) => apply::judge_reading(&self.contract, &self.known, &output),
            Err(unread) => Taken {
                problem: Some(unread.why),
                refused: unread.refusal,
                ..Taken::default()
            },
        }
    }

    /// Takes the probe until `good` says so or `within` has passed; the last reading either way.
    pub(super) async fn probe_until(&self, within: Duration, good: impl Fn(&Taken) -> bool) -> Taken {
        let until = self.deps.clock.now_ms() + within.as_millis() as i64;
        loop {
            let taken = self.probe().await;
            let over = self.patience.is_over() || self.deps.clock.now_ms() >= until;
            if (taken.valid && good(&taken)) || over {
                return taken;
            }
            self.deps.clock.sleep(POLL).await;
        }
    }

    /// How long the contract allows for a change to show.
    pub(super) fn holds_within(&self) -> Duration {
        self.contract
            .holds_within
            .map_or(Duration::ZERO, crate::span::Span::duration)
    }

    /// Whether what the probe reads may hold a device's secrets.
    pub(super) fn is_sealed(&self) -> bool {
        let probe = self.contract.probe.as_ref();
        probe.is_some_and(|p| self.contracts.of(&p.tool).sealed)
    }

    /// The fact that a probe was taken. `equal`: compared with the state that the purpose asks for.
    pub(super) fn taken(&self, facts: &mut Facts, purpose: ProbePurpose, taken: &Taken, equal: Option<bool>) {
        let state = taken.state.clone().map(|s| facts.payload(s, self.is_sealed()));
        let reading = Reading {
            valid: taken.valid,
            state,
            base: taken.base.clone(),
            holds: taken.holds,
            equal,
            pending: taken.pending,
            problem: taken.problem.clone(),
        };
        facts.push(Event::ProbeTaken {
            item: self.item.clone(),
            purpose,
            reading,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tools_error_is_told_in_its_own_sentence_where_it_has_one() {
        for (output, told) in [
            (json!({"error": "the disk is full", "code": 28}), "the disk is full"),
            (
                json!({"error": {"code": 28, "message": "the disk\nis full"}}),
                "the disk is full",
            ),
            (
                json!({"isError": true, "message": "the disk is full"}),
                "the disk is full",
            ),
            (json!({"text": "the disk is full"}), "the disk is full"),
            (json!({"error": {"code": 28}}), r#"{"error":{"code":28}}"#),
            (json!({"code": 28, "error": " "}), r#"{"code":28,"error":" "}"#),
        ] {
            assert_eq!(said(&output, false), told);
        }
    }

    #[test]
    fn what_may_hold_secrets_is_not_told_when_it_fails() {
        for output in [json!({"config": "password 7 0822455D"}), json!({"text": "password 7"})] {
            assert_eq!(said(&output, true), "(not shown: it may hold secrets)");
        }
        let refused = json!({"refused": {"line": "password 7 0822455D"}});
        assert_eq!(
            refusal(&refused, true).as_deref(),
            Some("(not shown: it may hold secrets)")
        );
        let told = json!({"error": "r1 does not answer", "config": "password 7"});
        assert_eq!(said(&told, true), "r1 does not answer");
    }
}
