//! What must fit together inside a runbook: slots and parameters, plan and parameters, and what its own tests say.

use super::matching::PhraseMatch;
use super::param::{Param, ParamKind};
use super::phrase::Phrase;
use super::{Runbook, Runbooks};
use flyball_engine::document::{Document, DocumentFault};
use flyball_engine::fault::{escape_pointer, nearest};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Two free texts in one phrase can be told apart in too many ways.
const MOST_FREE_SLOTS: usize = 1;

/// What is wrong with a phrase's slots, as sentences.
pub(super) fn slots(phrase: &Phrase, params: &BTreeMap<String, Param>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for slot in phrase.slots() {
        if !params.contains_key(slot) {
            let near = nearest(slot, params.keys().map(String::as_str));
            let hint = near
                .map(|near| format!("; did you mean {{{near}}}?"))
                .unwrap_or_default();
            wrong.push(format!("the slot {{{slot}}} has no parameter{hint}"));
        }
        if seen.contains(&slot) {
            wrong.push(format!("the slot {{{slot}}} stands twice in one phrase"));
        }
        seen.push(slot);
    }
    for (name, param) in params {
        if param.default.is_none() && !seen.contains(&name.as_str()) {
            wrong.push(format!("the phrase does not say {{{name}}}, which has no default"));
        }
    }
    let free = seen
        .iter()
        .filter(|name| params.get(**name).is_some_and(|p| p.kind == ParamKind::String));
    if free.count() > MOST_FREE_SLOTS {
        wrong.push("a phrase has at most one slot of the type string".into());
    }
    wrong
}

/// The parameters that a plan uses and the runbook does not have, with pointers into the plan.
pub(super) fn unknown_params(plan: &Value, params: &BTreeMap<String, Param>) -> Vec<(String, String)> {
    static USE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bparams\.([A-Za-z_][A-Za-z0-9_]*)").expect("the expression is well formed"));
    let mut unknown = Vec::new();
    each_text(plan, "", &mut |pointer, text| {
        for found in USE.captures_iter(text) {
            if !params.contains_key(&found[1]) {
                unknown.push((pointer.to_owned(), found[1].to_owned()));
            }
        }
    });
    unknown
}

fn each_text(value: &Value, pointer: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => visit(pointer, text),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                each_text(item, &format!("{pointer}/{i}"), visit);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                each_text(item, &format!("{pointer}/{}", escape_pointer(key)), visit);
            }
        }
        _ => {}
    }
}

/// Runs a file's own tests, among all runbooks: what another one says equally well is a fault here.
pub(super) fn tests(all: &Runbooks, runbook: &Runbook, document: &Document) -> Vec<DocumentFault> {
    match document.value.get("tests") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(tests)) => tests
            .iter()
            .enumerate()
            .filter_map(|(i, test)| {
                let pointer = format!("/tests/{i}");
                one_test(all, runbook, test)
                    .err()
                    .map(|why| document.fault(&pointer, why))
            })
            .collect(),
        Some(_) => vec![document.fault(
            "/tests",
            "`tests` must be a list of {say, params} or {say, refuse: true}",
        )],
    }
}

fn one_test(all: &Runbooks, runbook: &Runbook, test: &Value) -> Result<(), String> {
    let shape = "a test is {say, params} or {say, refuse: true}";
    let map = test.as_object().ok_or(shape)?;
    let say = map.get("say").and_then(Value::as_str).ok_or(shape)?;
    if let Some(key) = map
        .keys()
        .find(|key| !["say", "params", "refuse"].contains(&key.as_str()))
    {
        return Err(format!("unknown key `{key}`: {shape}"));
    }
    let refuse = map.get("refuse").and_then(Value::as_bool).unwrap_or(false);
    match (all.find(say), refuse) {
        (PhraseMatch::None | PhraseMatch::Broken { .. } | PhraseMatch::Several(_), true) => Ok(()),
        (PhraseMatch::One { runbook: found, .. }, true) => {
            Err(format!("{say:?} is not refused: {} takes it", found.id))
        }
        (PhraseMatch::One { runbook: found, params }, false) => {
            if found.id != runbook.id {
                return Err(format!("{say:?} goes to {}", found.id));
            }
            let wanted = map.get("params").unwrap_or(&Value::Null);
            let wanted = runbook.accept(wanted).map_err(|faults| faults[0].message.clone())?;
            match wanted == params {
                true => Ok(()),
                false => Err(format!("{say:?} gives {params}")),
            }
        }
        (PhraseMatch::None, false) => Err(format!("no phrase says {say:?}")),
        (PhraseMatch::Broken { faults, .. }, false) => Err(format!("{say:?} is refused: {}", faults[0].message)),
        (PhraseMatch::Several(found), false) => {
            let ids: Vec<&str> = found.iter().map(|(runbook, _)| runbook.id.as_str()).collect();
            Err(format!("{say:?} can be read in several ways: {}", ids.join(", ")))
        }
    }
}
