//! Commits on trial on a NETCONF device: Debian's `netconfd`, where it is installed.

use serde_json::{Value, json};

use crate::engine::{Engine, Folder};
use crate::server::{DEVICE, Server, body, one};

fn plan(expect: &str) -> Value {
    json!({
        "steps": [{"id": "contact", "tool": "config/commit_confirmed", "args": {"device": DEVICE, "lines": [body("trial")]}}],
        "post_checks": [{"tool": "config/get_config", "args": one(), "expect": expect, "within": "5s"}]
    })
}

/// What the device tells of its trials to who knows nothing of them, newest first.
async fn told(server: &Server) -> Vec<String> {
    let said = server.leased("get_commit", one(), "nobody", 20).await;
    let history = said["history"].as_array().unwrap().iter();
    history
        .map(|event| event["phase"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_is_committed_on_trial_checked_and_confirmed() {
    let Some(server) = Server::start().await else { return };
    let folder = Folder::over(&server.inventory(), false);
    let engine = Engine::start(&folder);
    let intent = engine.submit(plan("output.config.contains('contact = trial')")).await;
    engine.until(&intent, "fulfilled").await;
    assert_eq!(server.now().await, "trial");
    let mut events = told(&server).await;
    events.retain(|event| event != "extend");
    assert_eq!(events, ["complete", "start"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_check_cancels_the_trial() {
    let Some(server) = Server::start().await else { return };
    let folder = Folder::over(&server.inventory(), false);
    let engine = Engine::start(&folder);
    let intent = engine.submit(plan("output.config.contains('contact = never')")).await;
    engine.until(&intent, "rolled_back").await;
    assert_eq!(server.now().await, "before");
    let events = told(&server).await;
    assert_eq!(
        (events[0].as_str(), events.contains(&"complete".to_owned())),
        ("cancel", false),
        "{events:?}"
    );
}
