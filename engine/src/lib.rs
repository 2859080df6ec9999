//! The engine of Flyball: what an intent is, how it becomes a checked plan, which facts its life may hold, and the one
//! loop that drives it.
//!
//! Read in this order: [`intent`] (the words and the pure state machine), [`plan`] and [`contract`] (what is done and
//! what that does to the world), [`journal`] (the only truth), [`ports`] (what the engine asks of the world).
//!
//! What is absent on purpose: no network, no disk, no model, no HTTP. Those live behind [`ports`] and [`journal`].

pub mod actor;
pub mod binding;
pub mod canonical;
pub mod contract;
pub mod document;
pub mod driver;
pub mod expr;
pub mod fault;
pub mod ids;
pub mod intent;
pub mod journal;
pub mod payload;
pub mod plan;
pub mod ports;
pub mod question;
pub mod span;
pub mod supervisor;
pub mod target;
pub mod tool;
