//! The binary `flyball` as a library: REST, command line, settings and wiring. The only place that sees all packages.

pub mod auth;
pub mod document;
pub mod errors;
pub mod finding;
pub mod http;
pub mod narrate;
pub mod render;
pub mod settings;
