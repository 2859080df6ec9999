//! Intents for reading: the list, one, its steps, diff, graph and report.

use super::accept::accepted;
use super::app::{App, Shared, journal_problem, read_problem};
use super::dto::{DeviceDiff, DiffView, IntentPage, IntentRowView, IntentView, ReportView, StepsView};
use super::halt;
use super::health::RESTART;
use super::problem::Problem;
use super::query::{Params, one_of};
use super::views::{self, Values};
use crate::auth::Caller;
use crate::errors::Code;
use crate::render::graph;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::fault::nearest;
use flyball_engine::intent::event::End;
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Filter;
use serde::Deserialize;
use utoipa::IntoParams;

/// Every state that an intent can be listed in.
const STATES: [&str; 18] = [
    "planning",
    "looking",
    "planned",
    "awaiting_input",
    "awaiting_approval",
    "scheduled",
    "waiting",
    "executing",
    "verifying",
    "cancelling",
    "rolling_back",
    "paused",
    "stuck",
    "fulfilled",
    "rolled_back",
    "failed",
    "refused",
    "cancelled",
];
const ORIGINS: [&str; 4] = ["operator", "alarm", "agent", "schedule"];
const MERMAID: &str = "text/vnd.mermaid";
const DOT: &str = "text/vnd.graphviz";

/// Which intents to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// A state as intents show it; `open` for all without an end.
    pub state: Option<String>,
    pub origin: Option<String>,
    /// Intents that touch this target or something below it.
    pub target: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// At most this many (1 to 500, default 50).
    pub limit: Option<usize>,
}

/// Lists intents, newest first.
#[utoipa::path(get, path = "/v1/intents", params(ListQuery), tag = "intents",
    responses((status = 200, body = IntentPage), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn list(
    State(app): Shared,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Json<IntentPage>, Problem> {
    app.may(&caller, "read", None)?;
    let words: Vec<&str> = STATES.into_iter().chain(["open"]).collect();
    one_of("state", query.state.as_deref(), &words)?;
    one_of("origin", query.origin.as_deref(), &ORIGINS)?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=500).contains(&limit) {
        return Err(Problem::parameter("limit", "1 to 500"));
    }
    let after = query.cursor.as_deref().map(super::app::intent_id).transpose()?;
    let open = query.state.as_deref() == Some("open");
    let filter = Filter {
        state: query.state.filter(|_| !open),
        origin: query.origin,
        target: query.target,
        open,
        after,
        limit,
    };
    let rows = app.journal().list(filter).await.map_err(|e| journal_problem(&e))?;
    let next = rows
        .last()
        .filter(|_| rows.len() == limit)
        .map(|r| r.intent.to_string());
    let mut intents: Vec<IntentRowView> = rows.into_iter().map(views::row).collect();
    mark_waits(&app, &mut intents).await?;
    Ok(Json(IntentPage { intents, next }))
}

/// Marks the rows whose intents wait for the end of a halt, or for a doubt to be settled. Only what sends or has sent
/// can, so few are folded.
async fn mark_waits(app: &App, rows: &mut [IntentRowView]) -> Result<(), Problem> {
    const MAY_SEND: [&str; 7] = [
        "executing",
        "awaiting_input",
        "verifying",
        "cancelling",
        "rolling_back",
        "stuck",
        "paused",
    ];
    for row in rows.iter_mut().filter(|r| MAY_SEND.contains(&r.state.as_str())) {
        let state = app.supervisor.state(super::app::intent_id(&row.id)?).await;
        let state = state.map_err(|e| read_problem(&e))?;
        row.halted = halt::on(app, &state).is_some();
        let mut doubts = views::doubts(&state, app.clock.now_ms()).into_iter();
        row.in_doubt = doubts.next().map(|d| format!("{}: {}", d.item, d.waits));
    }
    Ok(())
}

/// One intent as it stands. `ETag` is the number of its last entry.
#[utoipa::path(get, path = "/v1/intents/{id}", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = IntentView), (status = 404, body = Problem)))]
pub(super) async fn one(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    let etag = format!("\"{}\"", state.seq);
    Ok(([(header::ETAG, etag)], Json(view(&app, &state).await?)).into_response())
}

/// An intent's view, with the faults of its plan where that is why it ended.
pub(super) async fn view(app: &App, state: &IntentState) -> Result<IntentView, Problem> {
    let refused = match &state.ended {
        Some((End::Refused, ..)) => true,
        Some((End::Failed, ..)) => state.accepted.is_none(),
        _ => false,
    };
    let held_up = state.ended.is_none() && (!state.stuck.is_empty() || state.waiting_for.is_some());
    let entries = match refused || held_up {
        true => app.entries(state.id).await?,
        false => Vec::new(),
    };
    let faults = match refused {
        true => views::refusal_faults(&entries),
        false => Vec::new(),
    };
    let undone_by = flyball_engine::supervisor::undos_of(app.journal(), state.id).await;
    let undone_by = undone_by.map_err(|e| journal_problem(&e))?;
    let questions = views::questions(&app.supervisor, state).await;
    let undecided = undecided(app, state).await?;
    let due = state.due(app.clock.now_ms());
    Ok(IntentView {
        stuck: undecided.stuck,
        ways: undecided.ways,
        given: undecided.given,
        questions: questions.map_err(|e| journal_problem(&e))?,
        undone_by: undone_by.iter().map(ToString::to_string).collect(),
        halted: halt::on(app, state),
        wakes_at: due.wake_ms.map(super::dto::time),
        about_to_move: views::is_about_to_move(&due) && app.supervisor.not_driven(state.id).is_none(),
        released: views::released(&entries),
        cooling: views::cooling(state, app.clock.now_ms()),
        in_doubt: views::doubts(state, app.clock.now_ms()),
        not_driven: not_driven(app, state),
        unwritable: app.journal().unwritable().filter(|_| state.ended.is_none()),
        ..views::intent(state, faults)
    })
}

/// What waits for a person, and what people have said that has yet to be taken in.
pub(super) async fn undecided(app: &App, state: &IntentState) -> Result<views::Undecided, Problem> {
    let inbox = match state.ended {
        Some(_) => Vec::new(),
        None => app.journal().inbox(state.id).await.map_err(|e| journal_problem(&e))?,
    };
    Ok(views::undecided(state, &inbox))
}

/// Why nothing is done for it, and what moves it again: trying does, unless the store has given up writing.
fn not_driven(app: &App, state: &IntentState) -> Option<String> {
    let not = app.supervisor.not_driven(state.id)?;
    let since = super::dto::time(not.since_ms);
    Some(match app.journal().unwritable() {
        Some(_) => format!("since {since}: {}; {RESTART}", not.why),
        None => {
            let again = super::dto::time(not.again_ms);
            format!("since {since}, tried again by itself at {again}: {}", not.why)
        }
    })
}

/// The steps with their items and checks.
#[utoipa::path(get, path = "/v1/intents/{id}/steps", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = StepsView), (status = 404, body = Problem)))]
pub(super) async fn steps(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<StepsView>, Problem> {
    let state = app.state(&caller, &id).await?;
    Ok(Json(steps_of(&app, &state).await))
}

async fn steps_of(app: &App, state: &IntentState) -> StepsView {
    let values = Values {
        journal: app.journal(),
        intent: state.id,
    };
    views::steps(state, &values).await
}

/// Which device's diff.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(super) struct DiffQuery {
    pub device: Option<String>,
}

/// The change in the devices' own words, with the way back.
#[utoipa::path(get, path = "/v1/intents/{id}/diff", params(("id" = String, Path), DiffQuery), tag = "intents",
    responses((status = 200, body = DiffView), (status = 404, body = Problem)))]
