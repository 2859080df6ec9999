//! The way in: a body becomes a request, a request an intent.

use super::app::{Shared, journal_problem};
use super::body::Body;
use super::dto::{HeardView, IntentBody, Submission, VoiceForm};
use super::problem::Problem;
use super::voice;
use crate::auth::Caller;
use crate::errors::Code;
use axum::extract::{FromRequest, Request as Sent, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::actor::Origin;
use flyball_engine::canonical::Digest;
use flyball_engine::intent::{LONGEST_TEXT, Mode, Request, Window, Wish};
use flyball_engine::span::Span;
use flyball_engine::supervisor::Submitted;

/// Says what is wanted, in words, as a plan or as a runbook with its parameters.
///
/// Or as a form with a recording: a model puts it into words, and words that come to a change wait for a person who says
/// that these are the words (`input` to the question `words`).
#[utoipa::path(post, path = "/v1/intents", tag = "intents",
    request_body(content((IntentBody = "application/json"), (VoiceForm = "multipart/form-data"))),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes sending the same thing twice harmless.")),
    responses((status = 202, body = Submission, description = "Taken, durable; `Location` names it."),
        (status = 303, body = Submission, description = "Joined to the intent that `Location` names."),
        (status = 400, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem),
        (status = 429, body = Problem, description = "A budget for models is spent."),
        (status = 501, body = Problem, description = "No model is configured that could hear a recording."),
        (status = 502, body = Problem, description = "The model's server could not put it into words."),
        (status = 503, body = Problem, description = "It may later: `Retry-After` says when.")))]
pub(super) async fn submit(
    State(app): Shared,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    if voice::is_form(&headers) {
        return voice::submit(&app, &caller, &headers, sent.into_body()).await;
    }
    let Body(body) = Body::<IntentBody>::from_request(sent, &()).await?;
    let request = request(&caller, body, app.clock.now_ms())?;
    app.may(&caller, "submit", Some(&request))?;
    let key = idempotency(&headers, &caller, "/v1/intents", &request)?;
    let submitted = app
        .supervisor
        .submit(request, key)
        .await
        .map_err(|e| journal_problem(&e))?;
    Ok(answer(&submitted, None))
}

/// What a submission is answered with; `heard`: the words, where they were spoken.
pub(super) fn answer(submitted: &Submitted, heard: Option<HeardView>) -> Response {
    let id = submitted.intent.to_string();
    let status = if submitted.joined {
        StatusCode::SEE_OTHER
    } else {
        StatusCode::ACCEPTED
    };
    let view = Submission {
        id: id.clone(),
        joined: submitted.joined,
        repeated: submitted.repeated,
        heard,
    };
    let mut response = (status, axum::Json(view)).into_response();
    let location = HeaderValue::from_str(&format!("/v1/intents/{id}")).expect("an id is plain text");
    response.headers_mut().insert(header::LOCATION, location);
    if submitted.repeated {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert("idempotent-replayed", replayed);
    }
    response
}

/// The key's scope, and the digest of what was asked with it. The clock's part of the request is left out: a deadline of
/// `2h` means another moment each time it is sent.
pub(super) fn idempotency(
    headers: &HeaderMap,
    caller: &Caller,
    route: &str,
    request: &Request,
) -> Result<Option<(String, Digest)>, Problem> {
    let Some(key) = super::idempotency::key(headers)? else {
        return Ok(None);
    };
    let mut asked = request.clone();
    asked.deadline_ms = asked.deadline_ms.map(|_| 0);
    asked.backout_by_ms = asked.backout_by_ms.map(|_| 0);
    let body = Digest::of_value(&serde_json::to_value(asked).expect("a request serialises"));
    Ok(Some((format!("{} POST {route} {key}", caller.actor), body)))
}

