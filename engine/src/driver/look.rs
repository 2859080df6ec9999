//! Looking at each mutating item: its state, its diff and its way back. Nothing is changed.

use super::facts::Facts;
use super::job::{self, ItemJob, Taken, Unread};
use crate::contract::EffectClass;
use crate::contract::apply;
use crate::fault::Fault;
use crate::ids::CallId;
use crate::intent::event::{Event, FaultEffect, ProbePurpose, UndoCall, WayBack};
use serde_json::Value;
use std::time::Duration;

/// How many readings in a row may differ before the probe counts as one that changes by itself.
const STABLE_WITHIN: usize = 4;

/// What the plan says of an item's look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looking {
    /// The first item of its step: its probe is taken twice.
    pub(super) first: bool,
    /// A step before it will change the same target, so that holding now says nothing.
    pub(super) follows: bool,
    /// The plan goes on without an item that fails.
    pub(super) may_fail: bool,
}

/// Looks at one mutating item: refusals, the state, whether it holds already, the diff and the way back.
pub(super) async fn look(mut job: ItemJob, call: CallId, plan: Looking) -> Facts {
    let mut facts = Facts::default();
    if let Some(why) = refusal(&job) {
        return refused(facts, &job, &call, "contract.refuse_when", &why);
    }
    if job.contract.probe.is_some() {
        let taken = match stable_reading(&job, plan.first).await {
            Ok(taken) => taken,
            Err(no) => return turned_down(facts, &job, call, no, plan.may_fail),
        };
        job.taken(&mut facts, ProbePurpose::Before, &taken, None);
        if taken.holds == Some(true) && !plan.follows {
            return satisfied(facts, &job, &taken);
        }
        job.known.before = taken.state.clone().map(Into::into);
    }
    match preview(&mut job, &mut facts).await {
        Ok(event) => facts.push(event),
        Err(no) => return turned_down(facts, &job, call, no, plan.may_fail),
    }
    facts
}

/// A tool that says no to what is asked refuses the plan, as a contract does, unless the plan goes on without the item.
fn turned_down(facts: Facts, job: &ItemJob, call: CallId, no: Unread, may_fail: bool) -> Facts {
    match no.refusal {
        Some(said) if !may_fail => refused(facts, job, &call, "tool.refused", &said),
        _ => failed(facts, call, no.why),
    }
}

fn refused(mut facts: Facts, job: &ItemJob, call: &CallId, rule: &str, why: &str) -> Facts {
    let pointer = format!("/plan/steps/{}", job.item);
    let fault = Fault::new(pointer, rule, format!("{}: {why}", job.tool));
    let reason = fault.message.clone();
    facts.push(Event::PlanRefused {
        revision: call.revision,
        faults: vec![fault],
        reason,
        final_: true,
    });
    facts
}

/// Why the call may not be made at all.
fn refusal(job: &ItemJob) -> Option<String> {
    if job.contract.effect == EffectClass::Confirmable && job.contract.probe.is_none() {
        // Only a reading can tell whether a device has gone back by itself.
        return Some("a confirmable call needs a probe in its contract".to_owned());
    }
    apply::refused(&job.contract, &job.known.args)
}

/// A valid reading; the first look under a contract takes two and wants them equal. Another hand may be at work in just
/// that moment, so only what keeps changing is refused.
async fn stable_reading(job: &ItemJob, check_stability: bool) -> Result<Taken, Unread> {
    let mut first = job.probe().await;
    if !first.valid && first.refused.is_none() && !job.patience.is_over() {
        first = job.probe_until(Duration::from_secs(2), |_| true).await;
    }
    if !first.valid {
        let refusal = first.refused;
        let why = first.problem.unwrap_or_else(|| "it is not valid".to_owned());
        let why = match refusal {
            Some(_) => why,
            None => format!("the state before cannot be read, so nothing is sent: {why}"),
        };
        return Err(Unread { why, refusal });
    }
    if !check_stability {
        return Ok(first);
    }
    let mut last = first;
    for _ in 0..STABLE_WITHIN {
        let next = job.probe().await;
        if !next.valid || next.state == last.state {
            return Ok(last);
        }
        last = next;
        job.deps.clock.sleep(Duration::from_millis(250)).await;
    }
    Err(Unread::from(format!(
        "each reading differs from the one before: `select` of the contract of {} names something that changes by itself",
        job.tool
    )))
}

fn failed(mut facts: Facts, call: CallId, fault: String) -> Facts {
    facts.push(Event::CallFailed {
        call,
        attempt: 0,
        fault,
        effect: FaultEffect::None,
        output: None,
    });
    facts
}

pub(super) fn satisfied(mut facts: Facts, job: &ItemJob, taken: &Taken) -> Facts {
    let state = taken.state.clone().unwrap_or(Value::Null);
    let output = match apply::output_from_state(&job.contract, &job.known, &state) {
        Some(Ok(output)) => Some(facts.payload(output, false)),
        _ => None,
    };
    facts.push(Event::StepSatisfied {
        item: job.item.clone(),
        output,
    });
    facts
}

pub(super) async fn preview(job: &mut ItemJob, facts: &mut Facts) -> Result<Event, Unread> {
    let mut output = Value::Null;
    let mut sealed = false;
    if let (Some(template), Some(args)) = (
        &job.contract.preview,
        apply::preview_args(&job.contract, &job.known.args),
    ) {
        let tool = &template.tool;
        output = job::read(&job.patience, &job.deps, &job.contracts, tool, args?, "preview")
            .await
            .map_err(|no| Unread {
                why: format!("preview: {}", no.why),
                ..no
            })?;
        sealed = job.contracts.of(tool).sealed;
        job.known.preview = Some(output.clone().into());
    }
    let base = output.get("base").and_then(Value::as_str).map(str::to_owned);
    let way_back = match apply::choose_undo(&job.contract, &job.known) {
        Ok((tool, args)) => {
            let sealed = sealed
                || job
                    .contract
                    .probe
                    .as_ref()
                    .is_some_and(|p| job.contracts.of(&p.tool).sealed);
            WayBack::Call(UndoCall {
                tool,
                args: facts.payload(Value::Object(args), sealed),
            })
        }
        Err(why) => WayBack::Irreversible { why },
    };
    let output = facts.payload(output, sealed);
    Ok(Event::PreviewTaken {
        item: job.item.clone(),
        output,
        way_back,
        base,
    })
}
