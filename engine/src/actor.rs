//! Who did it: always the three identities that an auditor asks for.

use serde::{Deserialize, Serialize};

/// Human, agent and service behind one act. Any of them may be absent, never all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Actor {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl Actor {
    /// A person acting through the API or CLI.
    pub fn human(name: impl Into<String>) -> Self {
        Self {
            human: Some(name.into()),
            ..Self::default()
        }
    }

    /// The engine itself.
    pub fn engine() -> Self {
        Self {
            service: Some("flyball".into()),
            ..Self::default()
        }
    }

    /// The name that policies and messages use: the human if there is one, else the agent, else the service.
    pub fn principal(&self) -> &str {
        [&self.human, &self.agent, &self.service]
            .into_iter()
            .flatten()
            .next()
            .map_or("unknown", String::as_str)
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.principal())
    }
}

/// What made somebody or something ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    Operator,
    Alarm,
    Agent,
    Schedule,
}

/// Where an intent comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub kind: OriginKind,
    pub actor: Actor,
}
