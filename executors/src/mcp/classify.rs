//! What is known after a call: every way in which rmcp ends one, turned into an honest [`Outcome`].
//!
//! A failed call is usually unknown, not failed. Only what certainly did not run is `Rejected` or `NotSent`.

use super::line_cap::TOO_LONG;
use super::output;
use flyball_engine::tool::Outcome;
use rmcp::model::{CallToolResult, CreateTaskResult, ErrorCode, ErrorData, ServerResult};
use rmcp::service::ServiceError;
use rmcp::transport::streamable_http_client::{AuthRequiredError, HttpStatusError, StreamableHttpError};
use serde_json::json;
use std::error::Error as _;
use std::time::SystemTime;

/// A call's end, and whether its link must be built anew before the next one.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// The server gave a reply of its own. Without one nothing is learned late.
    pub(crate) answered: bool,
    /// The server no longer knows our session.
    pub(crate) session_lost: bool,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            answered: true,
            session_lost: false,
        }
    }
}

fn unanswered(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        answered: false,
        session_lost: false,
    }
}

/// The end of a `tools/call` request that was handed to rmcp.
pub(crate) fn classify(result: Result<ServerResult, ServiceError>) -> Ended {
    match result {
        Ok(reply) => of_reply(reply).into(),
        Err(ServiceError::McpError(error)) => of_error(&error),
        Err(ServiceError::TransportSend(error)) => match error.error.downcast_ref() {
            Some(http) => of_http(http),
            None => unanswered(unknown(format!(
                "the request could not be written whole: {}",
                error.error
            ))),
        },
        Err(ServiceError::TransportClosed) => unanswered(unknown("the connection was cut before the reply")),
        Err(ServiceError::UnexpectedResponse) => unknown("the reply is no result of a tool").into(),
        Err(other) => unanswered(unknown(other.to_string())),
    }
}

pub(crate) fn unknown(reason: impl Into<String>) -> Outcome {
    Outcome::Unknown {
        reason: cut(reason.into()),
        task: None,
        retry_after_ms: None,
    }
}

pub(crate) fn not_sent(reason: impl Into<String>) -> Outcome {
    Outcome::NotSent {
        reason: cut(reason.into()),
        retry_after_ms: None,
    }
}

pub(crate) fn rejected(code: i64, message: impl Into<String>) -> Outcome {
    Outcome::Rejected {
        code,
        message: cut(message.into()),
    }
}

// Servers put whole pages into their messages; a reason is a sentence.
fn cut(text: String) -> String {
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn of_reply(reply: ServerResult) -> Outcome {
    match reply {
        ServerResult::CallToolResult(result) => of_result(result),
        ServerResult::InputRequiredResult(request) => Outcome::NeedsInput {
            question: super::questions::of_result(request),
        },
        ServerResult::CreateTaskResult(task) => of_task(&task),
        // A result without any content decodes as one of these.
        ServerResult::EmptyResult(_) | ServerResult::TaskAckResult(_) => Outcome::Done {
            output: json!({"text": ""}),
        },
        _ => unknown("the reply is no result of a tool"),
    }
}

pub(super) fn of_result(result: CallToolResult) -> Outcome {
    let failed = result.is_error == Some(true);
    let output = output::of(result);
    if failed {
        Outcome::ToolError { output }
    } else {
        Outcome::Done { output }
    }
}

// The call goes on inside the server. Losing the id would lose the only exact way to learn how it ends.
fn of_task(task: &CreateTaskResult) -> Outcome {
    Outcome::Unknown {
        reason: "the server goes on with this call as a task".to_owned(),
        task: Some(task.task.task_id.clone()),
        retry_after_ms: None,
    }
}

pub(super) fn of_error(error: &ErrorData) -> Ended {
    let text = format!("error {}: {}", error.code.0, error.message);
    let certainly_refused = match error.code {
        ErrorCode::METHOD_NOT_FOUND
        | ErrorCode::HEADER_MISMATCH
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => true,
        // Also what a tool says about its own arguments, perhaps half way through: only the unknown tool is certain.
        ErrorCode::INVALID_PARAMS => says_unknown_tool(&error.message),
        _ => false,
    };
    if certainly_refused {
        return rejected(error.code.0.into(), text).into();
    }
    if error.code == ErrorCode(TOO_LONG) {
        return unknown(error.message.to_string()).into();
    }
    // rmcp's own, not the server's: its session was made anew under the call.
    let local = error.code == ErrorCode::INTERNAL_ERROR && error.message.contains("session was re-initialized");
    if local {
        return unanswered(unknown(text));
    }
    unknown(text).into()
}

fn says_unknown_tool(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("unknown tool") || (message.contains("tool") && message.contains("not found"))
}

fn of_http(error: &StreamableHttpError<reqwest::Error>) -> Ended {
    match error {
        // The only proof that nothing left us. `is_request` is true of a cut connection as well.
        StreamableHttpError::Client(e) if e.is_connect() => unanswered(not_sent(format!("no connection: {}", root(e)))),
        StreamableHttpError::Client(e) => unanswered(unknown(format!("the connection was cut: {}", root(e)))),
        StreamableHttpError::HttpStatus(status) => of_status(status),
        StreamableHttpError::AuthRequired(AuthRequiredError { .. }) => rejected(401, "HTTP 401: not signed in").into(),
        StreamableHttpError::InsufficientScope(_) => rejected(403, "HTTP 403: not allowed").into(),
        // The protocol has servers answer 404 to a session that they do not know, before anything else.
        StreamableHttpError::SessionExpired => Ended {
            outcome: not_sent("the server no longer knows the session"),
            answered: true,
            session_lost: true,
        },
        StreamableHttpError::UnexpectedServerResponse(text) => of_text(text),
        StreamableHttpError::ResponseBodyTooLarge { max_size } => {
            unknown(format!("the reply is longer than {max_size} bytes")).into()
        }
        other => unanswered(unknown(other.to_string())),
    }
}

fn of_status(status: &HttpStatusError) -> Ended {
    let said = status.retry_after.as_deref();
    let retry_after_ms = said.and_then(|said| retry_after_ms(said, SystemTime::now()));
    if status.status == 429 {
        return Outcome::NotSent {
            reason: "HTTP 429: too many requests".to_owned(),
            retry_after_ms,
        }
        .into();
    }
    // Whoever answers 503 may have begun: what it asks for only says when a call that may be repeated is.
    unanswered(Outcome::Unknown {
        reason: format!("HTTP {}", status.status),
        task: None,
        retry_after_ms: retry_after_ms.filter(|_| status.status == 503),
    })
}

// A refusal without a challenge reaches us as text only.
fn of_text(text: &str) -> Ended {
    match text.strip_prefix("HTTP ").and_then(|t| t.get(..3)) {
        Some("401") => rejected(401, "HTTP 401: not signed in").into(),
        Some("403") => rejected(403, "HTTP 403: not allowed").into(),
        _ => unknown(text).into(),
    }
}

/// Retry-After (RFC 9110, 10.2.3): seconds or a date. A date is as good as the two clocks agree, and one that is over says
/// nothing.
fn retry_after_ms(value: &str, now: SystemTime) -> Option<u64> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let wait = httpdate::parse_http_date(value.trim()).ok()?.duration_since(now).ok()?;
    u64::try_from(wait.as_millis()).ok()
}

// The innermost cause: the outer texts carry the URL, which may carry a credential.
fn root(error: &reqwest::Error) -> String {
    let mut cause = match error.source() {
        Some(source) => source,
        None => return "no cause given".to_owned(),
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
