//! Commits on trial from an intent to the devices: prepared everywhere, committed, checked, confirmed; cancelled when a
//! check is missed; and taken back by the devices themselves when the engine is gone.

use serde_json::{Value, json};

use crate::engine::{Engine, Folder, LEASE};
use crate::lab::{Executed, Lab};

const EDGES: [&str; 2] = ["gz-edge-1", "gz-edge-2"];
const ON_TRIAL: &str = r#"^commit confirmed .*flyball do "#;

/// Another MTU on both ends of a link, and a check that reads it.
fn plan(expect: &str, within: &str) -> Value {
    json!({
        "steps": [
            {"id": "edges", "tool": "inventory/list_devices", "args": {"site": "guangzhou"}},
            {"id": "mtu", "for_each": "${steps.edges.output.devices}", "tool": "config/commit_confirmed",
             "args": {"device": "${item.name}", "lines": ["set interfaces ge-0/0/1 mtu 1400"], "comment": "smaller frames"}},
        ],
        "post_checks": [{"tool": "config/get_interface", "args": {"device": "gz-edge-2", "interface": "ge-0/0/1"},
                         "expect": expect, "within": within}]
    })
}

struct Site {
    lab: Lab,
    folder: Folder,
    before: Vec<String>,
}

impl Site {
    async fn new() -> Self {
        let lab = Lab::of(&EDGES).await;
        let folder = Folder::over(&lab.sandbox.inventory_path(), false);
        let before = vec![lab.running(EDGES[0]).await, lab.running(EDGES[1]).await];
        Self { lab, folder, before }
    }

    /// When each device executed the lines that contain all these words.
    async fn times(&self, words: &[&str]) -> Vec<Vec<u64>> {
        let mut times = Vec::new();
        for device in EDGES {
            let executed = self.lab.executed(device).await;
            let fits = |e: &&Executed| words.iter().all(|word| e.line.contains(word));
            times.push(executed.iter().filter(fits).map(|e| e.at_ms).collect());
        }
        times
    }

    async fn is_as_before(&self) -> bool {
        let mut same = true;
        for (device, before) in EDGES.iter().zip(&self.before) {
            same &= self.lab.running(device).await == *before;
        }
        same
    }
}

