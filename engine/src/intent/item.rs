//! One item's life: the only place where an item changes its status, in the live run and in the auditor's replay alike.

use crate::ids::{CallId, Phase};
use crate::intent::event::{
    Event, ExpandedItem, FaultEffect, ProbePurpose, Reading, Resolution, SettledBy, Settlement, WayBack,
};
use crate::intent::proof::Word;
use crate::intent::question::Asked;
use crate::intent::settlement::{Contradiction, Loose, Task};
use crate::intent::state::lease::Lease;
use crate::journal::Seq;
use crate::payload::Payload;
use crate::tool::{Incarnation, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    Waiting,
    Running,
    /// Its server asks something before it goes on.
    Asked,
    BackingOff,
    /// The tool said yes; the read-back has still to agree.
    Answered,
    InDoubt,
    Satisfied,
    Succeeded,
    Skipped,
    Failed,
    Undoing,
    UndoAsked,
    UndoAnswered,
    UndoInDoubt,
    Undone,
    UndoFailed,
    UndoConflict,
    Blocked,
    /// A person took the item as it stands.
    Accepted,
}

impl ItemStatus {
    /// The status as the API names it.
    pub fn api_name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running | Self::Asked | Self::Answered => "running",
            Self::BackingOff => "backing_off",
            Self::InDoubt | Self::UndoInDoubt => "in_doubt",
            Self::Satisfied => "satisfied",
            Self::Succeeded | Self::Accepted => "succeeded",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Undoing | Self::UndoAsked | Self::UndoAnswered => "undoing",
            Self::Undone => "undone",
            Self::UndoFailed => "undo_failed",
            Self::UndoConflict => "undo_conflict",
            Self::Blocked => "blocked",
        }
    }

    /// Whether the way forward has nothing more to do here.
    pub fn is_settled_forward(self) -> bool {
        !matches!(
            self,
            Self::Waiting | Self::Running | Self::Asked | Self::BackingOff | Self::Answered | Self::InDoubt
        )
    }

    /// Whether a call is out, or its outcome still open.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Running
                | Self::Asked
                | Self::Answered
                | Self::InDoubt
                | Self::Undoing
                | Self::UndoAsked
                | Self::UndoAnswered
                | Self::UndoInDoubt
        )
    }

    /// Whether a sent call's outcome is not known.
    pub fn is_doubt(self) -> bool {
        matches!(self, Self::InDoubt | Self::UndoInDoubt)
    }

    /// The status after an event of this item. `probed`: the contract has a probe, so an answer alone proves nothing.
    pub fn after(self, event: &Event, probed: bool) -> Option<ItemStatus> {
        match event {
            Event::StepSkipped { .. } => (self == Self::Waiting).then_some(Self::Skipped),
            // One that never left is looked at again if another call was there meanwhile.
            Event::StepSatisfied { .. } => matches!(self, Self::Waiting | Self::BackingOff).then_some(Self::Satisfied),
            Event::CallStarted { call, .. } => self.after_start(call.phase),
            Event::CallAnswered { call, .. } => self.after_answer(call.phase, probed),
            Event::CallNotSent { call, .. } => self.after_not_sent(call.phase),
            Event::CallRetryScheduled { call, .. } => self.after_retry(call.phase),
            Event::CallFailed { call, .. } => self.after_failure(call.phase),
            Event::CallInDoubt { call, .. } => self.after_doubt(call.phase),
            Event::InputRequested { call: Some(call), .. } => self.after_question(call.phase),
            Event::CallSettled {
                call,
                verdict,
                by,
                fence,
                ..
            } => self
                .after_settlement(call.phase, *verdict, by, fence.is_some(), probed)
                .or_else(|| self.after_decision(call.phase, *verdict, by)),
            Event::ProbeTaken { purpose, reading, .. } => Some(self.after_probe(*purpose, reading)),
            Event::UndoConflict { .. } => self.is_undoable().then_some(Self::UndoConflict),
            Event::UndoBlocked { .. } => self.is_undoable().then_some(Self::Blocked),
            Event::Resolved { resolution, .. } => self.after_resolution(*resolution),
            _ => Some(self),
        }
    }

    fn after_start(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            (Self::Waiting | Self::BackingOff | Self::Asked, Phase::Do) => Some(Self::Running),
            (Self::UndoAsked, Phase::Undo) => Some(Self::Undoing),
            (s, Phase::Undo | Phase::Cancel) if s.is_undoable() => Some(Self::Undoing),
            _ => None,
        }
    }

    fn after_answer(self, phase: Phase, probed: bool) -> Option<Self> {
        match (self, phase) {
            (Self::Running | Self::Asked, Phase::Do) if probed => Some(Self::Answered),
            (Self::Running | Self::Asked, Phase::Do) => Some(Self::Succeeded),
            (Self::Undoing | Self::UndoAsked, Phase::Undo | Phase::Cancel) if probed => Some(Self::UndoAnswered),
            (Self::Undoing | Self::UndoAsked, Phase::Undo | Phase::Cancel) => Some(Self::Undone),
            _ => None,
        }
    }

    fn after_not_sent(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            (Self::Running | Self::BackingOff, Phase::Do) => Some(Self::BackingOff),
            // An undo that never left is simply to be done still.
            (Self::Undoing | Self::Succeeded, Phase::Undo | Phase::Cancel) => Some(Self::Succeeded),
            _ => None,
        }
    }

    fn after_retry(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            // Its server could not be had, so the call was not even recorded as started.
            (Self::Waiting, Phase::Do) => Some(Self::BackingOff),
            (Self::Asked | Self::UndoAsked, Phase::Do | Phase::Undo) => Some(self),
            (s, Phase::Undo | Phase::Cancel) if s.is_undoable() => Some(s),
            (s, phase) => s.after_not_sent(phase),
        }
    }

    fn after_failure(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            // A call can fail before it is sent: its arguments cannot be resolved, its server cannot be had.
            (Self::Waiting | Self::Running | Self::Asked | Self::BackingOff | Self::Answered, Phase::Do) => {
                Some(Self::Failed)
            }
            (Self::Undoing | Self::UndoAsked | Self::UndoAnswered | Self::Succeeded | Self::Failed, Phase::Undo) => {
                Some(Self::UndoFailed)
            }
            // The device's own timer takes back what a cancel did not.
            (Self::Undoing | Self::UndoAnswered | Self::Succeeded | Self::Failed, Phase::Cancel) => {
                Some(Self::Succeeded)
            }
            _ => None,
        }
    }

    fn after_doubt(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            // Backing off: an earlier attempt may have landed, and no other will be made.
            (Self::Running | Self::Asked | Self::Answered | Self::BackingOff | Self::InDoubt, Phase::Do) => {
                Some(Self::InDoubt)
            }
            (Self::Undoing | Self::UndoAsked | Self::UndoAnswered | Self::UndoInDoubt, Phase::Undo | Phase::Cancel) => {
                Some(Self::UndoInDoubt)
            }
            (s, Phase::Undo | Phase::Cancel) if s.is_undoable() => Some(Self::UndoInDoubt),
            _ => None,
        }
    }

    fn after_question(self, phase: Phase) -> Option<Self> {
        match (self, phase) {
            (Self::Running | Self::Asked, Phase::Do) => Some(Self::Asked),
            (Self::Undoing | Self::UndoAsked, Phase::Undo) => Some(Self::UndoAsked),
            _ => None,
        }
    }

    fn after_settlement(
        self,
        phase: Phase,
        verdict: Settlement,
        by: &SettledBy,
        fenced: bool,
        probed: bool,
    ) -> Option<Self> {
        let proven = *by == SettledBy::Probe || !probed;
        match (self, phase, verdict) {
            (Self::InDoubt, Phase::Do, Settlement::Applied) if proven => Some(Self::Succeeded),
            (Self::InDoubt, Phase::Do, Settlement::Applied) => Some(Self::Answered),
            (Self::InDoubt, Phase::Do, Settlement::NotApplied) if fenced => Some(Self::Waiting),
            (Self::InDoubt, Phase::Do, Settlement::NotApplied | Settlement::Partial) => Some(Self::Failed),
            (Self::InDoubt, Phase::Do, Settlement::TakenOver) => Some(Self::Accepted),
            (Self::UndoInDoubt, Phase::Undo | Phase::Cancel, Settlement::Applied) if proven => Some(Self::Undone),
            (Self::UndoInDoubt, Phase::Undo | Phase::Cancel, Settlement::Applied) => Some(Self::UndoAnswered),
            (Self::UndoInDoubt, Phase::Cancel, Settlement::NotApplied | Settlement::Partial) => Some(Self::Succeeded),
            (Self::UndoInDoubt, Phase::Undo, Settlement::NotApplied) if fenced => Some(Self::Succeeded),
            (Self::UndoInDoubt, Phase::Undo, Settlement::NotApplied | Settlement::Partial) => Some(Self::UndoFailed),
            (Self::UndoInDoubt, Phase::Undo | Phase::Cancel, Settlement::TakenOver) => Some(Self::Accepted),
            _ => None,
        }
    }

    fn after_probe(self, purpose: ProbePurpose, reading: &Reading) -> Self {
        match (self, purpose) {
            // A `holds` without a result is no evidence.
            (Self::Answered, ProbePurpose::After)
                if reading.valid && reading.problem.is_none() && reading.holds != Some(false) =>
            {
                Self::Succeeded
            }
            (s, ProbePurpose::AfterUndo) if reading.valid && reading.equal == Some(true) && s.is_undo_time() => {
                Self::Undone
            }
            (s, _) => s,
        }
    }

    fn after_resolution(self, resolution: Resolution) -> Option<Self> {
        match (self, resolution) {
            (s, Resolution::Accept) if s.needs_a_person() => Some(Self::Accepted),
            (Self::UndoFailed | Self::UndoConflict | Self::Blocked, Resolution::Retry | Resolution::Overwrite) => {
                Some(Self::Succeeded)
            }
            (Self::Failed, Resolution::Retry) => Some(Self::Waiting),
            _ => None,
        }
    }

    fn is_undoable(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Blocked)
    }

    fn is_undo_time(self) -> bool {
        self.is_undoable() || matches!(self, Self::Undoing | Self::UndoAnswered)
    }

    /// Whether only a person can move the item on.
    pub fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::UndoFailed | Self::UndoConflict | Self::Blocked
        )
    }
}

