//! The way in for what is spoken: a form with a recording becomes a request in words. Everything else in the form is as in
//! the JSON body, and is checked before anybody hears the recording: a form that would be refused costs nothing.
//!
//! Nothing is lost when the engine dies in between: the client has no answer then, and sends the form again. With a key
//! what was heard is written down before the intent is made, so that the same words are not heard, and paid for, twice.

use super::app::{App, journal_problem};
use super::dto::{HeardView, IntentBody, WindowBody};
use super::problem::{Problem, ProblemFault};
use super::submit::{Asked, answer, idempotency, request};
use crate::auth::Caller;
use crate::errors::Code;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::canonical::Digest;
use flyball_engine::fault::{escape_pointer, nearest};
use flyball_engine::intent::Wish;
use flyball_engine::intent::heard::Heard;
use flyball_planner::{AudioKind, Recording, Spoken, Unheard};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PARTS: [&str; 7] = ["audio", "mode", "deadline", "labels", "change", "window", "backout_by"];
/// The largest part that is no recording, and what all of them may add to it, in bytes.
const LONGEST_TEXT: u64 = 64 << 10;
const LONGEST_REST: u64 = 1 << 20;
/// How long to wait where the model's server does not say, in seconds.
const AGAIN_AFTER: u64 = 10;

/// Whether a body is said to be a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// Hears a form's recording and submits its words.
pub(super) async fn submit(
    app: &Arc<App>,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !app.planner.can_hear() {
        let detail = Unheard::NoModel.to_string();
        return Err(Problem::new(Code::NoEars, detail));
    }
    let form = Form::read(headers, body, app.longest_recording).await?;
    let (asked, recording) = form.request(caller, app.clock.now_ms())?;
    app.may(caller, "submit", Some(&asked.request))?;
    // Over the recording and not its words: who hears it a second time may hear something else.
    let key = idempotency(headers, caller, "/v1/intents", &asked.as_written())?;
    let mut request = asked.in_time_or_repeated(app, key.as_ref()).await?;
    let spoken = match hear(app, key.as_ref(), recording).await? {
        Ok(spoken) => spoken,
        Err(unheard) => return Ok(refused(unheard)),
    };
    request.wish = Wish::Text(spoken.text);
    request.heard = Some(spoken.heard);
    app.may(caller, "submit", Some(&request))?;
    let view = HeardView::of(&request);
    let submitted = app.supervisor.submit(request, key).await;
    Ok(answer(&submitted.map_err(|e| journal_problem(&e))?, view))
}

/// What was heard for a key, until its intent is made and after.
#[derive(Serialize, Deserialize)]
struct Known {
    body: Digest,
    text: String,
    heard: Heard,
}

async fn hear(
    app: &Arc<App>,
    key: Option<&(String, Digest)>,
    recording: Recording,
) -> Result<Result<Spoken, Unheard>, Problem> {
    let fact = key.map(|(scope, body)| {
        let name = Digest::of_bytes(format!("heard {scope}").as_bytes());
        (format!("idempotency/{}", name.as_str()), body)
    });
    if let Some((name, body)) = &fact {
        let known = app.journal().fact(name).await.map_err(|e| journal_problem(&e))?;
        match known.and_then(|known| serde_json::from_value::<Known>(known).ok()) {
            Some(known) if known.body == **body => {
                let (text, heard) = (known.text, known.heard);
                return Ok(Ok(Spoken { text, heard }));
            }
            Some(_) => {
                let detail = "this key was used before with another recording, or with other parts";
                return Err(Problem::new(Code::KeyReused, detail));
            }
            None => {}
        }
    }
    // To its end also when the client goes away: what it costs is counted, and what was heard is kept for the next try.
    let (app, fact) = (app.clone(), fact.map(|(name, body)| (name, body.clone())));
    let heard = tokio::spawn(async move {
        let heard = app.planner.hear(&recording).await;
        if let (Some((name, body)), Ok(spoken)) = (fact, &heard) {
            keep(&app, &name, body, spoken).await?;
        }
        Ok(heard)
    });
    heard.await.map_err(|e| Problem::new(Code::Internal, e.to_string()))?
}

