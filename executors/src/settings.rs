//! Which servers there are and how they are reached: the shape that MCP hosts share.

use crate::breaker::BreakerRules;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One entry of `mcp_servers`, as written: `command, args, env, cwd` or `url, headers`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerEntry {
    /// `stdio`, `http` or `streamable-http`; told from the other keys when absent.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub cwd: Option<PathBuf>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the process behind `command` only leads to the server, which runs elsewhere; told from the command's words
    /// when absent.
    #[serde(default)]
    pub remote: Option<bool>,
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// A server, with its alias: the only name that plans, pins and contracts know it by.
#[derive(Clone)]
pub struct ServerSettings {
    pub alias: String,
    pub transport: Transport,
    pub timeouts: Timeouts,
}

/// How a server is reached.
#[derive(Clone)]
pub enum Transport {
    /// A child process, spoken to over its standard input and output. `flyball` as command is this binary.
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        cwd: Option<PathBuf>,
        /// Whether the child only leads to the server, which somebody else started (`ssh`, `docker exec`): then the child's
        /// death says nothing about what the server still does, and does not fence what it was sent.
        remote: bool,
    },
    /// Streamable HTTP.
    Http {
        url: String,
        headers: BTreeMap<String, String>,
    },
}

/// How long things may take, in milliseconds. Each bounds one wait; none is the tool call's own timeout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From the start of a process or link to the end of its handshake.
    pub start_ms: u64,
    /// Listing tools, cancelling, closing, subscribing.
    pub control_ms: u64,
    /// Establishing a TCP or TLS connection.
    pub connect_ms: u64,
    /// What a child gets to finish between the closing of its input, TERM and KILL.
    pub drain_ms: u64,
    /// How long a reply is waited for in the background after its caller gave up.
    pub late_ms: u64,
    /// Tools are listed again this often although no server said that they changed.
    pub relist_ms: u64,
    /// First and longest pause between attempts to reach a broken server.
    pub backoff_min_ms: u64,
    pub backoff_max_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            start_ms: 60_000,
            control_ms: 15_000,
            connect_ms: 5_000,
            drain_ms: 10_000,
            late_ms: 3_600_000,
            relist_ms: 300_000,
            backoff_min_ms: 250,
            backoff_max_ms: 30_000,
        }
    }
}

impl Timeouts {
    pub(crate) fn start(&self) -> Duration {
        Duration::from_millis(self.start_ms)
    }
    pub(crate) fn control(&self) -> Duration {
        Duration::from_millis(self.control_ms)
    }
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

/// What is wrong with a server's entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    #[error("server alias {0:?}: use letters, digits, `_`, `-` and `.`, at most 64")]
    Alias(String),
    #[error("server {0}: give either `command` or `url`")]
    Neither(String),
    #[error("server {0}: `command` and `url` exclude each other")]
    Both(String),
    #[error("server {alias}: `{key}` does not belong to a server reached over {over}")]
    Stray {
        alias: String,
        key: &'static str,
        over: &'static str,
    },
    #[error("server {alias}: unknown type {kind:?}; known are stdio and http")]
    Kind { alias: String, kind: String },
    #[error("server {alias}: {why}")]
    Url { alias: String, why: String },
}

impl ServerSettings {
    /// Reads an entry of `mcp_servers`. Values such as `${env:…}` are resolved before.
    pub fn from_entry(alias: impl Into<String>, entry: ServerEntry) -> Result<Self, BadEntry> {
        let alias = alias.into();
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if alias.is_empty() || alias.len() > 64 || !alias.chars().all(named) {
            return Err(BadEntry::Alias(alias));
        }
        check_kind(&alias, &entry)?;
        let timeouts = entry.timeouts.clone();
        let transport = match (entry.command, entry.url) {
            (None, None) => return Err(BadEntry::Neither(alias)),
            (Some(_), Some(_)) => return Err(BadEntry::Both(alias)),
            (Some(command), None) => {
                stray(
                    &alias,
                    !entry.headers.is_empty(),
                    "headers",
                    "standard input and output",
                )?;
                Transport::Stdio {
                    remote: entry.remote.unwrap_or_else(|| leads_elsewhere(&command, &entry.args)),
                    command,
                    args: entry.args,
                    env: entry.env,
                    cwd: entry.cwd,
                }
            }
            (None, Some(url)) => {
                stray(&alias, !entry.args.is_empty(), "args", "HTTP")?;
                stray(&alias, !entry.env.is_empty(), "env", "HTTP")?;
                stray(&alias, entry.cwd.is_some(), "cwd", "HTTP")?;
                stray(&alias, entry.remote.is_some(), "remote", "HTTP")?;
                check_url(&alias, &url)?;
                Transport::Http {
                    url,
                    headers: entry.headers,
                }
            }
        };
        Ok(Self {
            alias,
            transport,
            timeouts,
        })
    }
}

