//! The binary `flyball` as a library: REST, command line, settings and wiring. The only place that sees all packages.

pub mod auth;
pub mod check;
pub mod cli;
mod clock;
pub mod demo;
pub mod errors;
pub mod finding;
pub mod http;
mod inventory;
pub mod library;
pub mod narrate;
pub mod render;
pub mod serve;
pub mod settings;
mod shipped;
mod standing;
pub mod wiring;
