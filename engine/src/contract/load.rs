//! The operator's contract files, read so that a contract which could not be kept is refused before it is used.

use super::{CallTemplate, Contract, Contracts, EffectClass, Probe, Resend, Undo};
use crate::binding;
use crate::document::{Document, DocumentFault};
use crate::expr::{Expr, ExprFault, Scope};
use crate::fault::{escape_pointer, nearest};
use crate::ids::Phase;
use crate::plan::schema::Arguments;
use crate::tool::{Catalogue, ToolName, ToolSpec};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads all files. Where two name the same tool the later file's contract stands, whole. All faults of all files are
/// told at once. With a catalogue, what contracts name is looked up too; tools of servers that are not there are let be.
pub fn load(documents: &[Document], catalogue: Option<&Catalogue>) -> Result<Contracts, Vec<DocumentFault>> {
    let mut faults = Vec::new();
    let mut found: BTreeMap<ToolName, (Contract, &Document)> = BTreeMap::new();
    for document in documents {
        for (tool, contract) in read(document, &mut faults) {
            found.insert(tool, (contract, document));
        }
    }
    let contracts = Contracts {
        contracts: found.iter().map(|(t, (c, _))| (t.clone(), c.clone())).collect(),
    };
    for (tool, (contract, document)) in &found {
        let mut review = Review {
            tool,
            contract,
            document,
            contracts: &contracts,
            catalogue,
            faults: &mut faults,
        };
        review.all();
    }
    match faults.is_empty() {
        true => Ok(contracts),
        false => {
            faults.sort();
            Err(faults)
        }
    }
}

