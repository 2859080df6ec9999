//! From the wish to an accepted plan: whoever drafts it, it is checked here, and frozen before any tool output is read.

use super::Deps;
use super::facts::Facts;
use super::patience::Patience;
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

/// Asks for a draft and checks it. The facts end with `PlanAccepted` or a final `PlanRefused`.
pub(super) async fn plan(deps: &Deps, request: &Request, revision: u32, patience: &Patience) -> Facts {
    let mut facts = Facts::of(Event::PlanningStarted { revision });
    let catalogue = deps.executor.catalogue();
    let context = PlanningContext {
        catalogue: catalogue.clone(),
        contracts: deps.contracts.clone(),
        inventory: deps.inventory.clone(),
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
        PlanAnswer::Draft { source, draft, params } => {
            let draft_payload = facts.payload(draft.clone(), false);
            facts.push(Event::PlanDrafted {
                revision,
                source: source.clone(),
                draft: draft_payload,
            });
            let context = CheckContext {
                catalogue: &catalogue,
                contracts: &deps.contracts,
                params,
                alarm: request.alarm.clone(),
                limits: deps.limits,
            };
            match check(&draft, &context) {
                Ok(plan) => accepted(&mut facts, deps, &catalogue, revision, source, &plan),
                Err(faults) => {
                    if let Some(tool) = unheard_of(deps, &draft) {
                        await_server(patience, &tool).await;
                    }
                    refused(&mut facts, revision, faults);
                }
            }
        }
    }
    facts
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
        millis: call.millis,
        problem: call.problem,
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

fn accepted(facts: &mut Facts, deps: &Deps, catalogue: &Catalogue, revision: u32, source: PlanSource, plan: &Plan) {
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
        revision,
        digest,
        source,
        plan,
        contracts,
        pins,
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
