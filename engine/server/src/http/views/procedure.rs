//! The accepted plan, also as a method of procedure: everything that somebody who checks a change wants to see, in the order
//! in which it will happen. Nothing is evaluated here: what is not in the state yet is not there yet.

use super::super::dto::{
    CheckView, DeviceDiff, Expectation, LookedView, PlanView, ProcedureCheck, ProcedureCount, ProcedureView, Reasoned,
    ReviewedView, StageView, WindowBody, time,
};
use super::reasons::{grouped, of_rules};
use super::{Values, beside, checks, diff, is_settled, mutating, shown_target, texts, title};
use crate::narrate;
use flyball_engine::contract::{Contract, EffectClass};
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::{PlanSource, WayBack};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::{Accepted, IntentState};
use flyball_engine::plan::{Check, Step, StepFacts};
use flyball_engine::target::Target;
use flyball_planner::Runbooks;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The accepted plan, if there is one.
pub async fn plan(state: &IntentState, values: &Values<'_>, runbook: Option<ReviewedView>) -> Option<PlanView> {
    let accepted = state.accepted.as_ref()?;
    let pins = accepted.pins.iter().map(|(t, d)| (t.to_string(), d.to_string()));
    Some(PlanView {
        intent: state.id.to_string(),
        revision: state.revision,
        digest: accepted.digest.to_string(),
        source: narrate::source_name(&accepted.source),
        plan: serde_json::to_value(&*accepted.plan).unwrap_or_default(),
        pins: pins.collect(),
        procedure: procedure(state, accepted, values, runbook).await,
    })
}

/// What the owner of the plan's runbook says of it.
pub fn reviewed(state: &IntentState, runbooks: &Runbooks) -> Option<ReviewedView> {
    let PlanSource::Runbook { id } = &state.accepted.as_ref()?.source else {
        return None;
    };
    let runbook = runbooks.get(id)?;
    Some(ReviewedView {
        id: runbook.id.clone(),
        title: runbook.title.clone(),
        owner: runbook.owner.clone(),
        version: runbook.version.clone(),
        risk: runbook.risk.clone(),
        impact: runbook.impact.clone(),
    })
}

async fn procedure(
    state: &IntentState,
    accepted: &Accepted,
    values: &Values<'_>,
    runbook: Option<ReviewedView>,
) -> ProcedureView {
    let checks = checks(state, values).await;
    let plan = &accepted.plan;
    let window = state.request.window.as_ref();
    let mut view = ProcedureView {
        intent: state.id.to_string(),
        title: title(&state.request),
        summary: plan.summary.clone(),
        state: state.api_state().to_owned(),
        revision: state.revision,
        replans: accepted.replans,
        earlier: state
            .earlier
            .iter()
            .map(|e| format!("plan {}: {}", e.revision, e.why))
            .collect(),
        complete: state.judged.is_some(),
        asked_by: state.request.origin.actor.to_string(),
        source: narrate::source_name(&accepted.source),
        runbook,
        undo_of: state.request.undo_of.map(|id| id.to_string()),
        change: state.request.change.clone(),
        window: window.map(|w| WindowBody {
            from: time(w.from_ms),
            until: time(w.until_ms),
        }),
        deadline: state.request.deadline_ms.map(time),
        digest: state.judged.as_ref().map(|j| j.digest.to_string()),
        verdict: state.judged.as_ref().map(|j| word(&j.decision)),
        rules: state.judged.as_ref().map(|j| of_rules(&j.rules)).unwrap_or_default(),
        beside: beside(state),
        looked: looked(state, accepted),
        pre_checks: checked(&plan.pre_checks, "pre-check", &checks, &plan.params),
        stages: stages(state, accepted, values).await,
        post_checks: checked(&plan.post_checks, "post-check", &checks, &plan.params),
        ..ProcedureView::default()
    };
    count(&mut view, state, accepted);
    view
}

/// A value that is written as one word.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether the item's call, or its undo where an earlier intent is taken back, is or was to be sent.
fn is_sent_for(item: &ItemState) -> bool {
    let nothing_to_undo = item.expanded.undoes.is_some() && item.status == ItemStatus::Undone && !item.was_sent();
    !is_settled(item) && !nothing_to_undo
}

fn is_skipped(item: &ItemState) -> bool {
    is_settled(item) && item.status != ItemStatus::Satisfied
}

