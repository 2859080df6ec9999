//! The binary as it is run: the server from start to stop, and the check of a faulty folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod check;
mod client;
mod damage;
mod edges;
mod epochs;
mod keys;
mod log;
#[path = "../../../../planner/tests/support/script.rs"]
#[allow(dead_code, reason = "the planner's tests need more of it")]
mod script;
mod serve;
mod stop;
mod voice;
