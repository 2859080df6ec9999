//! Taking back an intent that has ended: a new intent, submitted like any other.

use super::app::{Shared, journal_problem, read_problem};
use super::body::Body;
use super::dto::{Submission, UndoBody};
use super::problem::Problem;
use super::submit;
use crate::auth::Caller;
use crate::errors::Code;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use flyball_engine::actor::Origin;
use flyball_engine::supervisor::{ReadError, UndoError, undo_request};

/// Takes back what an intent did, by a new intent with its own look, diff, approval and locks. It reads the old one's
/// ledger and refuses to overwrite what somebody else changed since.
#[utoipa::path(post, path = "/v1/intents/{id}/undo", params(("id" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes sending the same thing twice harmless.")),
    request_body = UndoBody, tag = "intents",
    responses((status = 202, body = Submission, description = "Taken, durable; `Location` names the new intent."),
        (status = 303, body = Submission, description = "Joined to the undo that `Location` names."),
        (status = 403, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It goes on, left nothing, or is undone already.")))]
pub(super) async fn undo(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<UndoBody>,
) -> Result<Response, Problem> {
    let state = app.state(&caller, &id).await?;
    app.may(&caller, "undo", Some(&state.request))?;
    let origin = Origin {
        kind: caller.kind,
        actor: caller.actor.clone(),
    };
    let mode = submit::mode(body.mode.as_deref()).map_err(|fault| {
        let problem = Problem::new(Code::WrongShape, "the undo cannot be taken as it is");
        problem.with("/mode", "intent.mode", fault, Some("write plan or apply".into()))
    })?;
    let mut request = undo_request(state.id, origin, mode);
    (request.change, request.labels) = (body.change, body.labels);
    let key = submit::idempotency(&headers, &caller, &format!("/v1/intents/{id}/undo"), &request)?;
    let submitted = app.supervisor.undo(request, key).await.map_err(|e| match e {
        UndoError::Refused(why) => Problem::new(Code::NotUndone, why),
        UndoError::Read(ReadError::Journal(e)) => journal_problem(&e),
        UndoError::Read(e) => read_problem(&e),
    })?;
    Ok(submit::answer(&submitted, None))
}
