//! A scripted OpenAI-compatible server: chat completions and transcriptions, answered in the order of the script.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// What the server says to one request.
pub(crate) struct Said {
    code: u16,
    body: String,
    headers: Vec<(&'static str, String)>,
    hangs: bool,
}

impl Said {
    fn of(code: u16, body: String) -> Self {
        Self {
            code,
            body,
            headers: Vec::new(),
            hangs: false,
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The server takes the question and never answers.
pub(crate) fn silence() -> Said {
    Said {
        hangs: true,
        ..Said::of(200, String::new())
    }
}

/// A reply as a server sent it, byte for byte.
pub(crate) fn raw(body: &Value) -> Said {
    Said::of(200, body.to_string())
}

/// An answer of the model.
pub(crate) fn reply(answer: &Value) -> Said {
    text(&answer.to_string())
}

/// An answer of the model, word for word.
pub(crate) fn text(content: &str) -> Said {
    completion(content, "stop")
}

/// An answer that ran into its token limit.
pub(crate) fn cut_off(content: &str) -> Said {
    completion(content, "length")
}

fn completion(content: &str, finish: &str) -> Said {
    let body = json!({
        "id": "x", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    });
    Said::of(200, body.to_string())
}

/// A bare status and body.
pub(crate) fn status(code: u16, body: &str) -> Said {
    Said::of(code, body.to_owned())
}

#[derive(Default)]
struct Inner {
    answers: VecDeque<Said>,
    bodies: Vec<Value>,
    forms: Vec<String>,
    keys: Vec<String>,
}

/// The answers that a server gives, in order, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Script(Arc<Mutex<Inner>>);

impl Script {
    pub(crate) fn of(answers: impl IntoIterator<Item = Said>) -> Self {
        let script = Self::default();
        script.0.lock().unwrap().answers.extend(answers);
        script
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.0.lock().unwrap().bodies.clone()
    }

    /// The forms with recordings, as they came; what is no text in them is only hinted at.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.0.lock().unwrap().forms.clone()
    }

    /// Whether everything was said.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().unwrap().answers.is_empty()
    }

    /// Goes on with these.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Said>) {
        self.0.lock().unwrap().answers.extend(answers);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().keys.clone()
    }

    fn next(&self, headers: &HeaderMap, heard: impl FnOnce(&mut Inner)) -> Said {
        let mut inner = self.0.lock().unwrap();
        heard(&mut inner);
        let key = headers
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        inner.keys.push(key.unwrap_or_default());
        let over = || status(500, "the script is over");
        inner.answers.pop_front().unwrap_or_else(over)
    }

    /// Its address.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/v1/audio/transcriptions", post(transcribe))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        base
    }
}

async fn answer(State(script): State<Script>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    told(script.next(&headers, |inner| inner.bodies.push(body))).await
}

async fn transcribe(State(script): State<Script>, headers: HeaderMap, body: Bytes) -> Response {
    let form = String::from_utf8_lossy(&body).into_owned();
    told(script.next(&headers, |inner| inner.forms.push(form))).await
}

async fn told(said: Said) -> Response {
    if said.hangs {
        std::future::pending::<()>().await;
    }
    let mut response = (StatusCode::from_u16(said.code).unwrap(), said.body).into_response();
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    for (name, value) in said.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
