//! What an intent will do, for the people who check it, and why it is as it is.

use super::accept::accepted;
use super::app::Shared;
use super::dto::{PlanView, WhyView};
use super::intents::undecided;
use super::problem::Problem;
use super::views::{self, Values};
use crate::auth::Caller;
use crate::errors::Code;
use crate::render::{Style, procedure};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";
const TEXT: &str = "text/plain";

/// The accepted plan, and with it the method of procedure: what was looked at, what changes where in which order in the
/// devices' own lines, and the way back. As Markdown or text, where `Accept` asks for `text/markdown` or `text/plain`, it is
/// the procedure alone.
#[utoipa::path(get, path = "/v1/intents/{id}/plan", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, content((PlanView = "application/json"), (String = "text/markdown"), (String = "text/plain"))),
        (status = 404, body = Problem), (status = 406, body = Problem)))]
pub(super) async fn plan(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    let form = accepted(&headers, &[JSON, MARKDOWN, TEXT])?;
    let values = Values {
        journal: app.journal(),
        intent: state.id,
    };
    let runbook = views::reviewed(&state, &app.runbooks);
    let view = views::plan(&state, &values, runbook).await;
    let view = view.ok_or_else(|| Problem::new(Code::NoSuchThing, "no plan is accepted yet"))?;
    let text = match form {
        MARKDOWN => procedure::markdown(&view.procedure),
        TEXT => procedure::text(&view.procedure, Style::ENDLESS),
        _ => return Ok(Json(view).into_response()),
    };
    let kind = format!("{form}; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Why it is planned, judged and decided as it is: from its journal alone, each sentence with its entries.
#[utoipa::path(get, path = "/v1/intents/{id}/why", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = WhyView), (status = 404, body = Problem)))]
pub(super) async fn why(State(app): Shared, caller: Caller, Path(id): Path<String>) -> Result<Json<WhyView>, Problem> {
    let state = app.state(&caller, &id).await?;
    let entries = app.entries(state.id).await?;
    let values = Values {
        journal: app.journal(),
        intent: state.id,
    };
    let undecided = undecided(&app, &state).await?;
    Ok(Json(WhyView {
        stuck: undecided.stuck,
        ways: undecided.ways,
        given: undecided.given,
        ..views::why(&state, &entries, &values).await
    }))
}
