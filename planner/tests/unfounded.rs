//! A model that says something is missing although the intent says it.

mod support;

use flyball_engine::intent::Wish;
use flyball_engine::ports::{Inventory, Planned, Planner, PlanningContext};
use flyball_engine::target::Target;
use serde_json::{Value, json};
use std::sync::Arc;
use support::{Script, context, drafted, model, planner, purposes, refusal, reply, request};

/// Knows r7 and r77.
struct Two;

impl Inventory for Two {
    fn canonical(&self, target: Target) -> Vec<Target> {
        vec![target]
    }
    fn writable(&self, _: &Target) -> Option<bool> {
        Some(true)
    }
    fn redundancy_group(&self, _: &Target) -> Option<String> {
        None
    }
    fn devices(&self) -> Option<Vec<String>> {
        Some(vec!["r7".into(), "r77".into()])
    }
}

async fn plan(text: &str, said: impl IntoIterator<Item = Value>) -> (Planned, Vec<Value>) {
    let script = Script::of(said.into_iter().map(|answer| reply(&answer)));
    let planner = planner(vec![model(&script.serve().await, "scripted")]);
    let context = PlanningContext {
        inventory: Arc::new(Two),
        ..context()
    };
    let planned = planner
        .plan(&request(Wish::Text(text.into()), Value::Null), &context)
        .await;
    assert!(script.is_over(), "the model was asked less than expected: {planned:?}");
    (planned, script.bodies())
}

fn save() -> Value {
    json!({"summary": "s", "steps": [{"id": "saved", "tool": "config/save", "args": {"device": "r7"}}]})
}

fn unsaid() -> Value {
    json!({"cannot": "The intent does not specify the device."})
}

#[tokio::test]
async fn a_model_that_calls_missing_what_the_intent_names_is_told_so_and_may_still_plan() {
    let (planned, bodies) = plan("Save what r7 has now", [unsaid(), save()]).await;
    assert_eq!(*drafted(&planned), save());
    assert_eq!(purposes(&planned), ["draft", "repair"]);
    let told = bodies[1]["messages"][3]["content"].as_str().unwrap();
    assert!(
        told.contains("the intent does name r7") && !told.contains("r77"),
        "{told}"
    );
    assert!(told.contains("`config/save` needs only "), "{told}");
}

#[tokio::test]
async fn a_model_that_says_so_again_is_believed() {
    let (planned, _) = plan("Save what r7 has now", [unsaid(), unsaid()]).await;
    assert!(refusal(&planned).contains("the model cannot plan this: The intent does not specify the device."));
}

#[tokio::test]
async fn what_it_then_makes_up_is_refused_as_ever() {
    let made_up = json!({"summary": "s", "steps": [{"id": "cost", "tool": "config/set_interface",
        "args": {"device": "r7", "interface": "eth1", "ospf_cost": 10}}]});
    let text = "Raise the OSPF cost of the interface on r7";
    let (planned, _) = plan(text, [json!({"runbook": "none"}), unsaid(), made_up.clone(), made_up]).await;
    assert!(
        refusal(&planned).contains("still has faults after two repairs"),
        "{planned:?}"
    );
}

#[tokio::test]
async fn other_reasons_and_intents_that_name_no_device_are_not_argued_with() {
    let no_tool = json!({"cannot": "No tool saves to a tape."});
    let (planned, _) = plan("Save what r7 has now", [no_tool]).await;
    assert!(refusal(&planned).contains("No tool saves to a tape."));
    let (planned, _) = plan("Save what it has now", [unsaid()]).await;
    assert!(refusal(&planned).contains("does not specify the device"));
}
