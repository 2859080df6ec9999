//! A small catalogue with contracts, for unit tests.

use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::ports::PlanningContext;
use flyball_engine::tool::{Catalogue, ToolName, ToolSpec};
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) fn context() -> PlanningContext {
    let tools = [
        (
            "inventory/list_devices",
            "read",
            "Lists the devices of a site or role",
            json!({"site": string(), "role": string()}),
        ),
        (
            "inventory/get_device",
            "read",
            "One device with its links",
            json!({"device": string()}),
        ),
        (
            "telemetry/ospf_neighbors",
            "read",
            "OSPF neighbors of a device",
            json!({"device": string()}),
        ),
        (
            "telemetry/reachability",
            "read",
            "Who reaches whom",
            json!({"site": string()}),
        ),
        (
            "config/configure_ospf",
            "reversible",
            "Configures OSPF on a device",
            json!({"device": string(), "area": string(), "process_id": {"type": "integer"}}),
        ),
        (
            "config/remove_ospf",
            "reversible",
            "Removes OSPF from a device",
            json!({"device": string()}),
        ),
        (
            "config/set_interface",
            "reversible",
            "Sets cost, description or state of an interface",
            json!({"device": string(), "interface": string(), "enabled": {"type": "boolean"}, "mtu": {"type": "integer", "default": 1500}}),
        ),
    ];
    let mut contracts = Contracts::default();
    let specs: Vec<ToolSpec> = tools
        .into_iter()
        .map(|(name, effect, description, properties)| {
            let name: ToolName = name.parse().unwrap();
            let contract: Contract = serde_json::from_value(json!({"effect": effect})).unwrap();
            contracts.contracts.insert(name.clone(), contract);
            spec(name, description, &properties)
        })
        .collect();
    PlanningContext::first(
        Arc::new(Catalogue::of(specs)),
        Arc::new(contracts),
        Arc::new(flyball_engine::ports::NoInventory),
    )
}

fn string() -> Value {
    json!({"type": "string"})
}

fn spec(name: ToolName, description: &str, properties: &Value) -> ToolSpec {
    ToolSpec {
        name,
        description: description.into(),
        input_schema: json!({"type": "object", "properties": properties, "required": required(properties)}),
        output_schema: None,
        annotations: None,
    }
}

fn required(properties: &Value) -> Vec<String> {
    let given = properties.as_object().unwrap();
    let needed = ["device", "interface", "area"];
    given
        .keys()
        .filter(|key| needed.contains(&key.as_str()))
        .cloned()
        .collect()
}
