//! Intents of different ages on one device, over a restart: each is fenced by its own claims alone.

use crate::serve::Server;
use flyball_netops::sandbox::{Options, Sandbox, control};
use reqwest::Client;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const SETTINGS: &str = r#"
writes: on
inventory: ./sandbox/inventory.yaml
mcp_servers:
  config: {command: flyball, args: [netops, --role, config], env: {NETOPS_INVENTORY: ./sandbox/inventory.yaml}}
policies: ./policies
"#;

const POLICY: &str = r#"@id("sandbox.unattended")
@reason("the sandbox is nobody's network")
permit (principal, action == Action::"call_unattended", resource);
"#;

struct Admin {
    http: Client,
    url: String,
    token: String,
}

impl Admin {
    fn of(server: &Server, dir: &Path) -> Self {
        Self {
            http: Client::new(),
            url: server.url.clone(),
            token: std::fs::read_to_string(dir.join("flyball-data/admin.token")).unwrap(),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 202, "{path} {body}");
        response.json().await.unwrap()
    }

    /// Submits a change of an interface's cost. The intent's id.
    async fn submit(&self, interface: &str, cost: u32, mode: &str) -> String {
        let args = json!({"device": "bj-core-1", "interface": interface, "ospf_cost": cost});
        let plan = json!({"steps": [{"id": "cost", "tool": "config/set_interface", "args": args}]});
        let taken = self.post("/v1/intents", json!({"plan": plan, "mode": mode})).await;
        taken["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the intent is in one of these states.
    async fn until(&self, intent: &str, states: &[&str]) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let request = self.http.get(format!("{}/v1/intents/{intent}", self.url));
            let view: Value = request
                .bearer_auth(&self.token)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            if states.contains(&view["state"].as_str().unwrap()) {
                return view;
            }
            assert!(Instant::now() < deadline, "not {states:?}: {view}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn end(&self, intent: &str) -> String {
        let ends = ["fulfilled", "rolled_back", "failed", "refused", "cancelled", "stuck"];
        let view = self.until(intent, &ends).await;
        format!(
            "{} {}",
            view["state"].as_str().unwrap(),
            view["reason"].as_str().unwrap_or_default()
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_outlived_a_restart_keeps_no_younger_one_off_its_device() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("sandbox"));
    // An interface is there if its link's other end is.
    options.devices = Some(["bj-core-1", "bj-core-2", "bj-core-3"].map(str::to_owned).to_vec());
    let sandbox = Sandbox::start(options).await.unwrap();
    std::fs::write(dir.path().join("flyball.yaml"), SETTINGS).unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(dir.path().join("policies/sandbox.cedar"), POLICY).unwrap();

    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let old = admin.submit("GigabitEthernet0/1", 50, "plan").await;
    admin.until(&old, &["planned"]).await;
    // SIGKILL.
    drop(server);

    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    admin.post(&format!("/v1/intents/{old}/apply"), json!({})).await;
    assert!(admin.end(&old).await.starts_with("fulfilled"));
    let young = admin.submit("GigabitEthernet0/2", 60, "apply").await;
    let end = admin.end(&young).await;
    assert!(end.starts_with("fulfilled"), "{end}");
    // And its way back, by an intent that is younger still.
    let undo = admin.post(&format!("/v1/intents/{young}/undo"), json!({})).await;
    let end = admin.end(undo["id"].as_str().unwrap()).await;
    assert!(end.starts_with("fulfilled"), "{end}");

    let show = json!({"cmd": "show", "device": "bj-core-1", "what": "running"});
    let shown = control::ask(&sandbox.control_socket(), &show).await.unwrap();
    let text = shown["text"].as_str().unwrap();
    assert!(
        text.contains("ip ospf cost 50") && !text.contains("ip ospf cost 60"),
        "{text}"
    );
    drop(server);
    sandbox.shutdown().await;
}
