//! Tools as the engine sees them, and the honest outcomes of a call.

use crate::canonical::Digest;
use crate::question::Question;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// `server/tool`, the server by the alias it was configured under.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName {
    server: String,
    tool: String,
}

/// A text that is not `server/tool`.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no tool name: write server/tool, the server by its configured alias")]
pub struct BadToolName(String);

impl ToolName {
    pub fn new(server: impl Into<String>, tool: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            tool: tool.into(),
        }
    }
    /// The alias of the server.
    pub fn server(&self) -> &str {
        &self.server
    }
    /// The name within the server.
    pub fn tool(&self) -> &str {
        &self.tool
    }
    /// Whether it saves, by its name: that is no change of its own, but what makes the others last.
    pub fn saves(&self) -> bool {
        self.tool.starts_with("save")
    }
}

impl FromStr for ToolName {
    type Err = BadToolName;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.split_once('/') {
            Some((server, tool)) if !server.is_empty() && !tool.is_empty() => Ok(Self::new(server, tool)),
            _ => Err(BadToolName(s.to_owned())),
        }
    }
}

impl TryFrom<String> for ToolName {
    type Error = BadToolName;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ToolName> for String {
    fn from(name: ToolName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.tool)
    }
}

/// A tool's definition as its server lists it. Untrusted: only a contract says what the tool does to the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    pub name: ToolName,
    #[serde(default)]
    pub description: String,
    pub input_schema: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// The server's own hints, as given. They may only make a tool stricter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
}

impl ToolSpec {
    /// The digest that a pin fixes.
    pub fn digest(&self) -> Digest {
        Digest::of_value(&self.definition())
    }

    /// What a pin fixes: name, description, schemas and annotations.
    pub fn definition(&self) -> Value {
        json!({
            "name": self.name.to_string(),
            "description": self.description,
            "inputSchema": self.input_schema,
            "outputSchema": self.output_schema,
            "annotations": self.annotations,
        })
    }
}

/// Whether a tool may be used, as its pin stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinState {
    /// The definition is the pinned one.
    Pinned,
    /// Not signed off yet (`pinning: approve`).
    Unpinned,
    /// The definition differs from the pinned one: unusable until a person signs the new one off.
    Changed,
}

/// A tool of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueTool {
    pub spec: ToolSpec,
    pub pin: PinState,
}

/// The tools of all servers, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    pub tools: BTreeMap<ToolName, CatalogueTool>,
}

impl Catalogue {
    pub fn get(&self, name: &ToolName) -> Option<&CatalogueTool> {
        self.tools.get(name)
    }

    /// A catalogue of pinned tools, for tests and fixtures.
    pub fn of(specs: impl IntoIterator<Item = ToolSpec>) -> Self {
        let tools = specs.into_iter().map(|s| {
            (
                s.name.clone(),
                CatalogueTool {
                    spec: s,
                    pin: PinState::Pinned,
                },
            )
        });
        Self { tools: tools.collect() }
    }
}

/// One life of a server's process or link: what was sent to a dead one cannot land later. For a child process
/// `pid:start-time:boot-id`; for HTTP the origin, which never counts as dead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub String);

/// A call on its way to a server.
#[derive(Debug, Clone)]
pub struct ToolRequest {
    pub tool: ToolName,
    pub args: Map<String, Value>,
    /// Goes into the request's `_meta`, keys of the form `io.flyball/…`.
    pub meta: Map<String, Value>,
    /// Stop waiting after this many milliseconds: the outcome is then [`Outcome::Unknown`] and the request stays open.
    pub timeout_ms: u64,
    /// Whether the call may change the world. Streams of such calls stay open past the timeout.
    pub mutating: bool,
    /// The life of the server that the journal names; another one answers [`Outcome::NotSent`].
    pub incarnation: Option<Incarnation>,
    /// Until when the call may leave, by the engine's steady clock, Unix milliseconds: asked again just before it does.
    /// What the server is told in `meta` is the same moment by the wall clock.
    pub send_by_ms: Option<i64>,
}

impl ToolRequest {
    /// Whether it is too late for the call to leave at `now` of the engine's steady clock.
    pub fn is_late(&self, now: i64) -> bool {
        self.send_by_ms.is_some_and(|by| now > by)
    }
}

/// What is known after a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A result without `isError`. Output = `structuredContent`, else the text parsed as JSON, else `{"text": …}`.
    Done { output: Value },
    /// The tool says no. What happened to the world is the contract's `error_means`.
    ToolError { output: Value },
    /// Certainly not executed: refused here, tool not found, protocol and authorisation refusals. Never retried.
    Rejected { code: i64, message: String },
    /// Never left, or turned away unread. May be sent again by policy.
    NotSent {
        reason: String,
        retry_after_ms: Option<u64>,
    },
    /// All else: timeout, cut stream, dead child, unreadable reply.
    Unknown {
        reason: String,
        task: Option<String>,
        /// How long the server asks to be left alone. It is heeded where the call may be repeated.
        retry_after_ms: Option<u64>,
    },
    /// The server asks something before it goes on.
    NeedsInput { question: Question },
}