/// From the body to the engine's request. All faults at once.
pub(super) fn request(caller: &Caller, body: IntentBody, now_ms: i64) -> Result<Request, Problem> {
    let mut faults = Problem::new(Code::WrongShape, "the intent cannot be taken as it is");
    let wish = wish(&body).map_err(|why| {
        faults = match body.text.as_deref().filter(|text| text.trim().len() > LONGEST_TEXT) {
            Some(_) => faults
                .clone()
                .with("/text", "intent.length", why, Some(SHORTER.to_owned())),
            None => faults.clone().with("", "intent.wish", why, None),
        };
    });
    let mode = mode(body.mode.as_deref()).unwrap_or_else(|message| {
        faults = faults
            .clone()
            .with("/mode", "intent.mode", message, Some("write plan or apply".into()));
        Mode::Apply
    });
    let mut moment = |pointer: &str, text: Option<&String>| {
        let text = text?;
        let at = parse_moment(text, now_ms);
        let message = match at {
            None => format!("{text:?} is no moment"),
            // A window may have begun, and says itself whether it is over.
            Some(at) if at <= now_ms && !pointer.starts_with("/window") => format!("{text:?} is over already"),
            Some(_) => return at,
        };
        let suggestion = "write 2026-01-31T22:00:00Z, or a length of time from now such as 2h".to_owned();
        let suggestion = match at {
            None => suggestion,
            Some(_) => format!("name a moment to come, or leave it out: {suggestion}"),
        };
        faults = faults.clone().with(pointer, "intent.time", message, Some(suggestion));
        at
    };
    let deadline_ms = moment("/deadline", body.deadline.as_ref());
    let backout_by_ms = moment("/backout_by", body.backout_by.as_ref());
    let from = moment("/window/from", body.window.as_ref().map(|w| &w.from));
    let until = moment("/window/until", body.window.as_ref().map(|w| &w.until));
    let window = from.zip(until).map(|(from_ms, until_ms)| Window { from_ms, until_ms });
    if let Some((pointer, message)) = window.and_then(|w| never_opens(w, now_ms)) {
        faults = faults.with(pointer, "intent.window", message, None);
    }
    match wish {
        Ok(wish) if faults.errors.is_empty() => Ok(Request {
            wish,
            origin: Origin {
                kind: caller.kind,
                actor: caller.actor.clone(),
            },
            mode,
            deadline_ms,
            labels: body.labels,
            change: body.change,
            window,
            backout_by_ms,
            undo_of: None,
            alarm: serde_json::Value::Null,
            heard: None,
        }),
        _ => Err(faults),
    }
}

/// A window in which nothing could ever start, and why.
fn never_opens(window: Window, now_ms: i64) -> Option<(&'static str, &'static str)> {
    match window {
        w if w.until_ms <= w.from_ms => Some(("/window", "the window ends before it begins")),
        w if w.until_ms <= now_ms => Some(("/window/until", "the window is over already")),
        _ => None,
    }
}

pub(super) fn mode(text: Option<&str>) -> Result<Mode, String> {
    match text {
        None | Some("apply") => Ok(Mode::Apply),
        Some("plan") => Ok(Mode::Plan),
        Some(other) => Err(format!("{other:?} is no mode")),
    }
}

/// What to do with words that are too many.
const SHORTER: &str = "say what is wanted in fewer words, or send it as a `plan` or as a `runbook` with its parameters";

fn wish(body: &IntentBody) -> Result<Wish, String> {
    match (&body.text, &body.plan, &body.runbook) {
        (Some(text), None, None) if text.trim().is_empty() => Err("the text is empty".to_owned()),
        (Some(text), None, None) if text.trim().len() > LONGEST_TEXT => Err(format!(
            "the text has {} bytes, and {LONGEST_TEXT} are taken at most",
            text.trim().len()
        )),
        (Some(text), None, None) => Ok(Wish::Text(text.trim().to_owned())),
        (None, Some(plan), None) => Ok(Wish::Plan(plan.clone())),
        (None, None, Some(runbook)) => Ok(Wish::Runbook {
            id: runbook.id.clone(),
            params: runbook.params.clone(),
        }),
        (None, None, None) => Err("say what is wanted: one of `text`, `plan` and `runbook`".to_owned()),
        _ => Err("`text`, `plan` and `runbook` exclude each other".to_owned()),
    }
}

