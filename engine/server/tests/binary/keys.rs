//! Idempotency keys over HTTP, and what an undo of nothing is answered with.

use crate::serve::{Server, flyball};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::path::Path;

struct Admin {
    http: Client,
    url: String,
    token: String,
}

impl Admin {
    fn of(server: &Server, dir: &Path) -> Self {
        Self {
            http: Client::new(),
            url: server.url.clone(),
            token: std::fs::read_to_string(dir.join("flyball-data/admin.token")).unwrap(),
        }
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> Response {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.header("idempotency-key", key).json(&body).send().await.unwrap()
    }
}

/// Status, code or id, and whether it is the answer of an earlier request.
async fn told(response: Response) -> (u16, String, bool) {
    let replayed = response.headers().contains_key("idempotent-replayed");
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let word = ["code", "id", "reason"].iter().find_map(|k| body[k].as_str());
    (status, word.unwrap_or_default().to_owned(), replayed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_the_first_answer_again_also_after_a_restart_and_no_other_body() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let coffee = || json!({"text": "make me a coffee"});
    let (status, id, replayed) = told(admin.post("/v1/intents", "k", coffee()).await).await;
    assert_eq!((status, replayed), (202, false));
    assert_eq!(
        told(admin.post("/v1/intents", "k", coffee()).await).await,
        (202, id.clone(), true)
    );
    let tea = json!({"text": "make me a tea"});
    assert_eq!(told(admin.post("/v1/intents", "k", tea).await).await.0, 422);

    let why = |reason: &str| json!({ "reason": reason });
    let (status, first, replayed) = told(admin.post("/v1/halt", "k", why("storm")).await).await;
    assert_eq!((status, replayed), (200, false));
    assert_eq!(server.stop(), Some(0));
    drop(server);

    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    assert_eq!(
        told(admin.post("/v1/intents", "k", coffee()).await).await,
        (202, id, true)
    );
    assert_eq!(
        told(admin.post("/v1/halt", "k", why("storm")).await).await,
        (200, first, true)
    );
    assert_eq!(told(admin.post("/v1/halt", "k", why("flood")).await).await.1, "FB0008");
    assert_eq!(
        told(admin.post("/v1/unhalt", "k", json!({})).await).await.0,
        200,
        "another route"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gets_its_intent_again_after_the_moments_that_its_body_names_have_passed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let now = jiff::Timestamp::now();
    let at = |seconds: i64| (now + jiff::SignedDuration::from_secs(seconds)).to_string();
    let coffee = json!({"text": "make me a coffee", "deadline": at(2), "window": {"from": at(-60), "until": at(2)}});
    let (status, id, _) = told(admin.post("/v1/intents", "k", coffee.clone()).await).await;
    assert_eq!(status, 202, "{id}");
    let mut tries = 0;
    // Under keys of their own, for as long as it is taken.
    while told(admin.post("/v1/intents", &format!("try {tries}"), coffee.clone()).await)
        .await
        .0
        != 422
    {
        tries += 1;
    }
    assert_eq!(
        told(admin.post("/v1/intents", "k", coffee.clone()).await).await,
        (202, id, true)
    );
    let fresh = told(admin.post("/v1/intents", "another", coffee).await).await;
    assert_eq!((fresh.0, fresh.1.as_str()), (422, "FB0002"));
    let others = json!({"text": "make me a coffee", "deadline": at(1)});
    assert_eq!(told(admin.post("/v1/intents", "k", others).await).await.1, "FB0008");
    let relative = json!({"text": "make me a tea", "window": {"from": "0s", "until": "2h"}});
    let (_, id, _) = told(admin.post("/v1/intents", "tea", relative.clone()).await).await;
    assert_eq!(
        told(admin.post("/v1/intents", "tea", relative).await).await,
        (202, id, true)
    );
}

#[test]
fn what_left_nothing_cannot_be_undone_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let run = |words: &[&str]| flyball(dir.path(), &server.url, words);
    assert_eq!(run(&["submit", "make me a coffee"]).0, 3);
    let page: Value = serde_json::from_str(&run(&["list", "--json"]).1).unwrap();
    let id = page["intents"][0]["id"].as_str().unwrap();
    let (code, text) = run(&["undo", id]);
    assert!(
        code == 1 && text.contains("FB0027") && text.contains("left nothing"),
        "{code} {text}"
    );
    let (code, text) = run(&["undo", "00000000-0000-7000-8000-000000000000"]);
    assert!(code == 1 && text.contains("FB0006"), "{code} {text}");
    let (code, text) = run(&["locks"]);
    assert!(code == 0 && text.contains("held by"), "{code} {text}");
}
