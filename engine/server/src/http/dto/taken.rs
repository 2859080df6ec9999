//! The answer to a command.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A command was taken: it is recorded, and is not lost any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    pub id: String,
    /// Where the intent stands.
    pub state: String,
    /// Whether `state` is from after the command. The intent's owner takes it in as soon as it can.
    #[serde(default)]
    pub taken_in: bool,
    /// What it came to, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came: Option<String>,
    /// Nothing came of it: `came` says why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}
