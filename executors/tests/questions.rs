//! Questions of servers, over both transports and in both eras, against a server made with the official library.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use axum::Router;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::question::{Answers, Question};
use flyball_engine::tool::{Outcome, ToolRequest};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::server::{LEGACY, MODERN, World};
use support::*;

async fn served(world: World) -> String {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = world.versions == LEGACY;
    let service = StreamableHttpService::new(
        move || Ok(world.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().nest_service("/mcp", service)).await });
    url
}

/// The same server four times: each era over each transport.
async fn all_four() -> Rig {
    let (old, new) = (served(World::new(LEGACY)).await, served(World::new(MODERN)).await);
    rig(vec![
        own("old_pipe", &["world", "legacy"]),
        own("new_pipe", &["world", "modern"]),
        http("old_web", &old),
        http("new_web", &new),
    ])
    .await
}

const ALL: [&str; 4] = ["old_pipe", "new_pipe", "old_web", "new_web"];
const OLD: [&str; 2] = ["old_pipe", "old_web"];

fn asks(alias: &str, args: Value) -> ToolRequest {
    request(&format!("{alias}/ask"), args)
}

async fn asked(rig: &Rig, request: &ToolRequest) -> (Question, Answer) {
    let answer = rig.executors.call(request.clone()).await;
    match &answer.outcome {
        Outcome::NeedsInput { question } => (question.clone(), answer),
        other => panic!("{}: {other:?}", request.tool),
    }
}

/// The same answer to every form of a question.
fn answers(question: &Question, with: &Value) -> Answers {
    let mut answers = Answers::default();
    question.posed().for_each(|posed| answers.add(posed, with.clone()));
    answers
}

fn accept(seconds: u64) -> Value {
    json!({"action": "accept", "content": {"seconds": seconds}})
}

#[tokio::test]
async fn a_form_is_handed_on_and_its_answer_ends_the_call_in_both_eras_over_both_transports() {
    let rig = all_four().await;
    for alias in ALL {
        let request = asks(alias, json!({"what": "how long"}));
        let (question, _) = asked(&rig, &request).await;
        let form = question.forms.values().next().unwrap();
        assert_eq!(
            (form.message.as_str(), question.forms.len()),
            ("how long 1", 1),
            "{alias}"
        );
        assert_eq!(form.schema["properties"]["seconds"]["type"], "integer");
        assert_eq!(question.unanswerable(0), None);
        let old = alias.starts_with("old");
        assert_eq!(
            (question.parked.is_some(), question.state.is_some()),
            (old, !old),
            "{alias}"
        );
        let with = answers(&question, &accept(30));
        let outcome = rig.executors.go_on(request.clone(), with.clone()).await.outcome;
        let output = json!({"answered": {"seconds": 30}});
        assert_eq!(outcome, Outcome::Done { output }, "{alias}");
        if old {
            // It is handed in once: the call has ended.
            let again = rig.executors.go_on(request, with).await.outcome;
            assert!(is_unknown(&again), "{alias}: {again:?}");
        }
    }
    rig.end().await;
}

#[tokio::test]
async fn a_form_may_be_declined_or_dismissed_and_a_server_may_ask_again() {
    let rig = all_four().await;
    for alias in ALL {
        for (action, word) in [("decline", "Decline"), ("cancel", "Cancel")] {
            let request = asks(alias, json!({}));
            let (question, _) = asked(&rig, &request).await;
            let with = answers(&question, &json!({ "action": action }));
            let outcome = rig.executors.go_on(request, with).await.outcome;
            let output = json!({ "text": word });
            assert_eq!(outcome, Outcome::ToolError { output }, "{alias}");
        }
        let request = asks(alias, json!({"rounds": 2}));
        let (first, _) = asked(&rig, &request).await;
        let outcome = rig
            .executors
            .go_on(request.clone(), answers(&first, &accept(1)))
            .await
            .outcome;
        let Outcome::NeedsInput { question: second } = outcome else {
            panic!("{alias}: {outcome:?}")
        };
        assert_eq!(second.forms.values().next().unwrap().message, "round 2", "{alias}");
        let outcome = rig.executors.go_on(request, answers(&second, &accept(2))).await.outcome;
        let output = json!({"answered": {"seconds": 2}});
        assert_eq!(outcome, Outcome::Done { output }, "{alias}");
    }
    rig.end().await;
}

