//! Sessions on devices: SSH with pinned host keys, and a terminal read the way a careful person reads it.

pub mod client;
pub mod pool;
pub mod session;
pub mod terminal;

/// A device could not be reached, entered or understood.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("{device}: cannot connect to {address}: {reason}")]
    Connect {
        device: String,
        address: String,
        reason: String,
    },
    #[error("{device}: no host key is pinned in the inventory; add host_key after checking it ({offered})")]
    HostKeyMissing { device: String, offered: String },
    #[error("{device}: host key mismatch: the inventory pins {pinned}, the device offered {offered}; refused")]
    HostKeyMismatch {
        device: String,
        pinned: String,
        offered: String,
    },
    #[error("{device}: the pinned host key cannot be read: {reason}")]
    HostKeyInvalid { device: String, reason: String },
    #[error("{device}: jump_host is set, which is not supported yet")]
    JumpHost { device: String },
    #[error(
        "{device}: authentication refused for credentials {credentials}; not tried again until the inventory or the credentials change"
    )]
    Authentication { device: String, credentials: String },
    #[error("{device}: {reason}")]
    Login { device: String, reason: String },
    #[error("{device}: no answer to `{line}` within {seconds} s; whether it was executed is not known")]
    Timeout { device: String, line: String, seconds: u64 },
    #[error("{device}: the session ended before the answer to `{line}`; whether it was executed is not known")]
    Cut { device: String, line: String },
    #[error("{device}: `{line}` is answered by a question ({question}), which is not answered")]
    Question {
        device: String,
        line: String,
        question: String,
    },
}

impl Error {
    /// Whether a line that was sent may have been executed without our seeing it.
    pub fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Cut { .. })
    }
}
