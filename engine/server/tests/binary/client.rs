//! What the command line says and how it exits, beside a server that says what the test wants.

use crate::serve::{Server, flyball};
use axum::Router;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use flyball::http::dto::{IntentPage, IntentRowView, IntentView, ReportView, StepsView, Taken};
use serde::Serialize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Serves these on a free port. Where it listens.
async fn serving(routes: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    url
}

/// Answers with this, whatever is asked.
fn saying<T: Serialize>(value: &T) -> impl Fn() -> std::future::Ready<axum::Json<serde_json::Value>> + Clone + use<T> {
    let value = serde_json::to_value(value).unwrap();
    move || std::future::ready(axum::Json(value.clone()))
}

/// Runs it beside such a server, with these variables. Its exit code and what it says.
async fn run(url: &str, env: &[(&str, &str)], words: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.args(words).current_dir(dir.path()).env_clear();
    command.env("FLYBALL_URL", url).envs(env.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    drop(dir);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn row(id: &str, contradicted: bool) -> IntentRowView {
    serde_json::from_value(
        serde_json::json!({"id": id, "state": "fulfilled", "title": "t", "origin": "operator",
        "by": "olga", "received_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "targets": [],
        "contradicted": contradicted}),
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_is_contradicted_is_no_success_to_watch_and_stands_in_the_list() {
    let view = |contradicted: &[&str]| IntentView {
        id: "i".into(),
        state: "fulfilled".into(),
        seq: 1,
        contradicted: contradicted.iter().map(ToString::to_string).collect(),
        ..IntentView::default()
    };
    let report = ReportView {
        state: "fulfilled".into(),
        targets: vec![Default::default()],
        ..ReportView::default()
    };
    let page = IntentPage {
        intents: vec![row("i", true), row("j", false)],
        next: None,
    };
    let routes = Router::new()
        .route(
            "/v1/intents/i",
            get(saying(&view(&["s: what it was settled as is contradicted"]))),
        )
        .route("/v1/intents/j", get(saying(&view(&[]))))
        .route("/v1/intents/{id}/report", get(saying(&report)))
        .route(
            "/v1/intents/{id}/events",
            get(saying(&serde_json::json!({"entries": []}))),
        )
        .route("/v1/intents", get(saying(&page)));
    let url = serving(routes).await;
    for words in [
        ["watch", "i"].as_slice(),
        &["watch", "i", "--follow"],
        &["watch", "i", "--json"],
    ] {
        let (code, said) = run(&url, &[], words).await;
        assert_eq!(code, 4, "{words:?}: {said}");
    }
    let (code, said) = run(&url, &[], &["watch", "j"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&url, &[], &["list"]).await;
    assert_eq!(code, 0, "{said}");
    let of = |id: &str| {
        said.lines()
            .find(|l| l.split(' ').next() == Some(id))
            .unwrap_or_else(|| panic!("{said}"))
    };
    assert!(of("i").contains("fulfilled, contradicted"), "{said}");
    assert!(!of("j").contains("contradicted"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settle_and_resolve_say_that_it_is_recorded_and_what_came_of_it() {
    let taken = |came: Option<&str>, taken_in: bool, refused: bool| Taken {
        id: "i".into(),
        state: "rolling_back".into(),
        taken_in,
        came: came.map(str::to_owned),
        refused,
    };
    let came = Some("anna resolved s: overwrite what is there now");
    let late = Some("nothing came of anna's «resolve u»: u is undone");
    let routes = Router::new()
        .route("/v1/intents/i/steps/s/resolve", post(saying(&taken(came, true, false))))
        .route("/v1/intents/i/steps/t/settle", post(saying(&taken(None, false, false))))
        .route("/v1/intents/i/steps/u/resolve", post(saying(&taken(late, true, true))));
    let url = serving(routes).await;
    let (code, said) = run(&url, &[], &["resolve", "i", "s", "overwrite", "--no-wait"]).await;
    let whole =
        "resolve s: accepted and recorded: anna resolved s: overwrite what is there now; intent i is rolling back\n";
    assert_eq!((code, said.as_str()), (0, whole));
    let (code, said) = run(&url, &[], &["settle", "i", "t", "applied", "--no-wait"]).await;
    let whole = "settle t: accepted and recorded, and yet to be taken in; see: flyball show i\n";
    assert_eq!((code, said.as_str()), (0, whole));
    let (code, said) = run(&url, &[], &["resolve", "i", "u", "retry", "--no-wait"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.starts_with("resolve u: recorded, but nothing came of anna's"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_comes_to_a_new_conflict_is_no_success() {
    let decided = Arc::new(AtomicBool::new(false));
    let view = |seq: u64, why: &str| IntentView {
        id: "i".into(),
        state: "stuck".into(),
        seq,
        stuck: vec![format!("s: {why}")],
        ways: vec!["flyball resolve i s overwrite".into()],
        ..IntentView::default()
    };
    let views = [
        view(5, "somebody else changed it since"),
        view(9, "the state is another now"),
    ];
    let now = decided.clone();
    let one = move || {
        let view = views[usize::from(now.load(Ordering::SeqCst))].clone();
        std::future::ready(axum::Json(serde_json::to_value(view).unwrap()))
    };
    let taken = serde_json::json!({"id": "i", "state": "stuck", "taken_in": true, "refused": false});
    let resolve = move || {
        decided.store(true, Ordering::SeqCst);
        std::future::ready(axum::Json(taken.clone()))
    };
    let routes = Router::new()
        .route("/v1/intents/i", get(one))
        .route("/v1/intents/i/steps", get(saying(&StepsView::default())))
        .route("/v1/intents/i/events", get(saying(&serde_json::json!({"entries": []}))))
        .route("/v1/intents/i/steps/s/resolve", post(resolve));
    let url = serving(routes).await;
    let (code, said) = run(&url, &[], &["resolve", "i", "s", "overwrite"]).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.starts_with("resolve s: accepted and recorded"), "{said}");
    assert!(said.contains("s: the state is another now"), "{said}");
    assert!(!said.contains("somebody else"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_taken_in_late_and_moves_nothing_else_is_not_waited_for_for_ever() {
    let late = Arc::new(AtomicBool::new(false));
    let now = late.clone();
    let one = move || {
        let view = IntentView {
            id: "i".into(),
            state: "stuck".into(),
            seq: if now.load(Ordering::SeqCst) { 6 } else { 5 },
            stuck: vec!["t: somebody else changed it since".into()],
            ..IntentView::default()
        };
        std::future::ready(axum::Json(serde_json::to_value(view).unwrap()))
    };
    // The stream is open before the word is taken in, and says nothing from then on.
    let silent = move |headers: HeaderMap| {
        let streamed = headers
            .get("accept")
            .is_some_and(|accept| accept == "text/event-stream");
        let nothing = futures::stream::pending::<Result<Event, std::convert::Infallible>>();
        late.fetch_or(streamed, Ordering::SeqCst);
        std::future::ready(match streamed {
            true => Sse::new(nothing).into_response(),
            false => axum::Json(serde_json::json!({"entries": []})).into_response(),
        })
    };
    let taken = serde_json::json!({"id": "i", "state": "stuck", "taken_in": false, "refused": false});
    let routes = Router::new()
        .route("/v1/intents/i", get(one))
        .route("/v1/intents/i/steps", get(saying(&StepsView::default())))
        .route("/v1/intents/i/events", get(silent))
        .route("/v1/intents/i/steps/s/resolve", post(saying(&taken)));
    let url = serving(routes).await;
    let done = tokio::time::timeout(
        std::time::Duration::from_secs(60),
        run(&url, &[], &["resolve", "i", "s", "accept"]),
    );
    let (code, said) = done.await.expect("it ends");
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("t: somebody else changed it since"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_is_empty_is_as_one_that_is_not_set() {
    let page = IntentPage {
        intents: vec![row("i", false)],
        next: None,
    };
    let url = serving(Router::new().route("/v1/intents", get(saying(&page)))).await;
    let empty = [
        ("FLYBALL_CONFIG", ""),
        ("FLYBALL_TOKEN", ""),
        ("FLYBALL_DATA", ""),
        ("FLYBALL_LISTEN", ""),
        ("FLYBALL_LOG", ""),
        ("NETOPS_INVENTORY", ""),
        ("NETOPS_CREDENTIALS", ""),
    ];
    let (code, said) = run(&url, &empty, &["list"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&url, &empty, &["check"]).await;
    assert_eq!(code, 0, "{said}");
    // Without a URL the settings say where the server would be, and none is running there.
    let (code, said) = run("", &empty, &["list"]).await;
    assert_eq!(code, 5, "{said}");
    let (_, said) = run(&url, &empty, &["netops", "--role", "inventory"]).await;
    assert!(said.contains("inventory.yaml"), "the default is gone for: {said}");
    // What is typed is meant.
    let (code, said) = run(&url, &[], &["--config", "", "list"]).await;
    assert_eq!(code, 2, "{said}");
}

#[test]
fn a_command_is_answered_with_where_the_intent_stands_after_it_and_what_it_came_to() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("inventory.yaml", "devices: []\n");
    write("credentials.yaml", "{}\n");
    let owners_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.path().join("credentials.yaml"), owners_alone).unwrap();
    let env = "{NETOPS_INVENTORY: ./inventory.yaml}";
    let inventory = format!("{{command: flyball, args: [netops, --role, inventory], env: {env}}}");
    write("flyball.yaml", &format!("mcp_servers:\n  inventory: {inventory}\n"));
    let check = "{tool: inventory/list_devices, args: {}, expect: output.devices.size() == 0, hold_for: 10m}";
    let step = "{id: all, tool: inventory/list_devices, args: {}}";
    write("plan.yaml", &format!("steps: [{step}]\npost_checks: [{check}]\n"));
    let server = Server::start(dir.path());
    let run = |words: &[&str]| flyball(dir.path(), &server.url, words);
    let (code, text) = run(&["submit", "--plan", "plan.yaml", "--json", "--no-wait"]);
    assert_eq!(code, 0, "{text}");
    let taken: serde_json::Value = serde_json::from_str(&text).unwrap();
    let id = taken["id"].as_str().unwrap();
    let (code, text) = run(&["pause", id, "--reason", "a storm"]);
    let whole = format!("pause: accepted and recorded: paused by admin: a storm; intent {id} is paused\n");
    assert_eq!((code, text.as_str()), (0, whole.as_str()));
    let (code, text) = run(&["resume", id, "--no-wait"]);
    let start = format!("resume: accepted and recorded: resumed by admin; intent {id} is ");
    assert!(
        code == 0 && text.starts_with(&start) && !text.contains("paused"),
        "{code} {text}"
    );
}
