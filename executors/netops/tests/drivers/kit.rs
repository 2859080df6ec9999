//! A sandbox with the tools of all roles over it.

use std::time::{Duration, Instant};

use flyball_netops::Role;
use flyball_netops::sandbox::{Options, Sandbox, control};
use flyball_netops::tools::{Reply, Toolbox};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) config: Toolbox,
    pub(crate) telemetry: Toolbox,
    pub(crate) inventory: Toolbox,
    _dir: TempDir,
}

impl Lab {
    /// Starts these devices, all twelve if none are named.
    pub(crate) async fn start(devices: &[&str]) -> Self {
        Self::start_with(devices, |_| ()).await
    }

    pub(crate) async fn start_with(devices: &[&str], set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("sandbox"));
        if !devices.is_empty() {
            options.devices = Some(devices.iter().map(|device| (*device).to_owned()).collect());
        }
        set(&mut options);
        Self::over(Sandbox::start(options).await.unwrap(), dir)
    }

    pub(crate) fn over(sandbox: Sandbox, dir: TempDir) -> Self {
        let toolbox = |role| Toolbox::new(role, sandbox.inventory_path(), None, true);
        let (config, telemetry) = (toolbox(Role::Config), toolbox(Role::Telemetry));
        let inventory = toolbox(Role::Inventory);
        Self {
            config,
            telemetry,
            inventory,
            sandbox,
            _dir: dir,
        }
    }

    /// Calls a tool of any role.
    pub(crate) async fn reply(&self, tool: &str, args: Value, meta: Value) -> Reply {
        for toolbox in [&self.config, &self.telemetry, &self.inventory] {
            if toolbox.tools().iter().any(|t| t.name == tool) {
                return toolbox.call(tool, object(args), &object(meta)).await.unwrap();
            }
        }
        panic!("no tool {tool}");
    }

    /// Calls a tool and expects success.
    pub(crate) async fn ok(&self, tool: &str, args: Value) -> Value {
        let reply = self.reply(tool, args.clone(), json!({})).await;
        assert!(!reply.is_error, "{tool} {args}: {}", reply.content);
        reply.content
    }

    /// Calls a tool and expects an error.
    pub(crate) async fn err(&self, tool: &str, args: Value) -> Value {
        let reply = self.reply(tool, args.clone(), json!({})).await;
        assert!(reply.is_error, "{tool} {args}: {}", reply.content);
        reply.content
    }

    /// Asks the sandbox's control socket and expects `ok`.
    pub(crate) async fn ask(&self, request: Value) -> Value {
        let reply = control::ask(&self.sandbox.control_socket(), &request).await.unwrap();
        assert_eq!(reply["ok"], true, "{request} -> {reply}");
        reply
    }

    /// The running or startup configuration as the device itself would print it.
    pub(crate) async fn text(&self, device: &str, what: &str) -> String {
        let reply = self.ask(json!({"cmd": "show", "device": device, "what": what})).await;
        reply["text"].as_str().unwrap().to_owned()
    }

    /// Lines that the device executed and that were meant to change its configuration.
    pub(crate) async fn executed(&self, device: &str) -> Vec<String> {
        let reply = self.ask(json!({"cmd": "log", "device": device})).await;
        let entries = reply["entries"].as_array().unwrap();
        let lines = entries.iter().map(|entry| entry["line"].as_str().unwrap().to_owned());
        let reads = |line: &String| {
            ["show", "display", "terminal", "screen-length", "ping", "enable"]
                .iter()
                .any(|r| line.starts_with(r))
        };
        lines.filter(|line| !reads(line)).collect()
    }

    /// Edits a file of the sandbox.
    pub(crate) fn edit(&self, file: &str, change: impl Fn(String) -> String) {
        let path = self.sandbox.dir().join(file);
        std::fs::write(&path, change(std::fs::read_to_string(&path).unwrap())).unwrap();
    }
}

/// Asks again until it holds: adjacencies of the sandbox take their time.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap().to_owned())
        .collect()
}
