//! From the wish to an accepted plan: whoever drafts it, it is checked here, and frozen before any tool output is read.

use super::Deps;
use super::ask::which_is_meant;
use super::facts::Facts;
use super::patience::Patience;
use super::replan::Before;
use crate::contract::{Contracts, EffectClass};
use crate::fault::Fault;
use crate::intent::Request;
use crate::intent::event::{Event, PlanSource};
use crate::plan::Plan;
use crate::plan::check::{CheckContext, check};
use crate::ports::{ModelCall, PlanAnswer, PlanningContext, PlanningFact, PlanningNote};
use crate::tool::{Catalogue, Outcome, ToolName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Asks for a draft and checks it. The facts end with `PlanAccepted`, a final `PlanRefused`, or a question to
/// a person. `before`: the plans that
/// were tried and have failed.
pub(super) async fn plan(deps: &Deps, request: &Request, revision: u32, before: Before, patience: &Patience) -> Facts {
    let mut facts = Facts::of(Event::PlanningStarted { revision });
    let context = PlanningContext {
        catalogue: deps.executor.catalogue(),
        contracts: deps.contracts.clone(),
        inventory: deps.inventory.clone(),
        tried: before.tried.clone(),
        meant: before.meant.clone(),
        tokens_spent: before.tokens,
        cost_spent: before.cost,
    };
    let planned = deps.planner.plan(request, &context).await;
    how_it_went(&mut facts, revision, planned.model_calls, planned.notes);
    match planned.answer {
        PlanAnswer::Refused {
            reason,
            nearest,
            faults,
        } => {
            let reason = if nearest.is_empty() {
                reason
            } else {
                format!("{reason}; nearest: {}", nearest.join(", "))
            };
            facts.push(Event::PlanRefused {
                revision,
                faults,
                reason,
                final_: true,
            });
        }
        PlanAnswer::Several { meanings } => {
            which_is_meant(&mut facts, deps, request.wish.words(), &meanings);
        }
        PlanAnswer::Draft {
            source,
            draft,
            params,
            replans,
        } => {
            let of = Acceptance {
                revision,
                source,
                replans,
            };
            let looked_up = CheckContext {
                catalogue: &context.catalogue,
                contracts: &deps.contracts,
                params,
                alarm: request.alarm.clone(),
                limits: deps.limits,
            };
            examine(&mut facts, deps, &draft, of, &looked_up, (&before, patience)).await;
        }
    }
    facts
}

/// Checks a draft. A server that was not to be had yet may be waited for, a plan that has failed is not tried again.
async fn examine(
    facts: &mut Facts,
    deps: &Deps,
    draft: &Value,
    of: Acceptance,
    context: &CheckContext<'_>,
    (before, patience): (&Before, &Patience),
) {
    let drafted = facts.payload(draft.clone(), false);
    facts.push(Event::PlanDrafted {
        revision: of.revision,
        source: of.source.clone(),
        draft: drafted,
    });
    match check(draft, context) {
        Ok(plan) if before.has(&plan) => refused(facts, of.revision, vec![same_again()]),
        Ok(plan) => accepted(facts, deps, context.catalogue, of, &plan),
        Err(faults) => {
            if let Some(tool) = unheard_of(deps, draft) {
                await_server(patience, &tool).await;
            }
            refused(facts, of.revision, faults);
        }
    }
}

/// A tool of a draft whose server was not to be had since the start: nobody can say whether it has it.
fn unheard_of(deps: &Deps, draft: &Value) -> Option<ToolName> {
    let parts = ["pre_checks", "steps", "post_checks"];
    let calls = parts.iter().filter_map(|part| draft.get(part)?.as_array()).flatten();
    let mut tools = calls
        .flat_map(|call| [call.get("tool"), call.pointer("/gate/tool")])
        .flatten();
    tools.find_map(|tool| {
        let tool: ToolName = tool.as_str()?.parse().ok()?;
        (!deps.executor.has_listed(tool.server())).then_some(tool)
    })
}

/// Policy may grant that the plan is made once more, when the server has had time to come.
async fn await_server(patience: &Patience, tool: &ToolName) {
    let outcome = Outcome::NotSent {
        reason: format!("server {} has not listed its tools yet", tool.server()),
        retry_after_ms: None,
    };
    // Refused: the faults say that the server is not there.
    let _ = patience.put_off(tool, EffectClass::Read, &outcome).await;
}

/// The model's answers and the stages they belong to, in the order in which they came.
fn how_it_went(facts: &mut Facts, revision: u32, calls: Vec<ModelCall>, notes: Vec<PlanningNote>) {
    let mut notes = notes.into_iter().peekable();
    let mut told = |facts: &mut Facts, made: usize| {
        while let Some(note) = notes.next_if(|note| note.after_calls <= made) {
            facts.push(event_of(revision, note.fact));
        }
    };
    let all = calls.len();
    for (made, call) in calls.into_iter().enumerate() {
        told(facts, made);
        model_answered(facts, call);
    }
    told(facts, all);
}

fn event_of(revision: u32, fact: PlanningFact) -> Event {
    match fact {
        PlanningFact::Stage { stage, end, why } => Event::StageTried {
            revision,
            stage,
            end,
            why,
        },
        PlanningFact::Tools(tools) => Event::ToolsRetrieved { revision, tools },
    }
}

fn model_answered(facts: &mut Facts, call: ModelCall) {
    let answer = facts.payload(call.answer, false);
    facts.push(Event::ModelAnswered {
        purpose: call.purpose,
        model: call.model,
        prompt: call.prompt,
        answer,
        input_tokens: call.input_tokens,
        output_tokens: call.output_tokens,
        cost: call.cost,
        millis: call.millis,
        problem: call.problem,
        faults: call.faults,
    });
}

fn refused(facts: &mut Facts, revision: u32, faults: Vec<Fault>) {
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    let more = match faults.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    facts.push(Event::PlanRefused {
        revision,
        faults,
        reason: format!("the plan is faulty: {first}{more}"),
        final_: true,
    });
}

/// The same plan again is no plan: it has failed.
fn same_again() -> Fault {
    let message = "this is the very plan that has failed";
    Fault::new("/plan", "replan.same", message).suggest("another way, or none")
}

/// What is said of a plan beside itself.
struct Acceptance {
    revision: u32,
    source: PlanSource,
    replans: u32,
}

fn accepted(facts: &mut Facts, deps: &Deps, catalogue: &Catalogue, of: Acceptance, plan: &Plan) {
    let tools = reachable_tools(plan, &deps.contracts);
    let held: BTreeMap<_, _> = tools
        .iter()
        .filter_map(|t| deps.contracts.contracts.get(t).map(|c| (t.clone(), c.clone())))
        .collect();
    let pins = tools
        .iter()
        .filter_map(|t| catalogue.get(t).map(|c| (t.clone(), c.spec.digest())))
        .collect();
    let digest = plan.digest();
    let plan = facts.payload(value_of(plan), false);
    let contracts = facts.payload(value_of(&Contracts { contracts: held }), false);
    facts.push(Event::PlanAccepted {
        revision: of.revision,
        digest,
        source: of.source,
        plan,
        contracts,
        pins,
        replans: of.replans,
    });
}

fn value_of(thing: &impl serde::Serialize) -> Value {
    serde_json::to_value(thing).expect("our own types serialise")
}

/// Every tool that the plan can come to call: its own, and those that the contracts of these name.
fn reachable_tools(plan: &Plan, contracts: &Contracts) -> BTreeSet<ToolName> {
    let mut found: BTreeSet<ToolName> = plan.tools().cloned().collect();
    let own: Vec<ToolName> = found.iter().cloned().collect();
    for tool in own {
        let contract = contracts.of(&tool);
        found.extend(contract.probe.map(|p| p.tool));
        found.extend(
            [
                contract.preview,
                contract.prepare,
                contract.confirm,
                contract.cancel,
                contract.extend,
            ]
            .into_iter()
            .flatten()
            .map(|t| t.tool),
        );
        found.extend(contract.undo.into_iter().map(|u| u.tool));
    }
    found
}
