//! The netops tools on real FRR routers: the same calls, the same verdicts as on the sandbox's FRR-like ones.
//!
//! Needs root and the Debian packages frr, iproute2, iputils-ping and openssh-server; says SKIPPED without them, or
//! fails when `FLYBALL_REQUIRE_ALL=1`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod blackhole;
mod draft;
mod net;
mod routers;
mod saving;
mod verdicts;
