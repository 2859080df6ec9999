//! The sandbox over real SSH connections.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod dialects;
mod faults;
mod kit;
