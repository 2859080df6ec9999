//! The edges of HTTP: whatever is answered, an error is a problem with a code, in the words of the API.

use crate::serve::Server;
use serde_json::{Value, json};
use std::path::Path;

struct Admin {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// Status, code, the pointer of the first fault, and the whole text.
struct Told {
    status: u16,
    code: String,
    pointer: String,
    text: String,
    allow: Option<String>,
}

impl Admin {
    fn of(server: &Server, dir: &Path) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: server.url.clone(),
            token: std::fs::read_to_string(dir.join("flyball-data/admin.token")).unwrap(),
        }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().unwrap();
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth(&self.token)
    }

    async fn told(&self, request: reqwest::RequestBuilder) -> Told {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let (kind, allow) = (header("content-type").unwrap_or_default(), header("allow"));
        let text = response.text().await.unwrap();
        assert_eq!(kind, "application/problem+json", "{status} {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status, "{text}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{text}");
        Told {
            status,
            code: problem["code"].as_str().unwrap().to_owned(),
            pointer: problem["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned(),
            text,
            allow,
        }
    }

    /// An intent that has ended, to read about.
    async fn intent(&self) -> String {
        let post = self
            .request("POST", "/v1/intents")
            .json(&json!({"text": "make me a coffee"}));
        let taken: Value = post.send().await.unwrap().json().await.unwrap();
        taken["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem_with_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let id = admin.intent().await;
    for (method, path, status, code, pointer) in [
        ("DELETE", "/v1/intents".to_owned(), 405, "FB0029", ""),
        ("POST", "/healthz".to_owned(), 405, "FB0029", ""),
        ("GET", "/docs/nothing.js".to_owned(), 404, "FB0007", ""),
        (
            "GET",
            format!("/v1/intents/{id}/events?after=-1"),
            400,
            "FB0022",
            "after",
        ),
        ("GET", "/v1/intents?limit=many".to_owned(), 400, "FB0022", "limit"),
        ("GET", "/v1/intents?state=bogus".to_owned(), 422, "FB0031", "state"),
        ("GET", "/v1/intents?origin=bogus".to_owned(), 422, "FB0031", "origin"),
        ("POST", "/v1/servers/nowhere/refresh".to_owned(), 404, "FB0014", "alias"),
        ("GET", "/v1/tools/nowhere/nothing".to_owned(), 404, "FB0014", ""),
    ] {
        let told = admin.told(admin.request(method, &path)).await;
        let found = (told.status, told.code.as_str(), told.pointer.as_str());
        assert_eq!(found, (status, code, pointer), "{method} {path}: {}", told.text);
        assert_eq!(told.allow.is_some(), status == 405, "{method} {path}");
    }
    let told = admin.told(admin.request("GET", "/v1/intents?state=fullfilled")).await;
    assert!(told.text.contains("did you mean \\\"fulfilled\\\"?"), "{}", told.text);
    let open = admin
        .request("GET", "/v1/intents?state=open&origin=operator")
        .send()
        .await;
    assert_eq!(open.unwrap().status().as_u16(), 200);

    let graph = || admin.request("GET", &format!("/v1/intents/{id}/graph"));
    let told = admin.told(graph().header("accept", "image/svg+xml")).await;
    assert_eq!((told.status, told.code.as_str()), (406, "FB0030"));
    assert!(told.text.contains("text/vnd.mermaid"), "{}", told.text);
    let browser = graph().header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    assert_eq!(browser.headers()["content-type"], "text/vnd.mermaid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_told_where_and_in_the_words_of_json() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    for (body, pointer) in [
        (json!({"text": 5}), "/text"),
        (json!({"text": "x", "window": "x"}), "/window"),
        (json!({"text": "x", "window": {"from": "2h", "until": "1h"}}), "/window"),
        (
            json!({"text": "x", "window": {"from": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"}}),
            "/window/until",
        ),
        (json!([]), ""),
    ] {
        let told = admin.told(admin.request("POST", "/v1/intents").json(&body)).await;
        assert_eq!((told.status, told.code.as_str()), (422, "FB0002"), "{}", told.text);
        assert_eq!(told.pointer, pointer, "{}", told.text);
        assert!(
            !told.text.contains("struct") && !told.text.contains("Body"),
            "{}",
            told.text
        );
    }
    let none: Value = admin
        .request("GET", "/v1/intents")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(none["intents"], json!([]), "nothing was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_says_that_every_guarded_route_may_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let api: Value = admin
        .request("GET", "/openapi.json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    for (path, operations) in api["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let guarded = !matches!(path.as_str(), "/healthz" | "/readyz");
            for status in ["401", "403"] {
                let named = operation["responses"][status].is_object();
                assert_eq!(named, guarded, "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_halted_and_who_lifted_it_is_shown_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let admin = Admin::of(&server, dir.path());
    let json = async |method: &str, path: &str, body: Value| -> Value {
        let response = admin.request(method, path).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{path}");
        response.json().await.unwrap()
    };
    assert_eq!(json("GET", "/v1/halt", json!({})).await, json!({"halted": false}));
    let halt = json("POST", "/v1/halt", json!({"reason": "storm"})).await;
    assert_eq!(
        (&halt["halted"], &halt["by"], &halt["reason"]),
        (&json!(true), &json!("admin"), &json!("storm"))
    );
    assert_eq!(json("GET", "/v1/halt", json!({})).await, halt);
    let lifted = json("POST", "/v1/unhalt", json!({})).await;
    assert_eq!(
        (&lifted["halted"], &lifted["lifted_by"]),
        (&json!(false), &json!("admin"))
    );
    let all = json("GET", "/v1/halts", json!({})).await;
    assert_eq!(all, json!([lifted]));
}