/// A sent call whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    pub since_ms: i64,
    pub reason: String,
}

/// The latest call of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallState {
    pub id: CallId,
    pub attempt: u32,
    pub tool: ToolName,
    pub started_ms: i64,
    pub deadline_ms: i64,
    pub incarnation: Option<Incarnation>,
    /// The engine that sent it is gone and nobody waits for the answer any more.
    pub orphaned: bool,
    /// After this time a server that minds `send_by` does not begin with it any more.
    pub send_by_ms: i64,
    /// The server ended the call, whatever it said of it.
    pub answered: bool,
    /// Since when the process that got it is proven dead.
    pub dead_since_ms: Option<i64>,
    /// The server works on it as a task.
    pub task: Option<Task>,
    pub doubt: Option<Doubt>,
    /// Attempts that left us, or may have, and of which nothing shows that they did nothing.
    pub unproven: BTreeSet<u32>,
    /// What [`ItemState::sent_at`] was before this attempt: it stands again if this one never left.
    pub sent_before: Option<Seq>,
    pub fault: Option<String>,
    pub effect: Option<FaultEffect>,
    pub settled: Option<(Settlement, SettledBy)>,
    /// Its server asked, and nobody answered in time or a person declined: it is not sent again by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// What shows that a call settled as not applied can land no more. None: nothing does.
    pub fence: Option<String>,
}

