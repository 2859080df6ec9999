//! LangGraph: installed once beside the build, by name and version, and run as a process.

use crate::shape::Shape;
use flyball_tests::process::{PATIENCE, proc, target};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The adapters import what version 2 of the protocol's package has dropped.
pub(crate) const PACKAGES: [&str; 4] = [
    "langgraph==1.2.22",
    "langgraph-checkpoint-sqlite==3.1.2",
    "langchain-mcp-adapters==0.3.1",
    "mcp==1.30.0",
];
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/beside/peer.py");

/// The Python that has the packages.
///
/// # Errors
/// There is no Python, or no way to the packages.
pub(crate) fn install() -> Result<PathBuf, String> {
    let dir = target().join("third-party/beside");
    let (python, mark) = (dir.join("bin/python"), dir.join("installed"));
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    eprintln!("beside: installing {}", PACKAGES.join(", "));
    run(std::process::Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
    run(std::process::Command::new(&python)
        .args(["-m", "pip", "install", "-q"])
        .args(PACKAGES))?;
    std::fs::write(mark, wanted).map_err(|e| e.to_string())?;
    Ok(python)
}

fn run(command: &mut std::process::Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{command:?}: {e}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = complaint.lines().last().unwrap_or("it failed");
    output.status.success().then_some(()).ok_or_else(|| last.to_owned())
}

/// A running process. Killed with this value.
pub(crate) struct Peer {
    child: Child,
    pub(crate) pid: u32,
    pub(crate) started: SystemTime,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// When a run was begun and when it had ended, Unix seconds.
pub(crate) type Times = Vec<(f64, f64)>;

impl Peer {
    /// Starts it; it can take runs at once and is ready when it has said so.
    pub(crate) fn start(python: &Path, dir: &Path, url: &str) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(dir.join("peer.log"));
        let started = SystemTime::now();
        let mut child = Command::new(python)
            .arg(PROGRAM)
            .arg(dir.join("peer.sqlite"))
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            pid: child.id().unwrap(),
            started,
            input: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    pub(crate) async fn ready(&mut self) {
        self.hear().await;
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line
            .expect("it answers in time")
            .unwrap()
            .expect("see peer.log: it ended");
        serde_json::from_str(&line).unwrap()
    }

    /// Tells it of runs; `resume`: some of which it may have begun in an earlier life.
    pub(crate) async fn tell(&mut self, shape: &Shape, runs: &[String], at_once: bool, resume: bool) {
        let block = json!({"steps": shape.steps(), "runs": runs, "at_once": at_once, "resume": resume});
        self.input.write_all(format!("{block}\n").as_bytes()).await.unwrap();
        self.input.flush().await.unwrap();
    }

    /// Waits for the end of the runs it was told of.
    pub(crate) async fn ended(&mut self) -> Times {
        serde_json::from_value(self.hear().await["times"].take()).unwrap()
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        proc::signal(self.pid, Signal::KILL);
        let _ = self.child.wait().await;
    }
}