/// The contracts of one file that have the right shape.
fn read(document: &Document, faults: &mut Vec<DocumentFault>) -> Vec<(ToolName, Contract)> {
    if !document.value.is_object() {
        faults.push(document.fault("", "a contract file must be a mapping with the key `contracts`"));
        return Vec::new();
    }
    faults.extend(document.unknown_keys("", &["contracts"]));
    let entries = match document.value.get("contracts") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(entries)) => entries,
        Some(_) => {
            faults.push(document.fault("/contracts", "`contracts` must be a mapping from tools to contracts"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for name in entries.keys() {
        let pointer = format!("/contracts/{}", escape_pointer(name));
        let tool = name
            .parse::<ToolName>()
            .map_err(|e| faults.push(document.fault(&pointer, e.to_string())));
        let contract = document.decode_at::<Contract>(&pointer).map_err(|f| faults.extend(f));
        if let (Ok(tool), Ok(mut contract)) = (tool, contract) {
            if contract.effect == EffectClass::Confirmable {
                // What was prepared belongs to the first sending, and "not applied" may also mean that the device has
                // gone back by itself: the whole step is taken back instead.
                contract.resend = Resend::Never;
            }
            found.push((tool, contract));
        }
    }
    found
}

/// One contract under review.
struct Review<'a> {
    tool: &'a ToolName,
    contract: &'a Contract,
    document: &'a Document,
    contracts: &'a Contracts,
    catalogue: Option<&'a Catalogue>,
    faults: &'a mut Vec<DocumentFault>,
}

impl<'a> Review<'a> {
    fn all(&mut self) {
        self.expressions();
        self.calls();
        self.conflicts();
        self.arguments();
    }

    fn add(&mut self, key: &str, message: impl Into<String>, suggestion: Option<String>) {
        let pointer = format!("/contracts/{}{key}", escape_pointer(&self.tool.to_string()));
        self.faults.push(DocumentFault {
            suggestion,
            ..self.document.fault(&pointer, message)
        });
    }

    fn expressions(&mut self) {
        let contract = self.contract;
        let own = [
            ("/targets", &contract.targets, Scope::ARGS),
            ("/refuse_when", &contract.refuse_when, Scope::ARGS),
            ("/holds", &contract.holds, Scope::CONTRACT),
            ("/fails_when", &contract.fails_when, Scope::CONTRACT),
            ("/no_effect_when", &contract.no_effect_when, Scope::CONTRACT),
            ("/partial_when", &contract.partial_when, Scope::CONTRACT),
            ("/output_from_state", &contract.output_from_state, Scope::CONTRACT),
        ];
        for (key, source, scope) in own {
            self.expression(key, source.as_deref(), scope);
        }
        if let Some(probe) = &contract.probe {
            let Probe {
                valid, select, pending, ..
            } = probe;
            self.expression("/probe/pending", pending.as_deref(), Scope::PENDING);
            self.expression("/probe/valid", valid.as_deref(), Scope::PROBE);
            self.expression("/probe/select", select.as_deref(), Scope::PROBE);
        }
        for (at, undo) in contract.undo.iter().enumerate() {
            self.expression(&format!("/undo/{at}/when"), undo.when.as_deref(), Scope::CONTRACT);
        }
    }

    fn expression(&mut self, key: &str, source: Option<&str>, scope: Scope) {
        if let Some(source) = source {
            self.compiled(key, Expr::compile(source, scope));
        }
    }

    fn compiled(&mut self, key: &str, expr: Result<Expr, ExprFault>) {
        if let Err(fault) = expr {
            self.add(key, fault.message, fault.suggestion);
        }
    }

    /// The calls that a contract makes: probe and preview must read, an undo must not.
    fn calls(&mut self) {
        let contract = self.contract;
        if let Some(Probe { tool, args, .. }) = &contract.probe {
            self.reading("/probe", tool, args);
        }
        if let Some(CallTemplate { tool, args }) = &contract.preview {
            self.reading("/preview", tool, args);
        }
        for (at, Undo { tool, args, .. }) in contract.undo.iter().enumerate() {
            self.changing(&format!("/undo/{at}"), tool, args, Scope::CONTRACT);
        }
        for phase in [Phase::Prepare, Phase::Confirm, Phase::Cancel, Phase::Extend] {
            if let Some(CallTemplate { tool, args }) = contract.lease_call(phase) {
                self.changing(&format!("/{}", phase.as_str()), tool, args, Scope::LEASE);
            }
        }
    }

    fn reading(&mut self, key: &str, tool: &ToolName, args: &Value) {
        self.call(key, tool, args, Scope::ARGS);
        if self.contracts.of(tool).effect.mutates() {
            let message = format!("{tool} may change something: no contract says that it only reads");
            let hint = format!("add `{tool}: {{effect: read}}` if that is true");
            self.add(&format!("{key}/tool"), message, Some(hint));
        }
    }

    fn changing(&mut self, key: &str, tool: &ToolName, args: &Value, scope: Scope) {
        self.call(key, tool, args, scope);
        if !self.contracts.of(tool).effect.mutates() {
            let message = format!("{tool} only reads, by its contract: it cannot take anything back or hold it");
            self.add(&format!("{key}/tool"), message, None);
        }
    }

    /// A call's arguments compile, its tool is there and could take them.
    fn call(&mut self, key: &str, tool: &ToolName, args: &Value, scope: Scope) {
        let whole = args.as_str().is_some_and(|text| text.trim_start().starts_with("${"));
        if !args.is_object() && !whole {
            let message = "`args` must be an object, or one ${expression} that yields it";
            self.add(&format!("{key}/args"), message, None);
            return;
        }
        for (within, expr) in binding::compile(args, scope) {
            self.compiled(&format!("{key}/args{within}"), expr);
        }
        let Some(spec) = self.looked_up(key, tool) else { return };
        let wrong = match args.is_object() {
            true => Arguments::of(spec).draft_faults(args, &binding::templates(args)),
            false => Vec::new(),
        };
        for fault in wrong {
            self.add(&format!("{key}/args{}", fault.pointer), fault.message, fault.suggestion);
        }
    }

    /// The definition of a tool that this contract names; none if this contract's own tool is not there.
    fn looked_up(&mut self, key: &str, tool: &ToolName) -> Option<&'a ToolSpec> {
        let catalogue = self.catalogue?;
        catalogue.get(self.tool)?;
        let found = catalogue.get(tool).map(|t| &t.spec);
        if found.is_none() {
            let names: Vec<String> = catalogue.tools.keys().map(ToString::to_string).collect();
            let near = nearest(&tool.to_string(), names.iter().map(String::as_str)).map(did_you_mean);
            let near = near.or_else(|| tools_of(tool.server(), &names));
            self.add(&format!("{key}/tool"), format!("there is no tool {tool}"), near);
        }
        found
    }

    /// Fields that contradict each other, or the effect.
    fn conflicts(&mut self) {
        let contract = self.contract;
        let effect = contract.effect;
        for (key, given) in given(contract) {
            let fits = match key {
                "/prepare" | "/lease" | "/confirm" | "/cancel" | "/extend" | "/probe/pending" => {
                    effect == EffectClass::Confirmable
                }
                "/undo" => effect.mutates() && effect != EffectClass::Irreversible,
                _ => effect.mutates(),
            };
            if given && !fits {
                let name = key.rsplit('/').next().unwrap_or(key);
                let message = format!("`{name}` does not go with this effect");
                self.add(key, message, None);
            }
        }
        let lacking = match effect {
            EffectClass::Reversible if contract.undo.is_empty() => Some("a reversible tool needs an `undo`"),
            EffectClass::Confirmable if contract.confirm.is_none() || contract.cancel.is_none() => {
                Some("a confirmable tool needs `confirm` and `cancel`")
            }
            EffectClass::Confirmable if contract.probe.is_none() => {
                Some("a confirmable tool needs a `probe`: only it can tell whether the device has gone back by itself")
            }
            _ => None,
        };
        if let Some(lacking) = lacking {
            self.add("/effect", lacking, None);
        }
        if contract.lease.is_some_and(|l| l < Contract::SHORTEST_LEASE) {
            let message = format!("a lease shorter than {} cannot be kept alive", Contract::SHORTEST_LEASE);
            self.add("/lease", message, None);
        }
        if contract.holds.is_some() && contract.probe.is_none() {
            self.add("/holds", "`holds` has no state to judge without a `probe`", None);
        }
        if contract.holds_within.is_some() && contract.holds.is_none() {
            self.add(
                "/holds_within",
                "`holds_within` has nothing to wait for without `holds`",
                None,
            );
        }
        let last = contract.undo.len().saturating_sub(1);
        for (at, _) in contract
            .undo
            .iter()
            .enumerate()
            .filter(|(at, u)| u.when.is_none() && *at < last)
        {
            let message = "this undo always fits, so those after it are never taken";
            self.add(&format!("/undo/{at}"), message, None);
        }
    }

    /// Names of the tool's own arguments.
    fn arguments(&mut self) {
        let Some(catalogue) = self.catalogue else { return };
        let Some(own) = catalogue.get(self.tool) else {
            return self.misspelled(catalogue);
        };
        let declared = own.spec.input_schema.get("properties").and_then(Value::as_object);
        let names: Vec<&str> = declared
            .into_iter()
            .flat_map(|p| p.keys())
            .map(String::as_str)
            .collect();
        let contract = self.contract;
        for (key, name) in [
            ("/idempotency_arg", &contract.idempotency_arg),
            ("/split_by", &contract.split_by),
        ] {
            if let Some(name) = name
                && !names.contains(&name.as_str())
            {
                let near = nearest(name, names.iter().copied()).map(did_you_mean);
                self.add(key, format!("{} has no argument {name:?}", self.tool), near);
            }
        }
    }

    /// A contract for a tool that its server does not have does nothing; if another name is near it is a mistake.
    fn misspelled(&mut self, catalogue: &Catalogue) {
        let same = catalogue.tools.keys().filter(|t| t.server() == self.tool.server());
        let names: Vec<String> = same.map(ToString::to_string).collect();
        let uncontracted = names
            .iter()
            .filter(|n| n.parse().is_ok_and(|t| !self.contracts.contracts.contains_key(&t)));
        if let Some(near) = nearest(&self.tool.to_string(), uncontracted.map(String::as_str)) {
            let message = format!("there is no tool {}, and {near} has no contract", self.tool);
            self.add("", message, Some(did_you_mean(near)));
        }
    }
}

