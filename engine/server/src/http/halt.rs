//! The brake: what stops every call that changes something, who pulled it, and who let go.

use super::app::{App, Shared, journal_problem};
use super::body::Body;
use super::dto::{HaltView, ReasonBody};
use super::problem::Problem;
use crate::auth::Caller;
use axum::Json;
use axum::extract::State;
use flyball_engine::intent::state::IntentState;
use flyball_engine::supervisor::Halt;

/// The halt that holds back what is due of an intent.
pub(super) fn on(app: &App, state: &IntentState) -> Option<HaltView> {
    let halt = app.supervisor.halted()?;
    let waits = state.waits_out_a_halt(app.clock.now_ms());
    waits.then(|| in_force(app, &halt))
}

fn in_force(app: &App, halt: &Halt) -> HaltView {
    HaltView {
        unrecorded: !app.supervisor.is_halt_recorded(),
        ..HaltView::of(halt)
    }
}

/// The halt in force, else the last one that was lifted.
pub(super) async fn present(app: &App) -> Result<HaltView, Problem> {
    if let Some(halt) = app.supervisor.halted() {
        return Ok(in_force(app, &halt));
    }
    recorded(app).await
}

/// The last halt that is on record, in force or lifted.
pub(super) async fn recorded(app: &App) -> Result<HaltView, Problem> {
    let halts = app.supervisor.halts().await.map_err(|e| journal_problem(&e))?;
    Ok(halts.last().map(HaltView::of).unwrap_or_default())
}

/// Whether calls that change something are stopped.
#[utoipa::path(get, path = "/v1/halt", tag = "world", responses((status = 200, body = HaltView)))]
pub(super) async fn halted(State(app): Shared, caller: Caller) -> Result<Json<HaltView>, Problem> {
    app.may(&caller, "read", None)?;
    Ok(Json(present(&app).await?))
}

/// Every halt there was, with who lifted it; the last one first.
#[utoipa::path(get, path = "/v1/halts", tag = "world", responses((status = 200, body = Vec<HaltView>)))]
pub(super) async fn halts(State(app): Shared, caller: Caller) -> Result<Json<Vec<HaltView>>, Problem> {
    app.may(&caller, "read", None)?;
    let halts = app.supervisor.halts().await.map_err(|e| journal_problem(&e))?;
    Ok(Json(halts.iter().rev().map(HaltView::of).collect()))
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
    tracing::warn!(by = %caller.actor, "halted: nothing that changes something is started");
    Ok(Json(present(&app).await?))
}

/// Lifts the halt.
#[utoipa::path(post, path = "/v1/unhalt", tag = "world", responses((status = 200, body = HaltView)))]
pub(super) async fn unhalt(State(app): Shared, caller: Caller) -> Result<Json<HaltView>, Problem> {
    app.may(&caller, "unhalt", None)?;
    let lifted = app.supervisor.unhalt(&caller.actor).await;
    lifted.map_err(|e| journal_problem(&e))?;
    tracing::info!(by = %caller.actor, "the halt is lifted");
    Ok(Json(present(&app).await?))
}
