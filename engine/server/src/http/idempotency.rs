//! `Idempotency-Key`: per principal and route, kept over restarts.
//!
//! Submissions keep their key in the same commit as the intent that they make, so the store answers for them. All other
//! routes go through here: what a key was used with is written down before anything is done, commands take their id from
//! it, and the answer is kept, so that sending a request again does nothing and gets the first one's answer.

use super::app::Shared;
use super::problem::{BODY_LIMIT, Problem};
use crate::auth::Caller;
use crate::errors::Code;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flyball_engine::canonical::Digest;
use flyball_engine::journal;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Keys of requests that are not answered yet.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashSet<String>>);

/// A key that is in use until this is dropped.
struct Turn<'a> {
    keys: &'a InFlight,
    scope: String,
}

impl InFlight {
    fn enter(&self, scope: &str) -> Option<Turn<'_>> {
        let fresh = self.keys().insert(scope.to_owned());
        fresh.then(|| Turn {
            keys: self,
            scope: scope.to_owned(),
        })
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.scope);
    }
}

/// What a key was used for, and what was answered.
#[derive(Debug, Serialize, Deserialize)]
struct Used {
    body: Digest,
    #[serde(default)]
    answer: Option<(u16, String)>,
}

/// The id that a command of this request has in the inbox, so that the same request is the same command.
#[derive(Debug, Clone)]
pub struct CommandId(pub String);

/// The key that a request names, if it names one.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().ok().filter(|k| !k.is_empty() && k.len() <= 255);
    key.map(Some)
        .ok_or_else(|| Problem::parameter("Idempotency-Key", "1 to 255 visible characters"))
}

/// Lets a keyed request through once at a time, and answers a repeated one as the first time.
pub(super) async fn once(state: Shared, request: Request, next: Next) -> Response {
    match keyed(state, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(State(app): Shared, mut request: Request, next: Next) -> Result<Response, Problem> {
    let caller = request.extensions().get::<Caller>().map(|c| c.actor.to_string());
    let key = key(request.headers())?.filter(|_| request.method() == Method::POST);
    let (Some(caller), Some(key)) = (caller, key) else {
        return Ok(next.run(request).await);
    };
    let path = request.uri().path().to_owned();
    let scope = format!("{caller} POST {path} {key}");
    let turn = app.keys_in_flight.enter(&scope).ok_or_else(|| {
        let detail = "the first request with this key is not answered yet".to_owned();
        Problem::new(Code::KeyInFlight, detail)
    })?;
    if path == "/v1/intents" || path.ends_with("/undo") {
        return Ok(next.run(request).await);
    }
    let name = Digest::of_bytes(turn.scope.as_bytes());
    let fact = format!("idempotency/{}", name.as_str());
    let bytes = body(&mut request).await?;
    let digest = Digest::of_bytes(&bytes);
    let known = app.journal().fact(&fact).await.map_err(unwritten)?;
    match known.and_then(|v| serde_json::from_value::<Used>(v).ok()) {
        Some(used) if used.body != digest => {
            let detail = "this key was used before with another body";
            return Err(Problem::new(Code::KeyReused, detail));
        }
        Some(Used {
            answer: Some((status, body)),
            ..
        }) => return Ok(replayed(status, body)),
        Some(_) => {}
        None => remember(app.journal(), &fact, &digest, None).await?,
    }
    request
        .extensions_mut()
        .insert(CommandId(format!("key-{}", name.as_str())));
    *request.body_mut() = Body::from(bytes);
    let response = next.run(request).await;
    if !response.status().is_success() {
        // A refusal is no answer to keep: the next time it may fit.
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    remember(app.journal(), &fact, &digest, Some((parts.status.as_u16(), text))).await?;
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

async fn body(request: &mut Request) -> Result<Bytes, Problem> {
    let body = std::mem::take(request.body_mut());
    let bytes = axum::body::to_bytes(body, BODY_LIMIT).await;
    bytes.map_err(|_| Problem::new(Code::TooLarge, format!("more than {BODY_LIMIT} bytes")))
}

async fn remember(
    journal: &dyn journal::Journal,
    fact: &str,
    body: &Digest,
    answer: Option<(u16, String)>,
) -> Result<(), Problem> {
    let used = Used {
        body: body.clone(),
        answer,
    };
    let used = serde_json::to_value(used).expect("it serialises");
    journal.put_fact(fact, used).await.map_err(unwritten)
}

#[allow(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn unwritten(error: journal::Error) -> Problem {
    super::app::journal_problem(&error)
}

fn replayed(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, body).into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    let replayed = HeaderValue::from_static("true");
    response.headers_mut().insert("idempotent-replayed", replayed);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_flight_until_its_request_is_answered() {
        let keys = InFlight::default();
        let first = keys.enter("olga POST /x k");
        assert!(first.is_some() && keys.enter("olga POST /x k").is_none());
        assert!(keys.enter("petra POST /x k").is_some(), "another's key is another key");
        drop(first);
        assert!(keys.enter("olga POST /x k").is_some());
    }

    #[test]
    fn a_key_is_a_short_visible_text() {
        let with = |value: &str| {
            HeaderMap::from_iter([(
                header::HeaderName::from_static("idempotency-key"),
                HeaderValue::from_str(value).unwrap(),
            )])
        };
        assert_eq!(key(&with("k 1")).unwrap(), Some("k 1"));
        assert!(key(&with("")).is_err() && key(&with(&"x".repeat(256))).is_err());
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
    }
}