/// RFC 3339, or a length of time from now. Unix milliseconds.
fn parse_moment(text: &str, now_ms: i64) -> Option<i64> {
    let span = text.parse::<Span>().ok().and_then(|s| i64::try_from(s.millis()).ok());
    span.map(|s| now_ms.saturating_add(s))
        .or_else(|| text.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_policies::UserKind;

    fn alice() -> Caller {
        Caller::named("alice", UserKind::User)
    }

    #[test]
    fn exactly_one_way_of_saying_what_is_wanted_is_taken() {
        let both = IntentBody {
            text: Some("x".into()),
            plan: Some(serde_json::json!({})),
            ..IntentBody::default()
        };
        assert!(request(&alice(), both, 0).is_err());
        assert!(request(&alice(), IntentBody::default(), 0).is_err());
        let text = IntentBody {
            text: Some(" check it ".into()),
            deadline: Some("2h".into()),
            ..IntentBody::default()
        };
        let request = request(&alice(), text, 1_000).unwrap();
        assert_eq!(
            (request.wish, request.deadline_ms),
            (Wish::Text("check it".into()), Some(7_201_000))
        );
    }

    #[test]
    fn words_beyond_measure_are_refused_with_what_to_do() {
        let of = |length: usize| {
            let text = Some("a".repeat(length));
            request(
                &alice(),
                IntentBody {
                    text,
                    ..IntentBody::default()
                },
                0,
            )
        };
        assert!(of(LONGEST_TEXT).is_ok());
        let problem = of(LONGEST_TEXT + 1).unwrap_err();
        let fault = &problem.errors[0];
        assert_eq!(
            (fault.pointer.as_str(), fault.rule.as_str()),
            ("/text", "intent.length")
        );
        assert!(
            fault
                .suggestion
                .as_ref()
                .is_some_and(|hint| hint.contains("fewer words"))
        );
    }

    #[test]
    fn all_faults_of_a_body_come_at_once() {
        let body = IntentBody {
            mode: Some("now".into()),
            deadline: Some("soon".into()),
            ..IntentBody::default()
        };
        let problem = request(&alice(), body, 0).unwrap_err();
        let pointers: Vec<&str> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["", "/mode", "/deadline"]);
    }

    #[test]
    fn a_window_in_which_nothing_can_start_is_refused() {
        let window = |from: &str, until: &str| {
            let body = IntentBody {
                text: Some("x".into()),
                window: Some(super::super::dto::WindowBody {
                    from: from.into(),
                    until: until.into(),
                }),
                ..IntentBody::default()
            };
            let taken = request(&alice(), body, 10_000);
            taken.map(|_| ()).map_err(|p| p.errors[0].pointer.clone())
        };
        assert_eq!(window("1970-01-01T00:00:01Z", "1970-01-01T00:00:20Z"), Ok(()));
        assert_eq!(window("2h", "1h"), Err("/window".into()));
        assert_eq!(window("1h", "1h"), Err("/window".into()));
        assert_eq!(
            window("1970-01-01T00:00:01Z", "1970-01-01T00:00:09Z"),
            Err("/window/until".into())
        );
    }

    #[test]
    fn a_deadline_that_has_passed_is_refused_with_where_it_stands_and_what_to_write() {
        let of = |deadline: &str, backout_by: &str| {
            let body = IntentBody {
                text: Some("x".into()),
                deadline: Some(deadline.into()),
                backout_by: Some(backout_by.into()),
                ..IntentBody::default()
            };
            request(&alice(), body, 10_000)
        };
        let problem = of("1970-01-01T00:00:09Z", "0s").unwrap_err();
        assert_eq!((problem.code.as_str(), problem.status), ("FB0002", 422));
        let pointers: Vec<&str> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/deadline", "/backout_by"]);
        for fault in &problem.errors {
            assert!(fault.message.contains("is over already"), "{fault:?}");
            let step = fault.suggestion.as_deref().unwrap_or_default();
            assert!(step.contains("a moment to come"), "{fault:?}");
        }
        assert_eq!(of("1970-01-01T00:00:11Z", "2s").unwrap().deadline_ms, Some(11_000));
    }

    #[test]
    fn moments_are_times_or_lengths_of_time() {
        assert_eq!(parse_moment("1970-01-01T00:00:02Z", 0), Some(2_000));
        assert_eq!(parse_moment("5s", 1), Some(5_001));
        assert_eq!(parse_moment("tomorrow", 0), None);
    }
}
