//! What waits for a person, and the person's answer. An approval holds for one digest and nothing else.

use super::app::{App, Shared, ended_problem, if_match};
use super::body::Body;
use super::commands::post;
use super::dto::{ApprovalView, DecisionBody, Taken};
use super::problem::Problem;
use super::views;
use crate::auth::Caller;
use crate::errors::Code;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use flyball_engine::intent::command::What;
use flyball_engine::intent::state::{Approval, IntentState};

/// Approvals that were asked for and neither given nor denied.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", responses((status = 200, body = Vec<ApprovalView>)))]
pub(super) async fn list(State(app): Shared, caller: Caller) -> Result<Json<Vec<ApprovalView>>, Problem> {
    app.may(&caller, "read", None)?;
    let states = app.open_states(|s| s == "awaiting_approval").await?;
    let views = states
        .iter()
        .filter_map(|s| open(s).map(|a| views::approval(s, a)))
        .collect();
    Ok(Json(views))
}

/// The approval that an intent waits for.
fn open(state: &IntentState) -> Option<&Approval> {
    let waits = state.ended.is_none() && state.back_out.is_none();
    state.approval.as_ref().filter(|a| a.given_by.is_none() && waits)
}

/// Approves what the digest names, or denies it. `{id}` is the approval's id or its intent's.
#[utoipa::path(post, path = "/v1/approvals/{id}", params(("id" = String, Path)), request_body = DecisionBody,
    tag = "approvals", responses((status = 202, body = Taken), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "The digest is another one now."), (status = 412, body = Problem)))]
pub(super) async fn decide(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<DecisionBody>,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let (state, approval) = find(&app, &caller, &id).await?;
    app.may(&caller, "approve", Some(&state.request))?;
    if_match(&headers, approval.digest.as_str())?;
    let what = match body.decision.as_str() {
        "deny" => What::Deny {
            approval: approval.id,
            comment: body.comment,
        },
        "approve" => {
            same_digest(&approval, body.digest.as_deref())?;
            What::Approve {
                own: state.request.origin.actor.principal() == caller.actor.principal(),
                approval: approval.id,
                digest: approval.digest,
                comment: body.comment,
            }
        }
        other => {
            let message = format!("{other:?} is no decision");
            let suggestion = Some("write approve or deny".to_owned());
            let problem = Problem::new(Code::WrongShape, message.clone());
            return Err(problem.with("/decision", "approval.decision", message, suggestion));
        }
    };
    post(&app, &caller, &state, what).await
}

fn same_digest(approval: &Approval, given: Option<&str>) -> Result<(), Problem> {
    match given {
        Some(digest) if digest == approval.digest.as_str() => Ok(()),
        Some(digest) => {
            let detail = format!("{digest} was sent, {} is what stands there now", approval.digest);
            Err(Problem::new(Code::OtherDigest, detail))
        }
        None => {
            let message = "an approval names the digest of what was shown";
            let suggestion = Some("send `digest` as GET /v1/approvals shows it".to_owned());
            Err(Problem::new(Code::WrongShape, message).with("/digest", "approval.digest", message, suggestion))
        }
    }
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<(IntentState, Approval), Problem> {
    let states = app.open_states(|s| s == "awaiting_approval").await?;
    let found = states.into_iter().find_map(|s| {
        let approval = open(&s).cloned()?;
        (approval.id == id || s.id.to_string() == id).then_some((s, approval))
    });
    match found {
        Some(found) => Ok(found),
        None => Err(none_is_waited_for(app, caller, id).await),
    }
}

/// Why there is nothing to decide about: the intent has ended, it does something else, or there is none.
async fn none_is_waited_for(app: &App, caller: &Caller, id: &str) -> Problem {
    match app.state(caller, id).await {
        Ok(state) if state.ended.is_some() => ended_problem(&state),
        Ok(state) => {
            let stands = state.api_state().replace('_', " ");
            Problem::new(
                Code::DoesNotFit,
                format!("intent {id} is {stands}: no approval is waited for"),
            )
        }
        Err(_) => Problem::new(Code::NoSuchThing, format!("no approval {id} is waited for")),
    }
}
