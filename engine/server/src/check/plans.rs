//! Plans kept beside the settings: `plans/*.json|yaml`, and those inside of runbooks. Checked by the engine's
//! own check, over the tools of this binary's servers as they are, and over those of others as far as contracts know them:
//! what only a running server could tell (its schemas) is left out.

use super::{Known, specs};
use crate::finding::Finding;
use crate::library;
use crate::settings::{Server, Settings};
use flyball_engine::contract::Contracts;
use flyball_engine::document::Document;
use flyball_engine::fault::Fault;
use flyball_engine::plan::check::{CheckContext, Limits, check as check_plan};
use flyball_engine::tool::{Catalogue, ToolName, ToolSpec};
use flyball_netops::Role;
use flyball_netops::tools::Toolbox;
use serde_json::Value;
use std::path::PathBuf;

/// What cannot be told when the contracts themselves are faulty.
const NEEDS_CONTRACTS: [&str; 3] = ["plan.read_only", "plan.depends_on_change", "plan.shape"];

/// Every mistake in every plan, those of the operator's own runbooks included. `known`: tools that have a contract;
/// `sound`: the contracts could be read.
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
    for file in settings
        .runbooks
        .iter()
        .flat_map(|dir| library::files(dir, &["yaml", "yml"]))
    {
        // What cannot be read, and a plan that is missing, are told with the runbook itself.
        if let Ok(document) = library::document(&file)
            && document.value.get("plan").is_some_and(Value::is_object)
        {
            plan(&document, settings, contracts, sound, known, &mut findings);
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
    let roles = settings.servers.iter();
    let roles: Vec<(&str, Role)> = roles
        .filter_map(|(alias, s)| Some((alias.as_str(), role(s)?)))
        .collect();
    let is_own = |t: &ToolName| roles.iter().any(|(alias, _)| *alias == t.server());
    let known = known.iter().map(|k| k.tool.clone());
    let mut tools: Vec<ToolName> = known.filter(|t| served.contains(&t.server()) && !is_own(t)).collect();
    for (pointer, tool) in named_tools(draft) {
        if is_own(&tool) {
            // One that is not among its tools is a fault of the plan.
        } else if served.contains(&tool.server()) {
            // A server may well have tools without a contract.
            tools.push(tool);
        } else {
            let message = format!("no server {} is configured", tool.server());
            let at = if wrapped { format!("/plan{pointer}") } else { pointer };
            let finding = Finding::at(document, &at, message);
            findings.push(finding.suggest_nearest(tool.server(), served.iter().copied()));
        }
    }
    let tools = tools.into_iter().map(|tool| Known {
        tool,
        arguments: Vec::new(),
    });
    let tools: Vec<Known> = tools.collect();
    let own = roles.iter().flat_map(|(alias, role)| definitions(alias, *role));
    let context = CheckContext {
        catalogue: &Catalogue::of(own.chain(specs(&tools))),
        contracts,
        params: Value::Null,
        alarm: Value::Null,
        limits: Limits::default(),
    };
    let faults = check_plan(draft, &context).err().unwrap_or_default();
    let told = |f: &Fault| f.rule != "plan.unknown_server" && (sound || !NEEDS_CONTRACTS.contains(&f.rule.as_str()));
    findings.extend(faults.into_iter().filter(told).map(|f| finding(document, wrapped, f)));
}

/// The role of a server that is this binary: its tools are known without asking it.
fn role(server: &Server) -> Option<Role> {
    let netops = server.command.as_deref() == Some("flyball") && server.args.first()? == "netops";
    let given = server.args.iter().position(|arg| arg == "--role")?;
    server.args.get(given + 1)?.parse().ok().filter(|_| netops)
}

fn definitions(alias: &str, role: Role) -> Vec<ToolSpec> {
    let tools = Toolbox::new(role, PathBuf::new(), None, true);
    let spec = |tool: &_| spec(alias, tool);
    serde_json::to_value(tools.tools())
        .ok()
        .and_then(|tools| Some(tools.as_array()?.iter().filter_map(spec).collect()))
        .unwrap_or_default()
}

/// A tool as its server would list it.
fn spec(alias: &str, tool: &Value) -> Option<ToolSpec> {
    Some(ToolSpec {
        name: ToolName::new(alias, tool.get("name")?.as_str()?),
        description: String::new(),
        input_schema: tool.get("inputSchema")?.clone(),
        output_schema: None,
        annotations: None,
    })
}

fn finding(document: &Document, wrapped: bool, fault: Fault) -> Finding {
    let inside = fault.pointer.strip_prefix("/plan").unwrap_or(&fault.pointer).to_owned();
    let pointer = if wrapped { fault.pointer } else { inside };
    let finding = Finding::at(document, &pointer, fault.message);
    match fault.suggestion {
        Some(suggestion) => finding.suggest(suggestion),
        None => finding,
    }
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
