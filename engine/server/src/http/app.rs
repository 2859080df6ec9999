//! What every handler shares: the state, who is calling, and the ways from an id to an intent.

use super::idempotency::{CommandId, InFlight};
use super::problem::Problem;
use crate::auth::{Caller, Tokens};
use crate::errors::Code;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use flyball_engine::driver::DriveError;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::Request as IntentRequest;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::{self, Filter, Journal, StoredEntry};
use flyball_engine::ports::{Clock, Policy};
use flyball_engine::supervisor::{CommandError, ReadError, Supervisor};
use flyball_executors::Executors;
use flyball_planner::{FlyballPlanner, Runbooks};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the routes work on.
pub struct App {
    pub supervisor: Arc<Supervisor>,
    pub executors: Arc<Executors>,
    pub policy: Arc<dyn Policy>,
    pub clock: Arc<dyn Clock>,
    pub runbooks: Runbooks,
    /// Hears recordings; planning itself is the supervisor's.
    pub planner: Arc<FlyballPlanner>,
    /// The largest recording that is taken, in bytes.
    pub longest_recording: u64,
    pub tokens: Tokens,
    pub keys_in_flight: InFlight,
    /// Ends open event streams when the server stops.
    pub stopping: CancellationToken,
}

/// Shared with every handler.
pub type Shared = State<Arc<App>>;

impl App {
    pub fn journal(&self) -> &dyn Journal {
        self.supervisor.journal().as_ref()
    }

    /// Refuses what policy does not let the caller do.
    pub fn may(&self, caller: &Caller, action: &str, request: Option<&IntentRequest>) -> Result<(), Problem> {
        self.policy
            .may(&caller.actor, action, request)
            .map(|_| ())
            .map_err(|rule| {
                let detail = format!("{} may not {action}: {}", caller.actor, rule.reason);
                Problem::new(Code::NotAllowed, detail).with("", &rule.rule, rule.reason, None)
            })
    }

    /// An intent's state, if the caller may read it.
    pub async fn state(&self, caller: &Caller, id: &str) -> Result<IntentState, Problem> {
        let state = self
            .supervisor
            .state(intent_id(id)?)
            .await
            .map_err(|e| read_problem(&e))?;
        self.may(caller, "read", Some(&state.request))?;
        Ok(state)
    }

    /// All entries of an intent.
    pub async fn entries(&self, intent: IntentId) -> Result<Vec<StoredEntry>, Problem> {
        const PAGE: usize = 1000;
        let mut all: Vec<StoredEntry> = Vec::new();
        loop {
            let after = all.last().map_or(0, |e| e.entry.seq);
            let page = self
                .journal()
                .read(intent, after, PAGE)
                .await
                .map_err(|e| journal_problem(&e))?;
            let full = page.len() == PAGE;
            all.extend(page);
            if !full {
                return Ok(all);
            }
        }
    }

    /// The states of all open intents for which `wanted` says yes to the listed state.
    pub async fn open_states(&self, wanted: fn(&str) -> bool) -> Result<Vec<IntentState>, Problem> {
        const PAGE: usize = 500;
        let (mut states, mut after) = (Vec::new(), None);
        loop {
            let filter = Filter {
                open: true,
                after,
                limit: PAGE,
                ..Filter::default()
            };
            let page = self.journal().list(filter).await.map_err(|e| journal_problem(&e))?;
            after = page.last().map(|r| r.intent);
            let full = page.len() == PAGE;
            for row in page.into_iter().filter(|r| wanted(&r.state)) {
                states.push(self.supervisor.state(row.intent).await.map_err(|e| read_problem(&e))?);
            }
            if !full {
                return Ok(states);
            }
        }
    }

    /// Puts a command into an intent's inbox: durable on return. Returns the command's id.
    pub async fn command(&self, caller: &Caller, state: &IntentState, what: What) -> Result<String, Problem> {
        let id = caller.command.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
        let known = self.supervisor.knows(state.id, &id).await;
        if let (true, false) = (state.ended.is_some(), known.map_err(|e| read_problem(&e))?) {
            return Err(ended_problem(state));
        }
        let command = Command {
            id: id.clone(),
            by: caller.actor.clone(),
            at_ms: self.clock.now_ms(),
            what,
        };
        let posted = self.supervisor.command(state.id, command).await;
        posted.map(|()| id).map_err(|e| match e {
            CommandError::Refused(why) => Problem::new(Code::DoesNotFit, why),
            CommandError::BadAnswer(faults) => {
                let first = faults.first().map(ToString::to_string).unwrap_or_default();
                Problem {
                    errors: faults.into_iter().map(Into::into).collect(),
                    ..Problem::new(Code::BadAnswer, first)
                }
            }
            CommandError::Read(e) => read_problem(&e),
        })
    }
}

/// The caller, put there by [`authenticate`].
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let mut caller = caller.ok_or_else(|| Problem::new(Code::NoCredential, "no token was sent"))?;
        caller.command = parts.extensions.get::<CommandId>().map(|id| id.0.clone());
        Ok(caller)
    }
}

