//! The demo's stage: a folder with the sandbox in this process and the engine as a child that can be killed.

use super::network::Network;
use crate::cli::Failure;
use crate::cli::client::Client;
use flyball_engine::canonical::Digest;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The operator who asks.
pub(super) const OPERATOR: &str = "olga";
/// The approver who approves.
pub(super) const APPROVER: &str = "anna";
/// How long the engine may take to come up.
const UP_WITHIN: Duration = Duration::from_secs(30);
/// How long the engine may take to stop when the stage is struck.
const DOWN_WITHIN: Duration = Duration::from_secs(10);

/// Everything that the acts play on.
pub(super) struct Stage {
    folder: Option<tempfile::TempDir>,
    dir: PathBuf,
    pub(super) network: Network,
    engine: Option<Child>,
    url: String,
    tokens: [String; 2],
    syncs: u64,
}

fn trouble(what: &str) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |e| Failure::Internal(format!("{what}: {e}"))
}

impl Stage {
    /// Makes the folder and starts the sandbox.
    pub(super) async fn build() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("flyball-demo-")
            .tempdir()
            .map_err(trouble("no folder"))?;
        let dir = folder.path().to_owned();
        let tokens = [uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string()];
        furnish(&dir, &tokens).map_err(trouble("the demo's folder"))?;
        let network = Network::start(&dir.join("sandbox")).await?;
        Ok(Self {
            folder: Some(folder),
            dir,
            network,
            engine: None,
            url: String::new(),
            tokens,
            syncs: 0,
        })
    }

    /// Starts the engine, if it does not run.
    pub(super) async fn resume(&mut self) -> Result<(), Failure> {
        if self.engine.is_some() {
            return Ok(());
        }
        let program = std::env::current_exe().map_err(trouble("this program's own file"))?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log());
        // Through the guard, so that whatever ends this process ends the engine too, and Ctrl-C reaches only this one.
        let parent = std::process::id().to_string();
        let mut child = Command::new(&program)
            .args(["guard", "--parent", &parent, "--"])
            .arg(&program)
            .args([
                "--config".as_ref(),
                self.dir.join("flyball.yaml").as_os_str(),
                "serve".as_ref(),
            ])
            .env_remove("FLYBALL_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_err(trouble("the engine's log"))?)
            .kill_on_drop(true)
            .spawn()
            .map_err(trouble("the engine cannot be started"))?;
        let stdout = child.stdout.take().expect("it was asked for");
        // Kept before it is up: who is interrupted in here must find it.
        self.engine = Some(child);
        let mut lines = BufReader::new(stdout).lines();
        let url = tokio::time::timeout(UP_WITHIN, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.trim().to_owned());
                }
            }
            None
        });
        let url = url.await.ok().flatten();
        self.url =
            url.ok_or_else(|| Failure::Internal(format!("the engine does not start: see {}", self.log().display())))?;
        Ok(())
    }

    /// SIGKILL: no drain, no farewell.
    pub(super) async fn kill_engine(&mut self) -> Result<(), Failure> {
        self.note_syncs().await;
        if let Some(mut engine) = self.engine.take() {
            engine.kill().await.map_err(trouble("the engine cannot be killed"))?;
        }
        Ok(())
    }

    /// SIGTERM and wait: true if it ended as it should.
    pub(super) async fn stop_engine(&mut self) -> bool {
        self.note_syncs().await;
        let Some(mut engine) = self.engine.take() else {
            return true;
        };
        let told = engine.id().is_some_and(terminate);
        match tokio::time::timeout(Duration::from_secs(40), engine.wait()).await {
            Ok(Ok(status)) => told && status.success(),
            _ => false,
        }
    }

    /// The count ends with its engine, so it is asked for before each end. What an end itself syncs is not in it.
    async fn note_syncs(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let ready: Result<serde_json::Value, Failure> = self.client(OPERATOR).get("/readyz").await;
        let count = ready.ok().and_then(|r| r["store"]["syncs"].as_u64());
        self.syncs += count.unwrap_or_default();
    }

    /// How often the engines made writes durable, up to the last end of one.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs
    }

    pub(super) fn client(&self, who: &str) -> Client {
        Client::with(&self.url, &self.tokens[usize::from(who == APPROVER)])
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("engine.log")
    }

    pub(super) fn token(&self, who: &str) -> &str {
        &self.tokens[usize::from(who == APPROVER)]
    }

    /// Stops everything and removes the folder, unless `leave` asks to keep it for a look.
    pub(super) async fn strike(&mut self, leave: bool) {
        if let Some(mut engine) = self.engine.take() {
            let _ = engine.id().is_some_and(terminate);
            // Calls that wait for a device need not be waited for: there are no devices any more.
            self.network.stop().await;
            if tokio::time::timeout(DOWN_WITHIN, engine.wait()).await.is_err() {
                let _ = engine.kill().await;
            }
        }
        self.network.stop().await;
        if let Some(folder) = self.folder.take() {
            if leave {
                let _ = folder.keep();
            } else {
                let _ = folder.close();
            }
        }
    }
}

/// SIGTERM, through the one place that may send signals without unsafe code.
fn terminate(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok())
}

/// Settings, the policy, and the shipped runbooks and contracts with shorter waits.
fn furnish(dir: &Path, tokens: &[String; 2]) -> std::io::Result<()> {
    let mut settings = include_str!("../../demo/flyball.yaml").to_owned();
    settings += "users:\n";
    for (name, role, token) in [(OPERATOR, "operator", &tokens[0]), (APPROVER, "approver", &tokens[1])] {
        let digest = Digest::of_bytes(token.as_bytes());
        settings += &format!("  - {{name: {name}, roles: [{role}], token: \"{digest}\"}}\n");
    }
    std::fs::write(dir.join("flyball.yaml"), settings)?;
    let write = |folder: &str, file: &str, text: &str| {
        std::fs::create_dir_all(dir.join(folder))?;
        std::fs::write(dir.join(folder).join(file), text)
    };
    write(
        "policies",
        "every-write.cedar",
        include_str!("../../demo/every-write.cedar"),
    )?;
    let contracts = include_str!("../../contracts/netops.yaml").replace("settle_after: 60s", "settle_after: 2s");
    write("contracts", "netops.yaml", &contracts)?;
    for (file, text) in [
        ("ospf-on-group.yaml", include_str!("../../runbooks/ospf-on-group.yaml")),
        (
            "move-traffic-off-link.yaml",
            include_str!("../../runbooks/move-traffic-off-link.yaml"),
        ),
    ] {
        let short = text
            .replace("within: 20s", "within: 4s")
            .replace("hold_for: 3s", "hold_for: 1s")
            .replace("hold_for: 2s", "hold_for: 1s");
        write("runbooks", file, &short)?;
    }
    Ok(())
}
