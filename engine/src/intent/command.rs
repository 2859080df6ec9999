//! What a person may do to an intent. A command is synced into the intent's inbox before it is acknowledged, and turned
//! into entries by the intent's owner.

use crate::actor::Actor;
use crate::canonical::Digest;
use crate::ids::{IntentId, ItemId};
use crate::intent::event::{Event, Resolution, Settlement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command with the id that makes sending it twice harmless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    pub id: String,
    pub by: Actor,
    pub at_ms: i64,
    pub what: What,
}

/// What is asked of the intent's owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Apply,
    Cancel {
        reason: Option<String>,
    },
    Pause {
        reason: Option<String>,
    },
    Resume,
    Approve {
        approval: String,
        digest: Digest,
        comment: Option<String>,
        own: bool,
    },
    Deny {
        approval: String,
        comment: Option<String>,
    },
    Settle {
        item: ItemId,
        verdict: Settlement,
        force: bool,
        comment: Option<String>,
    },
    Resolve {
        item: ItemId,
        resolution: Resolution,
        comment: Option<String>,
    },
    Input {
        request: String,
        answer: Value,
    },
    ReleaseLock {
        target: String,
        reason: String,
    },
    /// The intent that takes this one back asks for its locks: what could not be taken back becomes that one's.
    HandOver {
        to: IntentId,
    },
}

impl What {
    /// Whether an entry may be what this came to.
    pub fn comes_to(&self, event: &Event) -> bool {
        match (self, event) {
            (
                Self::Settle { item, verdict, .. },
                Event::CallSettled {
                    call, verdict: settled, ..
                },
            ) => call.item == *item && verdict == settled,
            (
                Self::Resolve { item, resolution, .. },
                Event::Resolved {
                    item: of,
                    resolution: said,
                    ..
                },
            ) => item == of && resolution == said,
            (Self::Approve { approval, .. }, Event::ApprovalGiven { approval: given, .. })
            | (Self::Deny { approval, .. }, Event::ApprovalDenied { approval: given, .. }) => approval == given,
            (Self::Input { request, .. }, Event::InputGiven { request: of, .. }) => request == of,
            (Self::Apply, Event::ApplyRequested { .. })
            | (Self::Cancel { .. }, Event::CancelRequested { .. })
            | (Self::Pause { .. }, Event::PauseRequested { .. })
            | (Self::Resume, Event::Resumed { .. })
            | (Self::ReleaseLock { .. } | Self::HandOver { .. }, Event::TargetsReleased { .. }) => true,
            _ => false,
        }
    }

    /// What is asked, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Apply => "apply".to_owned(),
            Self::Cancel { .. } => "cancel".to_owned(),
            Self::Pause { .. } => "pause".to_owned(),
            Self::Resume => "resume".to_owned(),
            Self::Approve { .. } => "approve".to_owned(),
            Self::Deny { .. } => "deny".to_owned(),
            Self::Settle { item, .. } => format!("settle {item}"),
            Self::Resolve { item, .. } => format!("resolve {item}"),
            Self::Input { request, .. } => format!("answer {request}"),
            Self::ReleaseLock { target, .. } => format!("release {target}"),
            Self::HandOver { to } => format!("hand over to intent {to}"),
        }
    }
}
