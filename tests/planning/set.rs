//! The evaluation set: intents with what must come of each.

use super::catalogue::fixture;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What must come of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, Default, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Read,
    Write,
    Ask,
    Cannot,
    Stopped,
    /// What no tool can do.
    #[default]
    Beyond,
}

/// One call of an expected plan.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) tool: String,
    #[serde(default)]
    pub(crate) args: Map<String, Value>,
    #[serde(default)]
    pub(crate) each: Option<String>,
    #[serde(default)]
    pub(crate) after: Vec<String>,
}

/// A runbook that answers an intent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByRunbook {
    pub(crate) id: String,
    pub(crate) params: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intent {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) plan: Vec<Call>,
    #[serde(default, rename = "or")]
    pub(crate) other: Vec<Call>,
    #[serde(default)]
    pub(crate) runbook: Option<ByRunbook>,
    #[serde(default)]
    pub(crate) missing: Vec<String>,
}

#[derive(Deserialize)]
struct File {
    intents: Vec<Intent>,
}

/// The intents of a file of the fixtures.
pub(crate) fn intents(name: &str) -> Vec<Intent> {
    fixture::<File>(name).intents
}

/// The files of what is put to a model.
const SETS: [&str; 4] = ["intents.yaml", "several.yaml", "questions.yaml", "beyond.yaml"];

/// All of them.
pub(crate) fn all() -> Vec<Intent> {
    SETS.into_iter().flat_map(intents).collect()
}