/// Programs that have another process started by somebody else: on another machine, by a daemon, or as another user, whose
/// processes are neither ours to see nor ours to end.
const LEAD_ELSEWHERE: &[&str] = &[
    "ssh",
    "autossh",
    "sshpass",
    "mosh",
    "rsh",
    "plink",
    "tsh",
    "telnet",
    "nc",
    "ncat",
    "socat",
    "docker",
    "docker-compose",
    "podman",
    "nerdctl",
    "ctr",
    "crictl",
    "kubectl",
    "oc",
    "lxc",
    "incus",
    "machinectl",
    "systemd-run",
    "flatpak-spawn",
    "sudo",
    "su",
    "doas",
    "aws",
    "gcloud",
    "az",
    "mcp-remote",
    "mcp-proxy",
    "supergateway",
];

// Any word will do, since a shell or another wrapper may stand before it, and an address, since a bridge has one. One that
// only looks so costs a resend, never an effect: a doubt that could have been fenced is settled without, or by a person.
fn leads_elsewhere(command: &str, args: &[String]) -> bool {
    let parting = |c: char| c.is_whitespace() || "'\"`;|&()={}".contains(c);
    let words = std::iter::once(command).chain(args.iter().map(String::as_str));
    let mut words = words.flat_map(|text| text.split(parting));
    words.any(|word| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.split('@').next().unwrap_or(name);
        let is_address = ["http://", "https://", "ws://", "wss://"]
            .iter()
            .any(|scheme| word.starts_with(scheme));
        is_address || LEAD_ELSEWHERE.contains(&name)
    })
}

fn check_kind(alias: &str, entry: &ServerEntry) -> Result<(), BadEntry> {
    match entry.kind.as_deref() {
        None => Ok(()),
        Some("stdio") if entry.url.is_none() => Ok(()),
        Some("http" | "streamable-http" | "streamable_http") if entry.command.is_none() => Ok(()),
        Some(kind) => Err(BadEntry::Kind {
            alias: alias.to_owned(),
            kind: kind.to_owned(),
        }),
    }
}

fn check_url(alias: &str, url: &str) -> Result<(), BadEntry> {
    let bad = |why: &str| BadEntry::Url {
        alias: alias.to_owned(),
        why: why.to_owned(),
    };
    let parsed = reqwest::Url::parse(url).map_err(|_| bad("`url` is no URL"))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(()),
        _ => Err(bad("`url` must begin with http:// or https://")),
    }
}

fn stray(alias: &str, present: bool, key: &'static str, over: &'static str) -> Result<(), BadEntry> {
    if present {
        return Err(BadEntry::Stray {
            alias: alias.to_owned(),
            key,
            over,
        });
    }
    Ok(())
}

// Values of `env` and `headers` and the query of a URL are secrets as a rule: only their names may reach a log.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, env, cwd, .. } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("env", &env.keys().collect::<Vec<_>>())
                .field("cwd", cwd)
                .finish_non_exhaustive(),
            Self::Http { url, headers } => f
                .debug_struct("Http")
                .field("origin", &origin(url))
                .field("headers", &headers.keys().collect::<Vec<_>>())
                .finish(),
        }
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("alias", &self.alias)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Scheme, host, port and path: what tells one HTTP server from another. Never its credentials or query.
pub(crate) fn origin(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(u) => format!("{}{}", u.origin().ascii_serialization(), u.path()),
        Err(_) => "(no URL)".to_owned(),
    }
}

/// When a definition becomes usable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pinning {
    /// The definition seen first is pinned; a changed one waits for a person.
    #[default]
    FirstUse,
    /// Nothing is usable until a person signed it off.
    Approve,
}

