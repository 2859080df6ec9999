//! Child processes: what they inherit, how they end, and that none of them outlives what it was started for.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::journal::{ChildRecord, Journal};
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::Incarnation;
use flyball_executors::*;
use rustix::process::Signal;
use serde_json::json;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::*;

#[tokio::test]
async fn a_child_inherits_five_names_what_its_settings_name_and_the_name_of_its_life() {
    let entry =
        json!({"command": binary(), "args": ["world", "modern"], "env": {"TOKEN": "t-1"}, "timeouts": timeouts()});
    let settings = ServerSettings::from_entry("s", serde_json::from_value(entry).unwrap()).unwrap();
    let rig = rig(vec![settings]).await;
    let env = rig.done("s/env", json!({})).await;
    let allowed = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "TOKEN", "FLYBALL_LIFE"];
    let strays: Vec<_> = env
        .as_object()
        .unwrap()
        .keys()
        .filter(|k| !allowed.contains(&k.as_str()))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
    assert_eq!(env["TOKEN"], "t-1");
    assert_eq!(env["FLYBALL_LIFE"], rig.ready("s").await.0);
    assert_eq!(env["PATH"], std::env::var("PATH").unwrap());
    rig.end().await;
}

#[tokio::test]
async fn flyball_as_a_command_is_this_very_binary() {
    let rig = rig(vec![stdio("s", "flyball", &["world", "modern"])]).await;
    rig.done("s/echo", json!({})).await;
    rig.end().await;
}

#[tokio::test]
async fn the_record_of_a_child_is_kept_before_anything_goes_through_it() {
    let rig = rig(vec![own("s", &["world", "modern"])]).await;
    let life = rig.executors.ready("s").await.unwrap();
    let fact = rig.facts.fact("child/s").await.unwrap().unwrap();
    let record: ChildRecord = serde_json::from_value(fact).unwrap();
    assert_eq!((record.incarnation(), record.pid), (life, rig.pid("s")));
    let facts = rig.facts.clone();
    rig.end().await;
    assert!(
        facts.facts("child/").await.unwrap().is_empty(),
        "a child seen to its end leaves no record"
    );
}

#[tokio::test]
async fn standard_error_is_drained_into_a_file_per_server() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        log_dir: Some(dir.path().to_owned()),
        ..options()
    };
    let rig = rig_with(vec![own("s", &["world", "modern"])], journal(), options).await;
    let log = dir.path().join("s.log");
    until("the line is there", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("world is up"))
    })
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_child_that_is_deaf_to_everything_is_killed_with_all_that_it_started() {
    let script = format!("sleep 300 & {} raw stubborn", binary().display());
    let rig = rig(vec![own("s", &["raw", "stubborn"]), stdio("t", "sh", &["-c", &script])]).await;
    let (s, t) = (rig.pid("s"), rig.pid("t"));
    let (of_s, of_t) = (rig.ready("s").await, rig.ready("t").await);
    let start = Instant::now();
    rig.executors.shutdown(Duration::ZERO).await;
    assert!(start.elapsed() < Duration::from_secs(8));
    for (alias, pid, life) in [("s", s, of_s), ("t", t, of_t)] {
        assert!(!is_alive(pid));
        assert!(rig.executors.is_dead(alias, &life).await, "its session is empty");
    }
}

/// A shell that hands its ends over to a command in a session of its own and waits for it.
fn leaves_its_session(command: &str) -> [String; 2] {
    ["-c".to_owned(), format!("exec 3<&0; setsid {command} <&3 & wait")]
}

