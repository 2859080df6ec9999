//! What the intents stand in: locks, doubts, servers, tools, runbooks, and the halt.

use super::app::{Shared, journal_problem, read_problem};
use super::commands::post;
use super::dto::{DoubtView, HaltView, LockView, PinBody, ReasonBody, RunbookView, ServerView, Taken, ToolView, time};
use super::problem::{Body, Problem};
use super::views;
use crate::auth::Caller;
use crate::errors::Code;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flyball_engine::canonical::Digest;
use flyball_engine::intent::command::What;
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::ToolName;
use flyball_executors::Executors;

/// Calls whose outcome is not known, of all intents.
#[utoipa::path(get, path = "/v1/in-doubt", tag = "world", responses((status = 200, body = Vec<DoubtView>)))]
pub(super) async fn in_doubt(State(app): Shared, caller: Caller) -> Result<Json<Vec<DoubtView>>, Problem> {
    app.may(&caller, "read", None)?;
    let may_doubt = |s: &str| !matches!(s, "planning" | "looking" | "planned" | "awaiting_approval" | "waiting");
    let states = app.open_states(may_doubt).await?;
    Ok(Json(states.iter().flat_map(views::doubts).collect()))
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

/// Whether calls that change something are stopped.
#[utoipa::path(get, path = "/v1/halt", tag = "world", responses((status = 200, body = HaltView)))]
pub(super) async fn halted(State(app): Shared, caller: Caller) -> Result<Json<HaltView>, Problem> {
    app.may(&caller, "read", None)?;
    let reason = app.supervisor.halted();
    Ok(Json(HaltView {
        halted: reason.is_some(),
        reason,
    }))
}

/// From now on no call that changes something is started. Holds over restarts.
#[utoipa::path(post, path = "/v1/halt", request_body = ReasonBody, tag = "world",
    responses((status = 200, body = HaltView)))]
pub(super) async fn halt(
    State(app): Shared,
    caller: Caller,
    Body(body): Body<ReasonBody>,
) -> Result<Json<HaltView>, Problem> {
    app.may(&caller, "halt", None)?;
    let halted = app.supervisor.halt(&caller.actor, body.reason.as_deref()).await;
    halted.map_err(|e| journal_problem(&e))?;
    let reason = app.supervisor.halted();
    Ok(Json(HaltView { halted: true, reason }))
}

/// Lifts the halt.
#[utoipa::path(post, path = "/v1/unhalt", tag = "world", responses((status = 200, body = HaltView)))]
pub(super) async fn unhalt(State(app): Shared, caller: Caller) -> Result<Json<HaltView>, Problem> {
    app.may(&caller, "unhalt", None)?;
    app.supervisor.unhalt().await.map_err(|e| journal_problem(&e))?;
    tracing::info!(by = %caller.actor, "the halt is lifted");
    Ok(Json(HaltView {
        halted: false,
        reason: None,
    }))
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

/// The tools of all servers, with what their contracts say and how their pins stand.
#[utoipa::path(get, path = "/v1/tools", tag = "world", responses((status = 200, body = Vec<ToolView>)))]
pub(super) async fn tools(State(app): Shared, caller: Caller) -> Result<Json<Vec<ToolView>>, Problem> {
    app.may(&caller, "read", None)?;
    let contracts = &app.supervisor.deps().contracts;
    let catalogue = app.executors.catalogue();
    let views = catalogue.tools.values().map(|tool| {
        let name = &tool.spec.name;
        let contract = contracts.contracts.get(name);
        ToolView {
            name: name.to_string(),
            description: tool.spec.description.clone(),
            effect: contract.map_or_else(|| "none".to_owned(), |c| word(&c.effect)),
            pin: word(&tool.pin),
            digest: tool.spec.digest().to_string(),
            input_schema: tool.spec.input_schema.clone(),
        }
    });
    Ok(Json(views.collect()))
}

fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or("unknown").to_owned()
}

/// Signs a tool's definition off, named by the digest that the person read.
#[utoipa::path(post, path = "/v1/tools/{server}/{tool}/pin", params(("server" = String, Path), ("tool" = String, Path)),
    request_body = PinBody, tag = "world", responses((status = 204), (status = 409, body = Problem), (status = 502, body = Problem)))]
pub(super) async fn pin(
    State(app): Shared,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
    Body(body): Body<PinBody>,
) -> Result<StatusCode, Problem> {
    app.may(&caller, "pin", None)?;
    let digest = Digest::parse(body.digest).ok_or_else(|| {
        let message = "a digest is `sha256:` and 64 hex digits";
        Problem::new(Code::WrongShape, message).with("/digest", "tool.digest", message, None)
    })?;
    let tool = ToolName::new(server, tool);
    let pinned = app.executors.pin(&tool, &digest).await;
    pinned.map_err(|e| {
        let code = match e {
            flyball_executors::PinError::NoSuchTool(_) => Code::NoSuchThing,
            flyball_executors::PinError::Moved { .. } => Code::OtherDigest,
            flyball_executors::PinError::Journal(_) => Code::Unwritable,
        };
        Problem::new(code, e.to_string())
    })?;
    tracing::info!(by = %caller.actor, %tool, "a tool was signed off");
    Ok(StatusCode::NO_CONTENT)
}

/// Lists a server's tools again.
#[utoipa::path(post, path = "/v1/servers/{alias}/refresh", params(("alias" = String, Path)), tag = "world",
    responses((status = 200, body = Vec<ServerView>), (status = 502, body = Problem)))]
pub(super) async fn refresh(
    State(app): Shared,
    caller: Caller,
    Path(alias): Path<String>,
) -> Result<Json<Vec<ServerView>>, Problem> {
    app.may(&caller, "submit", None)?;
    let refreshed = app.executors.refresh(&alias).await;
    refreshed.map_err(|e| Problem::new(Code::ServerTrouble, e))?;
    Ok(Json(server_views(&app.executors)))
}

/// The runbooks.
#[utoipa::path(get, path = "/v1/runbooks", tag = "world", responses((status = 200, body = Vec<RunbookView>)))]
pub(super) async fn runbooks(State(app): Shared, caller: Caller) -> Result<Json<Vec<RunbookView>>, Problem> {
    app.may(&caller, "read", None)?;
    Ok(Json(app.runbooks.clone()))
}
