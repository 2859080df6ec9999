//! The tools over NETCONF against a real server: Debian's `netconfd` behind an `sshd` of our own.
//!
//! Needs the Debian packages netconfd and openssh-server; says SKIPPED without them, or fails if FLYBALL_REQUIRE_ALL=1.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod server;
mod sessions;
mod trials;
