//! What the intents stand in: doubts, locks, tools, servers, the halt.

use super::time;
use flyball_engine::supervisor::Halt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A call whose outcome is not known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DoubtView {
    pub intent: String,
    pub item: String,
    pub phase: String,
    pub tool: String,
    pub targets: Vec<String>,
    pub since: String,
    pub reason: String,
    /// From when on nothing of the call can land any more, and it can be settled without force. Absent: a person is
    /// waited for already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles_at: Option<String>,
    /// Who is to settle it then: `probe` (and a person, if that cannot tell) or `person`.
    pub settles_by: String,
    /// Both in a sentence.
    pub waits: String,
}

/// A tool of the catalogue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ToolView {
    pub name: String,
    pub description: String,
    /// What its contract says it does; `none` without a contract.
    pub effect: String,
    /// `pinned`, `unpinned` or `changed`.
    pub pin: String,
    pub digest: String,
    pub input_schema: Value,
}

/// An MCP server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    pub alias: String,
    pub health: String,
    pub detail: Value,
}

/// A tool with its definition: what is listed now, what was signed off, and how they differ.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ToolDetail {
    pub name: String,
    pub effect: String,
    /// `pinned`, `unpinned` or `changed`.
    pub pin: String,
    /// Of the definition that the server lists now.
    pub digest: String,
    /// Of the definition that was signed off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The listed definition: name, description, schemas and annotations.
    pub definition: Value,
    /// A unified diff from the definition that was signed off to the listed one; absent where they are equal, where none
    /// was signed off, and where the signed-off one was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// A halt in force or past; `halted: false` alone: there was none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HaltView {
    /// It is in force.
    pub halted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<String>,
    /// It could not be recorded: it holds as long as this engine runs, and no longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
}

impl HaltView {
    /// As the engine's record has it.
    pub fn of(halt: &Halt) -> Self {
        Self {
            halted: halt.lifted.is_none(),
            by: Some(halt.by.to_string()),
            since: Some(time(halt.at_ms)),
            reason: halt.reason.clone(),
            lifted_by: halt.lifted.as_ref().map(|l| l.by.to_string()),
            lifted_at: halt.lifted.as_ref().map(|l| time(l.at_ms)),
            unrecorded: false,
        }
    }

    /// Who, since when and why, in one line; or who lifted it.
    pub fn line(&self) -> String {
        let said = |text: &Option<String>| text.clone().unwrap_or_default();
        if !self.halted {
            return match &self.lifted_by {
                Some(by) => format!("the halt is lifted by {by}"),
                None => "no halt is in force".to_owned(),
            };
        }
        let why = self.reason.as_ref().map(|r| format!(": {r}")).unwrap_or_default();
        let only_here = match self.unrecorded {
            true => " (not recorded: it ends with this engine)",
            false => "",
        };
        format!(
            "halted by {} since {}{why}{only_here}",
            said(&self.by),
            said(&self.since)
        )
    }
}
