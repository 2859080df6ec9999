//! The way in: a body becomes a request, a request an intent.

use super::app::{App, Shared, journal_problem};
use super::body::Body;
use super::dto::{HeardView, IntentBody, Submission, VoiceForm, WindowBody, time};
use super::problem::{Problem, ProblemFault};
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
use serde::Serialize;
use serde_json::{Value, json};

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
    let asked = request(&caller, body, app.clock.now_ms())?;
    app.may(&caller, "submit", Some(&asked.request))?;
    let key = idempotency(&headers, &caller, "/v1/intents", &asked.as_written())?;
    let request = asked.in_time_or_repeated(&app, key.as_ref()).await?;
    let submitted = app
        .supervisor
        .submit(request, key)
        .await
        .map_err(|e| journal_problem(&e))?;
    Ok(answer(&submitted, None))
}

/// A body that was understood.
pub(super) struct Asked {
    pub(super) request: Request,
    times: Times,
    /// That a moment it names has passed.
    pub(super) over: Option<Problem>,
}

/// The moments of a body, as they are written.
#[derive(Debug, Serialize)]
struct Times {
    deadline: Option<String>,
    backout_by: Option<String>,
    window: Option<WindowBody>,
}

impl Times {
    fn is_empty(&self) -> bool {
        self.deadline.is_none() && self.backout_by.is_none() && self.window.is_none()
    }
}

impl Asked {
    /// The same each time that the body is sent: a deadline of `2h` means another moment then.
    pub(super) fn as_written(&self) -> Value {
        let timeless = Request {
            deadline_ms: None,
            backout_by_ms: None,
            window: None,
            ..self.request.clone()
        };
        let value = serde_json::to_value(timeless).expect("a request serialises");
        match self.times.is_empty() {
            true => value,
            false => json!([value, self.times]),
        }
    }

    /// The request, if nothing that it names has passed or its key was used for it before: then it is answered as it was.
    pub(super) async fn in_time_or_repeated(
        self,
        app: &App,
        key: Option<&(String, Digest)>,
    ) -> Result<Request, Problem> {
        let Some(over) = self.over else { return Ok(self.request) };
        let Some((scope, body)) = key else { return Err(over) };
        let known = app.journal().used_for(scope, body).await;
        match known.map_err(|e| journal_problem(&e))? {
            Some(_) => Ok(self.request),
            None => Err(over),
        }
    }
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

/// The key's scope, and the digest of what was asked with it.
pub(super) fn idempotency(
    headers: &HeaderMap,
    caller: &Caller,
    route: &str,
    asked: &impl Serialize,
) -> Result<Option<(String, Digest)>, Problem> {
    let Some(key) = super::idempotency::key(headers)? else {
        return Ok(None);
    };
    let body = Digest::of_value(&serde_json::to_value(asked).expect("a request serialises"));
    Ok(Some((format!("{} POST {route} {key}", caller.actor), body)))
}

/// From the body to the engine's request. All faults at once.
pub(super) fn request(caller: &Caller, body: IntentBody, now_ms: i64) -> Result<Asked, Problem> {
    let refused = |errors| Problem {
        errors,
        ..Problem::new(Code::WrongShape, "the intent cannot be taken as it is")
    };
    let mut faults = refused(Vec::new());
    let wish = wish(&body).map_err(|fault| faults.errors.push(fault));
    let mode = mode(body.mode.as_deref()).unwrap_or_else(|message| {
        let instead = "write plan or apply".to_owned();
        faults = faults.clone().with("/mode", "intent.mode", message, Some(instead));
        Mode::Apply
    });
    let moments = Moments::of(&body, now_ms);
    faults.errors.extend(moments.faults);
    match wish {
        Ok(wish) if faults.errors.is_empty() => Ok(Asked {
            over: (!moments.over.is_empty()).then(|| refused(moments.over)),
            request: Request {
                wish,
                origin: Origin {
                    kind: caller.kind,
                    actor: caller.actor.clone(),
                },
                mode,
                deadline_ms: moments.deadline_ms,
                labels: body.labels,
                change: body.change,
                window: moments.window,
                backout_by_ms: moments.backout_by_ms,
                undo_of: None,
                alarm: Value::Null,
                heard: None,
            },
            times: Times {
                deadline: body.deadline,
                backout_by: body.backout_by,
                window: body.window,
            },
        }),
        _ => {
            faults.errors.extend(moments.over);
            Err(faults)
        }
    }
}

/// The moments that a body names. Unix milliseconds.
#[derive(Default)]
struct Moments {
    deadline_ms: Option<i64>,
    backout_by_ms: Option<i64>,
    window: Option<Window>,
    faults: Vec<ProblemFault>,
    /// Which of them have passed.
    over: Vec<ProblemFault>,
}

impl Moments {
    fn of(body: &IntentBody, now_ms: i64) -> Self {
        let mut moments = Self::default();
        moments.deadline_ms = moments.ahead("/deadline", body.deadline.as_ref(), now_ms);
        moments.backout_by_ms = moments.ahead("/backout_by", body.backout_by.as_ref(), now_ms);
        let window = body.window.as_ref();
        let from = window.and_then(|w| moments.moment("/window/from", &w.from, now_ms));
        let until = window.and_then(|w| moments.moment("/window/until", &w.until, now_ms));
        moments.window = from.zip(until).map(|(from_ms, until_ms)| Window { from_ms, until_ms });
        let fault = |pointer: &str, message: &str| fault(pointer, "intent.window", message.to_owned(), None);
        match moments.window {
            Some(w) if w.until_ms <= w.from_ms => {
                moments
                    .faults
                    .push(fault("/window", "the window ends before it begins"));
            }
            // One that has begun is good still.
            Some(w) if w.until_ms <= now_ms => {
                moments.over.push(fault("/window/until", "the window is over already"));
            }
            _ => {}
        }
        moments.before_the_window();
        moments
    }

