//! The binary as it is run: the server from start to stop, and the check of a faulty folder.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod check;
mod edges;
mod epochs;
mod keys;
mod serve;
mod stop;
