//! The tools against the sandbox network, over real SSH.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "drivers/changes.rs"]
mod changes;
#[path = "drivers/commits.rs"]
mod commits;
#[path = "drivers/contracts.rs"]
mod contracts;
#[path = "drivers/kept.rs"]
mod kept;
#[path = "drivers/kit.rs"]
mod kit;
#[path = "drivers/safety.rs"]
mod safety;
#[path = "drivers/telemetry.rs"]
mod telemetry;
#[path = "drivers/transport.rs"]
mod transport;