/// For a process of server `s` that is deaf to TERM, so that there is time to look.
async fn is_put_down_before_its_life_is_dead(rig: &Rig, life: &Incarnation, pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut looks = 0;
    while is_alive(pid) {
        let dead = rig.executors.is_dead("s", life).await;
        assert!(!dead || !is_alive(pid), "what belongs to it could still act");
        assert!(Instant::now() < deadline, "what belongs to it is not put down");
        looks += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(looks > 10, "there was no time to look");
}

#[tokio::test]
async fn a_server_that_left_its_session_is_ended_too_and_no_life_is_dead_before_it_is() {
    let [c, script] = leaves_its_session(&format!("{} raw stubborn", binary().display()));
    let rig = rig(vec![stdio("s", "sh", &[&c, &script])]).await;
    let life = rig.ready("s").await;
    let (leader, outside) = (rig.pid("s"), marked(&life.0));
    let server = *outside.iter().find(|pid| **pid != leader).unwrap();
    assert!(!session_of(leader).contains(&server), "it has left");
    signal(leader, Signal::KILL);
    is_put_down_before_its_life_is_dead(&rig, &life, server).await;
    rig.end().await;
}

/// A child of the server's own that nothing but its parent tells of, until that is dead.
#[tokio::test]
async fn what_was_seen_to_belong_to_a_life_belongs_to_it_until_its_death() {
    let deaf = "trap \\\"\\\" TERM; sleep 301; sleep 301";
    let server = format!(
        "sh -c 'env -i setsid /bin/sh -c \"{deaf}\" & exec {} world modern'",
        binary().display()
    );
    let [c, script] = leaves_its_session(&server);
    let rig = rig(vec![stdio("s", "sh", &[&c, &script])]).await;
    let life = rig.ready("s").await;
    until("it has started its own", || wiped(&life.0).len() == 1).await;
    let (leader, own) = (rig.pid("s"), wiped(&life.0)[0]);
    signal(leader, Signal::KILL);
    is_put_down_before_its_life_is_dead(&rig, &life, own).await;
    until("then it is", || !is_alive(leader)).await;
    rig.end().await;
}

#[tokio::test]
async fn the_end_of_a_command_that_only_leads_to_its_server_proves_nothing() {
    let entry = json!({"command": binary(), "args": ["world", "modern"], "remote": true, "timeouts": timeouts()});
    let settings = ServerSettings::from_entry("s", serde_json::from_value(entry).unwrap()).unwrap();
    let rig = rig(vec![settings]).await;
    let life = rig.ready("s").await;
    rig.done("s/echo", json!({})).await;
    let pid = rig.pid("s");
    rig.executors.shutdown(Duration::from_secs(5)).await;
    assert!(!is_alive(pid));
    assert!(!rig.executors.is_dead("s", &life).await);
    assert!(rig.executors.dead_for("s", &life).await.is_none());
}

/// Whoever carries the name of a life.
fn marked(life: &str) -> Vec<u32> {
    let mark = format!("FLYBALL_LIFE={life}");
    let carries = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|b| *b == 0).any(|line| line == mark.as_bytes())
    };
    pids().filter(carries).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|e| e.unwrap().file_name().to_str()?.parse::<u32>().ok())
}

