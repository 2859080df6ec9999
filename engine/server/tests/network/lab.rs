//! Routers of the sandbox, as they are without anybody in between.

use std::time::{Duration, Instant};

use flyball_netops::Role;
use flyball_netops::sandbox::{Options, Sandbox, control};
use flyball_netops::tools::Toolbox;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::engine::PATIENCE;

/// How long the sandbox's minute is.
const MINUTE: Duration = Duration::from_secs(5);

pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    _dir: TempDir,
}

/// One command that a device executed.
#[derive(Debug, Clone)]
pub(crate) struct Executed {
    pub(crate) at_ms: u64,
    pub(crate) line: String,
}

impl Lab {
    pub(crate) async fn of(devices: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("sandbox"));
        options.devices = Some(devices.iter().map(|device| (*device).to_owned()).collect());
        options.minute = MINUTE;
        let sandbox = Sandbox::start(options).await.unwrap();
        Self { sandbox, _dir: dir }
    }

    pub(crate) async fn ask(&self, request: Value) -> Value {
        let reply = control::ask(&self.sandbox.control_socket(), &request).await.unwrap();
        assert_eq!(reply["ok"], true, "{request} -> {reply}");
        reply
    }

    /// What a device executed that is no mere reading, in order.
    pub(crate) async fn executed(&self, device: &str) -> Vec<Executed> {
        let reply = self.ask(json!({"cmd": "log", "device": device})).await;
        let entries = reply["entries"].as_array().unwrap().iter();
        let executed = entries.map(|entry| Executed {
            at_ms: entry["at"].as_u64().unwrap(),
            line: entry["line"].as_str().unwrap().to_owned(),
        });
        let reads = |line: &str| line.starts_with("show") || line.starts_with("run show");
        executed.filter(|e| !reads(&e.line)).collect()
    }

    /// The running configuration.
    pub(crate) async fn running(&self, device: &str) -> String {
        let reply = self
            .ask(json!({"cmd": "show", "device": device, "what": "running"}))
            .await;
        reply["text"].as_str().unwrap().to_owned()
    }

    /// Waits until a device has executed a line that matches.
    pub(crate) async fn until_executed(&self, device: &str, line: &str) {
        let timeout_ms = u64::try_from(PATIENCE.as_millis()).unwrap();
        self.ask(json!({"cmd": "wait", "device": device, "match": line, "timeout_ms": timeout_ms}))
            .await;
    }

    /// Waits until a device's running configuration is this one. Only the device itself is at work.
    pub(crate) async fn until_running(&self, device: &str, config: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.running(device).await != config {
            assert!(Instant::now() < deadline, "{device} never went back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a device remembers of its commits, newest first: our phases, `by USER` for what is not ours. Second: whether
    /// one waits to be confirmed.
    pub(crate) async fn commits(&self, device: &str) -> (Vec<String>, bool) {
        let tools = Toolbox::new(Role::Config, self.sandbox.inventory_path(), None, true);
        let args = Map::from_iter([("device".to_owned(), json!(device))]);
        let said = tools.call("get_commit", args, &Map::new()).await.unwrap().content;
        let history = said["history"].as_array().unwrap().iter();
        let phases = history.map(|commit| match commit["phase"].as_str() {
            Some(phase) => phase.to_owned(),
            None => format!("by {}", commit["by"].as_str().unwrap()),
        });
        (phases.collect(), !said["pending"].is_null())
    }
}
