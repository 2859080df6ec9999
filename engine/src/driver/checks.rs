//! Checks, gates and read-only steps: polled until they hold, told apart from what could not be read.

use super::facts::Facts;
use super::job::brief;
use super::patience::Patience;
use super::poll::{self, Expectation, Poll, Polled};
use super::{Deps, DriveError, Driver, expand};
use crate::binding;
use crate::contract::Contracts;
use crate::expr::{Expr, Root, Scope};
use crate::ids::{CallId, ItemId, Phase, StepId};
use crate::intent::event::{CheckId, CheckPurpose, CheckReading, CheckVerdict, EarlierPoll, Event, FaultEffect};
use crate::plan::Check;
use crate::tool::ToolName;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// One check to be taken; an error is a reason why it cannot be.
pub(super) struct CheckJob {
    patience: Patience,
    deps: Arc<Deps>,
    contracts: Arc<Contracts>,
    check: CheckId,
    purpose: CheckPurpose,
    call: Result<(ToolName, Map<String, Value>, Expectation), String>,
}

/// A read-only step's call.
pub(super) struct ReadJob {
    patience: Patience,
    deps: Arc<Deps>,
    contracts: Arc<Contracts>,
    call: CallId,
    tool: ToolName,
    args: Map<String, Value>,
    expect: Result<Expectation, String>,
}

impl Driver {
    pub(super) async fn check_job(&mut self, check: &CheckId, purpose: CheckPurpose) -> Result<CheckJob, DriveError> {
        let accepted = self
            .ledger
            .state
            .accepted
            .clone()
            .expect("only an accepted plan has checks");
        let (definition, item, names): (Check, Option<&ItemId>, Scope) = match check {
            CheckId::Pre { index } => (accepted.plan.pre_checks[*index as usize].clone(), None, Scope::EXPECT),
            CheckId::Post { index } => (accepted.plan.post_checks[*index as usize].clone(), None, Scope::CHECK),
            CheckId::Expect { .. } => unreachable!("polled by its own step"),
            CheckId::Gate { item } => {
                let (step, _) = accepted.plan.step(&item.step).expect("a gate's step is in the plan");
                let names = if item.index.is_some() {
                    Scope::ITEM_CHECK
                } else {
                    Scope::CHECK
                };
                (step.gate.clone().expect("a gate was asked for"), Some(item), names)
            }
        };
        let steps: Vec<StepId> = accepted.plan.steps.iter().map(|s| s.id.clone()).collect();
        let mut scope = self.scope(&steps).await?;
        let mut arg_names = Scope::STEP;
        if let Some(item) = item {
            let element = self.item(item).expanded.element.clone();
            let element = match element {
                Some(payload) => self.value(&payload).await?,
                None => None,
            };
            (scope, arg_names) = expand::item_scope(&scope, item.index, element);
        }
        let before = self
            .ledger
            .state
            .checks
            .get(&(check.clone(), CheckPurpose::Before))
            .and_then(|r| r.output.clone());
        if let Some(payload) = before
            && let Some(value) = self.value(&payload).await?
        {
            scope.set(Root::Before, value);
        }
        let call = prepare(&definition, &scope, arg_names, names, purpose);
        let (deps, contracts) = (self.deps.clone(), accepted.contracts.clone());
        let patience = self.patience.clone().unwrap_or_else(|| self.no_patience());
        Ok(CheckJob {
            patience,
            deps,
            contracts,
            check: check.clone(),
            purpose,
            call,
        })
    }

    pub(super) async fn read_job(&mut self, item: &ItemId) -> Result<ReadJob, DriveError> {
        let job = self.item_job(item).await?;
        let (step, facts) = self
            .step_of(item)
            .map(|(s, f)| (s.clone(), f.clone()))
            .expect("an item's step is in the plan");
        let scope = self.scope(&facts.binds).await?;
        let element = self.item(item).expanded.element.clone();
        let element = match element {
            Some(payload) => self.value(&payload).await?,
            None => None,
        };
        let (scope, _) = expand::item_scope(&scope, item.index, element);
        let names = if item.index.is_some() {
            Scope::ITEM_EXPECT
        } else {
            Scope::EXPECT
        };
        let expr = step
            .expect
            .as_ref()
            .map(|e| Expr::compile(e, names).map_err(|f| f.message))
            .transpose();
        let expect = expr.map(|expr| Expectation {
            expr,
            within: step.within.map_or(Duration::ZERO, crate::span::Span::duration),
            hold_for: step.hold_for.map_or(Duration::ZERO, crate::span::Span::duration),
            scope,
        });
        let call = self.ledger.state.next_call(item, Phase::Do);
        Ok(ReadJob {
            patience: job.patience,
            deps: self.deps.clone(),
            contracts: job.contracts,
            call,
            tool: job.tool,
            args: job.known.args,
            expect,
        })
    }
}