impl CallState {
    /// A call as its start says. None: the event is no start.
    pub(super) fn started(event: &Event, at_ms: i64) -> Option<Self> {
        let Event::CallStarted {
            call,
            attempt,
            tool,
            incarnation,
            send_by_ms,
            deadline_ms,
            ..
        } = event
        else {
            return None;
        };
        Some(Self {
            id: call.clone(),
            attempt: *attempt,
            tool: tool.clone(),
            started_ms: at_ms,
            deadline_ms: *deadline_ms,
            incarnation: incarnation.clone(),
            orphaned: false,
            send_by_ms: *send_by_ms,
            answered: false,
            dead_since_ms: None,
            task: None,
            doubt: None,
            unproven: BTreeSet::from([*attempt]),
            sent_before: None,
            fault: None,
            effect: None,
            settled: None,
            unanswered: false,
            fence: None,
        })
    }
}

/// An item with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemState {
    pub expanded: ExpandedItem,
    pub status: ItemStatus,
    /// The contract has a probe.
    pub probed: bool,
    pub mutating: bool,
    /// The reading taken at the look: what was approved.
    pub looked: Option<Reading>,
    /// The last valid reading before the call was sent.
    pub before: Option<Reading>,
    /// What our last call left.
    pub after: Option<Reading>,
    /// The probe under the lock was taken in this round and agreed.
    pub confirmed: bool,
    /// Number of the entry in which the state before was last read again, after an earlier call of this intent had changed
    /// it: what was sent there later is not in that reading.
    pub refreshed: Option<Seq>,
    pub preview: Option<Payload>,
    pub preview_base: Option<String>,
    pub way_back: Option<WayBack>,
    pub output: Option<Payload>,
    pub reason: Option<String>,
    pub call: Option<CallState>,
    pub undo: Option<CallState>,
    /// Generation of the next `do` and `undo`.
    pub generation: u32,
    pub undo_generation: u32,
    /// Number of the entry that started the latest `do`: the order of rollback.
    pub sent_at: Option<Seq>,
    /// A person said that the undo may overwrite what somebody else did.
    pub overwrite: bool,
    /// What a person last said of it, when it needed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<Box<Word>>,
    /// What the latest undo found before it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Reading>,
    /// When an undo last met what another hand has put there. Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met_at: Option<i64>,
    /// Sendings that were given up and might still land.
    pub loose: Vec<Loose>,
    /// Before this time one of them might still land.
    pub hot_until_ms: i64,
    /// Evidence against a settlement that a person has not decided about yet.
    pub contradiction: Option<Contradiction>,
    /// What the server of the present call asked, answered or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
    /// The conflict that the undo met, or the doubt that only a person can settle, was reported.
    pub reported: bool,
    /// A person found the call done in part, and what it left is still to be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// A confirmable call's: what the device holds on a timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Box<Lease>>,
}

