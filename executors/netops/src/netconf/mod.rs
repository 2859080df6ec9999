//! NETCONF (RFC 6241) over SSH: sessions, candidate configurations, commits on trial. No vendor's data models are known
//! here: configurations are XML trees that are compared and put back as wholes.

pub mod framing;
pub mod session;
pub mod tree;

use crate::ssh;

/// A device could not be reached, refused, or did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    #[error("{device}: {refusal}")]
    Refused { device: String, refusal: Box<Refusal> },
    #[error("{device}: the answer to {operation} is not understood: {reason}")]
    Unreadable {
        device: String,
        operation: String,
        reason: String,
    },
    #[error("{device}: the device does not offer {capability}")]
    NotOffered { device: String, capability: String },
}

impl Error {
    /// Whether what was asked may have been done without our seeing it.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::Ssh(error) => error.leaves_doubt(),
            Self::Unreadable { .. } => true,
            Self::Refused { .. } | Self::NotOffered { .. } => false,
        }
    }
}

/// An `rpc-error`: the device says no.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{tag}{}{}: {message}", dash(app_tag), at(path))]
pub struct Refusal {
    pub tag: String,
    pub app_tag: String,
    pub path: String,
    pub message: String,
    /// Of `lock-denied`: who has it.
    pub session: Option<String>,
}

impl Refusal {
    /// A commit on trial stands in the way.
    pub fn is_trial_pending(&self) -> bool {
        self.app_tag == "outstanding-confirmed-commit"
    }
}

fn dash(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" ({text})")
    }
}

fn at(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(" at {path}")
    }
}
