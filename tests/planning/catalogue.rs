//! The tools that intents are measured on: those of netops, the lists of public servers, and made-up ones up to any number.

use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::ports::{Inventory, PlanningContext};
use flyball_engine::target::Target;
use flyball_engine::tool::{Catalogue, ToolName, ToolSpec};
use flyball_netops::Role;
use flyball_netops::tools::Toolbox;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The devices of the sandbox.
pub(crate) const DEVICES: [&str; 12] = [
    "bj-core-1",
    "bj-core-2",
    "bj-core-3",
    "bj-core-4",
    "bj-edge-1",
    "bj-edge-2",
    "sh-core-1",
    "sh-core-2",
    "sh-edge-1",
    "sh-edge-2",
    "gz-edge-1",
    "gz-edge-2",
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the root")
        .to_owned()
}

/// A file of the fixtures, read as whatever is wanted.
pub(crate) fn fixture<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let path = root().join("tests/fixtures/planning").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The inventory of the sandbox: its names.
struct Sandbox;

impl Inventory for Sandbox {
    fn canonical(&self, target: Target) -> Vec<Target> {
        vec![target]
    }
    fn writable(&self, target: &Target) -> Option<bool> {
        DEVICES.contains(&target.device()?).then_some(true)
    }
    fn redundancy_group(&self, _: &Target) -> Option<String> {
        None
    }
    fn devices(&self) -> Option<Vec<String>> {
        Some(DEVICES.map(str::to_owned).to_vec())
    }
}

/// The tools of netops under their shipped contracts.
pub(crate) fn netops() -> PlanningContext {
    context(netops_tools(), shipped())
}

/// The tools of netops and of the public servers, and made-up ones until there are so many.
pub(crate) fn crowded(size: usize) -> PlanningContext {
    let mut tools = netops_tools();
    let mut contracts = shipped();
    let (public, of_public) = public();
    tools.extend(public);
    contracts.contracts.extend(of_public.contracts);
    for made_up in super::made_up::all() {
        if tools.len() < size {
            contracts
                .contracts
                .insert(made_up.spec.name.clone(), effect(made_up.effect));
            tools.push(made_up.spec);
        }
    }
    assert_eq!(tools.len(), size, "there are not enough tools");
    context(tools, contracts)
}

fn context(tools: Vec<ToolSpec>, contracts: Contracts) -> PlanningContext {
    PlanningContext::first(Arc::new(Catalogue::of(tools)), Arc::new(contracts), Arc::new(Sandbox))
}

fn netops_tools() -> Vec<ToolSpec> {
    let roles = [
        (Role::Inventory, "inventory"),
        (Role::Config, "config"),
        (Role::Telemetry, "telemetry"),
    ];
    let of_role = |(role, alias): (Role, &'static str)| {
        let toolbox = Toolbox::new(role, PathBuf::from("none"), None, false);
        let tools = serde_json::to_value(toolbox.tools()).expect("definitions are JSON");
        tools
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(move |tool| spec(alias, &tool))
    };
    roles.into_iter().flat_map(of_role).collect()
}

fn spec(alias: &str, tool: &Value) -> ToolSpec {
    ToolSpec {
        name: ToolName::new(alias, tool["name"].as_str().expect("a tool has a name")),
        description: tool["description"].as_str().unwrap_or_default().to_owned(),
        input_schema: tool["inputSchema"].clone(),
        output_schema: tool.get("outputSchema").cloned(),
        annotations: None,
    }
}

fn shipped() -> Contracts {
    read_contracts(&root().join("engine/server/contracts/netops.yaml"))
}

fn read_contracts(path: &Path) -> Contracts {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn public() -> (Vec<ToolSpec>, Contracts) {
    let lists: Value = fixture("public_tools.json");
    let mut tools = Vec::new();
    for (alias, server) in lists.as_object().expect("servers by alias") {
        tools.extend(
            server["tools"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|tool| spec(alias, tool)),
        );
    }
    let mut contracts = Contracts::default();
    for name in ["everything", "filesystem", "git", "memory", "time"] {
        let path = root()
            .join("engine/server/examples/contracts")
            .join(format!("{name}.yaml"));
        contracts.contracts.extend(read_contracts(&path).contracts);
    }
    let said: Value = fixture("public.yaml");
    for name in said["reads"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        contracts
            .contracts
            .insert(name.parse().expect("a tool's name"), effect("read"));
    }
    (tools, contracts)
}

fn effect(effect: &str) -> Contract {
    serde_json::from_value(json!({"effect": effect})).expect("an effect is a contract")
}
