//! Runbooks: what there is, what a text would call, and drafts of new ones.

use crate::http::problem::ProblemFault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A runbook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunbookView {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `low`, `medium` or `high`: the owner's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// What users of the network notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// What it changes must be of these platforms; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// An intent of it must name a window.
    #[serde(default)]
    pub window_required: bool,
    pub phrases: Vec<String>,
    /// JSON schema of the parameters.
    pub params: Value,
}

/// A runbook with its plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunbookDetail {
    #[serde(flatten)]
    pub runbook: RunbookView,
    pub plan: Value,
    /// Where it was read, and the file's text.
    pub file: String,
    pub text: String,
}

/// Words to try.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryBody {
    pub text: String,
}

/// A runbook that words call, with what they say for its parameters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunbookMatch {
    pub id: String,
    pub title: String,
    pub params: Value,
    /// How the command line calls exactly this.
    pub call: String,
    pub window_required: bool,
}

/// What words would come to. Nothing was submitted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// `one`: this runbook. `several`: a question, not a guess. `broken`: a phrase fits, and a value breaks its rules.
    /// `none`: no phrase says this, or one does but for the kind of a value; a model may still understand it, if there is
    /// one.
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RunbookMatch>,
    /// What the values break.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<ProblemFault>,
    /// Ids of runbooks that come close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<String>,
}

/// A literal of a plan that stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FixedLiteral {
    /// Into the plan.
    pub pointer: String,
    pub value: Value,
}

/// A draft runbook made of an intent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DraftRunbook {
    pub id: String,
    pub yaml: String,
    /// The parameters that literals were turned into.
    pub params: Vec<String>,
    /// Literals that the intent's words do not say.
    pub fixed: Vec<FixedLiteral>,
    /// What the check of runbooks still says against it.
    pub faults: Vec<String>,
}
