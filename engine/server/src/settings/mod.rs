//! Settings: `flyball.yaml`, `FLYBALL_…` variables over it, and a default for every key. Reading reports every mistake at
//! once; nothing here opens a store or starts a server.

mod read;
pub mod secret;

pub use read::{Examined, examine_file, read, read_file};

use flyball_engine::span::Span;
use secret::SecretText;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How tools are signed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinning {
    /// The definition seen first is the pinned one.
    #[default]
    FirstUse,
    /// A tool is unusable until a person signed it off.
    Approve,
}

pub use flyball_planner::{ModelBudget, Price};

/// A model that helps with planning.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub base_url: String,
    pub name: String,
    pub api_key: Option<SecretText>,
    pub timeout: Span,
    pub price: Price,
}

/// Who hears what is spoken.
#[derive(Debug, Clone, PartialEq)]
pub struct Voice {
    /// The preferred one first. None: recordings are not taken.
    pub models: Vec<Model>,
    /// The largest recording, in bytes.
    pub limit: u64,
}

/// A caller with a name of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub roles: Vec<flyball_policies::Role>,
    pub kind: flyball_policies::UserKind,
    /// `sha256:` of the token's text. Absent: known to policies, but cannot call.
    pub token: Option<flyball_engine::canonical::Digest>,
}

/// One MCP server, in the shape that MCP hosts share. Strings may hold references to secrets.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub command: Option<String>,
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: Option<PathBuf>,
    pub url: Option<String>,
    pub headers: BTreeMap<String, String>,
    /// Whether the command only leads to a server that runs elsewhere; told from its words when absent.
    pub remote: Option<bool>,
}

/// Everything that can be set. Paths are absolute.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The folder that relative paths start from: that of the settings file.
    pub dir: PathBuf,
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub store: String,
    /// Whether the store is opened although acknowledged writes are missing at its end: once, and never by a file.
    pub accept_lost_tail: bool,
    pub writes: bool,
    /// The preferred one first. None: runbooks only.
    pub models: Vec<Model>,
    pub model_budget: ModelBudget,
    pub voice: Voice,
    pub servers: BTreeMap<String, Server>,
    pub inventory: Option<PathBuf>,
    pub contracts: Option<PathBuf>,
    pub runbooks: Option<PathBuf>,
    pub alarms: Option<PathBuf>,
    pub policies: Option<PathBuf>,
    pub plans: Option<PathBuf>,
    pub default_policies: bool,
    pub pinning: Pinning,
    pub users: Vec<User>,
    pub approval_expires: Span,
    /// Of an intent that was given no deadline.
    pub deadline: Span,
    /// How often another plan may be looked for, after one has failed and is taken back.
    pub replans: u32,
    pub retry: flyball_policies::RetrySettings,
}

impl Settings {
    /// Whether somebody but the administrator's token file stands for a caller.
    pub fn has_named_tokens(&self) -> bool {
        self.users.iter().any(|u| u.token.is_some())
    }
}
