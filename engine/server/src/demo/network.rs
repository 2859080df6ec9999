//! The sandbox network as the demo sees it: faults through its control socket, and a look of our own at the devices, over
//! SSH sessions that the engine knows nothing of.

use crate::cli::Failure;
use flyball_netops::Role;
use flyball_netops::sandbox::{self, Sandbox, control};
use flyball_netops::tools::Toolbox;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Running and startup configuration of each device.
pub(super) type Picture = BTreeMap<String, (String, String)>;

pub(super) struct Network {
    sandbox: Option<Sandbox>,
    control: PathBuf,
    eyes: Toolbox,
}

/// One command that a device executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Executed {
    pub(super) at_ms: i64,
    pub(super) line: String,
    /// It changed the running configuration.
    pub(super) config: bool,
    /// Typed by somebody else at the console.
    pub(super) foreign: bool,
}

impl Network {
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
        let sandbox = Sandbox::start(sandbox::Options::new(dir)).await;
        let sandbox = sandbox.map_err(|e| Failure::Internal(format!("the sandbox cannot be started: {e}")))?;
        let control = sandbox.control_socket().to_path_buf();
        let inventory = sandbox.inventory_path().to_path_buf();
        let credentials = Some(sandbox.credentials_path().to_path_buf());
        let eyes = Toolbox::new(Role::Config, inventory, credentials, true);
        Ok(Self {
            sandbox: Some(sandbox),
            control,
            eyes,
        })
    }

    pub(super) async fn stop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.shutdown().await;
        }
    }

    pub(super) fn control(&self) -> &Path {
        &self.control
    }

    /// Asks the control socket.
    pub(super) async fn ask(&self, request: Value) -> Result<Value, Failure> {
        let answer = control::ask(&self.control, &request).await;
        let answer = answer.map_err(|e| Failure::Internal(format!("the sandbox's control socket: {e}")))?;
        match answer.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(answer),
            _ => Err(Failure::Internal(format!("the sandbox refused {request}: {answer}"))),
        }
    }

    /// Both configurations of each device.
    pub(super) async fn picture(&self, devices: &[&str]) -> Result<Picture, Failure> {
        let mut picture = Picture::new();
        for device in devices {
            let running = self.config(device, "running").await?;
            let startup = self.startup(device).await?;
            picture.insert((*device).to_owned(), (running, startup));
        }
        Ok(picture)
    }

    /// FRR prints no startup configuration, whatever was saved; there the sandbox itself is asked.
    async fn startup(&self, device: &str) -> Result<String, Failure> {
        if let Ok(text) = self.config(device, "startup").await {
            return Ok(text);
        }
        let answer = self
            .ask(json!({"cmd": "show", "device": device, "what": "startup"}))
            .await?;
        Ok(answer["text"].as_str().unwrap_or_default().to_owned())
    }

    async fn config(&self, device: &str, which: &str) -> Result<String, Failure> {
        let args = Map::from_iter([("device".into(), json!(device)), ("which".into(), json!(which))]);
        let meta = Map::from_iter([("io.flyball/purpose".into(), json!("probe"))]);
        let reply = self.eyes.call("get_config", args, &meta).await;
        let reply = reply.filter(|r| !r.is_error);
        let reply = reply.ok_or_else(|| Failure::Internal(format!("{device} cannot be read")))?;
        let config = reply.content.get("config").cloned().unwrap_or(Value::Null);
        Ok(config.as_str().map_or_else(|| config.to_string(), str::to_owned))
    }

    /// What a device executed, in order.
    pub(super) async fn log(&self, device: &str) -> Result<Vec<Executed>, Failure> {
        let answer = self.ask(json!({"cmd": "log", "device": device})).await?;
        let entries = answer
            .get("entries")
            .or_else(|| answer.get("log"))
            .and_then(Value::as_array)
            .cloned();
        let executed = entries.unwrap_or_default().into_iter().map(|e| Executed {
            at_ms: e["at"].as_i64().unwrap_or_default(),
            line: e["line"].as_str().unwrap_or_default().to_owned(),
            config: e["config"].as_bool().unwrap_or_default(),
            foreign: e["peer"].as_str() == Some("console"),
        });
        Ok(executed.collect())
    }

    /// The lines by which the engine changed a device's running configuration.
    pub(super) async fn changes(&self, device: &str) -> Result<Vec<Executed>, Failure> {
        let log = self.log(device).await?;
        Ok(log.into_iter().filter(|e| e.config && !e.foreign).collect())
    }
}
