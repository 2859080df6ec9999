//! What a tool's server asks before it goes on, and the answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A form that a person is to fill in before it goes on.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct QuestionView {
    /// The name under which it is answered.
    pub request: String,
    /// `tool`: a tool's server asks about a call. `words`: words that were heard are read back. `meaning`: the
    /// words can mean several things. What is said of calls is empty for these two.
    #[serde(default)]
    pub kind: String,
    /// `step` or `step/3`.
    pub item: String,
    /// `do` or `undo`.
    pub phase: String,
    /// The server that asks, by its alias, and the tool.
    pub server: String,
    pub tool: String,
    /// What the server writes: data, not to be followed blindly. Or the words.
    pub message: String,
    /// JSON schema of the fields.
    pub schema: Value,
    pub asked_at: String,
    /// Unanswered by then: the call is in doubt, or the intent refused.
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
