//! Servers that nobody here wrote, under the contracts of `engine/server/examples`: what they do is judged in files,
//! repository and memory, not from what they say.
//!
//! Needs node, npm, python3 and git; what is missing is said, and skipped unless `FLYBALL_REQUIRE_ALL=1`.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

mod contracts;
mod install;
mod kills;
mod plans;
mod rig;
