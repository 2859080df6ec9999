//! How a plan was looked for: which stages were tried, and which tools a model was shown and which not.

use crate::ids::IntentId;
use crate::target::Target;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};

/// A stage of the search for a plan, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStage {
    /// A runbook whose phrase the text says.
    Phrase,
    /// A runbook that a model chose and filled.
    Choice,
    /// A plan that a model wrote.
    Draft,
    /// The runbook that the one that failed names as the next to try.
    Next,
}

/// What came of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageEnd {
    /// Here is the draft.
    Fits,
    /// Nothing fits: the next stage is tried.
    Passed,
    /// It ends here, without a plan.
    Stopped,
}

/// The tools that a model was shown for an intent, and those that came near.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolsRetrieved {
    /// Best first.
    pub shown: Vec<ToolName>,
    /// The best of those that were not shown, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_shown: Vec<NotShown>,
    /// How many more were not shown.
    #[serde(default)]
    pub others: u64,
    /// Estimated tokens that the shown ones take in the prompt.
    #[serde(default)]
    pub tokens: u64,
}

/// A tool that was not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotShown {
    pub tool: ToolName,
    pub why: WhyNot,
}

/// Why a tool was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Others say more of what the intent says.
    Rank,
    /// There was no room left for it in the prompt.
    Budget,
    /// It changes something, in a way that no verb of the intent asks for.
    NotAsked,
    /// Nobody signed its definition.
    Unsigned,
    /// A preview or a phase of a change on trial, which the engine calls by itself.
    EnginesOwn,
}

impl WhyNot {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Rank => "others say more of what the intent says",
            Self::Budget => "no room left in the prompt",
            Self::NotAsked => "changes what no verb of the intent asks for",
            Self::Unsigned => "its definition is not signed off",
            Self::EnginesOwn => "the engine calls it by itself",
        }
    }
}

/// Another open intent that is to change, or changes, some of the same targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    pub intent: IntentId,
    pub title: String,
    pub by: String,
    /// What it was doing then.
    pub state: String,
    /// Those of this plan's targets that it touches too.
    pub targets: Vec<Target>,
}

impl std::fmt::Display for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let targets: Vec<&str> = self.targets.iter().map(Target::as_str).collect();
        let Self {
            intent,
            title,
            by,
            state,
            ..
        } = self;
        write!(
            f,
            "{}: also wanted by intent {intent} of {by} ({state}): {title}",
            targets.join(", ")
        )
    }
}