pub(super) async fn diff(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    Params(query): Params<DiffQuery>,
) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    let values = Values {
        journal: app.journal(),
        intent: state.id,
    };
    let view = views::diff(&state, &values, query.device.as_deref()).await;
    if let Some(device) = query.device.as_deref().filter(|_| view.devices.is_empty()) {
        let all = views::diff(&state, &values, None).await.devices;
        if !all.is_empty() {
            return Err(no_change_on(device, &all));
        }
    }
    let etag = format!("\"{}\"", view.digest.clone().unwrap_or_else(|| state.seq.to_string()));
    Ok(([(header::ETAG, etag)], Json(view)).into_response())
}

/// A misspelled device must not look like one that nothing happens to.
fn no_change_on(device: &str, all: &[DeviceDiff]) -> Problem {
    let names: Vec<&str> = all.iter().map(|d| d.device.as_str()).collect();
    let near = nearest(device, names.iter().copied());
    let near = near.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    let detail = format!(
        "this intent changes nothing on {device}, but on {}{near}",
        names.join(", ")
    );
    Problem::new(Code::NoSuchThing, detail)
}

/// The DAG: Mermaid, or DOT where `Accept` asks for `text/vnd.graphviz`. There is no picture of it.
#[utoipa::path(get, path = "/v1/intents/{id}/graph", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = String, content_type = "text/vnd.mermaid"), (status = 404, body = Problem),
        (status = 406, body = Problem)))]
pub(super) async fn graph(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    let kind = accepted(&headers, &[MERMAID, DOT])?;
    let steps = steps_of(&app, &state).await;
    let text = if kind == DOT {
        graph::dot(&steps)
    } else {
        graph::mermaid(&steps)
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What became of it, written from the journal.
#[utoipa::path(get, path = "/v1/intents/{id}/report", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = ReportView), (status = 404, body = Problem)))]
pub(super) async fn report(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ReportView>, Problem> {
    let state = app.state(&caller, &id).await?;
    let entries = app.entries(state.id).await?;
    let values = Values {
        journal: app.journal(),
        intent: state.id,
    };
    Ok(Json(views::report(&state, &entries, &values).await))
}
