//! The only place that knows rmcp. What leaves this module is ours: sessions, tool definitions, outcomes.

mod classify;
mod gated;
mod http;
mod line_cap;
mod output;
mod questions;
mod session;
mod task;

pub(crate) use classify::{Ended, not_sent, rejected, unknown};
pub(crate) use gated::Gated;
pub(crate) use http::client as http_client;
pub(crate) use questions::Posed;
pub(crate) use session::{Again, HandshakeError, Heard, Mode, Pending, Session, Signals, Wire};

use serde::{Deserialize, Serialize};

/// Longest reply that is taken in: a line, an event or a body.
pub(crate) const MAX_REPLY: usize = 16 * 1024 * 1024;

/// Which of the two wires a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Era {
    /// Up to 2025-11-25: handshake and sessions.
    Legacy,
    /// From 2026-07-28: neither.
    Modern,
}
