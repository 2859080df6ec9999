//! MCP servers for network devices over SSH, and a sandbox network to try them on.

pub mod sandbox;
