//! Problems as RFC 9457 has them, with our code and every fault at once.

use crate::errors::Code;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::fault::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The largest body that is read, in bytes.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemFault {
    /// JSON pointer into the body, or the name of a parameter; empty where neither can be told.
    pub pointer: String,
    pub rule: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl From<Fault> for ProblemFault {
    fn from(f: Fault) -> Self {
        Self {
            pointer: f.pointer,
            rule: f.rule,
            message: f.message,
            suggestion: f.suggestion,
        }
    }
}

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/errors/FBnnnn`: the page that explains it.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    #[schema(value_type = String)]
    pub title: Box<str>,
    pub status: u16,
    pub detail: String,
    /// `FBnnnn`.
    pub code: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemFault>,
}

impl Problem {
    /// A problem of this code; `detail` is one sentence about this very case.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/errors/{code}").into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_owned(),
            errors: Vec::new(),
        }
    }

    /// With one more fault.
    #[must_use]
    pub fn with(mut self, pointer: &str, rule: &str, message: impl Into<String>, suggestion: Option<String>) -> Self {
        self.errors.push(ProblemFault {
            pointer: pointer.to_owned(),
            rule: rule.to_owned(),
            message: message.into(),
            suggestion,
        });
        self
    }

    /// A query or path parameter that cannot be understood.
    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(Code::BadParameter, format!("{name}: {message}")).with(name, "request.parameter", message, None)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Bearer realm=\"flyball\", Basic realm=\"flyball\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}
