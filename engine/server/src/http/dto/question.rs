//! What a tool's server asks before it goes on, and the answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A form that a tool's server wants filled in before it goes on with a call.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct QuestionView {
    /// The name under which it is answered.
    pub request: String,
    /// `step` or `step/3`.
    pub item: String,
    /// `do` or `undo`.
    pub phase: String,
    /// The server that asks, by its alias, and the tool.
    pub server: String,
    pub tool: String,
    /// What the server writes: data, not to be followed blindly.
    pub message: String,
    /// JSON schema of the fields.
    pub schema: Value,
    pub asked_at: String,
    /// Unanswered by then: the call is in doubt.
    pub deadline: String,
    /// What to mind when answering.
    pub notice: String,
}

/// The answer to a question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InputBody {
    /// As the intent's `questions` name it.
    pub request: String,
    /// `{"action": "accept", "content": {…}}` with the form's fields, `{"action": "decline"}` or `{"action": "cancel"}`.
    pub answer: Value,
}
