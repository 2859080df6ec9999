//! Servers over HTTP: the same questions, and what the web adds to them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::{Outcome, PinState, ToolRequest};
use flyball_executors::*;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::server::{LEGACY, MODERN, World};
use support::*;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Served {
    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// As a killed process: every connection is cut.
    async fn kill(self) -> SocketAddr {
        self.stop.cancel();
        self.task.abort();
        let _ = self.task.await;
        self.address
    }
}

async fn serve_at(address: SocketAddr, router: Router) -> Served {
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    // A runtime of its own, so that the connections end with it.
    let token = stop.clone();
    let listener = listener.into_std().unwrap();
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::select! {
                served = axum::serve(listener, router) => served.unwrap(),
                () = token.cancelled() => {}
            }
        });
        runtime.shutdown_timeout(Duration::from_millis(100));
    });
    Served { address, task, stop }
}

fn world(world: World, sessions: bool) -> Router {
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = sessions;
    config.json_response = !sessions;
    let service = StreamableHttpService::new(
        move || Ok(world.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    Router::new().nest_service("/mcp", service)
}

fn anywhere() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A modern server written by hand: what it answers to a call is decided by the tool's name.
type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

fn raw(seen: Seen) -> Router {
    let answer = move |headers: HeaderMap, body: String| {
        let seen = Arc::clone(&seen);
        async move {
            let message: Value = serde_json::from_str(&body).unwrap_or_default();
            seen.lock().unwrap().push((headers, message.clone()));
            respond(&message).await
        }
    };
    Router::new().route("/mcp", any(answer))
}

fn json_reply(id: &Value, result: &Value) -> Response {
    axum::Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}

const STATUSES: [&str; 8] = ["429", "500", "503", "401", "403", "400", "307", "cut"];

async fn respond(message: &Value) -> Response {
    let id = &message["id"];
    match message["method"].as_str() {
        Some("server/discover") => json_reply(id, &raw::discovery()),
        Some("tools/list") => {
            let mut list = raw::list("raw");
            for name in STATUSES {
                list["tools"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"name": name, "inputSchema": {"type": "object"}}));
            }
            list["tools"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "mirrored", "inputSchema": {"type": "object",
                "properties": {"device": {"type": "string", "x-mcp-header": "Device"}}}}));
            json_reply(id, &list)
        }
        Some("tools/call") => called(id, &message["params"]).await,
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

