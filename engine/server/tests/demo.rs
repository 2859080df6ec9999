//! The demo's acts, judged from the devices' logs and configurations: its own exit code says whether each promise held.
//! And its ends: whatever ends it, no process and no folder with tokens stays behind.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A demo whose folder is in a folder of its own, so that other demos on this machine are not taken for it.
fn demo(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command
        .arg("demo")
        .env_remove("FLYBALL_CONFIG")
        .env_remove("FLYBALL_TOKEN")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[test]
fn every_promise_of_the_demo_holds_and_no_process_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path()).arg("--json").output().expect("the demo starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{told}");
    let story: serde_json::Value = serde_json::from_str(&said).expect("--json prints one JSON value");
    let promises = story["promises"].as_array().expect("a list of promises");
    let broken: Vec<_> = promises.iter().filter(|p| p["held"] != true).collect();
    assert!(promises.len() >= 12 && broken.is_empty(), "{broken:?}");
    for figure in ["seconds", "calls", "syncs", "entries"] {
        let value = story["figures"][figure].as_f64();
        assert!(value.is_some_and(|v| v > 0.0), "{figure}: {}", story["figures"]);
    }
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

#[test]
fn a_demo_that_is_interrupted_or_told_to_end_cleans_up_and_says_so_by_its_exit_code() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let (mut demo, _reader) = under_way(folder.path());
        send(&demo, signal);
        assert_eq!(exit(&mut demo), Some(code), "{signal}");
        assert_eq!(left_behind(folder.path()), Vec::<String>::new(), "{signal}");
    }
}

#[test]
fn a_demo_whose_reader_goes_away_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut demo, reader) = under_way(folder.path());
    drop(reader);
    assert_eq!(exit(&mut demo), Some(1));
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

#[test]
fn a_demo_that_is_killed_takes_its_engine_and_servers_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut demo, _reader) = under_way(folder.path());
    assert!(!processes(folder.path()).is_empty(), "the engine is recognised");
    send(&demo, "-KILL");
    assert_eq!(exit(&mut demo), None);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !processes(folder.path()).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", processes(folder.path()));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A demo in its first act: the engine and its servers run.
fn under_way(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut demo = demo(folder).spawn().unwrap();
    let mut reader = BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("Act 1") {
        line.clear();
        assert!(
            reader.read_line(&mut line).unwrap() > 0,
            "the demo ends before its first act"
        );
    }
    (demo, reader)
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

/// Its exit code; none where a signal ended it.
fn exit(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that have to do with a folder, and what is still in it.
fn left_behind(folder: &Path) -> Vec<String> {
    let mut left = processes(folder);
    let files = std::fs::read_dir(folder).unwrap().flatten();
    left.extend(files.map(|f| f.path().display().to_string()));
    left
}

/// Processes that name a folder in their command line or work in it.
fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").expect("a Linux /proc").flatten();
    let described = entries.map(|p| {
        let words = std::fs::read(p.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let cwd = std::fs::read_link(p.path().join("cwd")).unwrap_or_default();
        format!("{} {words} in {}", p.path().display(), cwd.display())
    });
    described.filter(|d| d.contains(folder)).collect()
}
