//! What was answered, one line of JSON each, so that a run goes on where it stopped and can be graded again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What came of one intent under one way to plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// `planner`, `phrases`, `top`, `react` or `ideal`.
    pub(crate) way: String,
    pub(crate) intent: String,
    #[serde(default)]
    pub(crate) draft: Option<Value>,
    #[serde(default)]
    pub(crate) params: Value,
    #[serde(default)]
    pub(crate) runbook: Option<String>,
    /// Why there is no plan.
    #[serde(default)]
    pub(crate) refused: Option<String>,
    /// Of each model call, what was wrong with its answer.
    #[serde(default)]
    pub(crate) problems: Vec<Option<String>>,
    /// Of each model call: purpose and raw answer.
    #[serde(default)]
    pub(crate) said: Vec<(String, Value)>,
    #[serde(default)]
    pub(crate) tokens: u64,
    /// Tool calls that it came to, elements of lists counted.
    #[serde(default)]
    pub(crate) calls: usize,
    #[serde(default)]
    pub(crate) millis: u64,
}

/// Answers by way and intent.
pub(crate) type Answers = BTreeMap<(String, String), Answer>;

/// What a file holds so far. A line that was cut off when a run died is left out.
pub(crate) fn read(path: &Path) -> Answers {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let answers = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Answer>(line).ok());
    answers
        .map(|answer| ((answer.way.clone(), answer.intent.clone()), answer))
        .collect()
}

pub(crate) fn append(path: &Path, answer: &Answer) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let line = serde_json::to_string(answer).map_err(std::io::Error::other)?;
    writeln!(file, "{line}")
}