/// The only time on each device.
fn once(times: &[Vec<u64>]) -> Vec<u64> {
    let once = times.iter().map(|of_one| match of_one.as_slice() {
        [at] => *at,
        other => panic!("not once: {other:?}"),
    });
    once.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_prepared_everywhere_before_it_is_committed_anywhere_and_confirmed_after_its_check() {
    let site = Site::new().await;
    let engine = Engine::start(&site.folder);
    let intent = engine.submit(plan("output.mtu == 1400", "20s")).await;
    engine.until(&intent, "fulfilled").await;

    let prepared = once(&site.times(&["commit check"]).await);
    let committed = once(&site.times(&["commit confirmed", "smaller frames", "flyball do"]).await);
    let confirmed = once(&site.times(&["commit comment", "flyball confirm"]).await);
    assert!(
        prepared.iter().max() <= committed.iter().min(),
        "{prepared:?} {committed:?}"
    );
    assert!(
        committed.iter().max() <= confirmed.iter().min(),
        "{committed:?} {confirmed:?}"
    );
    let entries = engine.entries(&intent).await;
    let checked = entries.iter().position(|e| {
        let reading = &e["event"]["readings"][0];
        e["event"]["type"] == "ChecksTaken" && reading["verdict"] == "held"
    });
    let confirm = entries.iter().position(|e| {
        let call = e["event"]["call"].as_str().unwrap_or_default();
        e["event"]["type"] == "CallStarted" && call.contains(":confirm:")
    });
    assert!(
        checked.is_some() && checked < confirm,
        "{}",
        engine.story(&intent).await
    );
    for device in EDGES {
        assert!(site.lab.running(device).await.contains("mtu 1400"), "{device}");
        let (commits, pending) = site.lab.commits(device).await;
        let ours: Vec<&str> = commits.iter().map(String::as_str).filter(|c| *c != "extend").collect();
        assert_eq!((ours, pending), (vec!["confirm", "do", "by root"], false), "{device}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_check_cancels_at_once_what_waits_to_be_confirmed() {
    let site = Site::new().await;
    let engine = Engine::start(&site.folder);
    let intent = engine.submit(plan("output.mtu == 9000", "1s")).await;
    engine.until(&intent, "rolled_back").await;

    let committed = once(&site.times(&["commit confirmed", "flyball do"]).await);
    let cancelled = once(&site.times(&["commit comment", "flyball cancel"]).await);
    for (committed, cancelled) in committed.iter().zip(&cancelled) {
        let kept = cancelled - committed;
        assert!(kept < LEASE * 1_000, "it was not left to the device's timer: {kept} ms");
    }
    assert!(site.is_as_before().await);
    for device in EDGES {
        let (commits, pending) = site.lab.commits(device).await;
        assert_eq!(
            (commits[0].as_str(), pending),
            ("cancel", false),
            "{device}: {commits:?}"
        );
        assert!(!commits.contains(&"confirm".to_owned()), "{device}: {commits:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_that_was_killed_did_not_confirm_the_devices_take_back_and_the_next_engine_knows() {
    let site = Site::new().await;
    let engine = Engine::start(&site.folder);
    // Committed on both, and checked in vain until the kill.
    let intent = engine.submit(plan("output.mtu == 9000", "100s")).await;
    engine.until(&intent, "verifying").await;
    drop(engine);

    for (device, before) in EDGES.iter().zip(&site.before) {
        assert_ne!(site.lab.running(device).await, *before, "{device}: still on trial");
    }
    for (device, before) in EDGES.iter().zip(&site.before) {
        site.lab.until_running(device, before).await;
        let (commits, pending) = site.lab.commits(device).await;
        assert_eq!(
            (commits[0].as_str(), pending),
            ("by root", false),
            "{device}: {commits:?}"
        );
    }
    let commits = |of: &[Vec<u64>]| of.iter().map(Vec::len).sum::<usize>();
    let sent = commits(&site.times(&["commit c"]).await);

    let engine = Engine::start(&site.folder);
    let view = engine.until(&intent, "rolled_back").await;
    let story = engine.story(&intent).await;
    assert!(view["reason"].as_str().unwrap().contains("timer"), "{view}\n{story}");
    assert_eq!(
        engine.events(&intent, "LeaseExpired").await.len(),
        EDGES.len(),
        "{story}"
    );
    once(&site.times(&["commit confirmed", "flyball do"]).await);
    assert_eq!(
        commits(&site.times(&["commit c"]).await),
        sent,
        "nothing was committed any more\n{story}"
    );
    assert!(site.is_as_before().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_died_with_the_engine_is_not_sent_again_under_its_own_lease() {
    let site = Site::new().await;
    let engine = Engine::start(&site.folder);
    // The second device's answer is held back: it has committed, and nobody has heard of it.
    site.lab
        .ask(json!({"cmd": "fault", "device": EDGES[1], "kind": "hold", "match": ON_TRIAL}))
        .await;
    let intent = engine.submit(plan("output.mtu == 1400", "20s")).await;
    site.lab.until_executed(EDGES[1], ON_TRIAL).await;
    drop(engine);
    site.lab.ask(json!({"cmd": "release", "device": EDGES[1]})).await;
    for (device, before) in EDGES.iter().zip(&site.before) {
        site.lab.until_running(device, before).await;
    }

    let engine = Engine::start(&site.folder);
    engine.until(&intent, "rolled_back").await;
    let story = engine.story(&intent).await;
    let committed = site.times(&["commit confirmed", "flyball do"]).await;
    assert_eq!(committed.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1], "{story}");
    assert!(site.is_as_before().await);
}
