//! Looking: expanding steps into items, and each mutating item's state, diff and way back. Nothing is changed.

use super::facts::Facts;
use super::job::{self, ItemJob, Taken};
use crate::binding;
use crate::contract::apply;
use crate::contract::{Contract, Contracts, EffectClass};
use crate::expr::{Bindings, Expr, Root, Scope};
use crate::fault::Fault;
use crate::ids::CallId;
use crate::intent::event::{Event, ExpandedItem, FaultEffect, ProbePurpose, UndoCall, WayBack};
use crate::plan::{Step, StepFacts, WaveSize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// The waves of a mutating `for_each` when the plan names none: one, a quarter, the rest.
const DEFAULT_WAVES: [WaveSize; 3] = [WaveSize::Count(1), WaveSize::Percent(25), WaveSize::Percent(100)];

/// Expands a step into its items. An error is a reason why the step cannot run.
pub(super) fn expand(step: &Step, facts: &StepFacts, contracts: &Contracts, scope: &Bindings) -> Result<Facts, String> {
    let elements = match &step.for_each {
        None => vec![None],
        Some(list) => {
            let list = binding::resolve_list(list, scope).map_err(|e| e.to_string())?;
            list.into_iter().map(Some).collect()
        }
    };
    let contract = contracts.of(&step.tool);
    let mut out = Facts::default();
    let mut items = Vec::with_capacity(elements.len());
    for (index, element) in elements.iter().enumerate() {
        let index = element.as_ref().map(|_| u32::try_from(index).unwrap_or(u32::MAX));
        items.push(expand_one(
            step,
            facts,
            &contract,
            scope,
            index,
            element.clone(),
            &mut out,
        )?);
    }
    if facts.mutating {
        assign_waves(step, &elements, &mut items);
    }
    out.push(Event::StepExpanded {
        step: step.id.clone(),
        items,
    });
    Ok(out)
}

fn expand_one(
    step: &Step,
    facts: &StepFacts,
    contract: &Contract,
    scope: &Bindings,
    index: Option<u32>,
    element: Option<Value>,
    out: &mut Facts,
) -> Result<ExpandedItem, String> {
    let (scope, names) = item_scope(scope, index, element.clone());
    let skipped = match &step.when {
        None => None,
        Some(when) => {
            let expr = Expr::compile(when, names).map_err(|f| f.message)?;
            let runs = expr
                .eval_bool(&scope)
                .map_err(|e| format!("`when` has no result: {e}"))?;
            (!runs).then(|| format!("`when` is false: {when}"))
        }
    };
    let (args, complete) = resolve_args(&step.args, &scope, names, facts)?;
    let targets = match (facts.mutating, &skipped) {
        (true, None) => apply::targets(&step.tool, contract, &args)?,
        _ => Vec::new(),
    };
    let args = complete.then(|| out.payload(Value::Object(args), false));
    let element = element.map(|e| out.payload(e, false));
    Ok(ExpandedItem {
        index,
        element,
        args,
        targets,
        wave: 0,
        skipped,
    })
}

/// The scope of one item, and the names that are in it.
pub(super) fn item_scope(scope: &Bindings, index: Option<u32>, element: Option<Value>) -> (Bindings, Scope) {
    match (index, element) {
        (Some(index), Some(element)) => (
            scope
                .clone()
                .with(Root::Item, element)
                .with(Root::Index, Value::from(index)),
            Scope::ITEM,
        ),
        _ => (scope.clone(), Scope::STEP),
    }
}

/// The arguments, and whether all of them could be resolved. Only a step that binds to a change may have open ones: they
/// are left out here and resolved just before sending.
fn resolve_args(
    args: &Value,
    scope: &Bindings,
    names: Scope,
    facts: &StepFacts,
) -> Result<(Map<String, Value>, bool), String> {
    let object = args.as_object().cloned().unwrap_or_default();
    let mut resolved = Map::new();
    let mut complete = true;
    for (name, value) in object {
        match binding::resolve(&value, names, scope) {
            Ok(value) => {
                resolved.insert(name, value);
            }
            Err(_) if facts.mutating && !facts.binds.is_empty() => complete = false,
            Err(e) => return Err(format!("argument {name:?}: {e}")),
        }
    }
    Ok((resolved, complete))
}

/// Batches of growing size; a second member of a redundancy group moves to the next wave, adding waves where needed.
fn assign_waves(step: &Step, elements: &[Option<Value>], items: &mut [ExpandedItem]) {
    let sizes: &[WaveSize] = if step.waves.is_empty() {
        &DEFAULT_WAVES
    } else {
        &step.waves
    };
    let total = items.iter().filter(|i| i.skipped.is_none()).count();
    let mut waiting: Vec<usize> = (0..items.len()).filter(|i| items[*i].skipped.is_none()).collect();
    let mut wave = 0u32;
    while !waiting.is_empty() {
        let size = sizes.get(wave as usize).or(sizes.last()).map_or(total, |s| s.of(total));
        let mut groups: BTreeMap<String, ()> = BTreeMap::new();
        let mut taken = 0;
        waiting.retain(|i| {
            let group = elements[*i]
                .as_ref()
                .and_then(|e| e.get("redundancy_group"))
                .and_then(Value::as_str);
            let free = group.is_none_or(|g| !groups.contains_key(g));
            if taken >= size || !free {
                return true;
            }
            taken += 1;
            items[*i].wave = wave;
            groups.extend(group.map(|g| (g.to_owned(), ())));
            false
        });
        wave += 1;
    }
}

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
    if job.contract.effect == EffectClass::Confirmable {
        // A device-side timer that nobody extends or confirms would undo the change behind everybody's back.
        return Some("confirmable calls are not driven yet: describe it as reversible, without the timer".to_owned());
    }
    apply::refused(&job.contract, &job.known.args)
}

/// A valid reading; the first look under a contract takes two and wants them equal.
async fn stable_reading(job: &ItemJob, check_stability: bool) -> Result<Taken, String> {
    let first = job.probe_until(Duration::from_secs(2), |_| true).await;
    if !first.valid {
        let why = first.problem.unwrap_or_else(|| "it is not valid".to_owned());
        return Err(format!("the state before cannot be read, so nothing is sent: {why}"));
    }
    if check_stability {
        let second = job.probe().await;
        if second.valid && second.state != first.state {
            return Err(format!(
                "two readings in a row differ: `select` of the contract of {} names something that changes by itself",
                job.tool
            ));
        }
    }
    Ok(first)
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
        output = job::read(&job.deps, &job.contracts, tool, args?, "preview")
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
