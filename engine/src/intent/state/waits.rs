//! The fold of what waits to be tried again. A wait is kept until what it waits for has come through, so that the count
//! of tries outlives a restart.

use super::{IntentState, item_of};
use crate::ids::{ItemId, Phase};
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
    /// What the latest try met, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl IntentState {
    /// What an item waits for until it is tried again.
    pub fn wait_of(&self, item: &ItemId) -> Option<(&Awaited, &Wait)> {
        let of_it = self.waits.iter().filter(|(awaited, _)| about(awaited) == Some(item));
        of_it.max_by_key(|(_, wait)| wait.until_ms)
    }

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
            why,
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
            why: why.clone(),
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
                for read in readings(*purpose, &item) {
                    self.waits.remove(&read);
                }
            }
            // A lease's calls come and go beside those that take their item forward and back.
            Event::CallAnswered { call, .. }
            | Event::CallFailed { call, .. }
            | Event::CallInDoubt { call, .. }
            | Event::CallSettled { call, .. } => {
                self.waits.remove(&Awaited::Call { call: call.clone() });
                if call.phase == Phase::Do {
                    let item = || item.clone();
                    self.waits.remove(&Awaited::Step { item: item() });
                    self.waits.remove(&Awaited::Look { item: item() });
                }
            }
            Event::PreviewTaken { .. }
            | Event::StepSatisfied { .. }
            | Event::StepSkipped { .. }
            | Event::UndoConflict { .. }
            | Event::Resolved { .. } => self.waits.retain(|awaited, _| about(awaited) != Some(&item)),
            _ => {}
        }
    }
}

/// What a probe of this purpose may have been taken for.
fn readings(purpose: ProbePurpose, item: &ItemId) -> Vec<Awaited> {
    let item = || item.clone();
    match purpose {
        ProbePurpose::Before => vec![Awaited::Look { item: item() }],
        ProbePurpose::Stale => vec![Awaited::Confirm { item: item() }],
        ProbePurpose::After => vec![Awaited::Verify { item: item() }, Awaited::Lease { item: item() }],
        ProbePurpose::Settle => vec![Awaited::Settle { item: item() }, Awaited::Lease { item: item() }],
        ProbePurpose::AfterUndo => vec![Awaited::VerifyUndo { item: item() }],
        // Taken just before the undo is sent: only the undo itself has come through then.
        ProbePurpose::BeforeUndo => vec![],
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
        | Awaited::Settle { item }
        | Awaited::Lease { item } => Some(item),
        Awaited::Plan { .. } | Awaited::Check { .. } => None,
    }
}
