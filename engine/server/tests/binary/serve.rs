//! One life of the server with an empty configuration.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    pub(crate) fn start_with(dir: &Path, words: &[&str]) -> Self {
        Self::start_logging_to(dir, words, Stdio::piped())
    }

    pub(crate) fn start_logging_to(dir: &Path, words: &[&str], log: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flyball"))
            .arg("serve")
            .args(words)
            .current_dir(dir)
            .env_clear()
            .env("FLYBALL_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("{line:?}"))
            .to_owned();
        Self { child, url }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits for its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not stop in time");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn flyball(dir: &Path, url: &str, words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_flyball"))
        .args(words)
        .current_dir(dir)
        .env_clear()
        .env("FLYBALL_URL", url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_asks_for_a_token_answers_and_stops_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let token = std::fs::read_to_string(dir.path().join("flyball-data/admin.token")).unwrap();
    let http = reqwest::Client::new();
    let get = |path: &str| http.get(format!("{}{path}", server.url));
    let status = |r: reqwest::Response| r.status().as_u16();

    assert_eq!(status(get("/healthz").send().await.unwrap()), 200);
    let ready = get("/readyz").send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert!(ready["store"]["syncs"].as_u64().is_some_and(|n| n > 0), "{ready}");
    assert_eq!(ready["not_driven"], 0, "{ready}");
    for path in ["/v1/intents", "/openapi.json", "/docs/", "/nothing"] {
        let response = get(path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{path}");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "FB0003", "{path}");
    }
    assert_eq!(
        status(get("/v1/intents").bearer_auth("wrong").send().await.unwrap()),
        401
    );
    assert_eq!(status(get("/nothing").bearer_auth(&token).send().await.unwrap()), 404);
    assert_eq!(status(get("/docs/").bearer_auth(&token).send().await.unwrap()), 200);
    let openapi: serde_json::Value = get("/openapi.json")
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(openapi["openapi"], "3.1.0");
    assert!(openapi["paths"]["/v1/intents/{id}/diff"].is_object());

    let text = include_str!("../fixtures/draft-section-10-1.txt");
    let post = http
        .post(format!("{}/v1/intents", server.url))
        .bearer_auth(&token)
        .body(text);
    let response = post.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    let problem: serde_json::Value = response.json().await.unwrap();
    assert!(
        problem["detail"].as_str().unwrap().starts_with("line 4, column 36"),
        "{problem}"
    );

    drop(http);
    assert_eq!(server.stop(), Some(0));
    let mut logs = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert!(!logs.contains(&token), "the log shows the token");
}

#[test]
fn what_nobody_understands_is_refused_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let url = server.url.clone();
    let run = |words: &[&str]| flyball(dir.path(), &url, words);

    let (code, text) = run(&["submit", "make me a coffee"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("refused"), "{text}");
    let (code, text) = run(&["list", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, page["intents"][0]["state"].as_str()), (0, Some("refused")));
    let id = page["intents"][0]["id"].as_str().unwrap();
    let (_, shown) = run(&["show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let reason = shown["reason"].as_str().unwrap();
    let (code, text) = run(&["watch", id]);
    assert!(code == 3 && text.contains("asked for by admin"), "{code} {text}");
    let (code, text) = run(&["cancel", id]);
    assert!(code == 1 && text.contains("FB0013"), "{code} {text}");
    // What nobody can decide about any more says that it has ended, why, and under which code that is explained.
    for words in [&["approve", id, "--yes"][..], &["answer", id], &["deny", id]] {
        let (code, text) = run(words);
        assert!(code == 1 && text.contains("FB0013"), "{words:?} {code} {text}");
        assert!(text.contains("is refused") && text.contains(reason), "{words:?} {text}");
    }
    let (code, text) = run(&["explain", "FB0013"]);
    assert!(code == 0 && text.contains("flyball undo"), "{code} {text}");
    let (code, text) = run(&["approve", "nothing"]);
    assert!(code == 2 && text.contains("no approval nothing"), "{code} {text}");
    let (code, text) = run(&["halt", "--reason", "a test"]);
    assert!(code == 0 && text.contains("a test"), "{code} {text}");
    assert_eq!(run(&["unhalt"]).0, 0);

    assert_eq!(server.stop(), Some(0));
    assert_eq!(run(&["list"]).0, 5, "nobody answers any more");
}

#[test]
fn a_plan_for_a_server_that_is_not_there_is_refused_with_its_faults() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let plan = r#"{"steps": [{"id": "a", "tool": "nowhere/tool", "args": {}}]}"#;
    std::fs::write(dir.path().join("plan.json"), plan).unwrap();
    let (code, text) = flyball(dir.path(), &server.url, &["submit", "--plan", "plan.json"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("/plan/steps/0/tool"), "{text}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_is_typed_wrong_is_told_with_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = flyball(dir.path(), "http://127.0.0.1:1", &["submit"]);
    assert!(
        code == 2 && text.contains("--plan") && text.contains("--runbook"),
        "{code} {text}"
    );
    std::fs::write(dir.path().join("plan.json"), "{\"steps\": [}").unwrap();
    let (code, text) = flyball(dir.path(), "http://127.0.0.1:1", &["submit", "--plan", "plan.json"]);
    assert!(
        code == 2 && text.contains("plan.json:1:") && text.contains("JSON"),
        "{code} {text}"
    );
    let mut server = Server::start(dir.path());
    let (code, text) = flyball(
        dir.path(),
        &server.url,
        &["submit", "x", "--deadline", "2020-01-01T00:00:00Z"],
    );
    assert!(
        code == 2 && text.contains("FB0002") && text.contains("is over already") && text.contains("such as 2h"),
        "{code} {text}"
    );
    let past = [
        "submit",
        "x",
        "--deadline",
        "0s",
        "--backout-by",
        "2020-01-01T00:00:00Z",
    ];
    let (code, text) = flyball(dir.path(), &server.url, &past);
    assert!(
        code == 2 && text.contains("/deadline") && text.contains("/backout_by"),
        "{code} {text}"
    );
    let (code, text) = flyball(dir.path(), &server.url, &["list"]);
    assert!(code == 0 && text.lines().count() == 1, "nothing was taken: {text}");
    let (code, text) = flyball(dir.path(), &server.url, &["list", "--state", "bogus"]);
    assert!(code == 2 && text.contains("awaiting_approval"), "{code} {text}");
    assert_eq!(server.stop(), Some(0));
    let mut logs = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert!(logs.contains("serving") && !logs.contains('\x1b'), "{logs:?}");
}

#[test]
fn a_server_open_to_the_network_needs_named_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = flyball(dir.path(), "", &["serve", "--listen", "0.0.0.0:0"]);
    assert!(code == 1 && text.contains("FB0019"), "{code} {text}");
    assert!(!dir.path().join("flyball-data").exists(), "nothing was started");
}

#[test]
fn an_error_code_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = flyball(dir.path(), "", &["explain", "FB0010"]);
    assert!(code == 0 && text.contains("What to do"), "{text}");
    assert_eq!(flyball(dir.path(), "", &["explain", "FB9999"]).0, 2);
}
