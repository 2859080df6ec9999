//! The binary over networks: the engine, its tool servers and the devices as they are used, judged from what the devices
//! logged, remember and have configured.

#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do"
)]

mod commits;
mod engine;
mod explain;
mod lab;
mod memory;
mod netconf;
#[path = "../../../../planner/tests/support/script.rs"]
#[allow(dead_code, reason = "the planner's tests need more of it")]
mod script;
#[path = "../../../../executors/netops/tests/netconf/server.rs"]
#[allow(dead_code, reason = "the tests of the tools need more of it")]
mod server;
mod voice;
