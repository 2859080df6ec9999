//! Servers behind a launcher, as most are configured: `npx` starts a shell, which starts `node`. None of them outlives what
//! it was started for, whichever of them is deaf, dead or left behind.
#![allow(clippy::print_stderr, reason = "a skipped test says why")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::journal::{ChildRecord, Journal};
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::Incarnation;
use flyball_executors::*;
use rustix::process::Signal;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::*;

/// Lines in, lines out: enough of a server, deaf to TERM and to the end of its input.
const SERVER: &str = r#"
process.on('SIGTERM', () => {});
setInterval(() => {}, 1000);
require('readline').createInterface({input: process.stdin}).on('line', line => {
  const {id, method} = JSON.parse(line);
  const say = result => console.log(JSON.stringify({jsonrpc: '2.0', id, result}));
  if (method === 'initialize')
    say({protocolVersion: '2025-11-25', capabilities: {tools: {}}, serverInfo: {name: 'node', version: '1'}});
  else if (method === 'tools/list') say({tools: [{name: 'pid', inputSchema: {type: 'object'}}]});
  else if (method === 'tools/call') say({content: [], structuredContent: {pid: process.pid}});
  else if (id !== undefined)
    console.log(JSON.stringify({jsonrpc: '2.0', id, error: {code: -32601, message: 'Method not found'}}));
});
"#;

/// Writes the server and says how npx starts it. None: this machine has no npx.
fn server(dir: &Path) -> Option<String> {
    let has_npx = Command::new("npx")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !has_npx.is_ok_and(|s| s.success()) {
        assert!(
            std::env::var_os("FLYBALL_REQUIRE_ALL").is_none(),
            "npx is not installed"
        );
        eprintln!("SKIPPED: npx is not installed");
        return None;
    }
    let script = dir.join("server.js");
    std::fs::write(&script, SERVER).unwrap();
    Some(format!("node {}", script.display()))
}

/// Processes of the session that a launcher leads, zombies left out.
fn session_of(leader: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| fields(*pid).get(3) == Some(&leader.to_string()) && is_alive(*pid))
        .collect()
}

fn fields(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit(')').next().unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}

/// Children of this process that ended and were not reaped.
fn zombies() -> Vec<u32> {
    let me = std::process::id().to_string();
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let dead = |pid: &u32| {
        let fields = fields(*pid);
        fields.first().is_some_and(|s| s == "Z") && fields.get(1) == Some(&me)
    };
    pids.filter(dead).collect()
}

#[tokio::test]
async fn a_launcher_that_is_killed_takes_the_server_behind_it_with_it_and_another_pair_takes_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let Some(command) = server(dir.path()) else { return };
    let rig = rig(vec![stdio("s", "npx", &["--offline", "-c", &command])]).await;
    let life = rig.ready("s").await;
    let launcher = rig.pid("s");
    let node = u32::try_from(rig.done("s/pid", json!({})).await["pid"].as_u64().unwrap()).unwrap();
    assert_ne!(launcher, node);
    assert!(
        session_of(launcher).contains(&node),
        "the launcher's session holds the server"
    );
    signal(launcher, Signal::KILL);
    until("the server behind it is dead", || !is_alive(node)).await;
    until("another life is up", || {
        rig.status("s").pid.is_some_and(|pid| pid != launcher)
    })
    .await;
    let next = rig.ready("s").await;
    assert!(rig.executors.is_dead("s", &life).await);
    assert!(rig.executors.dead_for("s", &life).await.is_some());
    assert!(rig.executors.dead_for("s", &next).await.is_none());
    let launcher = rig.pid("s");
    rig.end().await;
    assert!(session_of(launcher).is_empty(), "no orphan");
    assert!(zombies().is_empty(), "no zombie: {:?}", zombies());
}

#[tokio::test]
async fn what_npx_started_is_dead_before_the_next_engine_looks_at_anything() {
    use std::io::{BufRead, BufReader};
    let dir = tempfile::tempdir().unwrap();
    let Some(command) = server(dir.path()) else { return };
    let mut engine = Command::new(binary())
        .args(["engine", "npx", "--offline", "-c", &command])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(engine.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let launcher: u32 = line.trim().parse().unwrap();
    let is_node = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "node");
    // npx itself is a node as well.
    until("the server runs", || {
        session_of(launcher).iter().filter(|p| is_node(p)).count() >= 1 && session_of(launcher).len() >= 2
    })
    .await;
    let record = ChildRecord {
        alias: "s".into(),
        pid: launcher,
        start_time: fields(launcher)[19].parse().unwrap(),
        boot_id: boot_id(),
    };
    engine.kill().unwrap();
    engine.wait().unwrap();
    let facts = InMemoryJournal::new();
    facts
        .put_fact("child/s", serde_json::to_value(&record).unwrap())
        .await
        .unwrap();
    fence_previous(&facts, Duration::from_millis(500)).await.unwrap();
    assert!(session_of(launcher).is_empty());
}

fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    id.trim().to_owned()
}

#[tokio::test]
async fn after_a_reboot_every_former_life_is_dead_and_nothing_of_it_is_looked_for() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let life = rig.ready("s").await;
    let (pid, rest) = life.0.split_once(':').unwrap();
    let start = rest.split(':').next().unwrap();
    // The same pid and start time, as chance may have it, in another boot.
    let before = Incarnation(format!("{pid}:{start}:00000000-0000-0000-0000-000000000000"));
    assert!(rig.executors.is_dead("s", &before).await);
    assert!(rig.executors.dead_for("s", &before).await.is_some());
    assert!(!rig.executors.is_dead("s", &life).await);
    let record = json!({"alias": "s", "pid": pid.parse::<u32>().unwrap(), "start_time": start.parse::<u64>().unwrap(),
        "boot_id": "00000000-0000-0000-0000-000000000000"});
    let facts = InMemoryJournal::new();
    facts.put_fact("child/s", record).await.unwrap();
    fence_previous(&facts, Duration::from_secs(5)).await.unwrap();
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn a_process_that_died_is_known_to_be_dead_since_then() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let life = rig.ready("s").await;
    signal(rig.pid("s"), Signal::KILL);
    until("another life is up", || {
        rig.status("s")
            .pid
            .is_some_and(|pid| !life.0.starts_with(&format!("{pid}:")))
    })
    .await;
    rig.ready("s").await;
    let first = rig.executors.dead_for("s", &life).await.unwrap();
    let second = rig.executors.dead_for("s", &life).await.unwrap();
    assert!(
        second >= first && first > Duration::ZERO,
        "counted from its death: {first:?} {second:?}"
    );
    rig.end().await;
}
