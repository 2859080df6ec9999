//! From entries to a state, or to the first entry that cannot be: the auditor's way in, and the restart's.

use super::state::{Blobs, IllegalEvent, IntentState};
use crate::ids::IntentId;
use crate::journal::StoredEntry;

/// Folds a whole stream.
pub fn replay(id: IntentId, entries: &[StoredEntry], blobs: &dyn Blobs) -> Result<IntentState, IllegalEvent> {
    let Some((first, rest)) = entries.split_first() else {
        return Err(IllegalEvent {
            seq: 0,
            event: "nothing",
            why: "the stream is empty".into(),
        });
    };
    let mut state = IntentState::begin(id, &first.entry)?;
    for stored in rest {
        state.apply(&stored.entry, blobs)?;
    }
    Ok(state)
}
