//! What the operator's settings say about authorisation.

use crate::retry::RetrySettings;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A named set of permissions. No role contains another; a principal may be in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Operator,
    Approver,
    Admin,
}

impl Role {
    /// The role's id in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// What stands behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    /// A person.
    #[default]
    User,
    /// A program that acts by itself. Never approves, settles or pins, whatever its roles.
    Agent,
    /// An alarm rule. Needs no entry here; one gives it roles.
    AlarmRule,
    /// A schedule. Needs no entry here; one gives it roles.
    Schedule,
}

impl UserKind {
    /// The entity type in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Agent => "Agent",
            Self::AlarmRule => "AlarmRule",
            Self::Schedule => "Schedule",
        }
    }
}

/// A principal and its roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSettings {
    pub name: String,
    #[serde(default)]
    pub roles: Vec<Role>,
    #[serde(default)]
    pub kind: UserKind,
}

impl UserSettings {
    /// A person with these roles.
    pub fn person(name: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            name: name.into(),
            roles: roles.into_iter().collect(),
            kind: UserKind::User,
        }
    }

    /// An agent with these roles.
    pub fn agent(name: impl Into<String>, roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            kind: UserKind::Agent,
            ..Self::person(name, roles)
        }
    }

    /// Whether this principal could approve what somebody else asked for, as the defaults have it.
    pub(crate) fn can_approve(&self) -> bool {
        self.kind == UserKind::User && self.roles.iter().any(|r| matches!(r, Role::Approver | Role::Admin))
    }
}

/// What [`crate::Policies`] is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySettings {
    /// The operator's `*.cedar` files, read in the order of their names. A folder that is named must exist: leaving it
    /// out silently would leave out what it forbids.
    pub dir: Option<PathBuf>,
    /// Whether the shipped defaults are loaded too.
    pub default_policies: bool,
    /// Whether calls that change the world are possible at all.
    pub writes: bool,
    pub users: Vec<UserSettings>,
    /// How long a request for approval stands.
    pub approval_ttl: Duration,
    pub retry: RetrySettings,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            dir: None,
            default_policies: true,
            writes: false,
            users: Vec::new(),
            approval_ttl: Duration::from_secs(24 * 60 * 60),
            retry: RetrySettings::default(),
        }
    }
}