fn guarded(parent: u32, command: &[&str]) -> Child {
    let mut guard = Command::new(binary());
    guard
        .args(["guard", "--parent", &parent.to_string(), "--"])
        .args(command);
    guard
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_guard_whose_parent_is_another_process_starts_nothing() {
    let output = guarded(1, &["echo", "started"]).wait_with_output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is gone"));
    let mine = guarded(std::process::id(), &["echo", "started"])
        .wait_with_output()
        .unwrap();
    assert_eq!(mine.stdout, b"started\n");
}

#[tokio::test]
async fn no_child_outlives_an_engine_that_was_killed() {
    use std::io::{BufRead, BufReader};
    let mut engine = Command::new(binary())
        .args(["engine", "sleep", "300"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(engine.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let child: u32 = line.trim().parse().unwrap();
    until("the command runs", || {
        std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim() == "sleep")
    })
    .await;
    engine.kill().unwrap();
    engine.wait().unwrap();
    until("the orphan is dead", || !is_alive(child)).await;
}

fn record_of(alias: &str, pid: u32) -> ChildRecord {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    ChildRecord {
        alias: alias.to_owned(),
        pid,
        start_time: fields[19].parse().unwrap(),
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .unwrap()
            .trim()
            .to_owned(),
    }
}

/// Lines of a command that say that it runs, so that its session is its own by now.
fn started(command: &[&str]) -> Child {
    use std::io::Read;
    let mut child = guarded(std::process::id(), command);
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    child
}

async fn keep(facts: &InMemoryJournal, record: &ChildRecord) {
    let key = format!("child/{}", record.alias);
    facts
        .put_fact(&key, serde_json::to_value(record).unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn children_of_an_earlier_engine_are_dead_with_all_they_started_before_the_fence_returns() {
    let facts = InMemoryJournal::new();
    // One that ends by TERM, one that does not and has a child of its own, which does not either.
    let mut soft = started(&["sh", "-c", "echo x; exec sleep 300"]);
    let deaf = "trap '' TERM; echo x; sh -c \"trap '' TERM; sleep 300; sleep 300\" & sleep 300; sleep 300; sleep 300";
    let mut hard = started(&["sh", "-c", deaf]);
    for (alias, child) in [("soft", &soft), ("hard", &hard)] {
        keep(&facts, &record_of(alias, child.id())).await;
    }
    let records = fence_previous(&facts, Duration::from_millis(300)).await.unwrap();
    assert_eq!(records.len(), 2);
    for child in [&mut soft, &mut hard] {
        assert!(!is_alive(child.id()));
        assert!(!child.wait().unwrap().success());
    }
    assert!(facts.facts("child/").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_dead_child_left_behind_is_put_down_too() {
    let facts = InMemoryJournal::new();
    let mut leader = started(&["sh", "-c", "sleep 300 & echo x; read line"]);
    let record = record_of("s", leader.id());
    signal(leader.id(), Signal::KILL);
    leader.wait().unwrap();
    keep(&facts, &record).await;
    let rest = session_of(record.pid);
    assert_eq!(rest.len(), 1);
    fence_previous(&facts, Duration::from_secs(5)).await.unwrap();
    assert!(!is_alive(rest[0]));
}

fn session_of(pid: u32) -> Vec<u32> {
    let session = |p: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{p}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(3).and_then(|s| s.parse::<u32>().ok()) == Some(pid)
    };
    pids().filter(session).collect()
}

#[tokio::test]
async fn what_left_the_session_of_a_dead_child_is_put_down_before_the_fence_returns() {
    let facts = InMemoryJournal::new();
    // The second one is out of the session and its parent is dead, the third wiped its environment and has one that lives.
    let deaf = "trap '' TERM; sleep 300 & wait; wait; wait";
    let inner = format!("setsid sh -c \"{deaf}\" & env -i setsid /bin/sh -c \"{deaf}\" & echo x; wait");
    let script = format!("setsid sh -c '{}' & wait", inner.replace('\'', "'\\''"));
    let mut leader = started(&["sh", "-c", &script]);
    let record = record_of("s", leader.id());
    let mark = record.incarnation().0;
    until("all have started", || {
        marked(&mark).len() >= 4 && wiped(&mark).len() == 1
    })
    .await;
    let all: Vec<u32> = marked(&mark).into_iter().chain(wiped(&mark)).collect();
    signal(leader.id(), Signal::KILL);
    leader.wait().unwrap();
    keep(&facts, &record).await;
    fence_previous(&facts, Duration::from_millis(300)).await.unwrap();
    let left: Vec<_> = all.into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The children of a life's processes that do not carry its name.
fn wiped(life: &str) -> Vec<u32> {
    let marked = marked(life);
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        fields.get(1).and_then(|p| p.parse::<u32>().ok())
    };
    let of_it = |pid: &u32| !marked.contains(pid) && parent(*pid).is_some_and(|p| marked.contains(&p));
    pids().filter(of_it).collect()
}

#[tokio::test]
async fn a_process_that_only_has_the_same_pid_is_never_touched() {
    let facts = InMemoryJournal::new();
    let mut stranger = started(&["sh", "-c", "echo x; exec sleep 300"]);
    let record = record_of("s", stranger.id());
    let other_start = ChildRecord {
        start_time: record.start_time - 1,
        ..record.clone()
    };
    let other_boot = ChildRecord {
        boot_id: "another".into(),
        ..record.clone()
    };
    for record in [other_start, other_boot] {
        keep(&facts, &record).await;
        fence_previous(&facts, Duration::from_millis(50)).await.unwrap();
        assert!(is_alive(stranger.id()));
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}
