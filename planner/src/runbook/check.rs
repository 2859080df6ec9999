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
    let is_free = |param: &Param| param.entry().unwrap_or(param).kind == ParamKind::String;
    let free = seen.iter().filter(|name| params.get(**name).is_some_and(is_free));
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

/// One of a runbook's own tests as it came out.
#[derive(Debug, Clone)]
pub struct TestRun {
    pub runbook: String,
    pub say: String,
    /// The parameters that it must give; None: it must be refused.
    pub wanted: Option<Value>,
    /// Why it failed; None: it passed.
    pub fault: Option<DocumentFault>,
}

/// The runbook to try next must be there, be another one, and get all that it needs from this one's parameters.
pub(super) fn next(all: &Runbooks, runbook: &Runbook, document: &Document) -> Option<DocumentFault> {
    let id = runbook.otherwise.as_deref()?;
    let others = || all.iter().map(|r| r.id.as_str()).filter(|other| *other != runbook.id);
    let Some(next) = all.get(id).filter(|next| next.id != runbook.id) else {
        let mut fault = document.fault("/otherwise", format!("there is no other runbook `{id}`"));
        fault.suggestion = nearest(id, others()).map(|near| format!("did you mean `{near}`?"));
        return Some(fault);
    };
    let unsaid = |(name, param): &(&String, &super::Param)| {
        param.default.is_none() && !runbook.params.contains_key(name.as_str())
    };
    let (name, _) = next.params.iter().find(unsaid)?;
    let message = format!("`{id}` needs the parameter `{name}`, which this runbook does not have");
    Some(document.fault("/otherwise", message))
}

/// Runs a file's own tests, among all runbooks: what another one says equally well is a fault here.
pub(super) fn tests(
    all: &Runbooks,
    runbook: &Runbook,
    document: &Document,
    runs: &mut Vec<TestRun>,
    faults: &mut Vec<DocumentFault>,
) {
    let tests = match document.value.get("tests") {
        None | Some(Value::Null) => return,
        Some(Value::Array(tests)) => tests,
        Some(_) => {
            let shape = "`tests` must be a list of {say, params} or {say, refuse: true}";
            return faults.push(document.fault("/tests", shape));
        }
    };
    for (i, test) in tests.iter().enumerate() {
        let pointer = format!("/tests/{i}");
        match Test::read(test) {
            Err(why) => faults.push(document.fault(&pointer, why)),
            Ok(test) => runs.push(TestRun {
                runbook: runbook.id.clone(),
                say: test.say.to_owned(),
                wanted: test.wanted.cloned(),
                fault: test.run(all, runbook).err().map(|why| document.fault(&pointer, why)),
            }),
        }
    }
}

struct Test<'a> {
    say: &'a str,
    /// None: it must be refused.
    wanted: Option<&'a Value>,
}

impl<'a> Test<'a> {
    fn read(test: &'a Value) -> Result<Self, String> {
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
        let wanted = (!refuse).then(|| map.get("params").unwrap_or(&Value::Null));
        Ok(Self { say, wanted })
    }

    fn run(&self, all: &Runbooks, runbook: &Runbook) -> Result<(), String> {
        let say = self.say;
        match (all.find(say), self.wanted) {
            (PhraseMatch::None | PhraseMatch::Broken { .. } | PhraseMatch::Several(_), None) => Ok(()),
            (PhraseMatch::One { runbook: found, .. }, None) => {
                Err(format!("{say:?} is not refused: {} takes it", found.id))
            }
            (PhraseMatch::One { runbook: found, params }, Some(wanted)) => {
                if found.id != runbook.id {
                    return Err(format!("{say:?} goes to {}", found.id));
                }
                let wanted = runbook.accept(wanted).map_err(|faults| faults[0].message.clone())?;
                match wanted == params {
                    true => Ok(()),
                    false => Err(format!("{say:?} gives {params}")),
                }
            }
            (PhraseMatch::None, Some(_)) => Err(format!("no phrase says {say:?}")),
            (PhraseMatch::Broken { faults, .. }, Some(_)) => Err(format!("{say:?} is refused: {}", faults[0].message)),
            (PhraseMatch::Several(found), Some(_)) => {
                let ids: Vec<&str> = found.iter().map(|(runbook, _)| runbook.id.as_str()).collect();
                Err(format!("{say:?} can be read in several ways: {}", ids.join(", ")))
            }
        }
    }
}
