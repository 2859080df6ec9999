//! The edges of the API: whatever a layer below answers with a bare status or a plain text becomes a problem too.

use super::problem::Problem;
use crate::errors::Code;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Of a plain text at most this much is kept.
const TEXT: usize = 4 * 1024;

/// Turns errors that are no problems yet into such.
pub(super) async fn as_problems(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if !is_bare(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, TEXT).await.unwrap_or_else(|_| Bytes::new());
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let allow = parts.headers.get(header::ALLOW).and_then(|v| v.to_str().ok());
    let problem = Problem::new(code(parts.status), detail(parts.status, &method, &path, allow, text));
    let (new, body) = problem.into_response().into_parts();
    // What was said beside the body (`Allow`, for one) stays.
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        parts.headers.remove(&name);
    }
    parts.headers.extend(new.headers);
    parts.status = new.status;
    Response::from_parts(parts, body)
}

fn is_bare(response: &Response) -> bool {
    let wrong = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or("text/plain");
    wrong && kind.starts_with("text/plain")
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NoSuchRoute,
        StatusCode::METHOD_NOT_ALLOWED => Code::NoSuchMethod,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::NotJsonType,
        status if status.is_client_error() => Code::BadParameter,
        _ => Code::Internal,
    }
}

fn detail(status: StatusCode, method: &Method, path: &str, allow: Option<&str>, text: String) -> String {
    match (status, allow) {
        (StatusCode::METHOD_NOT_ALLOWED, Some(allow)) => format!("{path} does not take {method}: it takes {allow}"),
        (StatusCode::METHOD_NOT_ALLOWED, None) => format!("{path} does not take {method}"),
        _ if !text.is_empty() => text,
        _ => format!("there is no {method} {path}"),
    }
}
