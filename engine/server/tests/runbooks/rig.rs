//! A sandbox in this process, and the engine over it as a process of its own.

use flyball_netops::sandbox::{Options, Sandbox, control};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long an intent may take, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(120);

const SETTINGS: &str = "listen: 127.0.0.1:0
writes: on
inventory: ./sandbox/inventory.yaml
mcp_servers:
  inventory: {command: flyball, args: [netops, --role, inventory], env: {NETOPS_INVENTORY: ./sandbox/inventory.yaml}}
  config:    {command: flyball, args: [netops, --role, config], env: {NETOPS_INVENTORY: ./sandbox/inventory.yaml}}
  telemetry: {command: flyball, args: [netops, --role, telemetry], env: {NETOPS_INVENTORY: ./sandbox/inventory.yaml}}
contracts: ./contracts
runbooks: ./runbooks
policies: ./policies
";

const POLICY: &str = r#"@id("sandbox.unattended")
@reason("a sandbox is nobody's network")
permit (principal, action == Action::"call_unattended", resource);
"#;

pub(crate) struct Rig {
    dir: tempfile::TempDir,
    sandbox: Sandbox,
    engine: Child,
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        furnish(dir.path());
        let sandbox = Sandbox::start(Options::new(dir.path().join("sandbox"))).await.unwrap();
        let mut engine = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .args(["serve", "--config"])
            .arg(dir.path().join("flyball.yaml"))
            .current_dir(dir.path())
            .env_remove("FLYBALL_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next_line().await.unwrap().expect("the engine starts");
            if let Some(url) = line.strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        let token = std::fs::read_to_string(dir.path().join("flyball-data/admin.token")).unwrap();
        Self {
            dir,
            sandbox,
            engine,
            url,
            token,
            http: reqwest::Client::new(),
        }
    }

    pub(crate) async fn stop(mut self) {
        let pid = self.engine.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(self.engine.wait().await.unwrap().success(), "it stops in order");
        self.sandbox.shutdown().await;
    }

    /// Submits words and waits for the end; its state and the whole view.
    pub(crate) async fn ends(&self, text: &str, window: Option<Value>) -> (String, Value) {
        let mut body = json!({"text": text});
        if let Some(window) = window {
            body["window"] = window;
        }
        let request = self.http.post(format!("{}/v1/intents", self.url)).json(&body);
        let taken = self.answer(request).await;
        let id = taken["id"].as_str().unwrap_or_else(|| panic!("{text}: {taken}"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self
                .answer(self.http.get(format!("{}/v1/intents/{id}", self.url)))
                .await;
            let state = view["state"].as_str().unwrap().to_owned();
            let ended = ["fulfilled", "rolled_back", "failed", "refused", "cancelled"].contains(&state.as_str());
            if ended || state == "stuck" || state == "awaiting_approval" || Instant::now() > deadline {
                return (state, view);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn fulfils(&self, text: &str) {
        let (state, view) = self.ends(text, None).await;
        assert_eq!(state, "fulfilled", "{text}: {view}");
        assert!(
            view["plan"]["source"].as_str().unwrap().starts_with("runbook "),
            "{view}"
        );
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        response.json().await.unwrap()
    }

    /// What a device runs, as it would print it.
    pub(crate) async fn running(&self, device: &str) -> String {
        let shown = self
            .ask(json!({"cmd": "show", "device": device, "what": "running"}))
            .await;
        shown["text"].as_str().unwrap().to_owned()
    }

    /// Somebody types at a device's console.
    pub(crate) async fn console(&self, device: &str, lines: &[&str]) {
        self.ask(json!({"cmd": "edit", "device": device, "lines": lines})).await;
    }

    async fn ask(&self, request: Value) -> Value {
        let reply = control::ask(&self.sandbox.control_socket(), &request).await.unwrap();
        assert_eq!(reply["ok"], true, "{request} -> {reply}");
        reply
    }

    /// A copy is there, and a text of the configuration stands in none of its files.
    pub(crate) fn nothing_kept_can_be_read(&self, device: &str, text: &str) {
        let folder = self.dir.path().join("sandbox/kept").join(device);
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
        assert!(files.len() >= 3, "a copy, its key and the index");
        for file in files {
            let bytes = std::fs::read(file.path()).unwrap();
            let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!found, "{}", file.path().display());
        }
    }

    /// Runs the command line in the folder: its exit code and what it printed.
    pub(crate) async fn flyball(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .args(words)
            .current_dir(self.dir.path())
            .env("FLYBALL_URL", &self.url)
            .env("FLYBALL_TOKEN", &self.token)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }
}

/// Settings, a policy, and the shipped runbooks and contracts with shorter waits.
fn furnish(dir: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write = |folder: &str, name: &str, text: &str| {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        std::fs::write(dir.join(folder).join(name), text).unwrap();
    };
    write(".", "flyball.yaml", SETTINGS);
    write("policies", "unattended.cedar", POLICY);
    let contracts = std::fs::read_to_string(here.join("contracts/netops.yaml")).unwrap();
    write(
        "contracts",
        "netops.yaml",
        &contracts.replace("settle_after: 60s", "settle_after: 2s"),
    );
    for file in std::fs::read_dir(here.join("runbooks")).unwrap().flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let short = text
            .replace("within: 20s", "within: 10s")
            .replace("hold_for: 3s", "hold_for: 500ms")
            .replace("hold_for: 2s", "hold_for: 500ms");
        write("runbooks", file.file_name().to_str().unwrap(), &short);
    }
}
