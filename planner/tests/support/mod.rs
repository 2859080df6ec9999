//! A scripted OpenAI-compatible server, a small catalogue, and short ways to ask the planner.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at what it does not expect"
)]

mod script;

use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::intent::event::{PlanStage, StageEnd};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::plan::check::{CheckContext, Limits, check};
use flyball_engine::ports::{NoInventory, PlanAnswer, Planned, Planner, PlanningContext, PlanningFact};
use flyball_engine::tool::{Catalogue, ToolName, ToolSpec};
use flyball_planner::{ApiKey, Checker, FlyballPlanner, ModelSettings, Price, Runbooks};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use script::*;

/// Asks with the script as the model; the whole script must be used up.
pub(crate) async fn plan(text: &str, script: &Script) -> Planned {
    plan_with_alarm(text, Value::Null, script).await
}

pub(crate) async fn plan_with_alarm(text: &str, alarm: Value, script: &Script) -> Planned {
    let planned = ask(&script.serve().await, text, alarm).await;
    assert!(script.is_over(), "the model was asked less than expected: {planned:?}");
    planned
}

/// Asks with a model at this address.
pub(crate) async fn plan_at(base_url: &str, text: &str) -> Planned {
    ask(base_url, text, Value::Null).await
}

/// A model of this name at this address.
pub(crate) fn model(base_url: &str, name: &str) -> ModelSettings {
    ModelSettings {
        base_url: base_url.to_owned(),
        name: name.to_owned(),
        api_key: Some(ApiKey::new("sk-very-secret")),
        timeout: Duration::from_secs(20),
        price: Price::default(),
    }
}

/// A planner over these models.
pub(crate) fn planner(models: Vec<ModelSettings>) -> FlyballPlanner {
    FlyballPlanner::new(runbooks(), models, checker()).unwrap()
}

pub(crate) async fn plan_by(planner: &FlyballPlanner, text: &str) -> Planned {
    planner
        .plan(&request(Wish::Text(text.into()), Value::Null), &context())
        .await
}

async fn ask(base_url: &str, text: &str, alarm: Value) -> Planned {
    let planner = planner(vec![model(base_url, "scripted")]);
    planner.plan(&request(Wish::Text(text.into()), alarm), &context()).await
}

/// Asks without a model, with these runbooks.
pub(crate) async fn plan_among(runbooks: Runbooks, request: &Request) -> Planned {
    let planner = FlyballPlanner::new(runbooks, None, checker()).unwrap();
    planner.plan(request, &context()).await
}

/// Asks without a model.
pub(crate) async fn plan_wish(wish: Wish) -> Planned {
    let planner = FlyballPlanner::new(runbooks(), None, checker()).unwrap();
    planner.plan(&request(wish, Value::Null), &context()).await
}

pub(crate) fn request(wish: Wish, alarm: Value) -> Request {
    let actor = Actor::human("ana");
    Request {
        wish,
        origin: Origin {
            kind: OriginKind::Operator,
            actor,
        },
        mode: Mode::Apply,
        deadline_ms: None,
        labels: Vec::new(),
        change: None,
        window: None,
        backout_by_ms: None,
        undo_of: None,
        alarm,
        heard: None,
    }
}

pub(crate) fn runbooks() -> Runbooks {
    Runbooks::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/server/runbooks")).unwrap()
}

/// The engine's own check.
pub(crate) fn checker() -> Checker {
    Arc::new(|draft, params, context| {
        let against = CheckContext {
            catalogue: &context.catalogue,
            contracts: &context.contracts,
            params: params.clone(),
            alarm: Value::Null,
            limits: Limits::default(),
        };
        check(draft, &against).err().unwrap_or_default()
    })
}

/// What the engine's check says about a draft over this catalogue.
pub(crate) fn checked(draft: &Value, params: &Value) -> Vec<String> {
    let faults = checker()(draft, params, &context());
    faults.iter().map(ToString::to_string).collect()
}

pub(crate) fn context() -> PlanningContext {
    let text = || json!({"type": "string"});
    let tools = [
        (
            "inventory/list_devices",
            "read",
            json!({"site": text(), "role": text()}),
        ),
        ("inventory/get_device", "read", json!({"device": text()})),
        (
            "telemetry/ospf_neighbors",
            "read",
            json!({"device": text(), "process_id": {"type": "integer"}}),
        ),
        ("telemetry/interface_status", "read", json!({"device": text()})),
        ("telemetry/reachability", "read", json!({"site": text()})),
        (
            "config/configure_ospf",
            "reversible",
            json!({"device": text(), "area": text(), "process_id": {"type": "integer"}}),
        ),
        ("config/remove_ospf", "reversible", json!({"device": text()})),
        (
            "config/set_interface",
            "reversible",
            json!({"device": text(), "interface": text(), "description": text(), "ospf_cost": {"type": "integer"}}),
        ),
        (
            "config/get_interface",
            "read",
            json!({"device": text(), "interface": text()}),
        ),
        ("config/save", "idempotent", json!({"device": text()})),
    ];
    let mut contracts = Contracts::default();
    let mut specs = Vec::new();
    // Of a runbook's only tool it must be known that it reads; no test here is about it.
    let read: Contract = serde_json::from_value(json!({"effect": "read"})).unwrap();
    contracts.contracts.insert("config/compare_kept".parse().unwrap(), read);
    for (name, effect, properties) in tools {
        let name: ToolName = name.parse().unwrap();
        let contract: Contract = serde_json::from_value(json!({"effect": effect})).unwrap();
        contracts.contracts.insert(name.clone(), contract);
        specs.push(ToolSpec {
            name,
            description: String::new(),
            input_schema: json!({"type": "object", "properties": properties, "additionalProperties": false}),
            output_schema: None,
            annotations: None,
        });
    }
    PlanningContext::first(
        Arc::new(Catalogue::of(specs)),
        Arc::new(contracts),
        Arc::new(NoInventory),
    )
}

pub(crate) fn purposes(planned: &Planned) -> Vec<&str> {
    planned.model_calls.iter().map(|call| call.purpose.as_str()).collect()
}

pub(crate) fn drafted(planned: &Planned) -> &Value {
    match &planned.answer {
        PlanAnswer::Draft { draft, .. } => draft,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn refusal(planned: &Planned) -> &str {
    match &planned.answer {
        PlanAnswer::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

/// Each stage with its end and its reason, in order.
pub(crate) fn stages(planned: &Planned) -> Vec<(PlanStage, StageEnd, &str)> {
    let told = planned.notes.iter().filter_map(|note| match &note.fact {
        PlanningFact::Stage { stage, end, why } => Some((*stage, *end, why.as_str())),
        PlanningFact::Tools(_) => None,
    });
    told.collect()
}

/// `pointer rule` of each fault of a refusal.
pub(crate) fn faults(planned: &Planned) -> Vec<String> {
    match &planned.answer {
        PlanAnswer::Refused { faults, .. } => faults.iter().map(|f| format!("{} {}", f.pointer, f.rule)).collect(),
        other => panic!("{other:?}"),
    }
}