async fn called(id: &Value, params: &Value) -> Response {
    let tool = params["name"].as_str().unwrap();
    match tool.parse::<u16>() {
        Ok(status) => {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [("retry-after", "3"), ("location", "/mcp")], "a page about it").into_response()
        }
        Err(_) if tool == "cut" => {
            // Half an event, then the connection breaks.
            let pieces = [
                Ok("event: message\ndata: {\"jsonrpc\""),
                Err(std::io::Error::other("cut")),
            ];
            let body = Body::from_stream(futures::stream::iter(pieces));
            ([("content-type", "text/event-stream")], body).into_response()
        }
        Err(_) => json_reply(id, &raw::result(tool, &params["arguments"])),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_eras_and_all_ways_to_answer_are_spoken() {
    for (versions, sessions, era) in [
        (LEGACY, true, Era::Legacy),
        (LEGACY, false, Era::Legacy),
        (MODERN, true, Era::Modern),
        (MODERN, false, Era::Modern),
    ] {
        let served = serve_at(anywhere(), world(World::new(versions), sessions)).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let echoed = rig.done("s/echo", json!({"a": 1})).await;
        assert_eq!(echoed["args"], json!({"a": 1}));
        assert_eq!(rig.status("s").era, Some(era));
        assert_eq!(
            rig.call("s/fail", json!({})).await,
            Outcome::ToolError {
                output: json!({"text": "% Invalid input"})
            }
        );
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_not_sent_and_the_server_is_found_again_when_it_is_back() {
    for versions in [LEGACY, MODERN] {
        let served = serve_at(anywhere(), world(World::new(versions), true)).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let life = rig.ready("s").await;
        let address = served.kill().await;
        let outcome = rig.call_past_stale_connections("s/echo", json!({})).await;
        assert!(is_not_sent(&outcome), "{outcome:?}");
        let served = serve_at(address, world(World::new(versions), true)).await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while !matches!(rig.call("s/echo", json!({})).await, Outcome::Done { .. }) {
            assert!(Instant::now() < deadline, "{:?}", rig.executors.status());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Over HTTP a life is never proven to be over.
        assert!(!rig.executors.is_dead("s", &life).await);
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_the_middle_of_a_call_leaves_it_unknown_and_nothing_hangs() {
    for (versions, sessions) in [(LEGACY, true), (LEGACY, false), (MODERN, true), (MODERN, false)] {
        let of_world = World::new(versions);
        let mut calls = of_world.calls.subscribe();
        let served = serve_at(anywhere(), world(of_world, sessions)).await;
        let rig = Arc::new(rig(vec![http("s", &served.url())]).await);
        let of_task = Arc::clone(&rig);
        let start = Instant::now();
        let call = tokio::spawn(async move { of_task.call_within("s/sleep", json!({"ms": 60_000}), 60_000).await });
        calls.wait_for(|n| *n == 1).await.unwrap();
        served.kill().await;
        let outcome = call.await.unwrap().outcome;
        assert!(is_unknown(&outcome), "{outcome:?}");
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{versions:?} {sessions}: bounded, not endless"
        );
        Arc::into_inner(rig).unwrap().end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_session_is_not_sent_and_made_anew_by_us_not_behind_our_back() {
    let first = World::new(LEGACY);
    let served = serve_at(anywhere(), world(first, true)).await;
    let rig = rig(vec![http("s", &served.url())]).await;
    let address = served.kill().await;
    let second = World::new(LEGACY);
    let calls = second.calls.subscribe();
    let served = serve_at(address, world(second, true)).await;
    let outcome = rig.call_past_stale_connections("s/echo", json!({})).await;
    assert!(is_not_sent(&outcome), "{outcome:?}");
    assert_eq!(*calls.borrow(), 0, "nothing was sent a second time behind our back");
    rig.ready("s").await;
    rig.done("s/echo", json!({})).await;
    rig.end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_reply_over_http_is_delivered_in_both_eras() {
    for (versions, sessions) in [(LEGACY, true), (LEGACY, false), (MODERN, true), (MODERN, false)] {
        let served = serve_at(anywhere(), world(World::new(versions), sessions)).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let answer = rig.call_within("s/sleep", json!({"ms": 700}), 100).await;
        assert!(is_unknown(&answer.outcome));
        let late = answer.late.expect("the stream stays open").await.unwrap();
        assert_eq!(
            late,
            Outcome::Done {
                output: json!({"slept": true})
            }
        );
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_statuses_say_what_is_known_and_no_more() {
    let seen = Seen::default();
    let served = serve_at(anywhere(), raw(Arc::clone(&seen))).await;
    let rig = rig(vec![http("s", &served.url())]).await;
    let too_many = rig.call("s/429", json!({})).await;
    assert!(
        matches!(
            too_many,
            Outcome::NotSent {
                retry_after_ms: Some(3000),
                ..
            }
        ),
        "{too_many:?}"
    );
    for name in ["500", "503", "400", "307", "cut"] {
        let outcome = rig.call(&format!("s/{name}"), json!({})).await;
        assert!(is_unknown(&outcome), "{name}: {outcome:?}");
        let sendings = seen
            .lock()
            .unwrap()
            .iter()
            .filter(|(_, m)| m["params"]["name"] == name)
            .count();
        assert_eq!(sendings, 1, "{name}: sent once, redirected or not");
    }
    rig.done("s/echo", json!({})).await;
    rig.end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_sign_in_or_permission_says_that_nothing_was_done() {
    for code in [401, 403] {
        let served = serve_at(anywhere(), raw(Seen::default())).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let outcome = rig.call(&format!("s/{code}"), json!({})).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: c, .. } if c == code),
            "{outcome:?}"
        );
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_a_tool_asks_for_are_mirrored_into_headers_with_the_first_call() {
    let seen = Seen::default();
    let served = serve_at(anywhere(), raw(Arc::clone(&seen))).await;
    let entry = json!({"url": served.url(), "headers": {"Authorization": "Bearer hush"}, "timeouts": timeouts()});
    let settings = ServerSettings::from_entry("s", serde_json::from_value(entry).unwrap()).unwrap();
    let rig = rig(vec![settings]).await;
    rig.done("s/mirrored", json!({"device": "bj-core-1"})).await;
    let seen = seen.lock().unwrap().clone();
    let (headers, _) = seen.iter().find(|(_, m)| m["method"] == "tools/call").unwrap();
    assert_eq!(headers["mcp-param-device"], "bj-core-1");
    assert_eq!(headers["mcp-name"], "mirrored");
    assert!(seen.iter().all(|(h, _)| h["authorization"] == "Bearer hush"));
    rig.end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_are_in_flight_at_once() {
    let of_world = World::new(MODERN);
    let mut calls = of_world.calls.subscribe();
    let served = serve_at(anywhere(), world(of_world, false)).await;
    let rig = Arc::new(rig(vec![http("s", &served.url())]).await);
    let sleepers: Vec<_> = (0..100)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.call("s/sleep", json!({"ms": 3_000})).await })
        })
        .collect();
    // All of them have arrived before the first can have been answered: the library's default would let 16 through.
    let all = calls.wait_for(|n| *n == 100);
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .unwrap()
        .unwrap();
    for sleeper in sleepers {
        assert!(matches!(sleeper.await.unwrap(), Outcome::Done { .. }));
    }
    Arc::into_inner(rig).unwrap().end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_over_http_in_both_eras_whatever_life_the_old_list_claimed() {
    for versions in [LEGACY, MODERN] {
        let served = serve_at(anywhere(), world(World::new(versions), true)).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let name = "s/echo".parse().unwrap();
        rig.done("s/change", json!({})).await;
        let pin = || rig.executors.catalogue().get(&name).unwrap().pin;
        until("the change is seen", || pin() == PinState::Changed).await;
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_on_request_even_where_nobody_tells() {
    let of_world = World::new(LEGACY);
    let edition = Arc::clone(&of_world.edition);
    let served = serve_at(anywhere(), world(of_world, false)).await;
    let rig = rig(vec![http("s", &served.url())]).await;
    edition.send_modify(|n| *n += 1);
    rig.executors.refresh("s").await.unwrap();
    let name = "s/echo".parse().unwrap();
    assert_eq!(rig.executors.catalogue().get(&name).unwrap().pin, PinState::Changed);
    rig.end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_given_up_is_cancelled_at_the_server_and_a_mutating_call_is_not() {
    for (versions, sessions) in [(LEGACY, true), (MODERN, true)] {
        let dir = tempfile::tempdir().unwrap();
        let of_world = World::new(versions);
        let mut cancelled = of_world.cancelled.subscribe();
        let served = serve_at(anywhere(), world(of_world, sessions)).await;
        let rig = rig(vec![http("s", &served.url())]).await;
        let file = dir.path().join("effect");
        let answer = rig.call_within("s/sleep", json!({"ms": 400, "file": file}), 100).await;
        answer.late.unwrap().await.unwrap();
        assert!(file.exists() && *cancelled.borrow() == 0);
        let read = ToolRequest {
            timeout_ms: 100,
            mutating: false,
            ..request("s/sleep", json!({"ms": 60_000}))
        };
        assert!(rig.executors.call(read).await.late.is_none());
        let seen = tokio::time::timeout(Duration::from_secs(10), cancelled.wait_for(|n| *n == 1));
        seen.await.unwrap().unwrap();
        rig.end().await;
        served.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_that_tells_of_changes_is_opened_again_after_its_loss() {
    let served = serve_at(anywhere(), world(World::new(MODERN), true)).await;
    let rig = rig(vec![http("s", &served.url())]).await;
    let address = served.kill().await;
    let changed = World::new(MODERN);
    changed.edition.send_modify(|n| *n += 1);
    let served = serve_at(address, world(changed, true)).await;
    let name = "s/echo".parse().unwrap();
    let pin = || rig.executors.catalogue().get(&name).unwrap().pin;
    until("the change is seen", || pin() == PinState::Changed).await;
    rig.end().await;
    served.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_in_the_handshake_is_given_up_and_others_are_not_held_up() {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let silent = format!("http://{}/mcp", listener.local_addr().unwrap());
    let mut settings = http("silent", &silent);
    settings.timeouts.start_ms = 500;
    let rig = rig(vec![settings, own("good", &["world", "modern"])]).await;
    rig.done("good/echo", json!({})).await;
    assert!(is_not_sent(&rig.executors.ready("silent").await.unwrap_err()));
    rig.end().await;
}