fn prepare(
    check: &Check,
    scope: &crate::expr::Bindings,
    arg_names: Scope,
    names: Scope,
    purpose: CheckPurpose,
) -> Result<(ToolName, Map<String, Value>, Expectation), String> {
    let args = match binding::resolve(&check.args, arg_names, scope).map_err(|e| e.to_string())? {
        Value::Object(args) => args,
        _ => return Err("its arguments are no object".to_owned()),
    };
    let verdict = purpose == CheckPurpose::Verdict;
    let expr = verdict
        .then(|| Expr::compile(&check.expect, names).map_err(|f| f.message))
        .transpose()?;
    let span = |s: Option<crate::span::Span>| {
        s.filter(|_| verdict)
            .map_or(Duration::ZERO, crate::span::Span::duration)
    };
    let expect = Expectation {
        expr,
        within: span(check.within),
        hold_for: span(check.hold_for),
        scope: scope.clone(),
    };
    Ok((check.tool.clone(), args, expect))
}

/// Takes a check.
pub(super) async fn take(job: CheckJob) -> Facts {
    let mut facts = Facts::default();
    let CheckJob {
        patience,
        deps,
        contracts,
        check,
        purpose,
        call,
    } = job;
    let reading = match call {
        Err(problem) => CheckReading {
            check,
            purpose,
            verdict: CheckVerdict::Unreadable,
            output: None,
            polls: 0,
            earlier: Vec::new(),
            problem: Some(problem),
        },
        Ok((tool, args, expect)) => {
            let sealed = contracts.of(&tool).sealed;
            let polled = poll::poll(&patience, &deps, &contracts, &tool, args, &expect).await;
            let verdict = match (verdict_of(&polled.last.held), purpose) {
                (CheckVerdict::Held | CheckVerdict::Missed, CheckPurpose::Before) => CheckVerdict::Recorded,
                (verdict, _) => verdict,
            };
            reading(&mut facts, (check, purpose, verdict), polled, sealed)
        }
    };
    facts.push(Event::ChecksTaken {
        readings: vec![reading],
    });
    facts
}

fn verdict_of(held: &Result<bool, String>) -> CheckVerdict {
    match held {
        Err(_) => CheckVerdict::Unreadable,
        Ok(true) => CheckVerdict::Held,
        Ok(false) => CheckVerdict::Missed,
    }
}

fn reading(
    facts: &mut Facts,
    (check, purpose, verdict): (CheckId, CheckPurpose, CheckVerdict),
    polled: Polled,
    sealed: bool,
) -> CheckReading {
    let earlier = |(poll, read): (u32, Poll)| EarlierPoll {
        poll,
        held: read.held == Ok(true),
        output: read.output.map(|o| facts.payload(o, sealed)),
        problem: read.problem,
    };
    CheckReading {
        check,
        purpose,
        verdict,
        earlier: polled.earlier.into_iter().map(earlier).collect(),
        output: polled.last.output.map(|o| facts.payload(o, sealed)),
        polls: polled.polls,
        problem: polled.last.problem,
    }
}

/// Calls a read-only step's tool. The start and the answer are one commit: a read that a crash cuts off is read again.
pub(super) async fn read_step(job: ReadJob) -> Facts {
    let mut facts = Facts::default();
    let ReadJob {
        patience,
        deps,
        contracts,
        call,
        tool,
        args,
        expect,
    } = job;
    let started_ms = deps.clock.now_ms();
    let started = Event::CallStarted {
        key: crate::canonical::Digest::of_value(&serde_json::json!(call)),
        call: call.clone(),
        attempt: 1,
        tool: tool.clone(),
        args: facts.payload(Value::Object(args.clone()), false),
        incarnation: None,
        expect_base: None,
        send_by_ms: started_ms,
        deadline_ms: started_ms,
    };
    facts.push(started);
    let failed = |fault: String| Event::CallFailed {
        call: call.clone(),
        attempt: 1,
        fault,
        effect: FaultEffect::None,
        output: None,
    };
    let expect = match expect {
        Ok(expect) => expect,
        Err(why) => {
            facts.push(failed(format!("`expect` cannot be run: {why}")));
            return facts;
        }
    };
    let sealed = contracts.of(&tool).sealed;
    let polled = poll::poll(&patience, &deps, &contracts, &tool, args, &expect).await;
    let expected = expect.expr.as_ref().map_or("", Expr::source);
    outcome_of_read(&mut facts, &call, &tool, polled, (expected, sealed), failed);
    facts
}

/// What polling a read-only step came to.
fn outcome_of_read(
    facts: &mut Facts,
    call: &CallId,
    tool: &ToolName,
    polled: Polled,
    (expected, sealed): (&str, bool),
    failed: impl Fn(String) -> Event,
) {
    if !polled.earlier.is_empty() {
        let item = call.item.clone();
        let taken = (
            CheckId::Expect { item },
            CheckPurpose::Verdict,
            verdict_of(&polled.last.held),
        );
        let reading = reading(facts, taken, polled.clone(), sealed);
        facts.push(Event::ChecksTaken {
            readings: vec![reading],
        });
    }
    let event = match (polled.last.held, polled.last.output) {
        (Ok(true), Some(output)) => Event::CallAnswered {
            call: call.clone(),
            attempt: 1,
            output: facts.payload(output, sealed),
        },
        (Ok(_), output) => {
            let why = polled.last.problem.map(|p| format!(" ({p})")).unwrap_or_default();
            let read = match output.filter(|_| !sealed) {
                Some(output) => brief(&output),
                None => "what may hold secrets".to_owned(),
            };
            failed(format!(
                "{tool} does not show what is expected{why}: expected {expected}; read {read}"
            ))
        }
        (Err(problem), _) => failed(problem),
    };
    facts.push(event);
}