/// What all servers share.
#[derive(Debug, Clone)]
pub struct Options {
    /// The flyball binary. Children are started as `GUARD guard --parent PID -- COMMAND ARGS…`.
    pub guard: PathBuf,
    pub pinning: Pinning,
    /// Where the children's standard error goes, one file per alias. None: to tracing only.
    pub log_dir: Option<PathBuf>,
    /// Calls in flight per server; more of them wait their turn.
    pub in_flight: usize,
    /// When a server's circuit opens.
    pub breaker: BreakerRules,
}

impl Options {
    /// The defaults around a guard binary.
    pub fn new(guard: impl Into<PathBuf>) -> Self {
        Self {
            guard: guard.into(),
            pinning: Pinning::default(),
            log_dir: None,
            in_flight: 256,
            breaker: BreakerRules::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(alias: &str, entry: serde_json::Value) -> Result<ServerSettings, String> {
        let entry: ServerEntry = serde_json::from_value(entry).map_err(|e| e.to_string())?;
        ServerSettings::from_entry(alias, entry).map_err(|e| e.to_string())
    }

    #[test]
    fn both_shapes_of_a_host_file_are_read() {
        let stdio = read(
            "config",
            json!({"command": "flyball", "args": ["netops"], "env": {"A": "b"}}),
        )
        .unwrap();
        assert!(matches!(stdio.transport, Transport::Stdio { .. }));
        let http = read(
            "t",
            json!({"type": "http", "url": "https://t.example/mcp", "headers": {"X": "y"}}),
        )
        .unwrap();
        assert!(matches!(http.transport, Transport::Http { .. }));
    }

    #[test]
    fn a_command_that_only_leads_to_its_server_is_known_by_its_words_unless_the_entry_says_otherwise() {
        let remote = |entry: serde_json::Value| match read("s", entry).unwrap().transport {
            Transport::Stdio { remote, .. } => remote,
            Transport::Http { .. } => unreachable!("all have a command"),
        };
        for (command, args) in [
            ("ssh", json!(["core-1", "server"])),
            ("/usr/bin/docker", json!(["run", "-i", "server"])),
            ("sh", json!(["-c", "PATH=/x:$PATH exec /usr/bin/ssh core-1 server"])),
            ("env", json!(["A=b", "sudo", "-u", "netops", "server"])),
            ("npx", json!(["-y", "mcp-remote@0.1", "somewhere"])),
            ("uvx", json!(["some-bridge", "--to=https://tickets.example/mcp"])),
        ] {
            assert!(remote(json!({"command": command, "args": args})), "{command} {args}");
            assert!(
                !remote(json!({"command": command, "args": args, "remote": false})),
                "{command} {args}"
            );
        }
        for (command, args) in [
            ("npx", json!(["-y", "@x/server-ssh"])),
            ("sh", json!(["-c", "exec 3<&0; setsid server <&3 & wait"])),
        ] {
            assert!(!remote(json!({"command": command, "args": args})), "{command} {args}");
            assert!(
                remote(json!({"command": command, "args": args, "remote": true})),
                "{command} {args}"
            );
        }
    }

    #[test]
    fn an_entry_that_says_two_things_is_refused() {
        for entry in [
            json!({}),
            json!({"command": "a", "url": "http://b"}),
            json!({"command": "a", "headers": {"x": "y"}}),
            json!({"url": "http://b", "args": ["x"]}),
            json!({"url": "http://b", "remote": true}),
            json!({"url": "ftp://b"}),
            json!({"url": "http://b", "type": "stdio"}),
            json!({"command": "a", "comand": "b"}),
        ] {
            assert!(read("s", entry.clone()).is_err(), "{entry}");
        }
        assert!(read("a/b", json!({"command": "x"})).is_err());
    }

    #[test]
    fn values_of_env_and_headers_never_reach_a_log() {
        let stdio = read(
            "a",
            json!({"command": "x", "args": ["--token=hush"], "env": {"TOKEN": "hush"}}),
        )
        .unwrap();
        let http = read(
            "b",
            json!({"url": "http://u:hush@h/p?key=hush", "headers": {"Authorization": "hush"}}),
        )
        .unwrap();
        for text in [format!("{stdio:?}"), format!("{http:?}")] {
            assert!(!text.contains("hush"), "{text}");
        }
    }
}
