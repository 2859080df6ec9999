//! The engine as a process over an inventory, and its API.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for anything here: machines that build something beside it are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// How long a device keeps what nobody confirms, in seconds. A multiple of the sandbox's short minute.
pub(crate) const LEASE: u64 = 20;
const UNATTENDED: &str = r#"
@id("test.unattended")
@reason("a test runs by itself")
permit (principal, action == Action::"call_unattended", resource);
"#;

/// A folder with settings for an engine over the devices of an inventory.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// `asks`: each write waits for a person.
    pub(crate) fn over(inventory: &Path, asks: bool) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let inventory = inventory.display();
        let server = |role: &str| {
            format!(
                "  {role}: {{command: flyball, args: [netops, --role, {role}], env: {{NETOPS_INVENTORY: \"{inventory}\"}}}}\n"
            )
        };
        let servers: String = ["inventory", "config", "telemetry"].map(server).concat();
        let settings = format!(
            "listen: 127.0.0.1:0\nwrites: on\ninventory: \"{inventory}\"\ncontracts: ./contracts\npolicies: ./policies\nmcp_servers:\n{servers}"
        );
        // The shipped contracts with shorter waits.
        let contracts = include_str!("../../contracts/netops.yaml")
            .replace("settle_after: 60s", "settle_after: 2s")
            .replace("lease: 60s", &format!("lease: {LEASE}s"));
        folder.write("flyball.yaml", &settings);
        folder.write("contracts/netops.yaml", &contracts);
        folder.write("policies/ours.cedar", if asks { "" } else { UNATTENDED });
        folder
    }

    /// The same, with a model that answers here.
    pub(crate) fn with_model(self, base_url: &str) -> Self {
        let settings = std::fs::read_to_string(self.0.path().join("flyball.yaml")).unwrap();
        let model = format!("model: {{base_url: \"{base_url}\", name: scripted}}\n");
        self.write("flyball.yaml", &(settings + &model));
        self
    }

    /// With more settings.
    pub(crate) fn with(self, settings: &str) -> Self {
        let file = self.0.path().join("flyball.yaml");
        let known = std::fs::read_to_string(file).unwrap();
        self.write("flyball.yaml", &format!("{known}{settings}"));
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("engine.log")
    }
}

/// A running engine. Killed with this value: SIGKILL, no drain, no farewell.
pub(crate) struct Engine {
    child: Child,
    http: reqwest::Client,
    url: String,
    token: String,
    log: PathBuf,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine {
    pub(crate) fn start(folder: &Folder) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.log());
        let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .arg("serve")
            .current_dir(folder.0.path())
            .env_remove("FLYBALL_CONFIG")
            .env_remove("FLYBALL_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let said = || std::fs::read_to_string(folder.log()).unwrap_or_default();
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line:?}\n{}", said())).to_owned();
        let token = std::fs::read_to_string(folder.0.path().join("flyball-data/admin.token")).unwrap();
        Self {
            child,
            http: reqwest::Client::new(),
            url,
            token: token.trim().to_owned(),
            log: folder.log(),
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        let status = response.status();
        let value: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{status}: {value}");
        value
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(self.http.get(format!("{}{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// A resource as a text of this kind.
    pub(crate) async fn text(&self, path: &str, accept: &str) -> String {
        let request = self.http.get(format!("{}{path}", self.url)).header("accept", accept);
        let response = request.bearer_auth(&self.token).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.status());
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with(accept), "{kind}");
        response.text().await.unwrap()
    }

    /// Runs the command line in the engine's folder: its exit code and what it printed.
    pub(crate) async fn flyball(&self, words: &[&str]) -> (i32, String) {
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_flyball"))
            .args(words)
            .current_dir(self.log.parent().unwrap())
            .env_remove("FLYBALL_CONFIG")
            .env("FLYBALL_URL", &self.url)
            .env("FLYBALL_TOKEN", &self.token)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text)
    }

    /// Says in words what is wanted. The intent's id.
    pub(crate) async fn say(&self, words: &str) -> String {
        let taken = self.post("/v1/intents", &json!({ "text": words })).await;
        taken["id"].as_str().unwrap().to_owned()
    }

    /// Submits a recording. The answer.
    pub(crate) async fn speak(&self, recording: Vec<u8>) -> Value {
        let form = reqwest::multipart::Form::new().part("audio", reqwest::multipart::Part::bytes(recording));
        self.ask(self.http.post(format!("{}/v1/intents", self.url)).multipart(form))
            .await
    }

    /// Answers a question of an intent.
    pub(crate) async fn answer(&self, intent: &str, request: &str, answer: Value) {
        let body = json!({"request": request, "answer": answer});
        self.post(&format!("/v1/intents/{intent}/input"), &body).await;
    }

    /// Submits a plan. The intent's id.
    pub(crate) async fn submit(&self, plan: Value) -> String {
        let taken = self.post("/v1/intents", &json!({ "plan": plan })).await;
        taken["id"].as_str().unwrap().to_owned()
    }

    /// Approves what the intent waits with.
    pub(crate) async fn approve(&self, intent: &str) {
        self.until(intent, "awaiting_approval").await;
        let open = self.get("/v1/approvals").await;
        let digest = open.as_array().unwrap().iter().find(|a| a["intent"] == intent).unwrap()["digest"].clone();
        let decision = json!({"decision": "approve", "digest": digest});
        self.post(&format!("/v1/approvals/{intent}"), &decision).await;
    }

    /// Waits until the intent's state has this name.
    pub(crate) async fn until(&self, intent: &str, state: &str) -> Value {
        let ends = ["fulfilled", "rolled_back", "failed", "refused", "cancelled", "stuck"];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.get(&format!("/v1/intents/{intent}")).await;
            let now = view["state"].as_str().unwrap();
            if now == state {
                return view;
            }
            if ends.contains(&now) || Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("never {state}: {view}\n{}\n{log}", self.story(intent).await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The journal so far.
    pub(crate) async fn entries(&self, intent: &str) -> Vec<Value> {
        let page = self.get(&format!("/v1/intents/{intent}/events?limit=1000")).await;
        page["entries"].as_array().unwrap().clone()
    }

    /// The events of this name.
    pub(crate) async fn events(&self, intent: &str, name: &str) -> Vec<Value> {
        let entries = self.entries(intent).await.into_iter();
        entries
            .map(|e| e["event"].clone())
            .filter(|e| e["type"] == name)
            .collect()
    }

    /// The journal, one line an entry, contracts and plans left out.
    pub(crate) async fn story(&self, intent: &str) -> String {
        let entries = self.entries(intent).await;
        let told = entries.iter().filter(|e| e["event"]["type"] != "PlanAccepted");
        told.map(|e| format!("{e}\n")).collect()
    }

    /// SIGKILL to the tool server of a role. The engine finds that out for itself.
    pub(crate) fn kill_server(&self, role: &str) {
        let mut open = vec![self.child.id()];
        while let Some(pid) = open.pop() {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).replace('\0', " ");
            if words.contains(&format!("netops --role {role}")) && !words.contains(" guard ") {
                let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
                assert!(killed.unwrap().success());
                return;
            }
            open.extend(children(pid));
        }
        panic!("no server of role {role} runs");
    }
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|p| p.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}
