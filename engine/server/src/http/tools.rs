//! The tools of all servers, and what a person signs off of them.

use super::app::{Shared, journal_problem};
use super::body::Body;
use super::dto::{PinBody, ToolDetail, ToolView};
use super::problem::Problem;
use crate::auth::Caller;
use crate::errors::Code;
use crate::render::unified::unified;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flyball_engine::canonical::Digest;
use flyball_engine::ports::ToolExecutor;
use flyball_engine::tool::ToolName;
use serde_json::Value;

/// The tools of all servers, with what their contracts say and how their pins stand.
#[utoipa::path(get, path = "/v1/tools", tag = "world", responses((status = 200, body = Vec<ToolView>)))]
pub(super) async fn tools(State(app): Shared, caller: Caller) -> Result<Json<Vec<ToolView>>, Problem> {
    app.may(&caller, "read", None)?;
    let contracts = &app.supervisor.deps().contracts;
    app.executors.settled(None).await;
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

/// One tool, with its definition and how that differs from the one that was signed off.
#[utoipa::path(get, path = "/v1/tools/{server}/{tool}", params(("server" = String, Path), ("tool" = String, Path)),
    tag = "world", responses((status = 200, body = ToolDetail), (status = 404, body = Problem)))]
pub(super) async fn tool(
    State(app): Shared,
    caller: Caller,
    Path((server, tool)): Path<(String, String)>,
) -> Result<Json<ToolDetail>, Problem> {
    app.may(&caller, "read", None)?;
    let name = ToolName::new(server, tool);
    app.executors.settled(None).await;
    let catalogue = app.executors.catalogue();
    let listed = catalogue.get(&name);
    let listed = listed.ok_or_else(|| Problem::new(Code::NoSuchThing, format!("no server lists a tool {name}")))?;
    let pinned = app.executors.pinned(&name).await.map_err(|e| journal_problem(&e))?;
    let contract = app.supervisor.deps().contracts.contracts.get(&name);
    let definition = listed.spec.definition();
    let before = pinned.as_ref().and_then(|p| p.definition.as_ref());
    let differs = before.filter(|before| **before != definition);
    Ok(Json(ToolDetail {
        name: name.to_string(),
        effect: contract.map_or_else(|| "none".to_owned(), |c| word(&c.effect)),
        pin: word(&listed.pin),
        digest: listed.spec.digest().to_string(),
        pinned: pinned.as_ref().map(|p| p.digest.to_string()),
        diff: differs.map(|before| unified(&pretty(before), &pretty(&definition), "signed off", "listed now")),
        definition,
    }))
}

/// One value a line; texts of several lines one line each, so that a change in a description shows as such.
fn pretty(definition: &Value) -> String {
    let text = serde_json::to_string_pretty(definition).unwrap_or_default();
    text.replace("\\n", "\\n\n    ")
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
    app.executors.settled(None).await;
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
