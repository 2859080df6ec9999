//! What the test files share.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod raw;
pub mod server;

use async_trait::async_trait;
use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::ports::{Answer, Clock, ToolExecutor};
use flyball_engine::tool::{Incarnation, Outcome, ToolName, ToolRequest};
use flyball_executors::*;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The tests' child process, built as an example of this package.
pub fn binary() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let target = me.parent().and_then(|deps| deps.parent()).unwrap();
    let path = target.join("examples/executors-support");
    assert!(
        path.exists(),
        "{} is built by `cargo test -p flyball-executors` as a whole",
        path.display()
    );
    path
}

/// Short pauses, so that the tests do not wait for what they are not about.
pub fn timeouts() -> Timeouts {
    Timeouts {
        start_ms: 30_000,
        control_ms: 5_000,
        connect_ms: 1_000,
        drain_ms: 400,
        backoff_min_ms: 50,
        backoff_max_ms: 200,
        ..Timeouts::default()
    }
}

pub fn stdio(alias: &str, command: &str, args: &[&str]) -> ServerSettings {
    let entry = json!({"command": command, "args": args, "timeouts": timeouts()});
    ServerSettings::from_entry(alias, serde_json::from_value(entry).unwrap()).unwrap()
}

/// A child of the tests' own binary.
pub fn own(alias: &str, args: &[&str]) -> ServerSettings {
    stdio(alias, binary().to_str().unwrap(), args)
}

pub fn http(alias: &str, url: &str) -> ServerSettings {
    let entry = json!({"url": url, "timeouts": timeouts()});
    ServerSettings::from_entry(alias, serde_json::from_value(entry).unwrap()).unwrap()
}

pub fn journal() -> Arc<InMemoryJournal> {
    Arc::new(InMemoryJournal::new())
}

pub fn options() -> Options {
    Options::new(binary())
}

pub struct Rig {
    pub executors: Executors,
    pub facts: Arc<InMemoryJournal>,
}

/// Starts servers over fresh facts and waits until they are up or down.
pub async fn rig(servers: Vec<ServerSettings>) -> Rig {
    rig_with(servers, journal(), options()).await
}

pub async fn rig_with(servers: Vec<ServerSettings>, facts: Arc<InMemoryJournal>, options: Options) -> Rig {
    let _ = tracing_subscriber::fmt()
        .with_env_filter("flyball_executors=debug")
        .with_test_writer()
        .try_init();
    rig_by(Arc::new(OffClock(0)), servers, facts, options).await
}

/// The same, under an engine whose clock is another than the wall clock.
pub async fn rig_by(
    clock: Arc<dyn Clock>,
    servers: Vec<ServerSettings>,
    facts: Arc<InMemoryJournal>,
    options: Options,
) -> Rig {
    let executors = Executors::start(servers, facts.clone(), clock, options).await.unwrap();
    executors.all_settled(Duration::from_secs(60)).await;
    Rig { executors, facts }
}

/// An engine's clock that is so many milliseconds ahead of the wall clock.
pub struct OffClock(pub i64);

#[async_trait]
impl Clock for OffClock {
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        i64::try_from(since.unwrap().as_millis()).unwrap() + self.0
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

pub fn request(tool: &str, args: Value) -> ToolRequest {
    ToolRequest {
        tool: tool.parse::<ToolName>().unwrap(),
        args: args.as_object().cloned().unwrap(),
        meta: serde_json::Map::new(),
        timeout_ms: 15_000,
        mutating: true,
        incarnation: None,
        send_by_ms: None,
    }
}

impl Rig {
    pub async fn call(&self, tool: &str, args: Value) -> Outcome {
        self.executors.call(request(tool, args)).await.outcome
    }

    pub async fn call_within(&self, tool: &str, args: Value, timeout_ms: u64) -> Answer {
        let request = ToolRequest {
            timeout_ms,
            ..request(tool, args)
        };
        self.executors.call(request).await
    }

    pub async fn done(&self, tool: &str, args: Value) -> Value {
        match self.call(tool, args).await {
            Outcome::Done { output } => output,
            other => panic!("{tool}: {other:?}; {:?}", self.executors.status()),
        }
    }

    /// What a call finds out about a server that is gone. A connection from the pool may have died a moment ago: such a call
    /// is unknown, and rightly so; the next ones get connections of their own.
    pub async fn call_past_stale_connections(&self, tool: &str, args: Value) -> Outcome {
        for _ in 0..20 {
            match self.call(tool, args.clone()).await {
                Outcome::Unknown { reason, .. } => assert!(reason.contains("cut"), "{reason}"),
                other => return other,
            }
        }
        panic!("every call was cut");
    }

    /// Asks until the server is up, as a policy that retries would.
    pub async fn ready(&self, alias: &str) -> Incarnation {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.executors.ready(alias).await {
                Ok(life) => return life,
                Err(outcome) => assert!(Instant::now() < deadline, "{outcome:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn status(&self, alias: &str) -> ServerStatus {
        self.executors.status().into_iter().find(|s| s.alias == alias).unwrap()
    }

    pub fn pid(&self, alias: &str) -> u32 {
        self.status(alias)
            .pid
            .unwrap_or_else(|| panic!("{:?}", self.status(alias)))
    }

    /// Ends all, so that no child outlives its test.
    pub async fn end(self) {
        self.executors.shutdown(Duration::from_millis(100)).await;
    }
}

/// Waits until something outside of us is so. Fails after 20 seconds.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "{what}: did not come to pass");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn is_unknown(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unknown { .. })
}

pub fn is_not_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotSent { .. })
}
