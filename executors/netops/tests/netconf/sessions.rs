//! The protocol itself.

use flyball_netops::netconf::Error;
use flyball_netops::netconf::session::{Commit, Session, Store};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{Server, body, change};

#[tokio::test]
async fn a_session_reads_edits_and_is_refused_by_name() {
    let Some(server) = Server::start().await else { return };
    let mut session = server.session().await;
    for offered in ["candidate:1.0", "confirmed-commit:1.1", "validate:1.1"] {
        session.need(offered).unwrap();
    }
    assert!(!session.id.is_empty());
    session.lock(Store::Candidate).await.unwrap();
    let wrong = session
        .edit_config(&body("x").replace("contact", "flurb"))
        .await
        .unwrap_err();
    assert!(
        matches!(&wrong, Error::Refused { refusal, .. } if refusal.tag == "unknown-element"),
        "{wrong}"
    );
    assert!(!wrong.leaves_doubt());
    session.edit_config(&body("x")).await.unwrap();
    session.validate().await.unwrap();
    session.edit_config(&body("a &amp; b")).await.unwrap();
    session.commit(Commit::Plain).await.unwrap();
    assert!(session.get_config(Store::Running).await.unwrap().contains("a &amp; b"));
    assert_eq!(server.now().await, "a & b");
    let denied = server.session().await.lock(Store::Candidate).await.unwrap_err();
    assert!(
        matches!(&denied, Error::Refused { refusal, .. } if refusal.session.as_ref() == Some(&session.id)),
        "{denied}"
    );
    session.close().await;
}

#[tokio::test]
async fn a_trial_without_a_name_ends_with_its_session() {
    let Some(server) = Server::start().await else { return };
    let mut session = server.session().await;
    session.lock(Store::Candidate).await.unwrap();
    session.edit_config(&body("trial")).await.unwrap();
    session.commit(Commit::Session { seconds: 60 }).await.unwrap();
    assert_eq!(server.now().await, "trial");
    drop(session);
    server.until("before").await;
}

#[tokio::test]
async fn an_older_server_is_spoken_to_with_marks_between_messages() {
    let (near, mut far) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        let hello = "<hello xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities><session-id>7</session-id></hello>]]>]]>";
        far.write_all(hello.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"</rpc>]]>]]>") {
            far.read_buf(&mut seen).await.unwrap();
        }
        let reply = "<rpc-reply message-id=\"1\" xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><rpc-error><error-severity>warning</error-severity></rpc-error><ok/></rpc-reply>]]>]]>";
        far.write_all(reply.as_bytes()).await.unwrap();
        far
    });
    let mut session = Session::start("old", Box::new(near)).await.unwrap();
    assert_eq!(session.id, "7");
    session.validate().await.unwrap();
    let missing = session.need("candidate:1.0").unwrap_err();
    assert!(matches!(missing, Error::NotOffered { .. }));
    drop(server.await.unwrap());
    let cut = session.commit(Commit::Plain).await.unwrap_err();
    assert!(cut.leaves_doubt(), "{cut}");
}

#[tokio::test]
async fn bodies_are_foreseen_and_led_back() {
    let Some(server) = Server::start().await else { return };
    let preview = server.ok("preview_commit", change("after")).await;
    assert_eq!(preview["unchanged"], false, "{preview}");
    assert_eq!(preview["irreversible"], json!([]), "{preview}");
    let meta = json!({"io.flyball/expect_base": preview["base"]});
    let written = server.call("apply_lines", change("after"), meta).await;
    assert!(!written.is_error, "{}", written.content);
    assert_eq!(written.content["changed"], true);
    assert_eq!(server.now().await, "after");
    assert_eq!(server.ok("preview_lines", change("after")).await["unchanged"], true);
    assert_eq!(server.ok("apply_lines", change("after")).await["sent"], 0);
    let undone = server
        .ok("apply_lines", json!({"device": "nc-1", "lines": preview["reverse"]}))
        .await;
    assert_eq!(undone["base"], preview["base"], "{preview}");
    assert_eq!(server.now().await, "before");

    let wrong = json!({"device": "nc-1", "lines": [body("x").replace("contact", "flurb")]});
    let refused = server.call("apply_lines", wrong, json!({})).await;
    assert!(refused.is_error);
    assert!(
        refused.content["refused"]["message"]
            .as_str()
            .unwrap()
            .contains("unknown-element"),
        "{}",
        refused.content
    );
    assert_eq!(refused.content["changed"], false);
    let terminal = server.call("get_ospf", json!({"device": "nc-1"}), json!({})).await;
    assert!(
        terminal.content["error"].as_str().unwrap().contains("netconf"),
        "{}",
        terminal.content
    );
}
