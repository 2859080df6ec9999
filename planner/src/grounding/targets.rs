//! Whether the devices that a plan names exist. Only names that stand in the plan can be looked up here; what a list will
//! yield is known once it was read.

use super::tool_of;
use flyball_engine::contract::apply;
use flyball_engine::fault::{Fault, nearest};
use flyball_engine::ports::PlanningContext;
use flyball_engine::target::Target;
use serde_json::{Map, Value};

/// A fault for each mutating step that touches a device which the inventory does not have. `params` are a runbook's.
pub(crate) fn unknown(draft: &Value, params: &Value, context: &PlanningContext) -> Vec<Fault> {
    let Some(devices) = context.inventory.devices() else {
        return Vec::new();
    };
    let steps = draft.get("steps").and_then(Value::as_array);
    let mut faults = Vec::new();
    for (at, step) in steps.into_iter().flatten().enumerate() {
        let strange = named(step, params, context).into_iter().filter(|target| {
            // Through the inventory itself: a device may also be called by its address.
            target.device().is_some() && context.inventory.writable(target).is_none()
        });
        let mut names: Vec<String> = strange
            .filter_map(|target| target.device().map(str::to_owned))
            .collect();
        names.sort();
        names.dedup();
        for name in names {
            let message = format!("the inventory has no device {name:?}");
            let fault = Fault::new(format!("/plan/steps/{at}/args"), "ground.unknown_device", message);
            faults.push(match nearest(&name, devices.iter().map(String::as_str)) {
                Some(near) => fault.suggest(format!("did you mean {near:?}?")),
                None => fault,
            });
        }
    }
    faults
}

/// The targets that a step names itself, as its tool's contract tells them. A binding names nothing yet.
fn named(step: &Value, params: &Value, context: &PlanningContext) -> Vec<Target> {
    let (Some(tool), Some(args)) = (tool_of(step), step.get("args").and_then(Value::as_object)) else {
        return Vec::new();
    };
    let contract = context.contracts.of(&tool);
    if !contract.effect.mutates() || contract.targets.is_none() {
        return Vec::new();
    }
    let args: Map<String, Value> = args
        .iter()
        .map(|(name, value)| (name.clone(), filled(value, params)))
        .collect();
    let targets = apply::targets(&tool, &contract, &args).unwrap_or_default();
    let bound = |target: &Target| target.as_str().contains("${");
    let targets = targets.into_iter().filter(|target| !bound(target));
    // A link stands for its ends, and these are on devices.
    targets
        .flat_map(|target| {
            match target
                .as_str()
                .strip_prefix("link:")
                .and_then(|link| link.split_once('/'))
            {
                Some((device, _)) => Target::parse(&format!("device:{device}")).into_iter().collect(),
                None => vec![target],
            }
        })
        .collect()
}

/// A value in which `${params.NAME}` is what the parameter says.
fn filled(value: &Value, params: &Value) -> Value {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix("${params.").and_then(|rest| rest.strip_suffix('}'));
            name.and_then(|name| params.get(name))
                .cloned()
                .unwrap_or_else(|| value.clone())
        }
        Value::Array(items) => items.iter().map(|item| filled(item, params)).collect(),
        other => other.clone(),
    }
}
