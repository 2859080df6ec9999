//! The demo's acts, judged from the devices' logs and configurations: its own exit code says whether each promise held.

use std::process::{Command, Stdio};

#[test]
fn every_promise_of_the_demo_holds_and_no_process_is_left() {
    let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(["demo", "--json"])
        .env_remove("FLYBALL_CONFIG")
        .env_remove("FLYBALL_TOKEN")
        .stdin(Stdio::null())
        .output()
        .expect("the demo starts");
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
    assert_eq!(left_behind(), Vec::<String>::new());
}

/// Processes that still work in a folder of the demo's.
fn left_behind() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("a Linux /proc").flatten();
    let cwd = |p: &std::fs::DirEntry| std::fs::read_link(p.path().join("cwd")).ok();
    let theirs = processes.filter_map(|p| cwd(&p)).map(|c| c.display().to_string());
    theirs.filter(|c| c.contains("flyball-demo-")).collect()
}
