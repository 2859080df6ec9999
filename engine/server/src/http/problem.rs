//! Problems as RFC 9457 has them, with our code and every fault at once; and the JSON body that turns into one when it
//! cannot be read.

use crate::errors::Code;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::fault::Fault;
use serde::de::DeserializeOwned;
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

/// A JSON body. What cannot be read becomes a [`Problem`] that says where.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("application/json")
            .to_ascii_lowercase();
        // curl's own default is the form type; a person who forgets the header still means JSON.
        let json = kind.contains("json") || kind.starts_with("application/x-www-form-urlencoded");
        if !json && !kind.starts_with("text/plain") {
            return Err(Problem::new(
                Code::NotJsonType,
                format!("the body is said to be {kind}"),
            ));
        }
        let bytes = axum::body::to_bytes(request.into_body(), BODY_LIMIT)
            .await
            .map_err(|_| Problem::new(Code::TooLarge, format!("more than {BODY_LIMIT} bytes")))?;
        read_json(&bytes).map(Body)
    }
}

/// Reads JSON; an empty body stands for `{}`.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.iter().all(u8::is_ascii_whitespace) {
        b"{}"
    } else {
        bytes
    };
    // In two goes, so that "no JSON at all" and "not what is taken here" stay apart whatever comes first in the text.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| not_json(bytes, &e))?;
    let mut track = serde_json::Deserializer::from_slice(bytes);
    T::deserialize(&mut track).map_err(|e| wrong_shape(&e, &value))
}

fn not_json(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = String::from_utf8_lossy(bytes);
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or("").trim();
    let shown: String = shown.chars().take(120).collect();
    let what = bare_message(error);
    let detail = format!("line {line}, column {column}: {what}");
    Problem::new(Code::NotJson, detail).with(
        "",
        "json.syntax",
        format!("line {line}, column {column}: {what}; the line reads `{shown}`"),
        Some(format!(
            "correct line {line} at column {column}; a plan is posted as {{\"plan\": {{…}}}}"
        )),
    )
}

fn wrong_shape(error: &serde_json::Error, value: &serde_json::Value) -> Problem {
    let message = bare_message(error);
    let (line, column) = (error.line(), error.column());
    let mut quoted = message.split('`').skip(1).step_by(2);
    let named = quoted.next().unwrap_or("").to_owned();
    let unknown = message.starts_with("unknown field");
    let suggestion = unknown
        .then(|| flyball_engine::fault::nearest(&named, quoted).map(|n| format!("did you mean {n:?}?")))
        .flatten();
    let at_top = value.get(&named).is_some() || message.starts_with("missing field");
    let pointer = if at_top && !named.is_empty() {
        format!("/{named}")
    } else {
        String::new()
    };
    Problem::new(Code::WrongShape, format!("line {line}, column {column}: {message}")).with(
        &pointer,
        if unknown { "json.unknown_field" } else { "json.shape" },
        message,
        suggestion,
    )
}

/// serde_json's message without the place that it appends.
fn bare_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(m, _)| m.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the shape matters")]
    struct Sample {
        #[serde(default)]
        text: Option<String>,
        #[serde(default)]
        labels: Vec<String>,
    }

    #[test]
    fn the_drafts_own_text_is_refused_with_the_place_where_it_stops_being_json() {
        let text = include_bytes!("../../tests/fixtures/draft-section-10-1.txt");
        let problem = read_json::<Value>(text).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("FB0001", 400));
        assert!(problem.detail.starts_with("line 4, column 36: "), "{}", problem.detail);
        assert!(
            problem.errors[0].message.contains("...."),
            "{}",
            problem.errors[0].message
        );
    }

    #[test]
    fn a_brace_too_many_is_no_json_either() {
        let problem = read_json::<Value>(b"{\"text\": \"x\"}\n}").unwrap_err();
        assert_eq!(problem.code, "FB0001");
        assert!(problem.detail.starts_with("line 2, column 1"), "{}", problem.detail);
    }

    #[test]
    fn a_misspelled_field_is_named_with_the_nearest() {
        let problem = read_json::<Sample>(b"{\"lables\": []}").unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("FB0002", 422));
        assert_eq!(problem.errors[0].pointer, "/lables");
        assert_eq!(
            problem.errors[0].suggestion.as_deref(),
            Some("did you mean \"labels\"?")
        );
    }

    #[test]
    fn an_empty_body_is_an_empty_object() {
        assert!(read_json::<Sample>(b" \n").is_ok());
    }
}
