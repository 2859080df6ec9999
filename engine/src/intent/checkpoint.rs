//! A stored fold, so that a restart folds the tail only. It is a shortcut and never evidence: any mismatch, and all
//! entries are folded instead.

use super::state::{FOLD_VERSION, IntentState};
use crate::canonical::Digest;
use crate::journal::{Checkpoint, Head};

/// Entries between two checkpoints, at least.
const EVERY: u64 = 256;

/// Whether it is time for another. A state grows with its items, so a large one is stored more rarely: what all
/// checkpoints of an intent cost stays in proportion to its entries.
pub fn is_due(state: &IntentState, last: u64) -> bool {
    state.seq - last >= EVERY.max(state.items.len() as u64)
}

/// The checkpoint of a state whose last entry is `head`.
pub fn take(state: &IntentState, head: &Head) -> Checkpoint {
    let state = serde_json::to_value(state).expect("a state serialises");
    Checkpoint {
        seq: head.seq,
        entry_hash: head.hash.clone(),
        fold_version: FOLD_VERSION,
        digest: Digest::of_value(&state),
        state,
    }
}

/// The state that a checkpoint holds. `entry_hash`: of the entry that the journal has at the checkpoint's number.
pub fn restore(checkpoint: Checkpoint, entry_hash: Option<&Digest>) -> Option<(IntentState, Head)> {
    let fits = checkpoint.fold_version == FOLD_VERSION
        && entry_hash == Some(&checkpoint.entry_hash)
        && Digest::of_value(&checkpoint.state) == checkpoint.digest;
    let state: IntentState = fits.then(|| serde_json::from_value(checkpoint.state).ok())??;
    let head = Head {
        seq: checkpoint.seq,
        hash: checkpoint.entry_hash,
    };
    (state.seq == head.seq).then_some((state, head))
}