fn count(view: &mut ProcedureView, state: &IntentState, accepted: &Accepted) {
    let reason = |item: &ItemState| item.reason.clone().unwrap_or_else(|| "it is not to run".to_owned());
    let (sent, others): (Vec<_>, Vec<_>) = mutating(state).partition(|(_, item)| is_sent_for(item));
    let skipped = others.iter().filter(|(_, item)| is_skipped(item));
    view.skipped = grouped(skipped.map(|(id, item)| (reason(item), id.to_string())));
    view.irreversible = grouped(sent.iter().filter_map(|(id, item)| match &item.way_back {
        Some(WayBack::Irreversible { why }) => Some((why.clone(), id.to_string())),
        _ => None,
    }));
    view.unverified = grouped(sent.iter().filter_map(|(id, item)| {
        let (step, _) = accepted.plan.step(&id.step)?;
        let why = why_unverified(&accepted.contracts.of(&step.tool), step, item)?;
        Some((why.to_owned(), id.to_string()))
    }));
    let mut targets: Vec<Target> = sent.iter().flat_map(|(_, i)| i.expanded.targets.clone()).collect();
    targets.sort();
    targets.dedup();
    let devices: BTreeSet<&str> = targets.iter().filter_map(Target::device).collect();
    let all = |groups: &[Reasoned]| -> usize { groups.iter().map(|g| g.items.len()).sum() };
    view.count = ProcedureCount {
        targets: targets.len(),
        devices: devices.len(),
        calls: sent.len(),
        in_place: others.iter().filter(|(_, item)| !is_skipped(item)).count(),
        irreversible: all(&view.irreversible),
        unverified: all(&view.unverified),
    };
    view.targets = texts(&targets);
}

/// Why nothing will show that a call did what it should. None: something will.
fn why_unverified(contract: &Contract, step: &Step, item: &ItemState) -> Option<&'static str> {
    // What is taken back is compared with the state before; no gate looks at it.
    let undoes = item.expanded.undoes.is_some();
    match (&contract.probe, &contract.holds) {
        (Some(_), Some(_)) => None,
        (Some(_), None) if undoes => None,
        _ if step.gate.is_some() && !undoes => None,
        (Some(_), None) => Some("its contract does not say what a probe must show, and no gate looks at it"),
        (None, _) => Some("no probe reads it back, and no gate looks at it"),
    }
}

/// What was read before anything is changed: steps that only read, then what each change starts from.
fn looked(state: &IntentState, accepted: &Accepted) -> Vec<LookedView> {
    let steps: Vec<(&Step, &StepFacts)> = accepted.plan.each().collect();
    let reads = steps.iter().filter(|(_, facts)| facts.look);
    let mut views: Vec<LookedView> = reads.filter_map(|(step, _)| read(state, accepted, step)).collect();
    for (step, _) in steps.iter().filter(|(_, facts)| facts.mutating) {
        let contract = accepted.contracts.of(&step.tool);
        let items = || state.items_of(&step.id).filter(|(_, item)| !is_skipped(item));
        let of = items().count();
        let seen = |kind: &str, tool: String, read: usize| LookedView {
            step: step.id.to_string(),
            kind: kind.to_owned(),
            tool,
            read,
            of,
            ..LookedView::default()
        };
        if let Some(probe) = contract.probe {
            let read = items().filter(|(_, i)| i.looked.is_some()).count();
            views.push(seen("probe", probe.tool.to_string(), read));
        }
        if let Some(preview) = contract.preview.filter(|_| state.request.undo_of.is_none()) {
            let read = items().filter(|(_, i)| i.preview.is_some()).count();
            views.push(seen("preview", preview.tool.to_string(), read));
        }
    }
    views
}

/// A step that reads. None: nothing is read for it, since an earlier intent is taken back.
fn read(state: &IntentState, accepted: &Accepted, step: &Step) -> Option<LookedView> {
    let items: Vec<&ItemState> = state.items_of(&step.id).map(|(_, item)| item).collect();
    if items.is_empty() && state.request.undo_of.is_some() {
        return None;
    }
    Some(LookedView {
        step: step.id.to_string(),
        kind: "read".to_owned(),
        tool: step.tool.to_string(),
        args: Some(spelled(&step.args, &accepted.plan.params)),
        read: items.iter().filter(|i| i.status == ItemStatus::Succeeded).count(),
        of: items.len(),
        expect: step.expect.clone(),
    })
}

/// The plan's own checks before or after, each with how it stands.
fn checked(checks: &[Check], name: &str, standing: &[CheckView], params: &Value) -> Vec<ProcedureCheck> {
    let each = checks.iter().enumerate().map(|(i, check)| {
        let id = format!("{name} {}", i + 1);
        let taken = standing.iter().find(|c| c.id == id);
        ProcedureCheck {
            must: expectation(check, params),
            verdict: taken.map_or_else(|| "waiting".to_owned(), |c| c.verdict.clone()),
            problem: taken.and_then(|c| c.problem.clone()),
            id,
        }
    });
    each.collect()
}

fn expectation(check: &Check, params: &Value) -> Expectation {
    Expectation {
        tool: check.tool.to_string(),
        args: spelled(&check.args, params),
        expect: check.expect.clone(),
        within: check.within.map(|w| w.to_string()),
        hold_for: check.hold_for.map(|h| h.to_string()),
    }
}

