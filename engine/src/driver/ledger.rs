//! The driver's pen: folds each fact at once, and writes it to the journal before anything is done because of it.
//!
//! Facts that nothing depends on (a read's answer, a probe's reading) ride with the next commit; [`must_sync`] says
//! which may not.

use super::facts::{Facts, Seen};
use super::{Deps, DriveError};
use crate::actor::Actor;
use crate::contract::EffectClass;
use crate::ids::IntentId;
use crate::intent::checkpoint;
use crate::intent::event::Event;
use crate::intent::state::{IntentState, item_of};
use crate::journal::{Commit, Entry, Head, IntentRow, LockChange, SCHEMA, StoredEntry};
use crate::payload::Blob;
use crate::target::Target;
use std::sync::Arc;

/// An intent's state with the entries that are folded but not yet durable.
pub(super) struct Ledger {
    pub(super) deps: Arc<Deps>,
    pub(super) id: IntentId,
    pub(super) state: IntentState,
    pub(super) seen: Seen,
    epoch: u64,
    head: Head,
    durable: u64,
    /// The entry up to which the last checkpoint goes.
    checkpointed: u64,
    pending: Vec<StoredEntry>,
    blobs: Vec<Blob>,
    consumed: Vec<String>,
    /// When the oldest fact that waits for a commit was folded, Unix milliseconds.
    pub(super) pending_since: Option<i64>,
}

impl Ledger {
    pub(super) fn new(deps: Arc<Deps>, state: IntentState, head: Head, epoch: u64, seen: Seen) -> Self {
        let (id, durable) = (state.id, head.seq);
        let (pending, blobs, consumed) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            deps,
            id,
            state,
            seen,
            epoch,
            head,
            durable,
            checkpointed: durable,
            pending,
            blobs,
            consumed,
            pending_since: None,
        }
    }

    /// Folds facts in. They are durable after the next [`Self::flush`].
    pub(super) fn record(&mut self, facts: Facts, actor: &Actor) -> Result<(), DriveError> {
        for blob in facts.blobs {
            self.seen.remember(&blob);
            self.blobs.push(blob);
        }
        for event in facts.events {
            let stored = self.sealed(event, actor);
            self.state.apply(&stored.entry, &self.seen)?;
            self.head = Head {
                seq: stored.entry.seq,
                hash: stored.hash.clone(),
            };
            self.pending.push(stored);
        }
        self.pending_since.get_or_insert(self.deps.clock.now_ms());
        Ok(())
    }

    fn sealed(&self, event: Event, actor: &Actor) -> StoredEntry {
        StoredEntry::seal(Entry {
            seq: self.head.seq + 1,
            at: self.deps.clock.now_ms(),
            schema: SCHEMA,
            actor: actor.clone(),
            epoch: self.epoch,
            trace: String::new(),
            prev_hash: self.head.hash.clone(),
            event,
        })
    }

    /// Says that an inbox command is dealt with, in the next commit.
    pub(super) fn consume(&mut self, command: String) {
        self.consumed.push(command);
        self.pending_since.get_or_insert(self.deps.clock.now_ms());
    }

    pub(super) fn has_pending(&self) -> bool {
        self.pending_since.is_some()
    }

    /// Makes everything folded durable.
    pub(super) async fn flush(&mut self, locks: Vec<LockChange>) -> Result<(), DriveError> {
        if self.pending_since.take().is_none() && locks.is_empty() {
            return Ok(());
        }
        let checkpoint =
            checkpoint::is_due(&self.state, self.checkpointed).then(|| checkpoint::take(&self.state, &self.head));
        if checkpoint.is_some() {
            self.checkpointed = self.head.seq;
        }
        let commit = Commit {
            entries: std::mem::take(&mut self.pending),
            blobs: std::mem::take(&mut self.blobs),
            locks,
            row: Some(row(&self.state)),
            consumed: std::mem::take(&mut self.consumed),
            checkpoint,
        };
        self.deps
            .journal
            .commit(self.id, self.epoch, self.durable, commit)
            .await?;
        self.durable = self.head.seq;
        Ok(())
    }

    /// Takes all locks or none, in one commit with the entry that says so. The holder's lock, if there is one in the way.
    pub(super) async fn lock(&mut self, targets: Vec<Target>) -> Result<Option<crate::journal::Lock>, DriveError> {
        self.flush(Vec::new()).await?;
        let stored = self.sealed(
            Event::TargetsLocked {
                targets: targets.clone(),
            },
            &Actor::engine(),
        );
        let mut after = self.state.clone();
        after.apply(&stored.entry, &self.seen)?;
        let commit = Commit {
            entries: vec![stored.clone()],
            locks: vec![LockChange::Acquire(targets)],
            row: Some(row(&after)),
            ..Commit::default()
        };
        match self
            .deps
            .journal
            .commit(self.id, self.epoch, self.durable, commit)
            .await
        {
            Ok(()) => {
                self.head = Head {
                    seq: stored.entry.seq,
                    hash: stored.hash,
                };
                self.durable = self.head.seq;
                self.state = after;
                Ok(None)
            }
            Err(crate::journal::Error::Locked(lock)) => Ok(Some(lock)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether an event of this intent must be durable before the driver goes on.
    pub(super) fn must_sync(&self, event: &Event) -> bool {
        match event {
            Event::CallStarted { .. } | Event::CallAnswered { .. } => {
                let item = item_of(event).and_then(|id| self.state.items.get(id).map(|i| (id, i)));
                let Some((id, item)) = item else { return true };
                let idempotent = self
                    .state
                    .contract_of_item(id)
                    .is_some_and(|c| c.effect == EffectClass::Idempotent);
                let started = matches!(event, Event::CallStarted { .. });
                item.mutating && (started || !idempotent)
            }
            // A reading that a crash makes forget its pause is taken at once: nothing comes of that.
            Event::CallRetryScheduled { reading, .. } => reading.is_none(),
            Event::StepExpanded { .. }
            | Event::StepSkipped { .. }
            | Event::StepSatisfied { .. }
            | Event::ProbeTaken { .. }
            | Event::PreviewTaken { .. }
            | Event::ChecksTaken { .. }
            | Event::WaveStarted { .. }
            | Event::WaveJudged { .. }
            | Event::PlanningStarted { .. }
            | Event::ModelAnswered { .. }
            | Event::StageTried { .. }
            | Event::ToolsRetrieved { .. }
            | Event::PlanDrafted { .. } => false,
            _ => true,
        }
    }
}

/// The row that lists and searches show.
pub(crate) fn row(state: &IntentState) -> IntentRow {
    IntentRow {
        intent: state.id,
        state: state.api_state().to_owned(),
        end: state.ended.as_ref().map(|(end, _, _)| *end),
        going_back: state.back_out.is_some() || state.rollback.is_some(),
        contradicted: state.items.values().any(|i| i.contradiction.is_some()),
        origin: format!("{:?}", state.request.origin.kind).to_lowercase(),
        by: state.request.origin.actor.clone(),
        title: state.request.wish.title(),
        received_ms: state.received_ms,
        updated_ms: state.updated_ms,
        targets: targets(state),
    }
}

/// Every target of the intent's mutating items, sorted, each once.
pub(crate) fn targets(state: &IntentState) -> Vec<Target> {
    let mut all: Vec<Target> = state
        .items
        .values()
        .filter(|i| i.mutating)
        .flat_map(|i| i.expanded.targets.iter().cloned())
        .collect();
    all.sort();
    all.dedup();
    all
}
