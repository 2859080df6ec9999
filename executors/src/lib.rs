//! MCP sessions and calls, with honest outcomes.
//!
//! One actor per server owns its process or connection, its era, its tools and its health ([`Executors`] starts them).
//! A call ends in an `Outcome` that says what is known: done, refused, never sent, or unknown. Nothing here retries, judges
//! or decides; that is the engine's part. rmcp appears in `mcp/` only. The README beside this folder lists the traps of the
//! protocol and its library, each with the test that holds it.

mod breaker;
mod child;
mod credential;
mod executors;
pub mod guard;
mod link;
mod mcp;
mod parked;
mod schema;
mod server;
mod settings;
mod tasks;
mod tools;

pub use breaker::{BreakerRules, CircuitStatus};
pub use child::fence::{Error as FenceError, fence_previous};
pub use credential::{CredentialState, CredentialStatus};
pub use executors::{Executors, Health, ServerStatus};
pub use mcp::Era;
pub use settings::{BadEntry, Options, Pinning, ServerEntry, ServerSettings, Timeouts, Transport};
pub use tools::{PinError, Pinned};
