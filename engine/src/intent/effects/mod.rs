//! What should be in flight now, from the state alone: a restart yields the same list, so there is no recovery path
//! beside the normal one. Pure.

mod act;
mod backoff;
mod halt;
mod heat;
mod lease;
mod look;
mod question;
mod rollback;
mod settlement;
mod take_back;
mod time;
mod undo;

pub use settlement::Settling;

use super::item::{ItemState, ItemStatus};
use super::state::IntentState;
use crate::ids::{CallId, ItemId, Phase, StepId};
use crate::intent::event::{CheckId, CheckPurpose, Decision, End, Event};
use crate::plan::{Plan, Step, StepFacts};

/// How many mutating calls of one step may be out at once, and how many undos of one intent.
pub const WRITES_AT_ONCE: usize = 8;

/// Something to be done. Also its own key: the driver starts none that is in flight already.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    Plan {
        revision: u32,
    },
    Expand {
        step: StepId,
    },
    /// Call a read-only step's tool.
    Read {
        item: ItemId,
    },
    /// Refusals, probe, preview and way back of a mutating item.
    Look {
        item: ItemId,
    },
    Check {
        check: CheckId,
        purpose: CheckPurpose,
    },
    Judge,
    /// Read the words that were heard back to a person.
    ReadBack,
    RequestApproval,
    Lock,
    /// Probe again under the lock: is it still what was approved?
    Confirm {
        item: ItemId,
    },
    Send {
        item: ItemId,
    },
    /// Read back after an answer.
    Verify {
        item: ItemId,
    },
    /// Probe to settle a doubt.
    Settle {
        item: ItemId,
    },
    /// Ask the server how the task stands that it works on a call as.
    FollowTask {
        item: ItemId,
        phase: Phase,
        attempt: u32,
    },
    /// Probe afresh, after evidence has contradicted a settlement, or a person has found a call done in part.
    Recheck {
        item: ItemId,
    },
    Undo {
        item: ItemId,
    },
    VerifyUndo {
        item: ItemId,
    },
    /// Prepare, extend, confirm, or let go of what was prepared.
    LeaseCall {
        item: ItemId,
        phase: Phase,
    },
    /// Probe for what has become of a lease, or of its call.
    LeaseRead {
        item: ItemId,
    },
}

impl Work {
    /// Whether it changes the world, so that its result counts whatever was decided meanwhile.
    pub fn mutates(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Undo { .. } | Self::LeaseCall { .. })
    }
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Due {
    /// Facts that follow from the state and the time.
    pub record: Vec<Event>,
    pub work: Vec<Work>,
    /// Look again at this time although nothing happened, Unix milliseconds.
    pub wake_ms: Option<i64>,
}

impl Due {
    fn wake(&mut self, at: i64) {
        self.wake_ms = Some(self.wake_ms.map_or(at, |was| was.min(at)));
    }
}

/// Which part of the loop an intent is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    Planning,
    Looking,
    Planned,
    /// A person has to say that the words are those that were spoken.
    ReadingBack,
    AwaitingApproval,
    Waiting,
    Executing,
    Verifying,
    RollingBack,
    Ended,
}

impl IntentState {
    /// What should be in flight at `now` (Unix milliseconds).
    pub fn due(&self, now: i64) -> Due {
        let mut due = Due::default();
        if self.ended.is_some() {
            return due;
        }
        self.due_clocks(now, &mut due);
        self.due_open_calls(now, &mut due);
        self.due_given_up(&mut due);
        self.due_leases(now, &mut due);
        self.due_contradictions(&mut due);
        self.due_unread(now, &mut due);
        self.due_heat(now, &mut due);
        if !due.record.is_empty() || self.paused.is_some() || self.awaits_a_decision() {
            self.put_off(now, &mut due);
            return due;
        }
        match self.stage() {
            Stage::RollingBack => self.due_rollback(now, &mut due),
            stage if self.request.undo_of.is_some() => self.due_undo_intent(stage, now, &mut due),
            _ if self.back_out.is_some() => self.due_back_out(&mut due),
            Stage::Planning if self.open_meaning().is_some() => {}
            Stage::Planning => due.work.push(Work::Plan {
                revision: self.revision + 1,
            }),
            Stage::Looking => self.due_look(&mut due),
            Stage::ReadingBack if self.words.is_none() => due.work.push(Work::ReadBack),
            Stage::AwaitingApproval if self.approval.is_none() => due.work.push(Work::RequestApproval),
            Stage::Waiting => self.due_lock(now, &mut due),
            Stage::Executing => self.due_act(now, &mut due),
            Stage::Verifying => self.due_verify(now, &mut due),
            Stage::ReadingBack | Stage::AwaitingApproval | Stage::Planned | Stage::Ended => {}
        }
        self.due_refusal(&mut due);
        self.put_off(now, &mut due);
        due
    }

