//! From text and environment to [`Settings`], or to every mistake in them.

mod keys;
mod models;
mod retry;
mod voice;

use super::secret;
use super::{Pinning, Server, Settings, User};
use crate::finding::Finding;
use flyball_engine::canonical::Digest;
use flyball_engine::document::Document;
use flyball_engine::span::Span;
use keys::{KEYS, SERVER_KEYS, USER_KEYS};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Reads the file if there is one (a missing `flyball.yaml` means defaults), with the environment over it.
pub fn read_file(file: &Path, must_exist: bool, env: &BTreeMap<String, String>) -> Result<Settings, Vec<Finding>> {
    examine_file(file, must_exist, env).into_result()
}

/// Reads settings from a text. Relative paths start from `dir`.
pub fn read(name: &str, text: &str, dir: &Path, env: &BTreeMap<String, String>) -> Result<Settings, Vec<Finding>> {
    examine(name, text, dir, env).into_result()
}

/// Settings as far as they can be read, with every mistake in them: so that what they lead to can be checked too.
pub struct Examined {
    pub settings: Settings,
    pub findings: Vec<Finding>,
    /// The text is YAML; else the settings are only defaults.
    pub readable: bool,
}

impl Examined {
    fn into_result(self) -> Result<Settings, Vec<Finding>> {
        if self.findings.is_empty() {
            Ok(self.settings)
        } else {
            Err(self.findings)
        }
    }
}

