//! Commits on trial.

use std::time::{Duration, Instant};

use flyball_netops::netconf::session::Store;
use serde_json::{Value, json};

use crate::server::{DEVICE, Server, body, change, lease, object, one};

async fn state(server: &Server, id: &str) -> Value {
    server.leased("get_commit", change("trial"), id, 30).await
}

#[tokio::test]
async fn what_is_prepared_is_committed_on_trial_and_confirmed() {
    let Some(server) = Server::start().await else { return };
    let prepared = server.leased("prepare_commit", change("trial"), "k1", 30).await;
    assert_eq!(prepared["state"], "prepared", "{prepared}");
    assert_eq!(server.now().await, "before", "the running configuration is untouched");
    assert_eq!(state(&server, "k1").await["state"], "prepared");

    let trial = server.leased("commit_confirmed", change("trial"), "k1", 30).await;
    assert_eq!(
        (&trial["state"], &trial["changed"]),
        (&json!("pending"), &json!(true)),
        "{trial}"
    );
    assert_eq!(server.now().await, "trial");
    let pending = state(&server, "k1").await;
    assert_eq!(
        (&pending["state"], &pending["unchanged"]),
        (&json!("pending"), &json!(true)),
        "{pending}"
    );
    assert_eq!(pending["pending"]["id"], "k1");

    let again = server.leased("commit_confirmed", change("trial"), "k1", 30).await;
    assert_eq!(
        (&again["state"], &again["sent"]),
        (&json!("pending"), &json!(0)),
        "{again}"
    );
    server.leased("confirm_commit", one(), "k1", 30).await;
    assert_eq!(server.leased("confirm_commit", one(), "k1", 30).await["changed"], false);
    let confirmed = state(&server, "k1").await;
    assert_eq!(
        (&confirmed["state"], &confirmed["pending"]),
        (&json!("confirmed"), &Value::Null),
        "{confirmed}"
    );
    server.contact("after").await;
}

#[tokio::test]
async fn a_named_trial_outlives_its_session_and_its_server_until_its_time_is_over() {
    let Some(server) = Server::start().await else { return };
    let first = server.other();
    let trial = first
        .call("commit_confirmed", object(change("trial")), &object(lease("k1", 15)))
        .await
        .unwrap();
    assert!(!trial.is_error, "{}", trial.content);
    drop(first);
    assert_eq!(server.now().await, "trial", "the session is gone, the trial is not");
    let seen = state(&server, "k1").await;
    assert_eq!(
        (&seen["state"], &seen["pending"]["id"]),
        (&json!("pending"), &Value::Null),
        "{seen}"
    );
    let over = server.until_over("k1").await;
    assert_eq!(server.now().await, "before");
    for tool in ["confirm_commit", "extend_commit"] {
        assert_eq!(server.refused(tool, one(), "k1").await["refused"], "expired", "{tool}");
    }
    assert_eq!(over["history"][0]["phase"], "timeout", "{over}");
}

#[tokio::test]
async fn a_device_that_is_asked_all_the_time_still_takes_a_trial_back() {
    let Some(server) = Server::start().await else { return };
    server.leased("commit_confirmed", change("trial"), "k1", 4).await;
    let other = server.other();
    let asked = json!({"device": DEVICE, "lines": [body("trial")]});
    let ask = || async {
        let reply = other
            .call("get_commit", object(asked.clone()), &object(lease("k1", 4)))
            .await;
        reply.unwrap().content["state"].clone()
    };
    // One that knows when it began and one that does not; neither pauses.
    server.until_over("k1").await;
    assert_eq!(ask().await, "reverted");
    server.leased("commit_confirmed", change("trial"), "k2", 4).await;
    let deadline = Instant::now() + Duration::from_secs(40);
    while ask().await != "reverted" {
        assert!(Instant::now() < deadline, "never taken back: {}", server.log());
    }
    assert_eq!(server.now().await, "before");
}

