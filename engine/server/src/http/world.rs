//! What the intents stand in: locks, doubts, servers.

use super::app::{App, Shared, journal_problem, read_problem};
use super::body::Body;
use super::commands::post;
use super::dto::{DoubtView, LockView, ReasonBody, ServerView, Taken, time};
use super::problem::Problem;
use super::views;
use crate::auth::Caller;
use crate::errors::Code;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flyball_engine::intent::command::What;
use flyball_executors::Executors;

/// Calls whose outcome is not known, of all intents.
#[utoipa::path(get, path = "/v1/in-doubt", tag = "world", responses((status = 200, body = Vec<DoubtView>)))]
pub(super) async fn in_doubt(State(app): Shared, caller: Caller) -> Result<Json<Vec<DoubtView>>, Problem> {
    app.may(&caller, "read", None)?;
    let may_doubt = |s: &str| !matches!(s, "planning" | "looking" | "planned" | "awaiting_approval" | "waiting");
    let states = app.open_states(may_doubt).await?;
    Ok(Json(
        states
            .iter()
            .flat_map(|s| views::doubts(s, app.clock.now_ms()))
            .collect(),
    ))
}

/// Who holds what.
#[utoipa::path(get, path = "/v1/locks", tag = "world", responses((status = 200, body = Vec<LockView>)))]
pub(super) async fn locks(State(app): Shared, caller: Caller) -> Result<Json<Vec<LockView>>, Problem> {
    app.may(&caller, "read", None)?;
    let mut views = Vec::new();
    for lock in app.journal().locks().await.map_err(|e| journal_problem(&e))? {
        let row = app.journal().row(lock.intent).await.map_err(|e| journal_problem(&e))?;
        let (state, by, title) = row.map_or_else(
            || ("unknown".to_owned(), String::new(), String::new()),
            |r| (r.state, r.by.to_string(), r.title),
        );
        views.push(LockView {
            target: lock.target.to_string(),
            intent: lock.intent.to_string(),
            since: time(lock.since_ms),
            age_s: u64::try_from((app.clock.now_ms() - lock.since_ms) / 1000).unwrap_or(0),
            state,
            by,
            title,
        });
    }
    Ok(Json(views))
}

/// Takes a lock away from the intent that holds it: a person's decision, recorded with the reason.
#[utoipa::path(post, path = "/v1/locks/{target}/release", params(("target" = String, Path)), request_body = ReasonBody,
    tag = "world", responses((status = 202, body = Taken), (status = 404, body = Problem)))]
pub(super) async fn release(
    State(app): Shared,
    caller: Caller,
    Path(target): Path<String>,
    Body(body): Body<ReasonBody>,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let locks = app.journal().locks().await.map_err(|e| journal_problem(&e))?;
    let lock = locks.iter().find(|l| l.target.as_str() == target);
    let lock = lock.ok_or_else(|| Problem::new(Code::NoSuchThing, format!("nobody holds {target}")))?;
    let state = app.supervisor.state(lock.intent).await.map_err(|e| read_problem(&e))?;
    app.may(&caller, "release", Some(&state.request))?;
    let Some(reason) = body.reason.filter(|r| !r.trim().is_empty()) else {
        let message = "releasing a lock needs a reason";
        return Err(Problem::new(Code::WrongShape, message).with("/reason", "lock.reason", message, None));
    };
    post(&app, &caller, &state, What::ReleaseLock { target, reason }).await
}

/// The MCP servers and how they are doing.
#[utoipa::path(get, path = "/v1/servers", tag = "world", responses((status = 200, body = Vec<ServerView>)))]
pub(super) async fn servers(State(app): Shared, caller: Caller) -> Result<Json<Vec<ServerView>>, Problem> {
    app.may(&caller, "read", None)?;
    Ok(Json(server_views(&app.executors)))
}

/// The servers' states as they are shown.
pub(super) fn server_views(executors: &Executors) -> Vec<ServerView> {
    let views = executors.status().into_iter().map(|status| {
        let detail = serde_json::to_value(&status).unwrap_or_default();
        let health = detail.get("health").and_then(|h| h.as_str()).unwrap_or("unknown");
        ServerView {
            alias: status.alias,
            health: health.to_owned(),
            detail,
        }
    });
    views.collect()
}

/// Lists a server's tools again.
#[utoipa::path(post, path = "/v1/servers/{alias}/refresh", params(("alias" = String, Path)), tag = "world",
    responses((status = 200, body = Vec<ServerView>), (status = 404, body = Problem), (status = 502, body = Problem)))]
pub(super) async fn refresh(
    State(app): Shared,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<Json<Vec<ServerView>>, Problem> {
    app.may(&caller, "submit", None)?;
    known_server(&app, &alias)?;
    let refreshed = app.executors.refresh(&alias).await;
    refreshed.map_err(|e| Problem::new(Code::ServerTrouble, e))?;
    Ok(Json(server_views(&app.executors)))
}

fn known_server(app: &App, alias: &str) -> Result<(), Problem> {
    if app.executors.knows(alias) {
        return Ok(());
    }
    let known: Vec<String> = app.executors.status().into_iter().map(|s| s.alias).collect();
    let near = flyball_engine::fault::nearest(alias, known.iter().map(String::as_str));
    let near = near.map(|n| format!("did you mean {n:?}?"));
    let detail = format!("no server {alias:?} is configured");
    Err(Problem::new(Code::NoSuchThing, detail.clone()).with("alias", "request.server", detail, near))
}
