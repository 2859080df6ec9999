//! Runbooks: reviewed plans with typed parameters, found by what people say. Needs no model, and gives the same plan
//! each time. What is not here: whether the plan is a good one; that is the engine's check.

mod check;
mod list;
mod load;
mod matching;
mod order;
mod param;
mod phrase;
mod promote;
#[cfg(test)]
mod tests;
mod yaml;

pub use check::TestRun;
pub use load::{Examined, Source};
pub use matching::PhraseMatch;
use param::written_pattern;
pub use param::{Param, ParamKind};
pub(crate) use param::{area, prefix};
pub use promote::{Promoted, promote};

use flyball_engine::fault::{Fault, nearest};
use phrase::{Phrase, Synonyms, meant};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A reviewed plan with typed parameters.
#[derive(Debug, Clone)]
pub struct Runbook {
    pub id: String,
    pub title: String,
    pub owner: Option<String>,
    pub version: Option<String>,
    /// `low`, `medium` or `high`: the owner's word, for people.
    pub risk: Option<String>,
    /// What users of the network notice, for people.
    pub impact: Option<String>,
    /// The platforms it was written for; empty: any. What it changes must be of these.
    pub platforms: Vec<String>,
    /// It may only change something within a window that the intent names.
    pub window_required: bool,
    /// The runbook to try next, with the parameters that it shares, should this one fail and be taken back.
    pub otherwise: Option<String>,
    pub params: BTreeMap<String, Param>,
    /// The plan of design section 4, with `${params.…}` inside.
    pub plan: Value,
    /// The file that it came from, and its text.
    pub file: String,
    pub text: String,
    phrases: Vec<Phrase>,
    synonyms: Synonyms,
}

impl Runbook {
    /// The phrases as the file has them.
    pub fn phrases(&self) -> impl Iterator<Item = &str> {
        self.phrases.iter().map(|phrase| phrase.written.as_str())
    }

    /// JSON schema of the parameters, for the API and for a model.
    pub fn params_schema(&self) -> Value {
        let properties: Map<_, _> = self
            .params
            .iter()
            .map(|(name, p)| (name.clone(), described(p)))
            .collect();
        let required: Vec<_> = self
            .params
            .iter()
            .filter(|(_, p)| p.default.is_none())
            .map(|(n, _)| n)
            .collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }

    /// The parameters in their one form, defaults filled in; or everything that is wrong with them, below `/params`.
    pub fn accept(&self, given: &Value) -> Result<Value, Vec<Fault>> {
        let empty = Map::new();
        let given = match given {
            Value::Null => &empty,
            Value::Object(map) => map,
            _ => {
                return Err(vec![Fault::new(
                    "/params",
                    "runbook.params",
                    "the parameters are no object",
                )]);
            }
        };
        let mut faults: Vec<Fault> = given.keys().filter_map(|name| self.unknown(name)).collect();
        let mut accepted = Map::new();
        for (name, param) in &self.params {
            match self.value_of(name, param, given.get(name)) {
                Ok(value) => drop(accepted.insert(name.clone(), value)),
                Err(fault) => faults.push(fault),
            }
        }
        match faults.is_empty() {
            true => Ok(Value::Object(accepted)),
            false => Err(faults),
        }
    }

    fn unknown(&self, name: &str) -> Option<Fault> {
        if self.params.contains_key(name) {
            return None;
        }
        let message = format!("the runbook {} has no parameter `{name}`", self.id);
        let fault = Fault::new(format!("/params/{name}"), "runbook.unknown_param", message);
        let near = nearest(name, self.params.keys().map(String::as_str));
        Some(match near {
            Some(near) => fault.suggest(format!("did you mean `{near}`?")),
            None => fault,
        })
    }

