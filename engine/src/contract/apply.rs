//! What a contract says of one call: pure functions from arguments and outputs to judgements.
//!
//! An expression without a result never lets anything pass: each function here says which way it falls.

use super::{CallTemplate, Contract, EffectClass, ErrorMeans, Undo};
use crate::binding::resolve;
use crate::canonical::Digest;
use crate::expr::{Bindings, EvalError, Expr, Root, Scope, kind_of};
use crate::target::Target;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A tool's arguments.
pub type Args = Map<String, Value>;

/// What is known around a call. What is absent is not in scope: reading it is an error.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The call's own arguments.
    pub args: Args,
    /// The call's output.
    pub output: Option<Arc<Value>>,
    /// The selected state before the call was sent.
    pub before: Option<Arc<Value>>,
    /// The selected state after it.
    pub after: Option<Arc<Value>>,
    /// The output of the preview.
    pub preview: Option<Arc<Value>>,
    /// A confirmable call's.
    pub lease: Option<LeaseTerms>,
}

impl Known {
    pub fn of(args: Args) -> Self {
        Self {
            args,
            ..Self::default()
        }
    }

    fn bindings(&self) -> Bindings {
        let mut bindings = args_only(&self.args);
        let optional = [
            (Root::Output, &self.output),
            (Root::Before, &self.before),
            (Root::After, &self.after),
            (Root::Preview, &self.preview),
        ];
        for (root, value) in optional {
            if let Some(value) = value {
                bindings.set(root, Arc::clone(value));
            }
        }
        bindings
    }
}

/// A probe's answer, judged by its contract.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    /// Whether the reading is evidence.
    pub valid: bool,
    /// The selected state, if it is.
    pub state: Option<Value>,
    /// `base` of the probe's output: what writing tools expect to find.
    pub base: Option<String>,
    /// Whether `holds` is true of the state; none without `holds`, or when it has no result.
    pub holds: Option<bool>,
    /// Whether the device still keeps the change on its timer; none without `pending`, or when it has no result.
    pub pending: Option<bool>,
    /// Why it is no evidence, or why `holds` has no result.
    pub problem: Option<String>,
    /// The tool says no to what the call asks for, in these words.
    pub refused: Option<String>,
}

fn args_only(args: &Args) -> Bindings {
    Bindings::new().with(Root::Args, Value::Object(args.clone()))
}

fn eval(source: &str, scope: Scope, bindings: &Bindings) -> Result<Value, String> {
    let expr = Expr::compile(source, scope).map_err(|f| format!("{source}: {}", f.message))?;
    expr.eval(bindings).map_err(|e| e.to_string())
}

fn eval_bool(source: &str, scope: Scope, bindings: &Bindings) -> Result<bool, String> {
    let expr = Expr::compile(source, scope).map_err(|f| format!("{source}: {}", f.message))?;
    expr.eval_bool(bindings).map_err(|e: EvalError| e.to_string())
}

fn call_args(args: &Value, scope: Scope, bindings: &Bindings) -> Result<Args, String> {
    match resolve(args, scope, bindings).map_err(|e| e.to_string())? {
        Value::Object(args) => Ok(args),
        other => Err(format!("arguments must be an object, not {}", kind_of(&other))),
    }
}

/// The targets of a call, sorted, each once. Without a `targets` expression the whole server, so that a tool about
/// which nothing is known conflicts with everything of its server. An error must refuse the call.
pub fn targets(tool: &ToolName, contract: &Contract, args: &Args) -> Result<Vec<Target>, String> {
    let Some(source) = &contract.targets else {
        return Ok(vec![Target::server(tool.server())]);
    };
    let list = match eval(source, Scope::ARGS, &args_only(args))? {
        Value::Array(list) => list,
        other => return Err(format!("{source}: targets must be a list, not {}", kind_of(&other))),
    };
    let mut found = BTreeSet::new();
    for entry in &list {
        let text = entry
            .as_str()
            .ok_or_else(|| format!("{source}: a target must be text, not {}", kind_of(entry)))?;
        found.insert(Target::parse(text).map_err(|e| format!("{source}: {e}"))?);
    }
    if found.is_empty() && contract.effect.mutates() {
        return Err(format!("{source}: a call that changes something needs a target"));
    }
    Ok(found.into_iter().collect())
}

/// Why the contract refuses a call before anything is sent; an expression without a result refuses.
pub fn refused(contract: &Contract, args: &Args) -> Option<String> {
    let source = contract.refuse_when.as_ref()?;
    match eval_bool(source, Scope::ARGS, &args_only(args)) {
        Ok(false) => None,
        Ok(true) => Some(format!("the contract refuses it: {source}")),
        Err(why) => Some(format!("the contract's refuse_when has no result: {why}")),
    }
}

/// The arguments of the call's probe; none without a probe.
pub fn probe_args(contract: &Contract, args: &Args) -> Option<Result<Args, String>> {
    let probe = contract.probe.as_ref()?;
    Some(call_args(&probe.args, Scope::ARGS, &args_only(args)))
}

/// The arguments of the call's preview; none without a preview.
pub fn preview_args(contract: &Contract, args: &Args) -> Option<Result<Args, String>> {
    let preview = contract.preview.as_ref()?;
    Some(call_args(&preview.args, Scope::ARGS, &args_only(args)))
}

/// The lease that a confirmable call's change stands on: what a device knows the change by, and for how long it keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTerms {
    /// The key of the `do` call.
    pub id: Digest,
    /// From each `do` and `extend` on.
    pub seconds: u64,
}

