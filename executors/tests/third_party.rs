//! Servers that nobody here wrote, in both eras: start, list, call. What is missing on a machine is skipped with a reason,
//! or fails where `FLYBALL_REQUIRE_ALL=1`.
#![allow(clippy::print_stderr, clippy::unwrap_used)]

mod support;

use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::Outcome;
use flyball_executors::*;
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::*;

const PYTHON: [&str; 3] = [
    "mcp==2.3.0",
    "mcp-server-time==2026.10.19",
    "mcp-server-git==2026.10.19",
];
const NODE: [&str; 3] = [
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/server-everything@2026.8.31",
];

fn cache(kind: &str) -> PathBuf {
    // TARGET/debug/deps/this-test
    let me = std::env::current_exe().unwrap();
    let target = me.ancestors().nth(3).unwrap();
    let dir = target.join("third-party").join(kind);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs an installation once per list of packages, whoever asks first; others wait.
fn installed(kind: &str, packages: &[&str], install: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let dir = cache(kind);
    let lock = File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let (mark, wanted) = (dir.join("installed"), packages.join("\n"));
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Some(dir);
    }
    match install(&dir) {
        Ok(()) => {
            std::fs::write(mark, wanted).unwrap();
            Some(dir)
        }
        Err(why) => {
            skip(&why);
            None
        }
    }
}

fn skip(why: &str) {
    assert!(
        std::env::var_os("FLYBALL_REQUIRE_ALL").is_none_or(|v| v != "1"),
        "{why}"
    );
    eprintln!("SKIPPED: {why}");
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = format!("{command:?}").chars().take(120).collect::<String>();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    let tail = String::from_utf8_lossy(&output.stderr);
    let tail = tail.lines().last().unwrap_or_default();
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{name}: {tail}"))
    }
}

/// The folder with the programs of the Python packages.
fn python() -> Option<PathBuf> {
    let dir = installed("python", &PYTHON, |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
        run(Command::new(dir.join("bin/python"))
            .args(["-m", "pip", "install", "-q"])
            .args(PYTHON))
    })?;
    Some(dir.join("bin"))
}

/// The folder with the programs of the Node packages.
fn node() -> Option<PathBuf> {
    let dir = installed("node", &NODE, |dir| {
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(dir)
            .args(NODE))
    })?;
    Some(dir.join("node_modules/.bin"))
}

