//! The binary `flyball` as a library: REST, command line, settings and wiring. The only place that sees all packages.

pub mod errors;
pub mod http;
pub mod narrate;
pub mod render;
