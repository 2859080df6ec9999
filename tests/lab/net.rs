//! The tools over a network of four routers, two cores and two edges: real ones, or the sandbox's.
//!
//! Both have the same shape. Words in angle brackets stand for what is called differently: `<one>` and `<two>` are
//! the cores (FRR in both networks), `<left>` and `<right>` the edges; `<one.two>` is the interface of `<one>` toward
//! `<two>`, `<one.two.ip>` its address, `<one.two.net>` its subnet; `<one.lo>` the loopback address, `<one.mgmt>` the
//! management address.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flyball_netops::Role;
use flyball_netops::sandbox::{Options, Sandbox};
use flyball_netops::tools::Toolbox;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::routers::Routers;

const PARTS: [&str; 4] = ["one", "two", "left", "right"];

/// Who plays which part, in the order of `PARTS`.
const REAL: [&str; 4] = ["core1", "core2", "edge1", "edge2"];
const SANDBOX: [&str; 4] = ["sh-core-1", "sh-core-2", "sh-edge-1", "sh-edge-2"];

/// One network and the tools of all roles over it.
pub(crate) struct Net {
    pub(crate) name: &'static str,
    toolboxes: [Toolbox; 3],
    /// Placeholder and what it is called here, longest names first.
    names: Vec<(String, String)>,
}

/// What a tool answered, in the words of both networks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) is_error: bool,
    pub(crate) content: Value,
}

impl Net {
    pub(crate) async fn real(routers: &Routers) -> Self {
        Self::over("FRR", routers.inventory_path(), &REAL).await
    }

    pub(crate) async fn sandbox() -> (Self, Sandbox, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("sandbox"));
        options.devices = Some(SANDBOX.map(str::to_owned).to_vec());
        let sandbox = Sandbox::start(options).await.unwrap();
        let net = Self::over("sandbox", sandbox.inventory_path(), &SANDBOX).await;
        (net, sandbox, dir)
    }

    async fn over(name: &'static str, inventory: PathBuf, players: &[&str; 4]) -> Self {
        let toolbox = |role| Toolbox::new(role, inventory.clone(), None, true);
        let toolboxes = [
            toolbox(Role::Config),
            toolbox(Role::Telemetry),
            toolbox(Role::Inventory),
        ];
        let mut net = Self {
            name,
            toolboxes,
            names: vec![],
        };
        let mut names = Vec::new();
        for (part, player) in PARTS.iter().zip(players) {
            let device = net.ask("get_device", json!({"device": player})).await.content;
            names.extend(names_of(part, &device, players));
        }
        names.sort_by_key(|(_, called)| std::cmp::Reverse(called.len()));
        net.names = names;
        net
    }

    /// Calls a tool of any role, with the placeholders of this network's names.
    pub(crate) async fn ask(&self, tool: &str, args: Value) -> Verdict {
        let args: Map<String, Value> = serde_json::from_str(&self.here(&args.to_string())).unwrap();
        let knows = |toolbox: &&Toolbox| toolbox.tools().iter().any(|known| known.name == tool);
        let toolbox = self
            .toolboxes
            .iter()
            .find(knows)
            .unwrap_or_else(|| panic!("no tool {tool}"));
        let reply = toolbox.call(tool, args, &Map::new()).await.unwrap();
        let mut content = serde_json::from_str(&self.anywhere(&reply.content.to_string())).unwrap();
        tidy(&mut content);
        Verdict {
            is_error: reply.is_error,
            content,
        }
    }

    /// Calls a tool and expects success.
    pub(crate) async fn ok(&self, tool: &str, args: Value) -> Value {
        let verdict = self.ask(tool, args.clone()).await;
        assert!(!verdict.is_error, "{} {tool} {args}: {}", self.name, verdict.content);
        verdict.content
    }

    /// Digest of a device's running configuration.
    pub(crate) async fn base(&self, device: &str) -> Value {
        self.ok("get_config", json!({"device": device})).await["base"].clone()
    }

    /// Asks again until every adjacency of these devices, this many each, is Full.
    pub(crate) async fn until_full(&self, devices: &[(&str, usize)]) {
        let deadline = Instant::now() + Duration::from_secs(40);
        for (device, count) in devices {
            loop {
                let found = self.ok("ospf_neighbors", json!({"device": device})).await;
                let list = found["neighbors"].as_array().unwrap();
                if list.len() == *count && list.iter().all(|n| n["state"] == "Full") {
                    break;
                }
                assert!(Instant::now() < deadline, "{}: never Full: {found}", self.name);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// Asks again until every router reaches every other: routes follow adjacencies after a while.
    pub(crate) async fn until_reachable(&self) {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let seen = self.ok("reachability", json!({})).await;
            if seen["unreachable"] == json!([]) {
                return;
            }
            assert!(Instant::now() < deadline, "{}: never reachable: {seen}", self.name);
        }
    }

    fn here(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (placeholder, called)| {
            text.replace(placeholder, called)
        })
    }

    /// One pass from left to right, so that a name inside a placeholder or a longer name is left alone.
    fn anywhere(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let inside = out.ends_with(|c: char| c.is_ascii_alphanumeric());
            let hit = self.names.iter().find(|(_, called)| {
                let after = rest.strip_prefix(called.as_str()).and_then(|rest| rest.chars().next());
                !inside && rest.starts_with(called.as_str()) && !after.is_some_and(|c| c.is_ascii_alphanumeric())
            });
            if let Some((placeholder, called)) = hit {
                out.push_str(placeholder);
                rest = &rest[called.len()..];
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }
}

/// Everything about one device that has a name of its own in each network.
fn names_of(part: &str, device: &Value, players: &[&str; 4]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut names = vec![
        (format!("<{part}>"), text(&device["name"])),
        (format!("<{part}.lo>"), text(&device["loopback"])),
        (format!("<{part}.mgmt>"), text(&device["address"])),
    ];
    for link in device["links"].as_array().unwrap() {
        let at = players.iter().position(|player| link["peer"] == *player).unwrap();
        let (peer, address) = (PARTS[at], text(&link["address"]));
        let own = address.split('/').next().unwrap();
        // Both networks use /30 subnets with the addresses .1 and .2 of four.
        let (head, last) = own.rsplit_once('.').unwrap();
        let network = last.parse::<u8>().unwrap() & !3;
        names.push((format!("<{part}.{peer}.net>"), format!("{head}.{network}/30")));
        names.push((format!("<{part}.{peer}.ip>"), own.to_owned()));
        // Interfaces of two devices may share a name; only those of the one under test are told apart.
        if part == "one" {
            names.push((format!("<{part}.{peer}>"), text(&link["interface"])));
        }
    }
    names
}

/// Takes out what differs from run to run, and orders what has no order.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                tidy(inner);
                let unordered = ["neighbors", "interfaces", "interface_names", "reachable", "unreachable"];
                if let (true, Value::Array(list)) = (unordered.contains(&key.as_str()), inner) {
                    list.sort_by_key(|entry| ["name", "id"].map(|key| entry.get(key).unwrap_or(entry).to_string()));
                }
            }
        }
        _ => {}
    }
}