/// What was heard under a key: the same recording is not heard again.
async fn keep(app: &App, name: &str, body: Digest, spoken: &Spoken) -> Result<(), Problem> {
    let known = Known {
        body,
        text: spoken.text.clone(),
        heard: spoken.heard.clone(),
    };
    let known = serde_json::to_value(known).expect("it serialises");
    let kept = app.journal().put_fact(name, known).await;
    kept.map_err(|e| journal_problem(&e))
}

/// What is answered where there are no words.
fn refused(unheard: Unheard) -> Response {
    let detail = unheard.to_string();
    tracing::info!(%detail, "a recording was not put into words");
    let problem = |code| Problem::new(code, detail.clone());
    let (problem, wait) = match unheard {
        Unheard::NoModel => (problem(Code::NoEars), None),
        Unheard::Budget(_) => (problem(Code::BudgetSpent), None),
        Unheard::NoRoute { .. } | Unheard::Rejected(_) | Unheard::Unusable(_) => (problem(Code::NotHeard), None),
        Unheard::Busy { wait, .. } => {
            let wait = wait.map_or(AGAIN_AFTER, |wait| wait.as_secs_f64().ceil() as u64);
            (problem(Code::EarsBusy), Some(wait))
        }
        Unheard::Silence => {
            let fault = problem(Code::NoWords).with("/audio", "voice.silence", detail.clone(), None);
            (fault, None)
        }
    };
    let mut response = problem.into_response();
    if let Some(wait) = wait {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

/// A form's parts as far as they can be read, and what is wrong with the others.
#[derive(Default)]
struct Form {
    audio: Option<(Bytes, Option<String>)>,
    body: IntentBody,
    seen: Vec<String>,
    faults: Vec<ProblemFault>,
}

impl Form {
    async fn read(headers: &HeaderMap, body: Body, longest: u64) -> Result<Self, Problem> {
        let broken = |error: multer::Error| unreadable(&error, longest);
        let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let boundary = multer::parse_boundary(kind.unwrap_or_default()).map_err(broken)?;
        let sizes = SizeLimit::new()
            .whole_stream(longest + LONGEST_REST)
            .per_field(LONGEST_TEXT)
            .for_field("audio", longest);
        let constraints = Constraints::new().size_limit(sizes);
        let mut parts = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            form.take(part).await.map_err(broken)?;
        }
        Ok(form)
    }

    fn fault(&mut self, part: &str, rule: &str, message: impl Into<String>, suggestion: Option<String>) {
        self.faults.push(ProblemFault {
            pointer: format!("/{}", escape_pointer(part)),
            rule: rule.to_owned(),
            message: message.into(),
            suggestion,
        });
    }

    async fn take(&mut self, part: Field<'static>) -> Result<(), multer::Error> {
        let name = part.name().unwrap_or_default().to_owned();
        let declared = part.content_type().map(ToString::to_string);
        if !PARTS.contains(&name.as_str()) {
            let near = nearest(&name, PARTS).map(|near| format!("did you mean {near:?}?"));
            let known = || format!("the parts are {}", PARTS.join(", "));
            self.fault(
                &name,
                "form.unknown_part",
                "the form has no such part",
                near.or_else(|| Some(known())),
            );
            return Ok(());
        }
        if name != "labels" && self.seen.contains(&name) {
            self.fault(&name, "form.repeated_part", "this part is there twice", None);
            return Ok(());
        }
        self.seen.push(name.clone());
        let bytes = part.bytes().await?;
        if name == "audio" {
            self.audio = Some((bytes, declared));
            return Ok(());
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.set(&name, text.trim()),
            Err(_) => self.fault(&name, "form.text", "this part is no text in UTF-8", None),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, text: &str) {
        let value = Some(text.to_owned());
        match name {
            "mode" => self.body.mode = value,
            "deadline" => self.body.deadline = value,
            "change" => self.body.change = value,
            "backout_by" => self.body.backout_by = value,
            "window" => match window(text) {
                Some(window) => self.body.window = Some(window),
                None => {
                    let instead = "write {\"from\": …, \"until\": …} or FROM..UNTIL, such as 0s..2h".to_owned();
                    self.fault(name, "form.window", "this is no window", Some(instead));
                }
            },
            _ => match labels(text) {
                Some(labels) => self.body.labels.extend(labels),
                None => {
                    let instead = "give one part for each label, or a JSON list of texts".to_owned();
                    self.fault(name, "form.labels", "these are no labels", Some(instead));
                }
            },
        }
    }

    /// The request with the recording's digest in the place of its words, and the recording. All faults at once.
    fn request(mut self, caller: &Caller, now_ms: i64) -> Result<(Asked, Recording), Problem> {
        let audio = self.audio.take();
        match &audio {
            None if !self.seen.iter().any(|part| part == "audio") => {
                let instead = "send the recording as the part `audio`".to_owned();
                self.fault(
                    "audio",
                    "form.missing_part",
                    "the form holds no recording",
                    Some(instead),
                );
            }
            Some((bytes, _)) if bytes.is_empty() => {
                self.fault("audio", "form.empty_part", "the recording is empty", None);
            }
            _ => {}
        }
        let digest = audio.as_ref().map(|(bytes, _)| Digest::of_bytes(bytes));
        let digest = digest.as_ref().map_or("", Digest::as_str);
        self.body.text = Some(format!("recording {digest}"));
        let request = request(caller, self.body, now_ms);
        let mut faults = self.faults;
        if !faults.is_empty() || request.is_err() {
            let told = request.as_ref().map_or_else(Some, |asked| asked.over.as_ref());
            faults.extend(told.into_iter().flat_map(|p| p.errors.clone()));
        }
        match (request, audio) {
            (Ok(asked), Some((bytes, declared))) if faults.is_empty() => {
                Ok((asked, recording(bytes, declared.as_deref())?))
            }
            _ => Err(Problem {
                errors: faults,
                ..Problem::new(Code::WrongShape, "the form cannot be taken as it is")
            }),
        }
    }
}

/// The recording, if its bytes are of a kind that is taken and nothing else is claimed of them.
fn recording(bytes: Bytes, declared: Option<&str>) -> Result<Recording, Problem> {
    let refused = |message: String| {
        let kinds = AudioKind::ALL.map(AudioKind::name).join(", ");
        let problem = Problem::new(Code::NotAudio, message.clone());
        problem.with("/audio", "voice.kind", message, Some(format!("send one of {kinds}")))
    };
    let Some(recording) = Recording::of(bytes) else {
        let said = declared.map(|kind| format!(", though it is said to be {kind}"));
        let said = said.unwrap_or_default();
        return Err(refused(format!(
            "by its bytes it is no recording of a kind that is taken{said}"
        )));
    };
    // What clients say where they do not know is no claim.
    let declared = declared.filter(|kind| !kind.starts_with("application/octet-stream"));
    match declared {
        Some(kind) if !recording.kind().is_declared_by(kind) => {
            let found = recording.kind().name();
            Err(refused(format!(
                "it is said to be {kind}, and by its bytes it is {found}"
            )))
        }
        _ => Ok(recording),
    }
}

fn unreadable(error: &multer::Error, longest: u64) -> Problem {
    match error {
        multer::Error::StreamSizeExceeded { .. } => too_large("audio", longest),
        multer::Error::FieldSizeExceeded { limit, field_name } => {
            too_large(field_name.as_deref().unwrap_or_default(), *limit)
        }
        error => Problem::new(Code::NotForm, error.to_string()),
    }
}

fn too_large(part: &str, limit: u64) -> Problem {
    let message = format!("more than {limit} bytes");
    let problem = Problem::new(Code::TooLarge, format!("the part {part:?} has {message}"));
    problem.with(&format!("/{}", escape_pointer(part)), "form.too_large", message, None)
}

fn window(text: &str) -> Option<WindowBody> {
    if text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    let (from, until) = text.split_once("..")?;
    let given = !from.is_empty() && !until.is_empty();
    given.then(|| WindowBody {
        from: from.to_owned(),
        until: until.to_owned(),
    })
}

fn labels(text: &str) -> Option<Vec<String>> {
    match text.starts_with('[') {
        true => serde_json::from_str(text).ok(),
        false => Some(vec![text.to_owned()]),
    }
}
