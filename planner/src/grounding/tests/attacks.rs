//! Sentences with plans that do what they say, and with plans that look as if they did.

use super::*;
use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::ports::Inventory;
use flyball_engine::target::Target;
use flyball_engine::tool::{Catalogue, ToolSpec};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
struct Attacks {
    devices: Vec<String>,
    tools: BTreeMap<String, Tool>,
    /// What is not yet judged as it should be.
    known: BTreeSet<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Tool {
    effect: String,
    schema: Value,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
    right: Vec<Value>,
    wrong: Vec<Value>,
}

struct Listed(Vec<String>);

impl Inventory for Listed {
    fn canonical(&self, target: Target) -> Vec<Target> {
        vec![target]
    }
    fn writable(&self, target: &Target) -> Option<bool> {
        let listed = self.0.iter().any(|name| Some(name.as_str()) == target.device());
        listed.then_some(true)
    }
    fn redundancy_group(&self, _: &Target) -> Option<String> {
        None
    }
    fn devices(&self) -> Option<Vec<String>> {
        Some(self.0.clone())
    }
}

/// The context with an inventory and without one.
fn contexts(attacks: &Attacks) -> [PlanningContext; 2] {
    let mut contracts = Contracts::default();
    let mut specs = Vec::new();
    for (name, tool) in &attacks.tools {
        let contract: Contract = serde_json::from_value(json!({"effect": tool.effect})).unwrap();
        contracts.contracts.insert(name.parse().unwrap(), contract);
        specs.push(ToolSpec {
            name: name.parse().unwrap(),
            description: String::new(),
            input_schema: tool.schema.clone(),
            output_schema: None,
            annotations: None,
        });
    }
    let (catalogue, contracts) = (Arc::new(Catalogue::of(specs)), Arc::new(contracts));
    let with = |inventory: Arc<dyn Inventory>| PlanningContext::first(catalogue.clone(), contracts.clone(), inventory);
    [
        with(Arc::new(Listed(attacks.devices.clone()))),
        with(Arc::new(flyball_engine::ports::NoInventory)),
    ]
}

#[test]
fn what_looks_right_is_told_from_what_is() {
    let fixture = include_str!("../../../../tests/fixtures/planning/attacks.json");
    let attacks: Attacks = serde_json::from_str(fixture).unwrap();
    let contexts = contexts(&attacks);
    let (mut right, mut wrong, mut missed) = ((0, 0), (0, 0), BTreeSet::new());
    for case in &attacks.cases {
        let plans = case.right.iter().map(|plan| (plan, true));
        let plans = plans.chain(case.wrong.iter().map(|plan| (plan, false)));
        for (at, (plan, stands)) in plans.enumerate() {
            let found = |context| Ground::of(&case.text).faults(&json!({"steps": plan}), context);
            let judged = contexts.iter().map(found).find(|faults| faults.is_empty() != stands);
            let counted = if stands { &mut right } else { &mut wrong };
            counted.1 += 1;
            counted.0 += usize::from(judged.is_none());
            if let Some(faults) = judged {
                let name = format!("{}-{}", case.name, at + 1);
                if !attacks.known.contains(&name) {
                    let told: Vec<String> = faults.iter().map(|f| format!("{} {}", f.pointer, f.message)).collect();
                    println!(
                        "{name} should {}stand: {}\n  {plan}\n  {told:?}",
                        if stands { "" } else { "not " },
                        case.text
                    );
                }
                missed.insert(name);
            }
        }
    }
    println!(
        "right and accepted: {} of {}, wrong and refused: {} of {}",
        right.0, right.1, wrong.0, wrong.1
    );
    let well: Vec<&String> = attacks.known.difference(&missed).collect();
    let worse: Vec<&String> = missed.difference(&attacks.known).collect();
    assert!(worse.is_empty(), "judged as they should not be: {worse:?}");
    assert!(
        well.is_empty(),
        "take these out of `known`, they are judged as they should be: {well:?}"
    );
}
