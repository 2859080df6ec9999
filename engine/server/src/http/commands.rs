//! What a person may do to an intent. Each is synced into the intent's inbox before it is acknowledged.

use super::app::{App, Shared, if_match, journal_problem, read_problem};
use super::body::Body;
use super::dto::{InputBody, ReasonBody, ResolveBody, SettleBody, Taken};
use super::problem::Problem;
use crate::auth::Caller;
use crate::errors::Code;
use crate::narrate;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use flyball_engine::ids::{IntentId, ItemId, StepId};
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Event, Resolution, Settlement};
use flyball_engine::intent::state::IntentState;
use std::time::Duration;

/// How long an answer waits for its command to be taken in.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(1);

type Answer = Result<(StatusCode, Json<Taken>), Problem>;

/// Checks the caller and the precondition, posts the command, and answers with where the intent stands then.
async fn act(app: &App, caller: &Caller, id: &str, headers: &HeaderMap, action: &str, what: What) -> Answer {
    let state = allowed(app, caller, id, headers, action).await?;
    post(app, caller, &state, what).await
}

async fn allowed(
    app: &App,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    action: &str,
) -> Result<IntentState, Problem> {
    let state = app.state(caller, id).await?;
    app.may(caller, action, Some(&state.request))?;
    if_match(headers, &state.seq.to_string())?;
    Ok(state)
}

