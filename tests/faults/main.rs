//! The real program against real faults. `flyball serve` runs as a process, its tool server is the ledger, which keeps a
//! list of what it executed; after each fault journal and ledger are compared: nothing twice, nothing lost, and nothing
//! executed that the journal does not know.
//!
//! A seeded sample runs by default (`FLYBALL_SEED` picks another), everything with `FLYBALL_FULL=1`. Needs `strace`, and
//! root for the tests that fill a file system: what is missing is said, and skipped unless `FLYBALL_REQUIRE_ALL=1`. The
//! programs are those of the same target folder: `cargo test --workspace` builds them; a test of this package alone
//! uses what `cargo build -p flyball` and `cargo build -p flyball-executors --example ledger` have left there.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod crash;
mod disk;
mod equal;
mod full;
mod judge;
mod lives;
mod mounted;
mod questions;
mod sample;
mod scene;
mod servers;
mod slow;
mod standstill;
mod tracer;