/// As [`read_file`], going on after mistakes.
pub fn examine_file(file: &Path, must_exist: bool, env: &BTreeMap<String, String>) -> Examined {
    let name = file.display().to_string();
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let dir = absolute.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    match std::fs::read(file) {
        Ok(bytes) => match crate::library::utf8(&name, bytes) {
            Ok(text) => examine(&name, &text, &dir, env),
            Err(finding) => {
                let mut examined = examine(&name, "", &dir, env);
                examined.findings.push(finding);
                examined.readable = false;
                examined
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => examine(&name, "", &dir, env),
        Err(e) => {
            let hint = "name an existing file with --config, or leave it out for the defaults";
            let mut examined = examine(&name, "", &dir, env);
            examined
                .findings
                .push(Finding::nowhere(name, format!("cannot be read: {e}")).suggest(hint));
            examined.readable = false;
            examined
        }
    }
}

fn examine(name: &str, text: &str, dir: &Path, env: &BTreeMap<String, String>) -> Examined {
    let parsed = Document::parse(name, if text.trim().is_empty() { "{}" } else { text });
    let (document, faults) = match parsed {
        Ok(document) => (document, Vec::new()),
        Err(faults) => (Document::parse(name, "{}").expect("an empty object is YAML"), faults),
    };
    let readable = faults.is_empty();
    let mut reader = Reader::new(document, dir);
    reader.findings.extend(faults.into_iter().map(Finding::from));
    reader.lay_over(env);
    reader.unknown_keys();
    let settings = reader.settings();
    reader.references();
    reader.findings.sort();
    reader.findings.dedup();
    Examined {
        settings,
        findings: reader.findings,
        readable,
    }
}

struct Reader<'a> {
    document: Document,
    dir: &'a Path,
    value: Value,
    /// Keys that a variable has set, with the variable.
    from_env: BTreeMap<String, String>,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    fn new(document: Document, dir: &'a Path) -> Self {
        let value = match &document.value {
            Value::Null => json!({}),
            other => other.clone(),
        };
        Self {
            document,
            dir,
            value,
            from_env: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// A mistake at a pointer: in the file, or in the variable that set the key.
    fn fault(&mut self, pointer: &str, message: impl Into<String>) -> &mut Finding {
        let variable = self.from_env.iter().find(|(p, _)| pointer.starts_with(p.as_str()));
        let finding = match variable {
            Some((_, variable)) => Finding::nowhere(format!("${variable}"), message),
            None => Finding::at(&self.document, pointer, message),
        };
        self.findings.push(finding);
        self.findings.last_mut().expect("it was pushed just now")
    }

    fn lay_over(&mut self, env: &BTreeMap<String, String>) {
        if !self.value.is_object() {
            self.fault("", "settings are a mapping of keys").suggestion =
                Some("start with `listen: 127.0.0.1:8420`".into());
            self.value = json!({});
        }
        for key in KEYS {
            let variable = format!("FLYBALL_{}", key.replace('.', "_").to_uppercase());
            let Some(text) = env.get(&variable) else { continue };
            let value = variable_value(&variable, text);
            self.set(key, value, &variable);
        }
        let base = env
            .get("OPENAI_BASE_URL")
            .filter(|_| self.value.pointer("/model/base_url").is_none());
        if let Some(url) = base.filter(|_| self.value.pointer("/model/name").is_some()) {
            self.set("model.base_url", json!(url), "OPENAI_BASE_URL");
        }
        let key = self.value.get("model").is_some() && self.value.pointer("/model/api_key").is_none();
        if key && env.contains_key("OPENAI_API_KEY") {
            self.set("model.api_key", json!("${env:OPENAI_API_KEY}"), "OPENAI_API_KEY");
        }
    }

    fn set(&mut self, key: &str, value: Value, variable: &str) {
        let mut at = &mut self.value;
        for part in key.split('.') {
            if !at.is_object() {
                *at = json!({});
            }
            at = at
                .as_object_mut()
                .expect("made one above")
                .entry(part)
                .or_insert(Value::Null);
        }
        *at = value;
        self.from_env
            .insert(format!("/{}", key.replace('.', "/")), variable.to_owned());
    }

    fn unknown_keys(&mut self) {
        let top: BTreeSet<&str> = KEYS.iter().filter_map(|k| k.split('.').next()).collect();
        let top: Vec<&str> = top.into_iter().collect();
        self.unknown_in("", &top);
        for group in ["model", "model_budget", "retry", "voice"] {
            let of_group = |k: &&'static str| k.strip_prefix(group).and_then(|k| k.strip_prefix('.'));
            let known: Vec<&str> = KEYS.iter().filter_map(of_group).collect();
            self.unknown_in(&format!("/{group}"), &known);
        }
        let users = self.value.get("users").and_then(Value::as_array).map_or(0, Vec::len);
        for i in 0..users {
            self.unknown_in(&format!("/users/{i}"), &USER_KEYS);
        }
        let models = self.value.get("models").and_then(Value::as_array).map_or(0, Vec::len);
        for i in 0..models {
            self.unknown_in(&format!("/models/{i}"), &models::MODEL_KEYS);
        }
        for alias in self.server_aliases() {
            self.unknown_in(
                &format!("/mcp_servers/{}", flyball_engine::fault::escape_pointer(&alias)),
                &SERVER_KEYS,
            );
        }
    }

    fn unknown_in(&mut self, pointer: &str, known: &[&str]) {
        let Some(map) = self.value.pointer(pointer).and_then(Value::as_object) else {
            return;
        };
        let unknown: Vec<String> = map.keys().filter(|k| !known.contains(&k.as_str())).cloned().collect();
        for key in unknown {
            let at = format!("{pointer}/{}", flyball_engine::fault::escape_pointer(&key));
            let finding = self.fault(&at, format!("unknown key `{key}`"));
            *finding = finding.clone().suggest_nearest(&key, known.iter().copied());
        }
    }

    fn server_aliases(&self) -> Vec<String> {
        let map = self.value.get("mcp_servers").and_then(Value::as_object);
        map.map(|m| m.keys().cloned().collect()).unwrap_or_default()
    }

    /// The value at a pointer, or nothing if it is absent. A value of another type is a fault.
    fn get<T: DeserializeOwned>(&mut self, pointer: &str, wanted: &str) -> Option<T> {
        let value = self.value.pointer(pointer).filter(|v| !v.is_null())?.clone();
        match serde_json::from_value(value) {
            Ok(v) => Some(v),
            Err(e) => {
                self.fault(pointer, e.to_string()).suggestion = Some(format!("write {wanted}"));
                None
            }
        }
    }

    fn settings(&mut self) -> Settings {
        let listen = self.get("/listen", "address:port, for example 127.0.0.1:8420");
        let data = self.path("/data").unwrap_or_else(|| self.dir.join("flyball-data"));
        let store = self.store(&data);
        let servers = self.servers();
        let models = models::read(self);
        Settings {
            dir: self.dir.to_owned(),
            listen: listen.unwrap_or_else(|| "127.0.0.1:8420".parse().expect("it is an address")),
            store,
            accept_lost_tail: false,
            data,
            writes: self.switch("/writes", false),
            voice: voice::read(self, &models),
            models,
            model_budget: models::budget(self),
            servers,
            inventory: self.existing("/inventory", "inventory.yaml"),
            contracts: self.existing("/contracts", "contracts"),
            runbooks: self.existing("/runbooks", "runbooks"),
            alarms: self.existing("/alarms", "alarms"),
            policies: self.existing("/policies", "policies"),
            plans: self.existing("/plans", "plans"),
            default_policies: self.switch("/default_policies", true),
            pinning: self
                .get::<Pinning>("/pinning", "first_use or approve")
                .unwrap_or_default(),
            users: self.users(),
            approval_expires: self.span("/approval_expires", 24 * 3600),
            deadline: self.span("/deadline", 7 * 24 * 3600),
            replans: self.get("/replans", "how often, 0 for never").unwrap_or(1),
            retry: retry::read(self),
        }
    }

    fn span(&mut self, pointer: &str, default_seconds: u64) -> Span {
        let given = self.get(pointer, "a length of time, for example 24h");
        given.unwrap_or(Span::secs(default_seconds))
    }

    /// `on`, `off`, `true`, `false`: YAML 1.2 reads the first two as texts.
    fn switch(&mut self, pointer: &str, default: bool) -> bool {
        match self.value.pointer(pointer) {
            None | Some(Value::Null) => default,
            Some(Value::Bool(b)) => *b,
            Some(Value::String(s)) if matches!(s.as_str(), "on" | "yes" | "true") => true,
            Some(Value::String(s)) if matches!(s.as_str(), "off" | "no" | "false") => false,
            Some(other) => {
                let message = format!("{other} is neither on nor off");
                self.fault(pointer, message).suggestion = Some("write on or off".into());
                default
            }
        }
    }

    fn path(&mut self, pointer: &str) -> Option<PathBuf> {
        let path: PathBuf = self.get(pointer, "a path")?;
        Some(self.dir.join(path.strip_prefix("./").unwrap_or(&path)))
    }

    /// A path that must exist if it is named; its default counts only where it exists.
    fn existing(&mut self, pointer: &str, default: &str) -> Option<PathBuf> {
        match self.path(pointer) {
            Some(path) if path.exists() => Some(path),
            Some(path) => {
                let message = format!("{} does not exist", path.display());
                self.fault(pointer, message).suggestion = Some("create it, or leave the key out".into());
                None
            }
            None => Some(self.dir.join(default)).filter(|p| p.exists()),
        }
    }

    fn store(&mut self, data: &Path) -> String {
        let Some(url) = self.get::<String>("/store", "sled:PATH or postgres://…") else {
            return format!("sled:{}", data.join("store").display());
        };
        match url.split_once(':') {
            Some(("sled", path)) => {
                let path = Path::new(path);
                format!(
                    "sled:{}",
                    self.dir.join(path.strip_prefix("./").unwrap_or(path)).display()
                )
            }
            Some(("memory" | "postgres" | "postgresql", _)) => url,
            _ => {
                let message = format!("{url:?} names no store");
                self.fault("/store", message).suggestion =
                    Some("write sled:./flyball-data/store or postgres://…".into());
                url
            }
        }
    }

    fn servers(&mut self) -> BTreeMap<String, Server> {
        if let Some(path) = self.path("/mcp_servers_file") {
            self.foreign_servers(&path);
        }
        let mut servers = BTreeMap::new();
        for alias in self.server_aliases() {
            let pointer = format!("/mcp_servers/{}", flyball_engine::fault::escape_pointer(&alias));
            let mut known = self.value.pointer(&pointer).cloned().unwrap_or_default();
            if let Some(map) = known.as_object_mut() {
                // Unknown keys were reported with their own line.
                map.retain(|k, _| SERVER_KEYS.contains(&k.as_str()));
            }
            match serde_json::from_value::<Server>(known) {
                Ok(server) => {
                    self.one_transport(&pointer, &server);
                    servers.insert(alias, server);
                }
                Err(e) => {
                    self.fault(&pointer, e.to_string()).suggestion =
                        Some("write command, args, env or url, headers".into());
                }
            }
        }
        servers
    }

    fn one_transport(&mut self, pointer: &str, server: &Server) {
        if server.command.is_some() == server.url.is_some() {
            let finding = self.fault(pointer, "a server needs either `command` or `url`");
            finding.suggestion = Some("`command` starts it as a child, `url` calls it over HTTP".into());
        }
    }

    /// Adds the servers of a file in the form that other MCP hosts keep. Ours win over theirs.
    fn foreign_servers(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) => {
                let message = format!("{} cannot be read: {e}", path.display());
                self.fault("/mcp_servers_file", message).suggestion = Some("name an existing file".into());
                return;
            }
        };
        let document = match Document::parse(&path.display().to_string(), &text) {
            Ok(document) => document,
            Err(faults) => return self.findings.extend(faults.into_iter().map(Finding::from)),
        };
        let theirs = document
            .value
            .get("mcpServers")
            .or_else(|| document.value.get("servers"));
        let Some(theirs) = theirs.and_then(Value::as_object) else {
            let finding = Finding::at(&document, "", "it has no `mcpServers`");
            return self
                .findings
                .push(finding.suggest("write {\"mcpServers\": {\"alias\": {\"command\": …}}}"));
        };
        for (alias, server) in theirs {
            let ours = self.value.as_object_mut().expect("settings are an object");
            let ours = ours.entry("mcp_servers").or_insert_with(|| json!({}));
            if let Some(ours) = ours.as_object_mut() {
                ours.entry(alias.clone()).or_insert_with(|| server.clone());
            }
        }
    }

    fn users(&mut self) -> Vec<User> {
        let count = self.value.get("users").and_then(Value::as_array).map_or(0, Vec::len);
        let mut users: Vec<User> = Vec::new();
        for i in 0..count {
            let at = |key: &str| format!("/users/{i}/{key}");
            let Some(name) = self.get::<String>(&at("name"), "a name") else {
                self.fault(&format!("/users/{i}"), "a user needs a `name`").suggestion = Some("name: alice".into());
                continue;
            };
            if name == crate::auth::ADMIN || users.iter().any(|u| u.name == name) {
                let message = format!("the name {name} is taken");
                self.fault(&at("name"), message).suggestion = Some("give each user a name of its own".into());
            }
            let token = self.get::<String>(&at("token"), "sha256:HEX");
            let digest = token.as_ref().and_then(|t| Digest::parse(t.clone()));
            if token.is_some() && digest.is_none() {
                let finding = self.fault(&at("token"), "a token stands here as its digest, never as itself");
                finding.suggestion = Some("token: sha256:HEX, made with: printf %s TOKEN | sha256sum".into());
            }
            let roles = "a list of viewer, operator, approver, admin";
            users.push(User {
                name,
                roles: self.get(&at("roles"), roles).unwrap_or_default(),
                kind: self.get(&at("kind"), "user or agent").unwrap_or_default(),
                token: digest,
            });
        }
        users
    }

    /// Every `${…}` of every text must lead to a secret that others cannot read.
    fn references(&mut self) {
        let mut texts = Vec::new();
        collect_texts(&self.value, String::new(), &mut texts);
        for (pointer, text) in texts {
            if let Err(error) = secret::expand(&text, self.dir) {
                let suggestion = error.suggestion();
                self.fault(&pointer, error.to_string()).suggestion = Some(suggestion);
            }
        }
    }
}

/// Lists and mappings come as YAML, all else as the text it is.
fn variable_value(variable: &str, text: &str) -> Value {
    let structured = text.trim_start().starts_with(['[', '{']);
    let parsed = structured.then(|| Document::parse(variable, text).ok()).flatten();
    parsed.map_or_else(|| json!(text), |d| d.value)
}

fn collect_texts(value: &Value, pointer: String, out: &mut Vec<(String, String)>) {
    match value {
        Value::String(s) if s.contains("${") => out.push((pointer, s.clone())),
        Value::Array(list) => {
            for (i, v) in list.iter().enumerate() {
                collect_texts(v, format!("{pointer}/{i}"), out);
            }
        }
        Value::Object(map) => {
            for (k, v) in map {
                collect_texts(
                    v,
                    format!("{pointer}/{}", flyball_engine::fault::escape_pointer(k)),
                    out,
                );
            }
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
