//! Taking back, and the locks that stand in the way of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an intent is to be taken back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoBody {
    /// `plan`: look and show the diff, then wait for `apply`. `apply` (default): go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// A lock.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LockView {
    pub target: String,
    pub intent: String,
    pub since: String,
    /// How long it has been held, in seconds.
    #[serde(default)]
    pub age_s: u64,
    pub state: String,
    /// Who asked for the intent, and for what.
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub title: String,
}
