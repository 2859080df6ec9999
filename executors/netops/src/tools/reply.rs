//! What a tool answers, and the ways in which it says no.

use serde::Serialize;
use serde_json::{Value, json};

use super::shelf;
use crate::platform::{deny, model, render};
use crate::{inventory, netconf, ssh};

/// A tool's answer: structured content, and whether it is an error.
#[derive(Debug, Clone)]
pub struct Reply {
    pub content: Value,
    pub is_error: bool,
}

impl Reply {
    /// All went well.
    pub fn ok(content: &impl Serialize) -> Self {
        Self::new(content, false)
    }

    /// Structured content that is an error if `is_error`.
    pub fn new(content: &impl Serialize, is_error: bool) -> Self {
        let content = serde_json::to_value(content).expect("tool results serialise");
        Self { content, is_error }
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self {
            content: fault.content(),
            is_error: true,
        }
    }
}

/// Why a tool could not do, or would not do, what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("invalid arguments: {0}")]
    Arguments(String),
    #[error(transparent)]
    Inventory(#[from] inventory::Error),
    #[error(transparent)]
    Session(#[from] ssh::Error),
    #[error(transparent)]
    Netconf(#[from] netconf::Error),
    #[error(transparent)]
    Body(#[from] netconf::tree::NotABody),
    #[error("{0}")]
    Unsupported(#[from] render::Unsupported),
    #[error(transparent)]
    Denied(#[from] deny::Denied),
    #[error(transparent)]
    Model(#[from] model::Error),
    #[error("{device}: `{line}` is refused: {message}")]
    Refused {
        device: String,
        line: String,
        message: String,
    },
    #[error("{device}: the answer to `{line}` is not understood")]
    Unreadable { device: String, line: String },
    #[error("{0} is not `writable: true` in the inventory; nothing was sent")]
    NotWritable(String),
    #[error("{device}: somebody else changed the configuration since it was looked at; nothing was sent")]
    BaseMoved {
        device: String,
        expected: String,
        found: String,
    },
    #[error("{device}: the time to send (send_by {send_by_ms}) is over; nothing was sent")]
    TooLate { device: String, send_by_ms: u64 },
    #[error("{device}: an engine of epoch {seen} has taken over from this one ({epoch}); nothing was sent")]
    OldEpoch { device: String, epoch: u64, seen: u64 },
    #[error("{device}: the configuration is locked by {holder}; nothing was changed")]
    Locked { device: String, holder: String },
    #[error("{device}: the candidate holds edits that somebody else has not committed; nothing was changed")]
    Dirty { device: String },
    #[error(
        "{device}: a commit is waiting to be confirmed ({what}); another one would confirm it. Nothing was changed"
    )]
    Awaiting { device: String, what: String },
    #[error("{device}: the commit of lease {lease} is not in force: {why}")]
    Expired { device: String, lease: String, why: String },
    #[error("{device}: busy for too long; nothing was sent")]
    Busy { device: String },
    #[error(transparent)]
    Kept(#[from] shelf::Error),
    #[error("{0}")]
    Conflict(String),
    #[error("the tool broke: {0}")]
    Broken(String),
}

impl Fault {
    /// Structured form: always `error`; `refused` and details where nothing was sent on purpose.
    pub fn content(&self) -> Value {
        let mut content = match self {
            Self::BaseMoved {
                device,
                expected,
                found,
            } => {
                json!({"refused": "base moved", "device": device, "expected": expected, "found": found})
            }
            Self::TooLate { device, .. } | Self::Busy { device } => {
                json!({"refused": "too late", "device": device})
            }
            Self::OldEpoch { device, epoch, seen } => {
                json!({"refused": "older epoch", "device": device, "epoch": epoch, "seen": seen})
            }
            Self::Locked { device, holder } => json!({"refused": "locked", "device": device, "holder": holder}),
            Self::Dirty { device } => json!({"refused": "dirty candidate", "device": device}),
            Self::Awaiting { device, what } => {
                json!({"refused": "awaiting confirmation", "device": device, "pending": what})
            }
            Self::Expired { device, lease, .. } => json!({"refused": "expired", "device": device, "lease": lease}),
            Self::NotWritable(device) => json!({"refused": "not writable", "device": device}),
            Self::Denied(denied) => json!({"refused": "denied", "line": denied.line}),
            Self::Model(_) | Self::Conflict(_) | Self::Unsupported(_) | Self::Arguments(_) => {
                json!({"refused": "not possible here"})
            }
            Self::Kept(shelf::Error::NoSuchName { .. } | shelf::Error::NoSuchCopy { .. }) | Self::Body(_) => {
                json!({"refused": "not possible here"})
            }
            Self::Netconf(error) if error.leaves_doubt() => json!({"unknown": error.to_string()}),
            Self::Session(error) if error.leaves_doubt() => json!({"unknown": error.to_string()}),
            _ => json!({}),
        };
        content["error"] = self.to_string().into();
        content
    }
}

impl From<netconf::tree::Problem> for Fault {
    fn from(problem: netconf::tree::Problem) -> Self {
        match problem {
            netconf::tree::Problem::NotABody(body) => Self::Body(body),
            netconf::tree::Problem::Denied(denied) => Self::Denied(denied),
        }
    }
}