impl ItemState {
    pub fn new(expanded: ExpandedItem, mutating: bool, probed: bool) -> Self {
        let undoes = expanded.undoes.as_deref().cloned();
        let status = match (&expanded.skipped, &undoes) {
            (Some(_), _) => ItemStatus::Skipped,
            // What another intent did stands here as done.
            (None, Some(_)) => ItemStatus::Succeeded,
            (None, None) => ItemStatus::Waiting,
        };
        Self {
            reason: expanded.skipped.clone(),
            expanded,
            status,
            probed,
            mutating,
            looked: None,
            before: undoes.as_ref().and_then(|u| u.before.clone()),
            after: undoes.as_ref().and_then(|u| u.after.clone()),
            confirmed: false,
            refreshed: None,
            preview: undoes.as_ref().and_then(|u| u.preview.clone()),
            preview_base: None,
            way_back: undoes.as_ref().map(|u| u.way_back.clone()),
            output: None,
            call: None,
            undo: None,
            generation: 0,
            undo_generation: 0,
            sent_at: undoes.map(|u| u.sent_at),
            overwrite: false,
            word: None,
            found: None,
            met_at: None,
            loose: Vec::new(),
            hot_until_ms: i64::MIN,
            contradiction: None,
            asked: None,
            reported: false,
            unread: false,
            lease: None,
        }
    }

    /// Whether a rollback must take this item back: sent, and not proven to have had no effect.
    pub fn must_be_undone(&self) -> bool {
        use ItemStatus::{Blocked, Failed, Succeeded, UndoConflict, UndoFailed};
        let sent = self.mutating && self.sent_at.is_some() && !self.is_harmless();
        sent && matches!(self.status, Succeeded | Failed | UndoFailed | UndoConflict | Blocked)
    }

    /// The call that is out or in doubt.
    pub fn open_call(&self) -> Option<&CallState> {
        match self.status {
            ItemStatus::Running
            | ItemStatus::Asked
            | ItemStatus::Answered
            | ItemStatus::InDoubt
            | ItemStatus::BackingOff => self.call.as_ref(),
            ItemStatus::Undoing | ItemStatus::UndoAsked | ItemStatus::UndoAnswered | ItemStatus::UndoInDoubt => {
                self.undo.as_ref()
            }
            _ => None,
        }
    }

    /// The call of a phase.
    pub fn call_of(&self, phase: Phase) -> Option<&CallState> {
        let of_lease = || self.lease.as_ref().and_then(|l| l.calls.get(&phase)).map(|c| &c.call);
        match phase {
            Phase::Do => self.call.as_ref(),
            Phase::Undo => self.undo.as_ref(),
            // Of what was only prepared, or of what is pending.
            Phase::Cancel => of_lease().or(self.undo.as_ref()),
            Phase::Prepare | Phase::Confirm | Phase::Extend => of_lease(),
        }
    }

    pub(super) fn call_of_mut(&mut self, phase: Phase) -> &mut Option<CallState> {
        match phase {
            Phase::Undo | Phase::Cancel => &mut self.undo,
            _ => &mut self.call,
        }
    }
}