/// Posts a command that was checked, and waits a moment for the intent's owner to take it in, so that the answer can say
/// what came of it.
pub(super) async fn post(app: &App, caller: &Caller, state: &IntentState, what: What) -> Answer {
    let asked = what.clone();
    let command = app.command(caller, state, what).await?;
    // It is recorded: whatever keeps the rest from being read, the command was taken.
    let known = tokio::time::timeout(TAKEN_IN_WITHIN, outcome(app, caller, state, &asked, &command)).await;
    if let Ok(Err(problem)) = &known {
        tracing::warn!(intent = %state.id, command, "what came of a recorded command cannot be read: {}", problem.detail);
    }
    let (now, came) = known.ok().and_then(Result::ok).unzip();
    let came = came.flatten();
    let taken = Taken {
        id: state.id.to_string(),
        taken_in: now.is_some(),
        state: now.unwrap_or_else(|| state.api_state().to_owned()),
        refused: matches!(came, Some(Event::CommandRefused { .. })),
        came: came.map(|event| narrate::line(&event)),
    };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// Where the intent stands once it has taken the command in, and what came of that.
async fn outcome(
    app: &App,
    caller: &Caller,
    before: &IntentState,
    asked: &What,
    command: &str,
) -> Result<(String, Option<Event>), Problem> {
    taken_in(app, before.id, command).await?;
    let now = app.supervisor.state(before.id).await.map_err(|e| read_problem(&e))?;
    let came = came_of(app, caller, before, asked, command).await?;
    Ok((now.api_state().to_owned(), came))
}

/// Returns once a recorded command waits no more.
async fn taken_in(app: &App, intent: IntentId, command: &str) -> Result<(), Problem> {
    let mut grown = app.journal().watch(intent);
    loop {
        grown.borrow_and_update();
        let inbox = app.journal().inbox(intent).await.map_err(|e| journal_problem(&e))?;
        if inbox.iter().all(|waiting| waiting.id != command) || grown.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// What a command came to: that it was refused, or the first entry behind `before` that is its sender's and what it asks for.
async fn came_of(
    app: &App,
    caller: &Caller,
    before: &IntentState,
    asked: &What,
    command: &str,
) -> Result<Option<Event>, Problem> {
    let entries = app.journal().read(before.id, before.seq, 1000).await;
    let entries = entries.map_err(|e| journal_problem(&e))?.into_iter().map(|e| e.entry);
    let mut came = None;
    for entry in entries {
        match &entry.event {
            Event::CommandRefused { command: refused, .. } if refused == command => return Ok(Some(entry.event)),
            event if came.is_none() && entry.actor == caller.actor && asked.comes_to(event) => {
                came = Some(entry.event);
            }
            _ => {}
        }
    }
    Ok(came)
}

/// Goes on with an intent that was only planned.
#[utoipa::path(post, path = "/v1/intents/{id}/apply", params(("id" = String, Path)), tag = "commands",
    responses((status = 202, body = Taken), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub(super) async fn apply(State(app): Shared, caller: Caller, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    act(&app, &caller, &id, &headers, "apply", What::Apply).await
}

/// Stops it: nothing new is sent, what was sent is taken back.
#[utoipa::path(post, path = "/v1/intents/{id}/cancel", params(("id" = String, Path)), request_body = ReasonBody,
    tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ReasonBody>,
) -> Answer {
    let what = What::Cancel { reason: body.reason };
    act(&app, &caller, &id, &headers, "cancel", what).await
}

/// Starts nothing new until it is resumed.
#[utoipa::path(post, path = "/v1/intents/{id}/pause", params(("id" = String, Path)), request_body = ReasonBody,
    tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn pause(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ReasonBody>,
) -> Answer {
    let what = What::Pause { reason: body.reason };
    act(&app, &caller, &id, &headers, "pause", what).await
}

/// Goes on after a pause.
#[utoipa::path(post, path = "/v1/intents/{id}/resume", params(("id" = String, Path)), tag = "commands",
    responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn resume(State(app): Shared, caller: Caller, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    act(&app, &caller, &id, &headers, "resume", What::Resume).await
}

/// Answers a question that a tool's server asked, or the engine about an intent's words (`words`, `meaning`), or declines to. An answer that does not fit the form is refused, and the
/// question stays open.
#[utoipa::path(post, path = "/v1/intents/{id}/input", params(("id" = String, Path)), request_body = InputBody,
    tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn input(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<InputBody>,
) -> Answer {
    let what = What::Input {
        request: body.request,
        answer: body.answer,
    };
    act(&app, &caller, &id, &headers, "input", what).await
}

/// Says what became of a call that is in doubt, of a step without items.
#[utoipa::path(post, path = "/v1/intents/{id}/steps/{step}/settle", params(("id" = String, Path), ("step" = String, Path)),
    request_body = SettleBody, tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn settle_step(
    State(app): Shared,
    caller: Caller,
    Path((id, step)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<SettleBody>,
) -> Answer {
    settle(&app, &caller, &id, item(&step, None)?, &headers, body).await
}

/// Says what became of a call that is in doubt, of one item.
#[utoipa::path(post, path = "/v1/intents/{id}/steps/{step}/{item}/settle",
    params(("id" = String, Path), ("step" = String, Path), ("item" = u32, Path)),
    request_body = SettleBody, tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn settle_item(
    State(app): Shared,
    caller: Caller,
    Path((id, step, index)): Path<(String, String, String)>,
    headers: HeaderMap,
    Body(body): Body<SettleBody>,
) -> Answer {
    settle(&app, &caller, &id, item(&step, Some(&index))?, &headers, body).await
}

async fn settle(app: &App, caller: &Caller, id: &str, item: ItemId, headers: &HeaderMap, body: SettleBody) -> Answer {
    let state = allowed(app, caller, id, headers, "settle").await?;
    known_item(&state, &item)?;
    let verdict = serde_json::from_value::<Settlement>(body.verdict.clone().into());
    let verdict =
        verdict.map_err(|_| word("/verdict", &body.verdict, "applied, not_applied, partial or taken_over"))?;
    let what = What::Settle {
        item,
        verdict,
        force: body.force,
        comment: body.comment,
    };
    post(app, caller, &state, what).await
}

/// Decides about a stuck step without items.
#[utoipa::path(post, path = "/v1/intents/{id}/steps/{step}/resolve", params(("id" = String, Path), ("step" = String, Path)),
    request_body = ResolveBody, tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn resolve_step(
    State(app): Shared,
    caller: Caller,
    Path((id, step)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<ResolveBody>,
) -> Answer {
    resolve(&app, &caller, &id, item(&step, None)?, &headers, body).await
}

/// Decides about a stuck item.
#[utoipa::path(post, path = "/v1/intents/{id}/steps/{step}/{item}/resolve",
    params(("id" = String, Path), ("step" = String, Path), ("item" = u32, Path)),
    request_body = ResolveBody, tag = "commands", responses((status = 202, body = Taken), (status = 409, body = Problem)))]
pub(super) async fn resolve_item(
    State(app): Shared,
    caller: Caller,
    Path((id, step, index)): Path<(String, String, String)>,
    headers: HeaderMap,
    Body(body): Body<ResolveBody>,
) -> Answer {
    resolve(&app, &caller, &id, item(&step, Some(&index))?, &headers, body).await
}

async fn resolve(app: &App, caller: &Caller, id: &str, item: ItemId, headers: &HeaderMap, body: ResolveBody) -> Answer {
    let state = allowed(app, caller, id, headers, "resolve").await?;
    known_item(&state, &item)?;
    let resolution = serde_json::from_value::<Resolution>(body.resolution.clone().into());
    let resolution = resolution.map_err(|_| word("/resolution", &body.resolution, "retry, accept or overwrite"))?;
    let what = What::Resolve {
        item,
        resolution,
        comment: body.comment,
    };
    post(app, caller, &state, what).await
}

fn item(step: &str, index: Option<&str>) -> Result<ItemId, Problem> {
    let index = index.map(|i| {
        i.parse()
            .map_err(|_| Problem::parameter("item", format!("{i:?} is no number")))
    });
    Ok(ItemId {
        step: StepId(step.to_owned()),
        index: index.transpose()?,
    })
}

fn known_item(state: &IntentState, item: &ItemId) -> Result<(), Problem> {
    if state.items.contains_key(item) {
        return Ok(());
    }
    let known: Vec<String> = state.items.keys().map(ToString::to_string).collect();
    let near = flyball_engine::fault::nearest(&item.to_string(), known.iter().map(String::as_str)).map(str::to_owned);
    let detail = format!("the intent has no item {item}");
    Err(Problem::new(Code::NoSuchThing, detail.clone()).with("", "intent.item", detail, near))
}

fn word(pointer: &str, given: &str, known: &str) -> Problem {
    let message = format!("{given:?} is not taken here");
    Problem::new(Code::WrongShape, message.clone()).with(
        pointer,
        "request.word",
        message,
        Some(format!("write {known}")),
    )
}
