//! Health, and what explains itself: the only routes that need no credential are the two health ones.

use super::app::Shared;
use super::problem::Problem;
use crate::errors::Code;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use flyball_engine::journal::{Filter, SLOW_WRITE};
use serde_json::{Value, json};

/// What helps once the store has given up writing.
pub const RESTART: &str = "mend the disk, then start the server again: it goes on where it was";

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The journal can be read and written, no write of it hangs, and the server is not stopping. `store.syncs`: how often this
/// process made writes durable; `store.writing_ms`: for how long the write that is under way has waited for the disk, 0
/// where none is. `store.unwritable` and `step`: why nothing is written any more, and what helps; absent while it can be.
/// `not_driven`: how many intents nothing is done for at the moment because of an error; which and why is for those to see
/// who may read them.
#[utoipa::path(get, path = "/readyz", tag = "health", responses((status = 200), (status = 503)))]
pub(super) async fn readyz(State(app): Shared) -> (StatusCode, Json<Value>) {
    let filter = Filter {
        limit: 1,
        ..Filter::default()
    };
    let journal = app.journal().list(filter).await.is_ok();
    let stopping = app.stopping.is_cancelled();
    let writing = app.journal().writing_for().unwrap_or_default();
    let unwritable = app.journal().unwritable();
    let status = if journal && !stopping && writing < SLOW_WRITE && unwritable.is_none() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let writing_ms = u64::try_from(writing.as_millis()).unwrap_or(u64::MAX);
    let store = json!({"syncs": app.journal().syncs(), "writing_ms": writing_ms});
    let not_driven = app.supervisor.all_not_driven().len();
    let mut told = json!({"journal": journal, "stopping": stopping, "store": store, "not_driven": not_driven});
    if let Some(why) = unwritable {
        told["store"]["unwritable"] = why.into();
        told["step"] = RESTART.into();
    }
    (status, Json(told))
}

/// The page of an error code, in Markdown.
#[utoipa::path(get, path = "/errors/{code}", params(("code" = String, Path)), tag = "health",
    responses((status = 200, body = String, content_type = "text/markdown"), (status = 404, body = Problem)))]
pub(super) async fn explain(Path(code): Path<String>) -> Result<Response, Problem> {
    let found = Code::find(&code);
    let code = found.ok_or_else(|| Problem::new(Code::NoSuchThing, format!("there is no error code {code}")))?;
    let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((kind, code.page()).into_response())
}
