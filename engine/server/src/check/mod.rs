//! `flyball check`: reads everything that the operator wrote and reports every mistake at once. Starts nothing, asks no
//! server: tools are known by their contracts.

mod alarms;
mod plans;

use crate::finding::Finding;
use crate::library;
use crate::settings::{self, Settings};
use flyball_engine::contract::Contracts;
use flyball_engine::tool::{Catalogue, ToolName, ToolSpec};
use flyball_netops::inventory::{Files, Inventory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Every mistake, by file and line.
pub fn check(file: &Path, must_exist: bool, env: &BTreeMap<String, String>) -> Vec<Finding> {
    let examined = settings::examine_file(file, must_exist, env);
    let settings = &examined.settings;
    let mut findings = examined.findings;
    findings.extend(inventory(settings));
    let known = contracted(settings);
    let contracts = library::contracts(settings, Some(&catalogue(&known)));
    let sound = contracts.is_ok();
    let contracts = contracts.unwrap_or_else(|faults| {
        findings.extend(faults);
        Contracts::default()
    });
    let runbooks = library::runbooks(settings);
    let ids: Vec<String> = match &runbooks {
        Ok(runbooks) => runbooks.iter().map(|r| r.id.clone()).collect(),
        Err(_) => Vec::new(),
    };
    findings.extend(runbooks.err().into_iter().flatten());
    findings.extend(library::policies(settings).err().into_iter().flatten());
    findings.extend(plans::of_runbooks(settings, &contracts, sound, &known));
    findings.extend(alarms::check(settings, &ids));
    // Without settings no server is known, and every plan would be wrong for that alone.
    if examined.readable {
        findings.extend(plans::check(settings, &contracts, sound, &known));
    }
    let mut findings: Vec<Finding> = findings.into_iter().map(|f| f.seen_from(&settings.dir)).collect();
    findings.sort();
    findings.dedup();
    findings
}

fn inventory(settings: &Settings) -> Option<Finding> {
    let path = settings.inventory.as_ref()?;
    let files = Files::new(path.clone(), None);
    let error = Inventory::load(&files).err()?;
    let finding = Finding::nowhere(path.display().to_string(), error.to_string());
    Some(finding.suggest("see the README's section on devices for the form of an inventory"))
}

/// A tool that has a contract, whether or not the contract is sound, and the arguments that the contract names as such.
struct Known {
    tool: ToolName,
    arguments: Vec<String>,
}

fn contracted(settings: &Settings) -> Vec<Known> {
    let own = settings
        .contracts
        .iter()
        .flat_map(|dir| library::files(dir, &["yaml", "yml"]));
    let own = own.filter_map(|f| library::document(&f).ok());
    let shipped = crate::shipped::CONTRACTS.iter();
    let shipped = shipped.filter_map(|(n, t)| flyball_engine::document::Document::parse(n, t).ok());
    let contracts = shipped
        .chain(own)
        .filter_map(|d| d.value.get("contracts").and_then(Value::as_object).cloned())
        .flatten();
    let known = contracts.filter_map(|(name, contract)| {
        let argument = |key: &str| contract.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Known {
            tool: name.parse().ok()?,
            arguments: ["split_by", "idempotency_arg"]
                .into_iter()
                .filter_map(argument)
                .collect(),
        })
    });
    known.collect()
}

/// A catalogue of tools about which hardly more than the name is known: every argument passes.
fn catalogue(known: &[Known]) -> Catalogue {
    Catalogue::of(known.iter().map(|known| {
        let properties: serde_json::Map<String, Value> =
            known.arguments.iter().map(|a| (a.clone(), json!({}))).collect();
        ToolSpec {
            name: known.tool.clone(),
            description: String::new(),
            input_schema: json!({"type": "object", "properties": properties}),
            output_schema: None,
            annotations: None,
        }
    }))
}
