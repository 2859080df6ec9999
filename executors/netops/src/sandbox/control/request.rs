//! The requests as they come over the socket.

use serde::Deserialize;

use super::pattern;
use crate::sandbox::faults::Kind;

#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub(super) enum Request {
    Devices,
    Adjacencies,
    Show {
        device: String,
        what: String,
    },
    Log {
        device: String,
        #[serde(default)]
        after: usize,
    },
    Fault {
        device: String,
        /// 0 is until cleared.
        times: Option<u32>,
        #[serde(flatten)]
        kind: FaultKind,
    },
    Clear {
        device: Option<String>,
    },
    Release {
        device: String,
    },
    Edit {
        device: String,
        lines: Vec<String>,
    },
    Wait {
        device: String,
        r#match: String,
        #[serde(default = "ten_seconds")]
        timeout_ms: u64,
        #[serde(default)]
        after: usize,
    },
}

fn ten_seconds() -> u64 {
    10_000
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum FaultKind {
    Slow { ms: u64, r#match: Option<String> },
    Cut { after_lines: u32 },
    Refuse { r#match: String },
    FailSave,
    PhantomInterface,
    BlackHole { toward: Option<String> },
    Hold { r#match: String },
}

impl FaultKind {
    /// Checks patterns and names.
    pub(super) fn into_kind(self, known: impl Fn(&str) -> Result<(), String>) -> Result<Kind, String> {
        Ok(match self {
            Self::Slow { ms, r#match } => Kind::Slow {
                ms,
                lines: r#match.as_deref().map(pattern).transpose()?,
            },
            Self::Cut { after_lines } => Kind::Cut { after_lines },
            Self::Refuse { r#match } => Kind::Refuse {
                lines: pattern(&r#match)?,
            },
            Self::FailSave => Kind::FailSave,
            Self::PhantomInterface => Kind::PhantomInterface,
            Self::BlackHole { toward } => {
                toward.as_deref().map(known).transpose()?;
                Kind::BlackHole { toward }
            }
            Self::Hold { r#match } => Kind::Hold {
                lines: pattern(&r#match)?,
            },
        })
    }
}