    fn value_of(&self, name: &str, param: &Param, given: Option<&Value>) -> Result<Value, Fault> {
        let pointer = format!("/params/{name}");
        let Some(given) = given.filter(|value| !value.is_null()) else {
            let missing = format!("`{name}` is not given and has no default");
            return param
                .default
                .clone()
                .ok_or_else(|| Fault::new(pointer, "runbook.missing_param", missing));
        };
        let meant = self.meant(&param.spoken(given));
        param.accept(&meant).map_err(|refused| {
            let message = format!("`{name}` must be {}, not {given}", refused.wanted);
            let rule = if refused.other_kind {
                "runbook.param_type"
            } else {
                "runbook.param_rule"
            };
            Fault::new(pointer, rule, message)
        })
    }

    /// The values that synonyms stand for.
    fn meant(&self, given: &Value) -> Value {
        match given {
            Value::String(text) => meant(text, &self.synonyms).unwrap_or(text).into(),
            Value::Array(items) => items.iter().map(|item| self.meant(item)).collect(),
            other => other.clone(),
        }
    }

    /// What else a text may say for a value.
    pub(crate) fn other_words(&self, value: &str) -> &[String] {
        self.synonyms.get(value).map_or(&[], Vec::as_slice)
    }

    /// The words that its phrases say, singular and in lower case.
    pub(crate) fn own_words(&self) -> impl Iterator<Item = &str> {
        self.phrases.iter().flat_map(Phrase::own_words)
    }

    /// The own words of each phrase.
    pub(crate) fn words_of_phrases(&self) -> impl Iterator<Item = Vec<&str>> {
        self.phrases.iter().map(|phrase| phrase.own_words().collect())
    }

    /// How a command line calls it with these parameters: exact, whatever phrases say.
    pub fn call(&self, params: &Value) -> String {
        let mut call = format!("--runbook {}", self.id);
        for (name, value) in params.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:/,".contains(c);
            call += &match value.chars().all(plain) {
                true => format!(" -p {name}={value}"),
                false => format!(" -p {name}='{}'", value.replace('\'', "'\\''")),
            };
        }
        call
    }

    /// The draft: the plan as the file has it, the summary filled in for people.
    pub fn draft(&self, params: &Value) -> Value {
        let mut draft = self.plan.clone();
        let summary = draft.get("summary").and_then(Value::as_str).unwrap_or(&self.title);
        draft["summary"] = filled(summary, params).into();
        if !self.platforms.is_empty() {
            draft["platforms"] = self.platforms.clone().into();
        }
        draft
    }
}

fn described(param: &Param) -> Value {
    let mut schema = param.schema();
    if !param.description.is_empty() {
        schema["description"] = param.description.clone().into();
    }
    if let Some(default) = &param.default {
        schema["default"] = default.clone();
    }
    // For those who read the schema, not for a model's grammar, which may know none of it.
    let entry = param.entry().unwrap_or(param);
    if let Some(pattern) = &entry.pattern {
        let at = if param.entry().is_some() { "/items" } else { "" };
        if let Some(Value::Object(of)) = schema.pointer_mut(at) {
            of.insert(
                "pattern".to_owned(),
                format!("^(?:{})$", written_pattern(pattern)).into(),
            );
        }
    }
    schema
}

/// A summary is read, never evaluated, so its parameters are put in here.
fn filled(summary: &str, params: &Value) -> String {
    let mut text = summary.to_owned();
    for (name, value) in params.as_object().into_iter().flatten() {
        let shown = shown(value);
        text = text.replace(&format!("${{params.{name}}}"), &shown);
    }
    text
}

/// A value as people write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// All runbooks, by id.
#[derive(Debug, Clone, Default)]
pub struct Runbooks {
    runbooks: BTreeMap<String, Runbook>,
}

impl Runbooks {
    pub fn get(&self, id: &str) -> Option<&Runbook> {
        self.runbooks.get(id)
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Runbook> {
        self.runbooks.values()
    }

    pub fn is_empty(&self) -> bool {
        self.runbooks.is_empty()
    }
}
