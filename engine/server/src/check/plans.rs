//! Plans kept beside the settings, `plans/*.json|yaml`, and those of runbooks. Checked by the engine's own check, over the tools that are known
//! by their contracts; what only a running server could tell (its schemas) is left out.

use super::{Known, catalogue};
use crate::finding::Finding;
use crate::library;
use crate::settings::Settings;
use flyball_engine::contract::Contracts;
use flyball_engine::document::Document;
use flyball_engine::fault::Fault;
use flyball_engine::plan::check::{CheckContext, Limits, check as check_plan};
use flyball_engine::tool::ToolName;
use serde_json::Value;

/// What cannot be told when the contracts themselves are faulty.
const NEEDS_CONTRACTS: [&str; 3] = ["plan.read_only", "plan.depends_on_change", "plan.shape"];

/// Every mistake in every plan. `known`: tools that have a contract; `sound`: the contracts could be read.
pub(super) fn check(settings: &Settings, contracts: &Contracts, sound: bool, known: &[Known]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in settings
        .plans
        .iter()
        .flat_map(|dir| library::files(dir, &["json", "yaml", "yml"]))
    {
        match library::document(&file) {
            Ok(document) => plan(&document, settings, contracts, sound, known, &mut findings),
            Err(faults) => findings.extend(faults),
        }
    }
    findings
}

fn plan(
    document: &Document,
    settings: &Settings,
    contracts: &Contracts,
    sound: bool,
    known: &[Known],
    findings: &mut Vec<Finding>,
) {
    // A file may hold the plan itself, or `{"plan": …}` as the API takes it.
    let wrapped = document.value.get("plan").is_some();
    let draft = document.value.get("plan").unwrap_or(&document.value);
    let served: Vec<&str> = settings.servers.keys().map(String::as_str).collect();
    let known = known.iter().map(|k| k.tool.clone());
    let mut tools: Vec<ToolName> = known.filter(|t| served.contains(&t.server())).collect();
    for (pointer, tool) in named_tools(draft) {
        if served.contains(&tool.server()) {
            // A server may well have tools without a contract.
            tools.push(tool);
        } else {
            let message = format!("no server {} is configured", tool.server());
            let at = if wrapped { format!("/plan{pointer}") } else { pointer };
            let finding = Finding::at(document, &at, message);
            findings.push(finding.suggest_nearest(tool.server(), served.iter().copied()));
        }
    }
    findings.extend(faults(document, draft, tools, contracts, sound).map(|f| finding(document, wrapped, f)));
}

/// Every mistake in the plans of the operator's runbooks. Which servers there are is not asked: a runbook may be for others.
pub(super) fn of_runbooks(settings: &Settings, contracts: &Contracts, sound: bool, known: &[Known]) -> Vec<Finding> {
    let files = settings
        .runbooks
        .iter()
        .flat_map(|dir| library::files(dir, &["yaml", "yml"]));
    let mut findings = Vec::new();
    // A file that cannot be read is told with the runbooks themselves.
    for document in files.filter_map(|file| library::document(&file).ok()) {
        let Some(draft) = document.value.get("plan").filter(|plan| plan.is_object()) else {
            continue;
        };
        let named = named_tools(draft).into_iter().map(|(_, tool)| tool);
        let tools = known.iter().map(|k| k.tool.clone()).chain(named).collect();
        let found = faults(&document, draft, tools, contracts, sound);
        findings.extend(found.map(|f| finding(&document, true, f)));
    }
    findings
}

/// What the engine's check says of a draft, as far as it can be told without a server.
fn faults(
    document: &Document,
    draft: &Value,
    tools: Vec<ToolName>,
    contracts: &Contracts,
    sound: bool,
) -> impl Iterator<Item = Fault> + use<> {
    let tools = tools.into_iter().map(|tool| Known {
        tool,
        arguments: Vec::new(),
    });
    let tools: Vec<Known> = tools.collect();
    let context = CheckContext {
        catalogue: &catalogue(&tools),
        contracts,
        params: document.value.get("params").cloned().unwrap_or_default(),
        alarm: Value::Null,
        limits: Limits::default(),
    };
    let faults = check_plan(draft, &context).err().unwrap_or_default();
    let told =
        move |f: &Fault| f.rule != "plan.unknown_server" && (sound || !NEEDS_CONTRACTS.contains(&f.rule.as_str()));
    faults.into_iter().filter(told)
}

fn finding(document: &Document, wrapped: bool, fault: Fault) -> Finding {
    let inside = fault.pointer.strip_prefix("/plan").unwrap_or(&fault.pointer).to_owned();
    let pointer = if wrapped { fault.pointer } else { inside };
    let finding = Finding::at(document, &pointer, fault.message);
    let suggestion = fault
        .suggestion
        .unwrap_or_else(|| format!("see the rule {}", fault.rule));
    finding.suggest(suggestion)
}

/// Every tool that a draft names, with the pointer to its name.
fn named_tools(draft: &Value) -> Vec<(String, ToolName)> {
    let mut found = Vec::new();
    for list in ["pre_checks", "steps", "post_checks"] {
        let entries = draft.get(list).and_then(Value::as_array).into_iter().flatten();
        for (i, entry) in entries.enumerate() {
            for below in ["/tool", "/gate/tool"] {
                let name = entry.pointer(below).and_then(Value::as_str);
                if let Some(Ok(tool)) = name.map(str::parse) {
                    found.push((format!("/{list}/{i}{below}"), tool));
                }
            }
        }
    }
    found
}