/// Lets nobody through without a known token.
pub async fn authenticate(State(app): Shared, mut request: Request, next: Next) -> Response {
    let caller = match token(request.method(), request.headers()) {
        None => Err(Problem::new(Code::NoCredential, "no token was sent")),
        Some(token) => app
            .tokens
            .caller(&token)
            .ok_or_else(|| Problem::new(Code::UnknownCredential, "the token belongs to nobody")),
    };
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The bearer token. For reading, a browser may also send it as the password of Basic; for all else not, since browsers
/// attach those to requests that other sites make.
fn token(method: &Method, headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") && method == Method::GET {
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        return text.split_once(':').map(|(_, password)| password.to_owned());
    }
    None
}

/// Reads an intent's id.
pub fn intent_id(text: &str) -> Result<IntentId, Problem> {
    text.parse()
        .map_err(|_| Problem::parameter("id", format!("{text:?} is no intent id")))
}

/// `If-Match`, where it is given, must name the present version.
pub fn if_match(headers: &HeaderMap, present: &str) -> Result<(), Problem> {
    let Some(value) = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()) else {
        return Ok(());
    };
    let named = value
        .split(',')
        .map(|t| t.trim().trim_start_matches("W/").trim_matches('"'));
    if value.trim() == "*" || named.into_iter().any(|t| t == present) {
        return Ok(());
    }
    let detail = format!("If-Match names {value}, the present version is \"{present}\"");
    Err(Problem::new(Code::PreconditionFailed, detail))
}

/// Nothing more can be done to an intent that has ended.
pub fn ended_problem(state: &IntentState) -> Problem {
    let (end, reason) = match &state.ended {
        Some((end, reason, _)) => (flyball_engine::intent::effects::end_name(*end), reason.as_str()),
        None => ("open", ""),
    };
    let end = end.replace('_', " ");
    Problem::new(Code::Ended, format!("intent {} is {end}: {reason}", state.id))
}

/// What the journal's errors are called outside.
pub fn journal_problem(error: &journal::Error) -> Problem {
    use journal::Error as E;
    let code = match error {
        E::NoSuchIntent(_) => Code::NoSuchIntent,
        E::KeyReused => Code::KeyReused,
        E::Damaged { .. } => Code::Damaged,
        E::Unwritable(_) => Code::Unwritable,
        E::Stale { .. } | E::Fenced { .. } | E::Locked(_) => Code::Internal,
    };
    if matches!(code, Code::Internal | Code::Damaged | Code::Unwritable) {
        tracing::error!(%error, "the journal did not do as asked");
    }
    Problem::new(code, error.to_string())
}

/// What errors of reading a state are called outside.
pub fn read_problem(error: &ReadError) -> Problem {
    match error {
        ReadError::Journal(error) | ReadError::Drive(DriveError::Journal(error)) => journal_problem(error),
        ReadError::Drive(error @ DriveError::Illegal(_)) => {
            tracing::error!(%error, "a state could not be folded");
            Problem::new(Code::Damaged, error.to_string())
        }
        ReadError::Drive(error @ DriveError::Panicked(_)) => {
            tracing::error!(%error, "a state could not be read");
            Problem::new(Code::Internal, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_browser_may_read_with_basic_but_not_act() {
        let basic = headers(header::AUTHORIZATION, "Basic eDpzM2NyZXQ=");
        assert_eq!(token(&Method::GET, &basic).as_deref(), Some("s3cret"));
        assert_eq!(token(&Method::POST, &basic), None);
        let bearer = headers(header::AUTHORIZATION, "bearer s3cret");
        assert_eq!(token(&Method::POST, &bearer).as_deref(), Some("s3cret"));
    }

    #[test]
    fn what_the_journal_refuses_has_the_journals_code_however_it_was_asked() {
        for (error, code) in [
            (journal::Error::Unwritable("no space left".into()), Code::Unwritable),
            (journal::Error::NoSuchIntent(IntentId::fresh()), Code::NoSuchIntent),
        ] {
            let direct = journal_problem(&error);
            assert_eq!((direct.code.as_str(), direct.status), (code.as_str(), code.status()));
            let text = error.to_string();
            let driven = read_problem(&ReadError::Drive(DriveError::Journal(error)));
            assert_eq!((driven.code.as_str(), &driven.detail), (code.as_str(), &text));
        }
        let posted = ReadError::Journal(journal::Error::Unwritable("no space left".into()));
        assert_eq!(read_problem(&posted).code, "FB0015");
        let panicked = ReadError::Drive(DriveError::Panicked("a defect".into()));
        assert_eq!(read_problem(&panicked).code, "FB0025");
    }

    #[test]
    fn if_match_must_name_the_present_version() {
        assert!(if_match(&HeaderMap::new(), "7").is_ok());
        assert!(if_match(&headers(header::IF_MATCH, "\"6\", \"7\""), "7").is_ok());
        assert!(if_match(&headers(header::IF_MATCH, "*"), "7").is_ok());
        let problem = if_match(&headers(header::IF_MATCH, "\"6\""), "7").unwrap_err();
        assert_eq!(problem.status, 412);
    }
}
