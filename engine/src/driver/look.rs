//! Looking at each mutating item: its state, its diff and its way back. Nothing is changed.

use super::facts::Facts;
use super::job::{self, ItemJob, Taken};
use crate::contract::EffectClass;
use crate::contract::apply;
use crate::fault::Fault;
use crate::ids::CallId;
use crate::intent::event::{Event, FaultEffect, ProbePurpose, UndoCall, WayBack};
use serde_json::Value;
use std::time::Duration;

/// How many readings in a row may differ before the probe counts as one that changes by itself.
const STABLE_WITHIN: usize = 4;

/// Looks at one mutating item: refusals, the state, whether it holds already, the diff and the way back. `follows`: a
/// step before it will change the same target, so that holding now says nothing.
pub(super) async fn look(mut job: ItemJob, call: CallId, check_stability: bool, follows: bool) -> Facts {
    let mut facts = Facts::default();
    if let Some(why) = refusal(&job) {
        let pointer = format!("/plan/steps/{}", job.item);
        let fault = Fault::new(pointer, "contract.refuse_when", format!("{}: {why}", job.tool));
        let reason = fault.message.clone();
        facts.push(Event::PlanRefused {
            revision: call.revision,
            faults: vec![fault],
            reason,
            final_: true,
        });
        return facts;
    }
    if job.contract.probe.is_some() {
        let taken = match stable_reading(&job, check_stability).await {
            Ok(taken) => taken,
            Err(why) => return failed(facts, call, why),
        };
        job.taken(&mut facts, ProbePurpose::Before, &taken, None);
        if taken.holds == Some(true) && !follows {
            return satisfied(facts, &job, &taken);
        }
        job.known.before = taken.state.clone().map(Into::into);
    }
    match preview(&mut job, &mut facts).await {
        Ok(event) => facts.push(event),
        Err(why) => return failed(facts, call, why),
    }
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
async fn stable_reading(job: &ItemJob, check_stability: bool) -> Result<Taken, String> {
    let first = job.probe_until(Duration::from_secs(2), |_| true).await;
    if !first.valid {
        let why = first.problem.unwrap_or_else(|| "it is not valid".to_owned());
        return Err(format!("the state before cannot be read, so nothing is sent: {why}"));
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
    Err(format!(
        "each reading differs from the one before: `select` of the contract of {} names something that changes by itself",
        job.tool
    ))
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

pub(super) async fn preview(job: &mut ItemJob, facts: &mut Facts) -> Result<Event, String> {
    let mut output = Value::Null;
    let mut sealed = false;
    if let (Some(template), Some(args)) = (
        &job.contract.preview,
        apply::preview_args(&job.contract, &job.known.args),
    ) {
        let tool = &template.tool;
        output = job::read(&job.patience, &job.deps, &job.contracts, tool, args?, "preview")
            .await
            .map_err(|e| format!("preview: {e}"))?;
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