/// What a server has, for who names a tool that is near none of them.
fn tools_of(server: &str, names: &[String]) -> Option<String> {
    const NAMED: usize = 12;
    let own = |name: &&String| name.split_once('/').is_some_and(|(of, _)| of == server);
    let own: Vec<&str> = names.iter().filter(own).map(String::as_str).collect();
    let more = match own.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = own[..own.len().min(NAMED)].join(", ");
    (!own.is_empty()).then(|| format!("the tools of {server} are {shown}{more}"))
}

/// The fields that go with some effects only, and whether they are given.
fn given(contract: &Contract) -> [(&'static str, bool); 13] {
    [
        ("/prepare", contract.prepare.is_some()),
        ("/lease", contract.lease.is_some()),
        ("/confirm", contract.confirm.is_some()),
        ("/cancel", contract.cancel.is_some()),
        ("/extend", contract.extend.is_some()),
        ("/undo", !contract.undo.is_empty()),
        ("/preview", contract.preview.is_some()),
        ("/probe", contract.probe.is_some()),
        (
            "/probe/pending",
            contract.probe.as_ref().is_some_and(|p| p.pending.is_some()),
        ),
        ("/holds", contract.holds.is_some()),
        ("/holds_within", contract.holds_within.is_some()),
        ("/idempotency_arg", contract.idempotency_arg.is_some()),
        ("/output_from_state", contract.output_from_state.is_some()),
    ]
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean {name:?}?")
}

#[cfg(test)]
mod tests;
