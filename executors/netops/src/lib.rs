//! MCP servers for network devices, over the devices' own command lines.
//!
//! Three roles (`inventory`, `config`, `telemetry`) are served by [`serve`]. In reading order: [`inventory`] (which
//! devices), [`platform`] (what each vendor's words mean, pure text), [`ssh`] (sessions and terminals), [`netconf`], [`tools`] (what
//! MCP clients can call), [`server`] (stdio and HTTP). [`sandbox`] is a network to try them on; it shares no code with them.

pub mod inventory;
pub mod netconf;
pub mod platform;
pub mod sandbox;
pub mod server;
pub mod ssh;
pub mod tools;

pub use server::{Error, Role, ServeOptions, serve};
