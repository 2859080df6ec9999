use super::*;
use rmcp::transport::DynamicTransportError;
use std::any::TypeId;
use std::time::Duration;

fn error(code: i32, message: &'static str) -> Outcome {
    classify(Err(ServiceError::McpError(ErrorData::new(
        ErrorCode(code),
        message,
        None,
    ))))
    .outcome
}

fn http(error: StreamableHttpError<reqwest::Error>) -> Outcome {
    let error = DynamicTransportError::from_parts("http", TypeId::of::<()>(), Box::new(error));
    classify(Err(ServiceError::TransportSend(error))).outcome
}

fn reply(text: &str) -> Outcome {
    classify(Ok(serde_json::from_str(text).unwrap())).outcome
}

#[test]
fn protocol_refusals_and_an_unknown_tool_are_the_only_certain_errors() {
    for (code, message) in [
        (-32601, "method not found"),
        (-32602, "tool not found"),
        (-32602, "Unknown tool: x"),
        (-32602, "MCP error: Tool x not found"),
        (-32020, ""),
        (-32021, ""),
        (-32022, ""),
    ] {
        let outcome = error(code, message);
        assert!(
            matches!(outcome, Outcome::Rejected { code: c, .. } if c == i64::from(code)),
            "{outcome:?}"
        );
    }
    for (code, message) in [
        (-32602, "device not found"),
        (-32602, "bad arguments"),
        (-32603, "streamable HTTP session was re-initialized"),
        (-32000, "x"),
        (-32700, "parse error"),
        (5, "x"),
    ] {
        assert!(
            matches!(error(code, message), Outcome::Unknown { .. }),
            "{code} {message}"
        );
    }
}

#[test]
fn a_cut_connection_and_an_unreadable_reply_are_unknown() {
    for failure in [ServiceError::TransportClosed, ServiceError::UnexpectedResponse] {
        assert!(matches!(classify(Err(failure)).outcome, Outcome::Unknown { .. }));
    }
}

#[test]
fn http_429_was_not_executed_and_names_its_pause() {
    let with = |retry: &str| http(HttpStatusError::new(429, Some(retry.to_owned())).into());
    assert!(matches!(
        with("7"),
        Outcome::NotSent {
            retry_after_ms: Some(7000),
            ..
        }
    ));
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    let then = httpdate::parse_http_date(date).unwrap();
    assert_eq!(retry_after_ms(date, then - Duration::from_secs(90)), Some(90_000));
    for nothing in [date, "soon"] {
        assert_eq!(retry_after_ms(nothing, then + Duration::from_secs(1)), None);
    }
    for status in [500, 502, 503, 504] {
        assert!(matches!(
            http(HttpStatusError::new(status, None).into()),
            Outcome::Unknown { .. }
        ));
    }
}

#[test]
fn http_503_says_nothing_of_what_was_done_and_names_its_pause() {
    let with = |status: u16| http(HttpStatusError::new(status, Some("7".to_owned())).into());
    let pause = |outcome: Outcome| match outcome {
        Outcome::Unknown {
            retry_after_ms,
            task: None,
            ..
        } => retry_after_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(pause(with(503)), Some(7000));
    assert_eq!(
        pause(with(500)),
        None,
        "only a server that is away for a while says for how long"
    );
}

#[test]
fn authorisation_refusals_are_certain_with_and_without_a_challenge() {
    let challenged = StreamableHttpError::AuthRequired(AuthRequiredError::new("Bearer".to_owned()));
    assert!(matches!(http(challenged), Outcome::Rejected { code: 401, .. }));
    for (text, code) in [("HTTP 401 Unauthorized: no", 401), ("HTTP 403 Forbidden: no", 403)] {
        let outcome = http(StreamableHttpError::UnexpectedServerResponse(text.into()));
        assert!(
            matches!(outcome, Outcome::Rejected { code: c, .. } if c == code),
            "{outcome:?}"
        );
    }
    let other = http(StreamableHttpError::UnexpectedServerResponse(
        "HTTP 400 Bad Request: 401".into(),
    ));
    assert!(matches!(other, Outcome::Unknown { .. }));
}

#[test]
fn a_forgotten_session_was_turned_away_unread_and_needs_a_new_link() {
    let error = StreamableHttpError::<reqwest::Error>::SessionExpired;
    let error = DynamicTransportError::from_parts("http", TypeId::of::<()>(), Box::new(error));
    let ended = classify(Err(ServiceError::TransportSend(error)));
    assert!(ended.session_lost && matches!(ended.outcome, Outcome::NotSent { .. }));
}

#[test]
fn a_task_reply_keeps_the_id_of_the_task() {
    let text = r#"{"resultType":"task","taskId":"t-1","status":"working","createdAt":"2026-01-01T00:00:00Z",
        "lastUpdatedAt":"2026-01-01T00:00:00Z","ttlMs":60000,"pollIntervalMs":500}"#;
    assert!(matches!(reply(text), Outcome::Unknown { task: Some(id), .. } if id == "t-1"));
}

#[test]
fn a_question_back_is_handed_on_whole() {
    let outcome = reply(r#"{"resultType":"input_required","requestState":"opaque"}"#);
    assert!(matches!(outcome, Outcome::NeedsInput { question } if question.state.as_deref() == Some("opaque")));
}

#[test]
fn output_is_structured_content_or_text_as_json_or_text() {
    let done = |text: &str| match reply(text) {
        Outcome::Done { output } => output,
        other => panic!("{other:?}"),
    };
    let text = |t: &str| json!({"content": [{"type": "text", "text": t}]}).to_string();
    let structured = r#"{"content":[{"type":"text","text":"no"}],"structuredContent":{"a":1}}"#;
    assert_eq!(done(structured), json!({"a": 1}));
    assert_eq!(done(&text("{\"b\": [2]}")), json!({"b": [2]}));
    assert_eq!(done(&text("% Invalid input")), json!({"text": "% Invalid input"}));
    assert_eq!(done(r#"{"resultType":"complete"}"#), json!({"text": ""}));
    assert_eq!(done("{}"), json!({"text": ""}));
    let image = r#"{"content":[{"type":"image","data":"AA==","mimeType":"image/png"}]}"#;
    assert_eq!(done(image)["content"][0]["type"], "image");
}

#[test]
fn is_error_is_the_tools_own_no() {
    let outcome = reply(r#"{"content":[{"type":"text","text":"no"}],"isError":true}"#);
    assert_eq!(
        outcome,
        Outcome::ToolError {
            output: json!({"text": "no"})
        }
    );
}

#[test]
fn a_reply_of_another_kind_is_unknown() {
    assert!(matches!(reply(r#"{"tools":[]}"#), Outcome::Unknown { .. }));
}

#[test]
fn long_messages_of_servers_are_cut() {
    let outcome = classify(Err(ServiceError::McpError(ErrorData::new(
        ErrorCode(1),
        "ä".repeat(5000),
        None,
    ))))
    .outcome;
    assert!(matches!(outcome, Outcome::Unknown { reason, .. } if reason.chars().count() <= 401));
}
