//! What suites stand on: a world that counts what is done to it, time that is moved by hand, and an engine between them.
//!
//! Doubles stand here only where the real thing would make a fault impossible to time: [`world::World`] is a named double
//! of a tool server, [`clock::PausedClock`] of the wall clock.

mod based;
pub mod chaos;
pub mod clock;
pub mod coming;
pub mod engine;
pub mod flaky;
pub mod history;
mod leases;
pub mod measure;
pub mod process;
pub mod questions;
pub mod sample;
pub mod stop;
pub mod tasks;
pub mod variants;
pub mod world;
