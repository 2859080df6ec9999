//! The fold of what waits to be tried again. A wait is kept until what it waits for has come through, so that the count
//! of tries outlives a restart.

use super::{IntentState, item_of};
use crate::ids::ItemId;
use crate::intent::event::{Awaited, CheckReading, Event, ProbePurpose};
use crate::journal::Entry;
use serde::{Deserialize, Serialize};

/// Something that is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// How often policy has granted another try so far.
    pub granted: u32,
    /// When the latest try was granted, Unix milliseconds.
    pub since_ms: i64,
    /// When it is due, Unix milliseconds.
    pub until_ms: i64,
    /// The rule that granted it.
    pub rule: String,
}

impl IntentState {
    /// How often something was tried again already.
    pub fn tries_granted(&self, awaited: Option<&Awaited>) -> u32 {
        awaited.and_then(|a| self.waits.get(a)).map_or(0, |w| w.granted)
    }

    pub(super) fn fold_retry(&mut self, entry: &Entry) -> Result<(), String> {
        let Event::CallRetryScheduled {
            call,
            until_ms,
            rule,
            reading,
        } = &entry.event
        else {
            return Err("no wait was scheduled".into());
        };
        if reading.is_none() {
            self.fold_item(entry)?;
        }
        let awaited = reading.clone().unwrap_or_else(|| Awaited::Call { call: call.clone() });
        let granted = self.tries_granted(Some(&awaited)) + 1;
        let wait = Wait {
            granted,
            since_ms: entry.at,
            until_ms: *until_ms,
            rule: rule.clone(),
        };
        self.waits.insert(awaited, wait);
        if self.back_out.is_none() && self.rollback.is_none() {
            self.retries += 1;
        }
        Ok(())
    }

    /// A check was read: whatever it says, it waits no more.
    pub(super) fn taken(&mut self, reading: &CheckReading) {
        let (check, purpose) = (reading.check.clone(), reading.purpose);
        self.waits.remove(&Awaited::Check { check, purpose });
    }

    /// What an item's event ends the waiting for.
    pub(super) fn come_through(&mut self, event: &Event) {
        let Some(item) = item_of(event).filter(|_| !self.waits.is_empty()).cloned() else {
            return;
        };
        match event {
            Event::ProbeTaken { purpose, .. } => {
                if let Some(read) = reading(*purpose, item) {
                    self.waits.remove(&read);
                }
            }
            Event::CallStarted { .. } | Event::CallNotSent { .. } | Event::CallRetryScheduled { .. } => {}
            Event::UndoBlocked { .. } => {}
            _ => self.waits.retain(|awaited, _| about(awaited) != Some(&item)),
        }
    }
}

fn reading(purpose: ProbePurpose, item: ItemId) -> Option<Awaited> {
    match purpose {
        ProbePurpose::Before => Some(Awaited::Look { item }),
        ProbePurpose::Stale => Some(Awaited::Confirm { item }),
        ProbePurpose::After => Some(Awaited::Verify { item }),
        ProbePurpose::Settle => Some(Awaited::Settle { item }),
        ProbePurpose::AfterUndo => Some(Awaited::VerifyUndo { item }),
        // Taken just before the undo is sent: only the undo itself has come through then.
        ProbePurpose::BeforeUndo => None,
    }
}

fn about(awaited: &Awaited) -> Option<&ItemId> {
    match awaited {
        Awaited::Call { call } => Some(&call.item),
        Awaited::Step { item }
        | Awaited::Look { item }
        | Awaited::Confirm { item }
        | Awaited::Verify { item }
        | Awaited::VerifyUndo { item }
        | Awaited::Settle { item } => Some(item),
        Awaited::Plan { .. } | Awaited::Check { .. } => None,
    }
}