/// Arguments as the plan has them, but that a parameter's value stands where its name alone did.
fn spelled(args: &Value, params: &Value) -> Value {
    match args {
        Value::String(text) => {
            let name = text.strip_prefix("${params.").and_then(|t| t.strip_suffix('}'));
            name.and_then(|n| params.get(n)).unwrap_or(args).clone()
        }
        Value::Array(list) => list.iter().map(|v| spelled(v, params)).collect(),
        Value::Object(map) => {
            let each = map.iter().map(|(k, v)| (k.clone(), spelled(v, params)));
            Value::Object(each.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// What happens once it starts, in order. An intent that is taken back goes through its steps and waves from the end.
async fn stages(state: &IntentState, accepted: &Accepted, values: &Values<'_>) -> Vec<StageView> {
    let mut stages = Vec::new();
    for (step, facts) in accepted.plan.each() {
        let of_step = stage(accepted, step, facts);
        if facts.mutating {
            waves(state, step, &of_step, values, &mut stages).await;
        } else if !facts.look {
            stages.push(of_step);
        }
    }
    if state.request.undo_of.is_some() {
        stages.retain(|s| s.mutating);
        stages.reverse();
        for stage in &mut stages {
            stage.effect = "undo".to_owned();
            (stage.after, stage.gate, stage.trial) = (Vec::new(), None, None);
        }
    }
    stages
}

/// One stage for each wave of a step that changes something.
async fn waves(
    state: &IntentState,
    step: &Step,
    of_step: &StageView,
    values: &Values<'_>,
    stages: &mut Vec<StageView>,
) {
    let items: Vec<(&ItemId, &ItemState)> = state.items_of(&step.id).collect();
    if items.is_empty() {
        // Not expanded yet: what it will call follows from what is still being read.
        stages.push(of_step.clone());
    }
    let shown: Vec<_> = items.into_iter().filter(|(_, item)| !is_skipped(item)).collect();
    let numbers: BTreeSet<u32> = shown.iter().map(|(_, item)| item.expanded.wave).collect();
    let waves = numbers.last().map_or(1, |last| last + 1);
    for wave in numbers {
        let mut stage = StageView {
            wave,
            waves,
            ..of_step.clone()
        };
        for (id, item) in shown.iter().filter(|(_, item)| item.expanded.wave == wave) {
            let change = diff::change(id, item, &step.tool, values).await;
            if item.expanded.undoes.is_some() {
                stage.tool.clone_from(&change.tool);
            }
            let device = shown_target(item, step.tool.server());
            match stage.devices.iter_mut().find(|d| d.device == device) {
                Some(d) => d.changes.push(change),
                None => stage.devices.push(DeviceDiff {
                    device,
                    changes: vec![change],
                }),
            }
        }
        stages.push(stage);
    }
}

/// What all waves of a step have in common.
fn stage(accepted: &Accepted, step: &Step, facts: &StepFacts) -> StageView {
    let contract = accepted.contracts.of(&step.tool);
    let params = &accepted.plan.params;
    let expected = step.expect.as_ref().map(|expect| Expectation {
        tool: step.tool.to_string(),
        args: spelled(&step.args, params),
        expect: expect.clone(),
        within: step.within.map(|w| w.to_string()),
        hold_for: step.hold_for.map(|h| h.to_string()),
    });
    StageView {
        step: step.id.to_string(),
        tool: step.tool.to_string(),
        mutating: facts.mutating,
        effect: word(&contract.effect),
        wave: 0,
        waves: 1,
        after: facts.after.iter().map(ToString::to_string).collect(),
        devices: Vec::new(),
        trial: trial(&contract),
        read_back: read_back(&contract).filter(|_| facts.mutating),
        gate: step.gate.as_ref().map(|gate| expectation(gate, params)),
        expect: expected,
        on_failure: word(&step.on_failure),
    }
}

fn trial(contract: &Contract) -> Option<String> {
    let prepared = contract.prepare.as_ref();
    let first = prepared.map_or_else(String::new, |p| {
        format!("made ready on all of them first ({}); ", p.tool)
    });
    (contract.effect == EffectClass::Confirmable).then(|| {
        format!(
            "{first}each device takes it back by itself after {} unless it is confirmed, which follows the post-checks",
            contract.lease()
        )
    })
}

fn read_back(contract: &Contract) -> Option<String> {
    let probe = contract.probe.as_ref()?;
    let within = contract.holds_within.map(|w| format!(", within {w}"));
    contract.holds.as_ref()?;
    Some(format!("{}{}", probe.tool, within.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_that_stands_alone_is_shown_as_its_value_and_other_expressions_as_they_are() {
        let params = json!({"site": "beijing", "process_id": 100});
        let args = json!({"site": "${params.site}", "n": "${params.process_id}", "of": ["${params.other}"],
                          "device": "${item.name}", "note": "for ${params.site}"});
        assert_eq!(
            spelled(&args, &params),
            json!({"site": "beijing", "n": 100, "of": ["${params.other}"],
                   "device": "${item.name}", "note": "for ${params.site}"})
        );
    }
}