#[tokio::test]
async fn what_is_no_form_is_declined_while_the_call_is_out_and_named_when_it_ended_the_call() {
    let rig = all_four().await;
    for alias in ALL {
        let outcome = rig.executors.call(asks(alias, json!({"way": "page"}))).await.outcome;
        match outcome {
            Outcome::ToolError { output } => assert_eq!(output, json!({"text": "Decline"}), "{alias}"),
            Outcome::NeedsInput { question } => {
                assert!(question.unanswerable(0).unwrap().contains("web page"), "{alias}");
            }
            other => panic!("{alias}: {other:?}"),
        }
    }
    rig.end().await;
}

#[tokio::test]
async fn a_question_that_is_let_go_of_ends_its_call_and_the_end_is_heard_late() {
    let rig = all_four().await;
    for alias in OLD {
        let (question, answer) = asked(&rig, &asks(alias, json!({}))).await;
        rig.executors.dismiss(question.parked.as_deref().unwrap()).await;
        let output = json!({"text": "Cancel"});
        assert_eq!(
            answer.late.unwrap().await.unwrap(),
            Outcome::ToolError { output },
            "{alias}"
        );
    }
    rig.end().await;
}

#[tokio::test]
async fn a_server_that_waits_no_more_ends_the_call_itself_and_takes_no_answer() {
    let rig = all_four().await;
    for alias in OLD {
        let request = asks(alias, json!({"patience_ms": 200}));
        let (question, answer) = asked(&rig, &request).await;
        let late = answer.late.unwrap().await.unwrap();
        assert!(matches!(late, Outcome::ToolError { .. }), "{alias}: {late:?}");
        let outcome = rig
            .executors
            .go_on(request, answers(&question, &accept(1)))
            .await
            .outcome;
        assert!(is_unknown(&outcome), "{alias}: {outcome:?}");
    }
    rig.end().await;
}

#[tokio::test]
async fn a_server_that_dies_over_its_question_leaves_the_call_unknown_at_once() {
    let rig = rig(vec![own("s", &["world", "legacy"])]).await;
    let request = asks("s", json!({}));
    let (question, answer) = asked(&rig, &request).await;
    signal(rig.pid("s"), Signal::KILL);
    let late = answer.late.unwrap().await.unwrap();
    assert!(is_unknown(&late), "{late:?}");
    let outcome = rig
        .executors
        .go_on(request, answers(&question, &accept(1)))
        .await
        .outcome;
    assert!(is_unknown(&outcome), "{outcome:?}");
    rig.ready("s").await;
    rig.end().await;
}

#[tokio::test]
async fn over_the_web_questions_of_calls_side_by_side_are_told_apart_and_over_a_pipe_they_are_dismissed() {
    let rig = all_four().await;
    let (one, two) = (
        asks("old_web", json!({"what": "one"})),
        asks("old_web", json!({"what": "two"})),
    );
    let ((first, _), (second, _)) = tokio::join!(asked(&rig, &one), asked(&rig, &two));
    assert_eq!(first.forms.values().next().unwrap().message, "one 1");
    assert_eq!(second.forms.values().next().unwrap().message, "two 1");
    for (request, question, seconds) in [(two, second, 2), (one, first, 1)] {
        let outcome = rig
            .executors
            .go_on(request, answers(&question, &accept(seconds)))
            .await
            .outcome;
        let output = json!({"answered": {"seconds": seconds}});
        assert_eq!(outcome, Outcome::Done { output });
    }
    // Nothing says whose question it is: a person must not be asked about the wrong call.
    let other = request("old_pipe/sleep", json!({"ms": 60_000}));
    let sleeping = rig.executors.call(ToolRequest {
        timeout_ms: 300,
        ..other
    });
    let asking = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.executors.call(asks("old_pipe", json!({}))).await.outcome
    };
    let (_, outcome) = tokio::join!(sleeping, asking);
    let output = json!({"text": "Cancel"});
    assert_eq!(outcome, Outcome::ToolError { output });
    rig.end().await;
}

#[tokio::test]
async fn a_read_that_asks_hears_so_and_its_server_that_nobody_answers() {
    let rig = all_four().await;
    for alias in ALL {
        let read = ToolRequest {
            mutating: false,
            ..asks(alias, json!({}))
        };
        let outcome = rig.executors.call(read).await.outcome;
        assert!(matches!(outcome, Outcome::NeedsInput { .. }), "{alias}: {outcome:?}");
        // The link is free for the next one.
        rig.done(&format!("{alias}/echo"), json!({})).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn a_graceful_stop_does_not_wait_for_a_person() {
    let rig = rig(vec![own("s", &["world", "legacy"])]).await;
    asked(&rig, &asks("s", json!({}))).await;
    let before = std::time::Instant::now();
    assert!(rig.executors.shutdown(Duration::from_secs(60)).await, "nothing was cut");
    assert!(before.elapsed() < Duration::from_secs(30));
}