    /// Which part of the loop the intent is in.
    pub fn stage(&self) -> Stage {
        if self.ended.is_some() {
            return Stage::Ended;
        }
        if self.rollback.is_some() {
            return Stage::RollingBack;
        }
        let Some(accepted) = &self.accepted else {
            return Stage::Planning;
        };
        let Some(judged) = &self.judged else {
            return Stage::Looking;
        };
        if self.nothing_to_change() || !self.locked.is_empty() || !self.taken_away.is_empty() {
            return if self.request.undo_of.is_none() && self.all_steps_ended(&accepted.plan) {
                Stage::Verifying
            } else {
                Stage::Executing
            };
        }
        if !self.applied {
            return Stage::Planned;
        }
        // Before anybody is asked to approve: an approver would look at what nobody may have said.
        if self.words_unconfirmed() {
            return Stage::ReadingBack;
        }
        let approved = self.approval.as_ref().is_some_and(|a| a.given_by.is_some());
        match judged.decision {
            Decision::NeedsApproval if !approved => Stage::AwaitingApproval,
            _ => Stage::Waiting,
        }
    }

    /// The intent's state as the API names it.
    pub fn api_state(&self) -> &'static str {
        if let Some((end, _, _)) = &self.ended {
            return end_name(*end);
        }
        let backing_out = self.back_out.as_ref().is_some_and(|b| b.taken_back == End::Cancelled);
        match self.stage() {
            _ if !self.stuck.is_empty() => "stuck",
            _ if self.paused.is_some() => "paused",
            _ if self.waits_for_an_answer() => "awaiting_input",
            Stage::RollingBack => "rolling_back",
            _ if backing_out => "cancelling",
            Stage::Planning => "planning",
            Stage::Looking => "looking",
            Stage::Planned => "planned",
            // Not asked yet: whoever sees that a person is waited for must find the question.
            Stage::ReadingBack => "looking",
            Stage::AwaitingApproval if self.approval.is_none() => "looking",
            Stage::AwaitingApproval => "awaiting_approval",
            Stage::Waiting if self.request.window.is_some_and(|w| w.from_ms > self.updated_ms) => "scheduled",
            Stage::Waiting => "waiting",
            Stage::Executing => "executing",
            Stage::Verifying => "verifying",
            Stage::Ended => "ended",
        }
    }

    /// Whether every mutating item is in place already (or not to run): nothing will be sent.
    pub fn nothing_to_change(&self) -> bool {
        self.items.values().filter(|i| i.mutating).all(|i| {
            let untouched = matches!(
                i.status,
                ItemStatus::Satisfied | ItemStatus::Skipped | ItemStatus::Undone | ItemStatus::Accepted
            );
            untouched && !i.was_sent()
        })
    }

    /// Whether any mutating call was ever sent.
    pub fn anything_sent(&self) -> bool {
        self.items.values().any(ItemState::was_sent)
    }

    /// Whether any mutating call was ever sent and is not proven to have had no effect.
    pub fn anything_changed(&self) -> bool {
        self.items.values().any(|i| i.was_sent() && !i.is_harmless())
    }

    /// A step's items.
    pub fn items_of<'a>(&'a self, step: &StepId) -> impl Iterator<Item = (&'a ItemId, &'a ItemState)> {
        let ids = self.expanded.get(step).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.items.get_key_value(id))
    }

    /// Whether nothing more is to come from a step on the way forward.
    pub fn step_ended(&self, step: &Step, facts: &StepFacts) -> bool {
        let Some(ids) = self.expanded.get(&step.id) else {
            return false;
        };
        let settled = ids
            .iter()
            .filter_map(|id| self.items.get(id))
            .all(|i| i.status.is_settled_forward());
        if !settled || !facts.mutating {
            return settled;
        }
        let untouched = self
            .items_of(&step.id)
            .all(|(_, i)| matches!(i.status, ItemStatus::Satisfied | ItemStatus::Skipped) && i.sent_at.is_none());
        let last = self.items_of(&step.id).map(|(_, i)| i.expanded.wave).max().unwrap_or(0);
        let waved = self
            .waves
            .get(&step.id)
            .is_some_and(|w| w.current >= last && w.judged.is_some());
        waved || (untouched && step.gate.is_none()) || ids.is_empty()
    }

    fn all_steps_ended(&self, plan: &Plan) -> bool {
        plan.each().all(|(s, f)| self.step_ended(s, f))
    }

    /// The id of an item's next call of a phase.
    pub fn next_call(&self, item: &ItemId, phase: Phase) -> CallId {
        let generation = self.items.get(item).map_or(0, |i| match phase {
            Phase::Do => i.generation,
            Phase::Undo => i.undo_generation,
            _ => i.lease.as_ref().map_or(0, |l| l.generation(phase)),
        });
        CallId {
            revision: self.revision,
            item: item.clone(),
            phase,
            generation,
        }
    }

    /// Calls that are out are followed to their end whatever was decided meanwhile.
    fn due_open_calls(&self, now: i64, due: &mut Due) {
        for (id, item) in &self.items {
            match item.status {
                ItemStatus::Running | ItemStatus::Undoing => self.due_orphan(id, item, now, due),
                ItemStatus::Asked | ItemStatus::UndoAsked => self.due_question(id, item, now, due),
                ItemStatus::Answered => due.work.push(Work::Verify { item: id.clone() }),
                ItemStatus::UndoAnswered => due.work.push(Work::VerifyUndo { item: id.clone() }),
                ItemStatus::InDoubt | ItemStatus::UndoInDoubt => self.due_settlement(id, item, now, due),
                _ => {}
            }
            self.due_tasks(id, item, now, due);
        }
    }

    fn due_back_out(&self, due: &mut Due) {
        let Some(why) = &self.back_out else { return };
        if self.ever_sent() || self.anything_prepared() {
            due.record.push(Event::RollbackStarted {
                why: why.reason.clone(),
            });
        } else {
            due.record.push(Event::IntentEnded {
                end: why.nothing_sent,
                reason: why.reason.clone(),
                partial: false,
            });
        }
    }

    fn due_refusal(&self, due: &mut Due) {
        let Some(judged) = &self.judged else { return };
        if judged.decision == Decision::Refuse
            && self.back_out.is_none()
            && self.rollback.is_none()
            && self.locked.is_empty()
        {
            let reasons: Vec<&str> = judged.rules.iter().map(|r| r.reason.as_str()).collect();
            let reason = if reasons.is_empty() {
                "refused by policy".to_owned()
            } else {
                reasons.join("; ")
            };
            *due = Due {
                record: vec![Event::IntentEnded {
                    end: End::Refused,
                    reason,
                    partial: false,
                }],
                ..Due::default()
            };
        }
    }
}

/// Whether two items touch overlapping targets. Unknown targets overlap with everything.
pub(crate) fn overlap(a: &ItemState, b: &ItemState) -> bool {
    let (a, b) = (&a.expanded.targets, &b.expanded.targets);
    a.is_empty() || b.is_empty() || a.iter().any(|x| b.iter().any(|y| x.conflicts_with(y)))
}

/// The name of an end in the API.
pub fn end_name(end: End) -> &'static str {
    match end {
        End::Fulfilled => "fulfilled",
        End::RolledBack => "rolled_back",
        End::Failed => "failed",
        End::Refused => "refused",
        End::Cancelled => "cancelled",
    }
}