#[tokio::test]
async fn who_knows_the_name_extends_and_confirms_after_a_restart() {
    let Some(server) = Server::start().await else { return };
    let first = server.other();
    let trial = first
        .call("commit_confirmed", object(change("trial")), &object(lease("k1", 10)))
        .await
        .unwrap();
    assert!(!trial.is_error, "{}", trial.content);
    drop(first);
    let stranger = server.refused("confirm_commit", one(), "k2").await;
    assert!(stranger["refused"].is_object(), "{stranger}");
    server.leased("extend_commit", one(), "k1", 60).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(server.now().await, "trial", "it outlives its first time");
    server.leased("confirm_commit", one(), "k1", 30).await;
    server.contact("after").await;
}

#[tokio::test]
async fn a_cancel_puts_it_back_at_once() {
    let Some(server) = Server::start().await else { return };
    server.leased("commit_confirmed", change("trial"), "k1", 30).await;
    let cancelled = server.leased("cancel_commit", one(), "k1", 30).await;
    assert_eq!(
        (&cancelled["state"], &cancelled["changed"]),
        (&json!("reverted"), &json!(true)),
        "{cancelled}"
    );
    assert_eq!(server.now().await, "before");
    assert_eq!(server.leased("cancel_commit", one(), "k1", 30).await["changed"], false);
    assert_eq!(state(&server, "k1").await["state"], "reverted");
    server.leased("prepare_commit", change("trial"), "k2", 30).await;
    assert_eq!(server.leased("cancel_commit", one(), "k2", 30).await["state"], "none");
    server.contact("after").await;
}

#[tokio::test]
async fn a_lock_a_dirty_candidate_and_anothers_trial_are_refused() {
    let Some(server) = Server::start().await else { return };
    let mut other = server.session().await;
    other.lock(Store::Candidate).await.unwrap();
    let locked = server.refused("prepare_commit", change("trial"), "k1").await;
    assert_eq!(locked["refused"], "locked", "{locked}");
    assert!(locked["holder"].as_str().unwrap().contains(&other.id), "{locked}");
    other.unlock(Store::Candidate).await.unwrap();

    other.edit_config(&body("theirs")).await.unwrap();
    for tool in ["prepare_commit", "commit_confirmed", "apply_lines"] {
        let dirty = server.refused(tool, change("trial"), "k1").await;
        assert_eq!(dirty["refused"], "dirty candidate", "{tool}: {dirty}");
    }
    let candidate = other.get_config(Store::Candidate).await.unwrap();
    assert!(candidate.contains("theirs"), "their edits are still there");
    other.discard().await.unwrap();

    let second = server.other();
    let trial = second
        .call("commit_confirmed", object(change("theirs")), &object(lease("k9", 30)))
        .await
        .unwrap();
    assert!(!trial.is_error, "{}", trial.content);
    for tool in ["prepare_commit", "commit_confirmed", "apply_lines"] {
        let refused = server.refused(tool, change("trial"), "k1").await;
        assert_eq!(refused["refused"], "awaiting confirmation", "{tool}: {refused}");
    }
    assert_eq!(server.now().await, "theirs");
    assert_eq!(state(&server, "k1").await["state"], "none");
}

#[tokio::test]
async fn what_the_device_refuses_leaves_nothing_in() {
    let Some(server) = Server::start().await else { return };
    let wrong = json!({"device": "nc-1", "lines": [body("x").replace("contact", "flurb")]});
    let refused = server.refused("prepare_commit", wrong.clone(), "k1").await;
    assert_eq!(
        (&refused["state"], &refused["changed"]),
        (&json!("none"), &json!(false)),
        "{refused}"
    );
    server.refused("commit_confirmed", wrong, "k1").await;
    let denied = json!({"device": "nc-1", "lines": [body("x").replace("contact", "authentication")]});
    assert_eq!(
        server.refused("commit_confirmed", denied, "k1").await["refused"],
        "denied"
    );
    assert_eq!(server.now().await, "before");
    server.leased("commit_confirmed", change("trial"), "k1", 30).await;
}
