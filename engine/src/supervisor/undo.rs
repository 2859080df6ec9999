//! The way in for taking back an intent that has ended: a new intent with its own look, approval and locks.

use super::{ReadError, Submitted, Supervisor};
use crate::actor::Origin;
use crate::canonical::Digest;
use crate::driver::Leftovers;
use crate::ids::IntentId;
use crate::intent::{Mode, Request, Wish};
use serde_json::Value;
use std::sync::Arc;

pub use crate::driver::undos_of;

/// Why an intent is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// It goes on, left nothing, or is undone already.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The request that takes an intent back. The same principal's second one joins the first while that goes on.
pub fn undo_request(of: IntentId, origin: Origin, mode: Mode) -> Request {
    Request {
        wish: Wish::Text(format!("undo intent {of}")),
        origin,
        mode,
        deadline_ms: None,
        labels: Vec::new(),
        change: None,
        window: None,
        backout_by_ms: None,
        undo_of: Some(of),
        alarm: Value::Null,
        heard: None,
    }
}

impl Supervisor {
    /// Takes an intent back by a new one: durable on return. With an idempotency key nothing is refused here, so that
    /// the same key always gets the same answer: what cannot be taken back then ends as refused.
    pub async fn undo(
        self: &Arc<Self>,
        request: Request,
        idempotency: Option<(String, Digest)>,
    ) -> Result<Submitted, UndoError> {
        if let Some(of) = request.undo_of.filter(|_| idempotency.is_none()) {
            let leftovers = Leftovers::read(self.deps.journal.as_ref(), of, None).await;
            let leftovers = leftovers.map_err(ReadError::from)?;
            if let Some(why) = leftovers.refusal() {
                return Err(UndoError::Refused(why));
            }
        }
        Ok(self.submit(request, idempotency).await.map_err(ReadError::from)?)
    }
}
