//! `flyball serve` as a process, and its API.

use super::folder::Folder;
use super::{PATIENCE, proc};
use reqwest::Method;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running engine. Killed with this value.
pub struct Engine {
    child: Child,
    /// The engine's own process: what was started may be a tracer around it.
    pub pid: u32,
    http: reqwest::Client,
    /// Follows no redirection.
    as_answered: reqwest::Client,
    url: String,
    token: String,
    /// When the process was started, and how long until it listened.
    pub started: SystemTime,
    pub listening_after: Duration,
}

/// What a submission is answered with.
#[derive(Debug, Clone)]
pub struct Taken {
    pub status: u16,
    pub location: String,
    /// The answer says that it was given before.
    pub replayed: bool,
    pub body: Value,
}

impl Engine {
    /// Starts it and waits until it listens.
    pub async fn start(folder: &Folder) -> Self {
        Self::start_under(folder, &[])
            .await
            .unwrap_or_else(|status| panic!("the engine ended ({status:?}):\n{}", log(folder)))
    }

    /// Starts it under a tracer, whose command line goes before its own.
    ///
    /// # Errors
    /// It ended before it listened.
    pub async fn start_under(folder: &Folder, tracer: &[OsString]) -> Result<Self, ExitStatus> {
        let mut words = tracer.to_vec();
        words.extend([folder.programs.flyball.clone().into(), "--config".into()]);
        words.extend([folder.path().join("flyball.yaml").into(), "serve".into()]);
        let log = folder.path().join("engine.log");
        let log = std::fs::File::options().create(true).append(true).open(log);
        let (started, since) = (SystemTime::now(), Instant::now());
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .current_dir(folder.path())
            .env_remove("FLYBALL_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file can be opened"))
            .kill_on_drop(true)
            .spawn()
            .expect("the engine can be started");
        let stdout = child.stdout.take().expect("it was asked for");
        let mut lines = BufReader::new(stdout).lines();
        let url = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(url) = line.strip_prefix("listening on ") {
                    return Some(url.trim().to_owned());
                }
            }
            None
        });
        let Some(url) = url.await.expect("the engine listens or ends in time") else {
            return Err(child.wait().await.expect("a child can be waited for"));
        };
        let listening_after = since.elapsed();
        let mut pid = child.id().expect("it runs");
        if !tracer.is_empty() {
            pid = proc::children(pid).first().copied().unwrap_or(pid);
        }
        let token = std::fs::read_to_string(folder.data().join("admin.token")).expect("the engine wrote its token");
        Ok(Self {
            child,
            pid,
            http: reqwest::Client::new(),
            as_answered: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client can be made"),
            url,
            token: token.trim().to_owned(),
            started,
            listening_after,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// SIGKILL: no drain, no farewell.
    pub async fn kill(mut self) {
        proc::signal(self.pid, rustix::process::Signal::KILL);
        let _ = self.child.kill().await;
    }

    /// SIGTERM, and its end.
    pub async fn stop(mut self) -> ExitStatus {
        proc::signal(self.pid, rustix::process::Signal::TERM);
        self.ended().await
    }

    /// Waits for the end of the process.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends in time").expect("a child can be waited for")
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Submits a plan, under a key if there is one. What is answered, as it stands there: no redirection is followed.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn submit_once(&self, plan: &Value, key: Option<&str>) -> Result<Taken, String> {
        let mut request = self
            .as_answered
            .post(format!("{}/v1/intents", self.url))
            .bearer_auth(&self.token)
            .json(&json!({"plan": plan}));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.timeout(PATIENCE).send().await.map_err(|e| e.to_string())?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let (location, replayed) = (header("location"), header("idempotent-replayed"));
        Ok(Taken {
            status: response.status().as_u16(),
            location: location.unwrap_or_default(),
            replayed: replayed.is_some(),
            body: response.json().await.map_err(|e| e.to_string())?,
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.timeout(PATIENCE).send().await.map_err(|e| e.to_string())?;
        let (status, value) = (response.status(), response.json::<Value>().await);
        let value = value.map_err(|e| e.to_string())?;
        // A request that joins another intent is answered with a redirection that is for people.
        if status.is_success() || status.as_u16() == 303 {
            Ok(value)
        } else {
            Err(format!("{status}: {value}"))
        }
    }

    /// # Errors
    /// The engine is gone, or refused it: with its words.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        self.ask(Method::GET, path, None).await
    }

    /// # Errors
    /// The engine is gone, or refused it: with its words.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Submits a plan. The intent's id.
    ///
    /// # Errors
    /// The engine is gone, or refused it: with its words.
    pub async fn submit(&self, plan: &Value) -> Result<String, String> {
        let taken = self.post("/v1/intents", &json!({"plan": plan})).await?;
        Ok(taken["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Asks, each `every`, until the intent has ended or is stuck. What it then looks like.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn until_ended(&self, intent: &str, every: Duration) -> Result<Value, String> {
        let ends = ["fulfilled", "rolled_back", "failed", "refused", "cancelled", "stuck"];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.get(&format!("/v1/intents/{intent}")).await?;
            if ends.contains(&view["state"].as_str().unwrap_or_default()) {
                return Ok(view);
            }
            if Instant::now() >= deadline {
                panic!("no end in time: {view}\n{}", self.what_it_does().await);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// What the engine says of itself and the kernel of its threads, for whoever asks why nothing happens.
    async fn what_it_does(&self) -> String {
        let mut told = Vec::new();
        for path in ["/readyz", "/v1/servers"] {
            let answer = self.get(path).await;
            told.push(format!(
                "{path}: {}",
                answer.map_or_else(|why| why, |value| value.to_string())
            ));
        }
        told.extend(proc::threads(self.pid));
        told.join("\n")
    }

    /// How often the store has made writes durable, as the engine says.
    ///
    /// # Errors
    /// The engine is gone.
    pub async fn syncs(&self) -> Result<u64, String> {
        let ready = self.get("/readyz").await?;
        ready["store"]["syncs"]
            .as_u64()
            .ok_or_else(|| format!("no count of syncs: {ready}"))
    }
}

/// What the engines of this folder have logged.
pub fn log(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("engine.log")).unwrap_or_default()
}