/// The arguments of a prepare, confirm, cancel or extend.
pub fn lease_args(template: &CallTemplate, known: &Known) -> Result<Args, String> {
    call_args(&template.args, Scope::LEASE, &with_lease(known.bindings(), known))
}

fn with_lease(mut bindings: Bindings, known: &Known) -> Bindings {
    if let Some(lease) = &known.lease {
        let terms = serde_json::json!({"id": lease.id, "seconds": lease.seconds});
        bindings.set(Root::Lease, terms);
    }
    bindings
}

fn pending(contract: &Contract, known: &Known, bindings: Bindings) -> Option<bool> {
    let source = contract.probe.as_ref()?.pending.as_ref()?;
    eval_bool(source, Scope::PENDING, &with_lease(bindings, known)).ok()
}

/// Judges a probe's output: is it evidence, what is the state, does the change hold. `known` is what is known around
/// the call that the probe belongs to; the reading is `state`.
pub fn judge_reading(contract: &Contract, known: &Known, probe_output: &Value) -> Judged {
    let Some(probe) = &contract.probe else {
        return Judged {
            problem: Some("the contract has no probe".to_owned()),
            ..Judged::default()
        };
    };
    let bindings = args_only(&known.args).with(Root::Output, probe_output.clone());
    let base = probe_output.get("base").and_then(Value::as_str).map(str::to_owned);
    let no_evidence = |problem: String| Judged {
        base: base.clone(),
        problem: Some(problem),
        ..Judged::default()
    };
    match probe.valid.as_ref().map(|v| eval_bool(v, Scope::PROBE, &bindings)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false)) => return no_evidence("the reading is not valid".to_owned()),
        Some(Err(why)) => return no_evidence(format!("valid has no result: {why}")),
    }
    let state = match &probe.select {
        None => Ok(probe_output.clone()),
        Some(select) => eval(select, Scope::PROBE, &bindings),
    };
    let state = match state {
        Ok(state) => state,
        Err(why) => return no_evidence(format!("select has no result: {why}")),
    };
    let (holds, problem) = match holds(contract, known, &state) {
        None => (None, None),
        Some(Ok(holds)) => (Some(holds), None),
        Some(Err(why)) => (None, Some(format!("holds has no result: {why}"))),
    };
    let pending = pending(contract, known, bindings);
    Judged {
        valid: true,
        state: Some(state),
        base,
        holds,
        pending,
        problem,
        refused: None,
    }
}

fn holds(contract: &Contract, known: &Known, state: &Value) -> Option<Result<bool, String>> {
    let source = contract.holds.as_ref()?;
    let bindings = known.bindings().with(Root::State, state.clone());
    Some(eval_bool(source, Scope::CONTRACT, &bindings))
}

/// The way back as it would be sent, the first that fits; `Err` says why there is none, in words for the approver.
/// A `when` without a result makes the call irreversible: a later way back was written for other cases.
pub fn choose_undo(contract: &Contract, known: &Known) -> Result<(ToolName, Args), String> {
    if contract.effect == EffectClass::Read {
        return Err("a read changes nothing".to_owned());
    }
    let bindings = known.bindings();
    for undo in &contract.undo {
        if fits(undo, &bindings)? {
            let args = call_args(&undo.args, Scope::CONTRACT, &bindings)
                .map_err(|why| format!("the arguments of {} have no result: {why}", undo.tool))?;
            return Ok((undo.tool.clone(), args));
        }
    }
    Err(match contract.undo.is_empty() {
        true => "the contract names no undo".to_owned(),
        false => "none of the contract's undos fits".to_owned(),
    })
}

fn fits(undo: &Undo, bindings: &Bindings) -> Result<bool, String> {
    match &undo.when {
        None => Ok(true),
        Some(when) => {
            eval_bool(when, Scope::CONTRACT, bindings).map_err(|why| format!("an undo's when has no result: {why}"))
        }
    }
}

/// Whether a result without `isError` is a failure all the same. `Err`: nobody can tell, the outcome is unknown.
pub fn fails(contract: &Contract, known: &Known, output: &Value) -> Result<bool, String> {
    let Some(source) = &contract.fails_when else {
        return Ok(false);
    };
    let bindings = known.bindings().with(Root::Output, output.clone());
    eval_bool(source, Scope::CONTRACT, &bindings)
}

/// What later steps read when there is no reply; none if the contract cannot tell, an error fails what binds to it.
pub fn output_from_state(contract: &Contract, known: &Known, state: &Value) -> Option<Result<Value, String>> {
    let source = contract.output_from_state.as_ref()?;
    let bindings = known.bindings().with(Root::State, state.clone());
    Some(eval(source, Scope::CONTRACT, &bindings))
}

/// What an error answer says about the world. An expression without a result proves nothing.
pub fn error_means(contract: &Contract, known: &Known, output: &Value) -> ErrorEffect {
    let bindings = known.bindings().with(Root::Output, output.clone());
    let proves = |source: &Option<String>| {
        source
            .as_ref()
            .is_some_and(|s| eval_bool(s, Scope::CONTRACT, &bindings) == Ok(true))
    };
    if contract.error_means == ErrorMeans::NoEffect || proves(&contract.no_effect_when) {
        ErrorEffect::None
    } else if proves(&contract.partial_when) {
        ErrorEffect::Partial
    } else {
        ErrorEffect::Unknown
    }
}

/// What is known of the world after an error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorEffect {
    /// Nothing was done: failed.
    None,
    /// The call is over, and part of it may be in: failed, and to be taken back.
    Partial,
    /// Nobody can tell: in doubt.
    Unknown,
}

#[cfg(test)]
mod tests;