fn program(bin: &Path, name: &str) -> String {
    bin.join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_file_server_of_npm_reads_and_writes() {
    let Some(bin) = node() else { return };
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let rig = rig(vec![stdio(
        "fs",
        &program(&bin, "mcp-server-filesystem"),
        &[root.to_str().unwrap()],
    )])
    .await;
    assert_eq!(rig.status("fs").era, Some(Era::Legacy), "{:?}", rig.status("fs"));
    let file = root.join("a.txt");
    rig.done("fs/write_file", json!({"path": file, "content": "hello"}))
        .await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hello");
    let outside = rig.call("fs/read_text_file", json!({"path": "/etc/hostname"})).await;
    assert!(matches!(outside, Outcome::ToolError { .. }), "{outside:?}");
    rig.end().await;
}

#[tokio::test]
async fn the_memory_server_of_npm_keeps_what_it_is_told() {
    let Some(bin) = node() else { return };
    let dir = tempfile::tempdir().unwrap();
    let entry = json!({"command": program(&bin, "mcp-server-memory"), "timeouts": timeouts(),
        "env": {"MEMORY_FILE_PATH": dir.path().join("memory.jsonl")}});
    let settings = ServerSettings::from_entry("m", serde_json::from_value(entry).unwrap()).unwrap();
    let rig = rig(vec![settings]).await;
    let entity = json!({"name": "bj-core-1", "entityType": "device", "observations": ["ospf"]});
    rig.done("m/create_entities", json!({"entities": [entity]})).await;
    let graph = rig.done("m/read_graph", json!({})).await;
    assert_eq!(graph["entities"][0]["name"], "bj-core-1");
    rig.end().await;
}

#[tokio::test]
async fn the_server_of_npm_that_does_everything_is_listed_and_called() {
    let Some(bin) = node() else { return };
    let rig = rig(vec![stdio("e", &program(&bin, "mcp-server-everything"), &[])]).await;
    assert!(rig.status("e").tools > 5, "{:?}", rig.status("e"));
    let echo = rig.done("e/echo", json!({"message": "hello"})).await;
    assert!(echo["text"].as_str().unwrap().contains("hello"), "{echo}");
    rig.end().await;
}

#[tokio::test]
async fn the_time_server_of_pypi_tells_the_time_in_the_modern_era() {
    let Some(bin) = python() else { return };
    let rig = rig(vec![stdio(
        "t",
        &program(&bin, "mcp-server-time"),
        &["--local-timezone", "UTC"],
    )])
    .await;
    assert_eq!(rig.status("t").era, Some(Era::Modern), "{:?}", rig.status("t"));
    let now = rig.done("t/get_current_time", json!({"timezone": "UTC"})).await;
    assert!(now.to_string().contains("UTC"), "{now}");
    rig.end().await;
}

#[tokio::test]
async fn the_git_server_of_pypi_shows_a_repository() {
    let Some(bin) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    if let Err(why) = run(Command::new("git").arg("init").arg(dir.path())) {
        return skip(&why);
    }
    let path = dir.path().to_str().unwrap();
    let rig = rig(vec![stdio(
        "g",
        &program(&bin, "mcp-server-git"),
        &["--repository", path],
    )])
    .await;
    let status = rig.done("g/git_status", json!({"repo_path": path})).await;
    assert!(status.to_string().contains("branch"), "{status}");
    rig.end().await;
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn modern_server(bin: &Path) -> (Stopped, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/modern.py");
    let child = Command::new(bin.join("python"))
        .arg(script)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Stopped(child);
    until("the server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
    .await;
    (child, format!("http://127.0.0.1:{port}/mcp"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_server_over_http_made_with_another_library_is_spoken_to() {
    let Some(bin) = python() else { return };
    let (server, url) = modern_server(&bin).await;
    let rig = rig(vec![http("p", &url)]).await;
    assert_eq!(rig.status("p").era, Some(Era::Modern), "{:?}", rig.status("p"));
    assert_eq!(rig.done("p/add", json!({"a": 1, "b": 2})).await, json!({"result": 3}));
    assert!(matches!(rig.call("p/fail", json!({})).await, Outcome::ToolError { .. }));
    let answer = rig.call_within("p/slow", json!({"ms": 700}), 200).await;
    assert!(is_unknown(&answer.outcome));
    assert_eq!(
        answer.late.unwrap().await.unwrap(),
        Outcome::Done {
            output: json!({"slept": true})
        }
    );
    drop(server);
    let outcome = rig.call_past_stale_connections("p/add", json!({"a": 1, "b": 2})).await;
    assert!(is_not_sent(&outcome), "{outcome:?}");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_new_tools_are_seen_and_its_death_in_the_middle_of_a_call_is_unknown() {
    let Some(bin) = python() else { return };
    let (server, url) = modern_server(&bin).await;
    let rig = std::sync::Arc::new(rig(vec![http("p", &url)]).await);
    rig.done("p/grow", json!({})).await;
    let name = "p/grown".parse().unwrap();
    until("the new tool is listed", || {
        rig.executors.catalogue().get(&name).is_some()
    })
    .await;
    let of_task = std::sync::Arc::clone(&rig);
    let call = tokio::spawn(async move { of_task.call("p/slow", json!({"ms": 60_000})).await });
    rig.done("p/add", json!({"a": 1, "b": 1})).await;
    drop(server);
    let outcome = tokio::time::timeout(Duration::from_secs(20), call)
        .await
        .unwrap()
        .unwrap();
    assert!(is_unknown(&outcome), "{outcome:?}");
    std::sync::Arc::into_inner(rig).unwrap().end().await;
}
