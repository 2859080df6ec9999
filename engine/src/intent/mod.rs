//! What somebody wants, with its whole life in one journal stream.
//!
//! [`event`] holds every fact that such a life can have. [`state`] folds them: it is pure, it knows no clock, no store
//! and no await, and the live run, the restart and the auditor's replay all come through it. [`effects`] says what
//! should be in flight now, from the state alone.

pub mod checkpoint;
pub mod command;
pub mod effects;
pub mod event;
pub mod heard;
pub mod item;
pub mod meaning;
pub mod proof;
pub mod question;
pub mod replay;
pub mod resolutions;
pub mod settlement;
pub mod state;
mod title;

use crate::actor::Origin;
use crate::ids::IntentId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest words of an intent, in bytes: who reads them looks at each word together with those around it.
pub const LONGEST_TEXT: usize = 16 * 1024;

/// How an intent says what is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// In words: a runbook's phrase, or a model, turns them into a plan.
    Text(String),
    /// A plan as it should run; still checked, judged and approved like any other.
    Plan(Value),
    /// A runbook with its parameters.
    Runbook { id: String, params: Value },
}

/// Whether an intent stops at the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Look and show the diff; wait for `apply`.
    Plan,
    #[default]
    Apply,
}

/// From when until when changes may start, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from_ms: i64,
    pub until_ms: i64,
}

/// What was asked, as received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub wish: Wish,
    pub origin: Origin,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backout_by_ms: Option<i64>,
    /// The intent whose calls it takes back: no planner is asked, the plan follows from that intent's ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<IntentId>,
    /// The alarm that it answers, as quoted data.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub alarm: Value,
    /// How the text was heard, where it was spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<heard::Heard>,
}
