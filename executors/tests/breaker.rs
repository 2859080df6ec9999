//! Circuit breakers: a server that is broken is left alone, and a credential that was refused is not tried again.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::{Outcome, ToolRequest};
use flyball_executors::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::*;
use tokio::net::TcpListener;

/// What the server does with every request.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Broken,
    /// Knows nobody.
    Stranger,
}

struct Inner {
    mood: Mood,
    /// Requests by method.
    seen: BTreeMap<String, usize>,
}

/// A modern server that counts what reaches it.
#[derive(Clone)]
struct Moody(Arc<Mutex<Inner>>);

impl Moody {
    async fn serve(mood: Mood) -> (Self, String) {
        let moody = Self(Arc::new(Mutex::new(Inner {
            mood,
            seen: BTreeMap::new(),
        })));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let me = moody.clone();
        let answer = move |_: HeaderMap, body: String| {
            let me = me.clone();
            async move { me.answer(&body) }
        };
        let router = Router::new().route("/mcp", any(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (moody, url)
    }

    fn answer(&self, body: &str) -> Response {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let method = message["method"].as_str().unwrap_or("other").to_owned();
        let mut inner = self.0.lock().unwrap();
        *inner.seen.entry(method.clone()).or_default() += 1;
        let reply = |result: Value| {
            axum::Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
        };
        match (inner.mood, method.as_str()) {
            (Mood::Broken, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            (Mood::Stranger, _) => (StatusCode::UNAUTHORIZED, "who are you").into_response(),
            (_, "server/discover") => reply(raw::discovery()),
            (_, "tools/list") => reply(raw::list("moody")),
            (_, "tools/call") => reply(raw::result("echo", &message["params"]["arguments"])),
            _ => StatusCode::ACCEPTED.into_response(),
        }
    }

    fn set(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    fn seen(&self, method: &str) -> usize {
        self.0.lock().unwrap().seen.get(method).copied().unwrap_or(0)
    }

    fn all_seen(&self) -> usize {
        self.0.lock().unwrap().seen.values().sum()
    }
}

const PAUSE: Duration = Duration::from_millis(400);

async fn rig_of(servers: Vec<ServerSettings>) -> Rig {
    let mut options = options();
    options.breaker = BreakerRules {
        failures: 3,
        pause: PAUSE,
        longest_pause: PAUSE,
    };
    rig_with(servers, journal(), options).await
}

fn signed(alias: &str, url: &str, token: &str) -> ServerSettings {
    let headers = json!({"Authorization": format!("Bearer {token}")});
    let entry = json!({"url": url, "headers": headers, "timeouts": timeouts()});
    ServerSettings::from_entry(alias, serde_json::from_value(entry).unwrap()).unwrap()
}

fn tool(rig: &Rig, alias: &str) -> String {
    let catalogue = rig.executors.catalogue();
    let own = catalogue.tools.keys().find(|t| t.server() == alias);
    own.unwrap().to_string()
}

fn open_for(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::NotSent { reason, retry_after_ms } if reason.contains("circuit open") => {
            Some(retry_after_ms.unwrap_or(0))
        }
        _ => None,
    }
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected { code: 401, .. })
}

fn half_open(rig: &Rig) -> bool {
    matches!(rig.status("s").circuit, CircuitStatus::HalfOpen { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_in_a_row_is_left_alone_and_a_change_is_sent_again_only_after_a_read_got_through() {
    let (moody, url) = Moody::serve(Mood::Well).await;
    let rig = rig_of(vec![http("s", &url)]).await;
    let echo = tool(&rig, "s");
    moody.set(Mood::Broken);
    for _ in 0..3 {
        assert!(is_unknown(&rig.call(&echo, json!({})).await));
    }
    for _ in 0..10 {
        let outcome = rig.call(&echo, json!({})).await;
        let retry_after = open_for(&outcome).unwrap_or_else(|| panic!("{outcome:?}"));
        assert!(retry_after <= PAUSE.as_millis() as u64);
    }
    assert_eq!(moody.seen("tools/call"), 3, "nothing leaves while it is open");
    assert!(matches!(rig.status("s").circuit, CircuitStatus::Open { .. }));

    until("the pause is over", || half_open(&rig)).await;
    assert!(open_for(&rig.call(&echo, json!({})).await).is_some(), "still broken");
    assert_eq!(moody.seen("tools/call"), 3, "the trial was a read");

    moody.set(Mood::Well);
    until("the pause is over", || {
        !matches!(rig.status("s").circuit, CircuitStatus::Open { .. })
    })
    .await;
    rig.done(&echo, json!({})).await;
    assert_eq!(rig.status("s").circuit, CircuitStatus::Closed { failures: 0 });
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_a_trial_of_its_own() {
    let (moody, url) = Moody::serve(Mood::Well).await;
    let rig = rig_of(vec![http("s", &url)]).await;
    let echo = tool(&rig, "s");
    moody.set(Mood::Broken);
    let read = || ToolRequest {
        mutating: false,
        ..request(&echo, json!({}))
    };
    for _ in 0..3 {
        assert!(is_unknown(&rig.executors.call(read()).await.outcome));
    }
    until("the pause is over", || half_open(&rig)).await;
    let listed = moody.seen("tools/list");
    moody.set(Mood::Well);
    let outcome = rig.executors.call(read()).await.outcome;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!((moody.seen("tools/call"), moody.seen("tools/list")), (4, listed));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_stops_every_server_with_that_credential_until_a_person_refreshes_one() {
    let (moody, url) = Moody::serve(Mood::Well).await;
    let servers = vec![
        signed("a", &url, "t"),
        signed("b", &url, "t"),
        signed("c", &url, "other"),
    ];
    let rig = rig_of(servers).await;
    let [a, b, c] = ["a", "b", "c"].map(|alias| tool(&rig, alias));
    moody.set(Mood::Stranger);
    assert!(is_refused(&rig.call(&a, json!({})).await));
    let seen = moody.all_seen();
    for _ in 0..10 {
        assert!(is_refused(&rig.call(&a, json!({})).await) && is_refused(&rig.call(&b, json!({})).await));
        assert!(
            rig.executors
                .ready("b")
                .await
                .is_err_and(|outcome| is_refused(&outcome))
        );
    }
    assert_eq!(moody.all_seen(), seen, "not one request more");
    let status = rig.status("b").credential.unwrap();
    assert_eq!(
        (status.state, status.servers),
        (CredentialState::Refused, vec!["a".to_owned(), "b".to_owned()])
    );
    assert!(
        !serde_json::to_string(&rig.status("b")).unwrap().contains("Bearer"),
        "its value is never shown"
    );

    assert!(rig.executors.refresh("a").await.is_err());
    assert!(moody.all_seen() <= seen + 1, "one try for one refresh");
    assert!(is_refused(&rig.call(&b, json!({})).await));

    moody.set(Mood::Well);
    rig.done(&c, json!({})).await;
    rig.executors.refresh("a").await.ok();
    until("both are let in again", || {
        rig.status("b").credential.unwrap().state == CredentialState::Good && rig.status("b").health == Health::Up
    })
    .await;
    rig.ready("a").await;
    rig.done(&a, json!({})).await;
    rig.done(&b, json!({})).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_at_the_start_is_tried_once_and_not_by_itself_again() {
    let (moody, url) = Moody::serve(Mood::Stranger).await;
    let rig = rig_of(vec![signed("s", &url, "t")]).await;
    // Many times the pause after which a server that is only down would be tried again.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(moody.all_seen(), 1, "{:?}", rig.status("s"));
    assert_eq!(rig.status("s").health, Health::Down);
    assert!(
        rig.executors
            .ready("s")
            .await
            .is_err_and(|outcome| is_refused(&outcome))
    );
    assert!(rig.executors.refresh("s").await.is_err());
    until("the one try of a refresh", || moody.all_seen() == 2).await;
    moody.set(Mood::Well);
    // The refusal of the try before may not be noted yet.
    until("it is refused again", || {
        rig.status("s").credential.unwrap().state == CredentialState::Refused
    })
    .await;
    rig.executors.refresh("s").await.ok();
    rig.ready("s").await;
    rig.done(&tool(&rig, "s"), json!({})).await;
    rig.end().await;
}
