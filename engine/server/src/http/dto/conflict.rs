//! What an undo met.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What the last call had left, and what is there in its place. `{"sealed": true}` where it may hold secrets.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ConflictView {
    /// Absent: it was never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// Absent: it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
    /// When that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<String>,
}