    /// What must be over before its window opens would never begin.
    fn before_the_window(&mut self) {
        let Some(window) = self.window else { return };
        let ends = [("/deadline", self.deadline_ms), ("/backout_by", self.backout_by_ms)];
        for (pointer, at_ms) in ends {
            if at_ms.is_some_and(|at| at <= window.from_ms) {
                let message = format!("it ends before the window opens ({})", time(window.from_ms));
                let instead = "name a moment after the window opens, or leave it out".to_owned();
                // Of a body that is sent again a length of time may mean another moment by now.
                self.over.push(fault(pointer, "intent.window", message, Some(instead)));
            }
        }
    }

    fn moment(&mut self, pointer: &str, text: &str, now_ms: i64) -> Option<i64> {
        let at = parse_moment(text, now_ms);
        if at.is_none() {
            let message = format!("{text:?} is no moment");
            self.faults
                .push(fault(pointer, "intent.time", message, Some(A_MOMENT.to_owned())));
        }
        at
    }

    fn ahead(&mut self, pointer: &str, text: Option<&String>, now_ms: i64) -> Option<i64> {
        let at = self.moment(pointer, text?, now_ms)?;
        if at <= now_ms {
            let message = format!("{:?} is over already", text?);
            let instead = format!("name a moment to come, or leave it out: {A_MOMENT}");
            self.over.push(fault(pointer, "intent.time", message, Some(instead)));
        }
        Some(at)
    }
}

/// How a moment is written.
const A_MOMENT: &str = "write 2026-01-31T22:00:00Z, or a length of time from now such as 2h";

fn fault(pointer: &str, rule: &str, message: String, suggestion: Option<String>) -> ProblemFault {
    ProblemFault {
        pointer: pointer.to_owned(),
        rule: rule.to_owned(),
        message,
        suggestion,
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

fn wish(body: &IntentBody) -> Result<Wish, ProblemFault> {
    let not_one = |why: &str| Err(fault("", "intent.wish", why.to_owned(), None));
    match (&body.text, &body.plan, &body.runbook) {
        (Some(text), None, None) if text.trim().is_empty() => not_one("the text is empty"),
        (Some(text), None, None) if text.trim().len() > LONGEST_TEXT => {
            let why = format!(
                "the text has {} bytes, and {LONGEST_TEXT} are taken at most",
                text.trim().len()
            );
            Err(fault("/text", "intent.length", why, Some(SHORTER.to_owned())))
        }
        (Some(text), None, None) => Ok(Wish::Text(text.trim().to_owned())),
        (None, Some(plan), None) => Ok(Wish::Plan(plan.clone())),
        (None, None, Some(runbook)) => Ok(Wish::Runbook {
            id: runbook.id.clone(),
            params: runbook.params.clone(),
        }),
        (None, None, None) => not_one("say what is wanted: one of `text`, `plan` and `runbook`"),
        _ => not_one("`text`, `plan` and `runbook` exclude each other"),
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
        let request = request(&alice(), text, 1_000).unwrap().request;
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
        let problem = of(LONGEST_TEXT + 1).err().unwrap();
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
        let problem = request(&alice(), body, 0).err().unwrap();
        let pointers: Vec<&str> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["", "/mode", "/deadline"]);
    }

    #[test]
    fn a_window_in_which_nothing_can_start_is_refused() {
        let window = |from: &str, until: &str| {
            let body = IntentBody {
                text: Some("x".into()),
                window: Some(WindowBody {
                    from: from.into(),
                    until: until.into(),
                }),
                ..IntentBody::default()
            };
            let taken = request(&alice(), body, 10_000).and_then(|a| a.over.map_or(Ok(()), Err));
            taken.map_err(|p| p.errors[0].pointer.clone())
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
            let asked = request(&alice(), body, 10_000).ok().unwrap();
            asked.over.map_or(Ok(asked.request), Err)
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
    fn what_must_end_before_its_window_opens_is_refused_with_when_that_is() {
        let of = |deadline: &str, backout_by: &str| {
            let body = IntentBody {
                text: Some("x".into()),
                deadline: Some(deadline.into()),
                backout_by: Some(backout_by.into()),
                window: Some(WindowBody {
                    from: "3h".into(),
                    until: "4h".into(),
                }),
                ..IntentBody::default()
            };
            let asked = request(&alice(), body, 0).ok().unwrap();
            asked.over.map_or(Ok(asked.request), Err)
        };
        let problem = of("1h", "3h").unwrap_err();
        let told: Vec<_> = problem
            .errors
            .iter()
            .map(|e| (e.pointer.as_str(), e.rule.as_str()))
            .collect();
        assert_eq!(told, [("/deadline", "intent.window"), ("/backout_by", "intent.window")]);
        assert!(problem.errors[0].message.contains("1970-01-01T03:00:00"), "{problem:?}");
        assert!(of("5h", "200m").is_ok());
    }

    #[test]
    fn moments_are_times_or_lengths_of_time() {
        assert_eq!(parse_moment("1970-01-01T00:00:02Z", 0), Some(2_000));
        assert_eq!(parse_moment("5s", 1), Some(5_001));
        assert_eq!(parse_moment("tomorrow", 0), None);
    }
}
