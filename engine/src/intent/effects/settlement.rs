//! Settling doubts, in this order: the task, a late answer (heard by the driver), a probe once nothing can land any more, a
//! person. First settlement wins; what contradicts it later is probed afresh and then a person's to decide.

use super::{Due, Stage, Work, overlap};
use crate::contract::{Contract, EffectClass};
use crate::ids::{ItemId, Phase};
use crate::intent::event::{Event, FaultEffect};
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::span::Span;

/// What a doubt waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// From when on nothing of the call can land any more, Unix milliseconds. None: a person was asked already.
    pub at_ms: Option<i64>,
    /// A probe is taken then, and a person asked if it cannot tell; else a person is asked at once.
    pub by_probe: bool,
    /// The contract's bound that it waits for.
    pub settle_after: Span,
}

impl IntentState {
    /// A call whose engine is gone: it may be repeated if the contract says so and no task tells of it; else in doubt.
    pub(super) fn due_orphan(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        let Some(call) = item.open_call().filter(|c| c.orphaned) else {
            return;
        };
        let contract = self.contract_of_item(id);
        let repeatable = contract.is_some_and(|c| matches!(c.effect, EffectClass::Idempotent | EffectClass::Read));
        due.record.push(
            if repeatable && item.status == ItemStatus::Running && call.task.is_none() {
                Event::CallRetryScheduled {
                    call: call.id.clone(),
                    until_ms: now,
                    rule: "idempotent.orphaned".into(),
                    reading: None,
                    why: Some("the engine that sent it stopped before the answer".to_owned()),
                }
            } else {
                doubt(call, "the engine that sent it stopped before the answer".to_owned())
            },
        );
    }

    /// Tasks are followed to their end, whatever was decided meanwhile: even the end of a settled one is evidence.
    pub(super) fn due_tasks(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        for call in [&item.call, &item.undo].into_iter().flatten() {
            if !call.has_open_task() || !matches!(call.id.phase, Phase::Do | Phase::Undo) {
                continue;
            }
            due.work.push(Work::FollowTask {
                item: id.clone(),
                phase: call.id.phase,
                attempt: call.attempt,
            });
            let out = matches!(item.status, ItemStatus::Running | ItemStatus::Undoing);
            let waited_for = out && !call.orphaned && item.open_call().is_some_and(|c| c.id == call.id);
            if waited_for && now >= call.deadline_ms {
                due.record.push(doubt(
                    call,
                    "the server still works on it as a task after the time it was given".to_owned(),
                ));
            } else if waited_for {
                due.wake(call.deadline_ms);
            }
        }
    }

    pub(super) fn due_settlement(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        let Some(call) = item.open_call() else { return };
        if item.reported {
            return;
        }
        let contract = self.contract_of_item(id).unwrap_or_else(Contract::missing);
        let at = self.cancel_settles_at(id, item, self.settled_from(call));
        if now < at {
            due.wake(at);
            return;
        }
        let why = if call.has_open_task() {
            format!(
                "the server still works on {} as a task: wait for it, or look and settle it with force",
                call.tool
            )
        } else if contract.probe.is_some() {
            due.work.push(Work::Settle { item: id.clone() });
            return;
        } else {
            format!(
                "the outcome of {} is not known and no probe can tell: a person must look and settle it",
                call.tool
            )
        };
        due.record.push(Event::Stuck {
            why,
            item: Some(id.clone()),
            phase: Some(call.id.phase),
        });
    }

    /// Until when a doubt waits, and for whom. None: nothing is in doubt there.
    pub fn settling(&self, id: &ItemId) -> Option<Settling> {
        let item = self.items.get(id).filter(|i| i.status.is_doubt())?;
        let call = item.open_call()?;
        let probed = self.contract_of_item(id).is_some_and(|c| c.probe.is_some());
        let at_ms = self.cancel_settles_at(id, item, self.settled_from(call));
        Some(Settling {
            at_ms: Some(at_ms).filter(|_| !item.reported),
            by_probe: probed && !item.reported && !call.has_open_task(),
            settle_after: self.contract_of_call(call).settle_after(),
        })
    }

    /// From when on a probe may settle a doubt about a call: nothing of it can land any more. Unix milliseconds.
    pub fn settled_from(&self, call: &CallState) -> i64 {
        let bound = self.contract_of_call(call).settle_after();
        call.anchor_ms(self.claimed_ms).saturating_add(bound.0 as i64)
    }

    /// The contract of the tool that a call went to: an undo's is another one than its step's.
    pub fn contract_of_call(&self, call: &CallState) -> Contract {
        let accepted = self.accepted.as_ref();
        accepted.map_or_else(Contract::missing, |a| a.contracts.of(&call.tool))
    }

    /// A contradicted settlement: probed afresh, then told to a person.
    pub(super) fn due_contradictions(&self, due: &mut Due) {
        for (id, item) in &self.items {
            let Some(contradiction) = item.contradiction.as_ref().filter(|_| !item.reported) else {
                continue;
            };
            let probed = self.contract_of_item(id).is_some_and(|c| c.probe.is_some());
            if probed && !contradiction.probed {
                due.work.push(Work::Recheck { item: id.clone() });
                continue;
            }
            let why = format!(
                "{}: look at it and settle it anew; the last reading is in the journal",
                contradiction.evidence
            );
            due.record.push(Event::Stuck {
                why,
                item: Some(id.clone()),
                phase: Some(contradiction.phase),
            });
        }
    }

    /// What a call that was done in part has left is read as soon as nothing of it can land any more: an undo must find that,
    /// or somebody else was there.
    pub(super) fn due_unread(&self, now: i64, due: &mut Due) {
        let unread = self.items.iter().filter(|(_, i)| i.is_unread());
        let cooled = unread.filter(|(id, item)| !self.is_scorched(id, item, now));
        due.work
            .extend(cooled.map(|(id, _)| Work::Recheck { item: id.clone() }));
    }

    /// Whether nothing new may go forward, or end, before a person has decided about a contradicted settlement. What is
    /// taken back elsewhere goes on.
    pub(super) fn awaits_a_decision(&self) -> bool {
        let contradicted = self.items.values().any(|i| i.contradiction.is_some());
        contradicted && (self.stage() != Stage::RollingBack || !self.items.values().any(ItemState::must_be_undone))
    }

    /// An item that is still to be sent where a person has taken over: it is left out. True: nothing is sent.
    pub(super) fn due_taken_over(&self, id: &ItemId, item: &ItemState, due: &mut Due) -> bool {
        let Some(by) = self.taken_over_by(id, item) else {
            return false;
        };
        let reason = format!("a person has taken over what {by} touches");
        due.record.push(match (&item.call, item.status) {
            (Some(call), ItemStatus::BackingOff) => Event::CallFailed {
                call: call.id.clone(),
                attempt: call.attempt,
                fault: reason,
                effect: FaultEffect::None,
                output: None,
            },
            _ => Event::StepSkipped {
                item: id.clone(),
                reason,
            },
        });
        true
    }

    /// An item to be taken back where a person has taken over: its undo is blocked, and a person told. True: left alone.
    pub(super) fn due_left_alone(&self, id: &ItemId, item: &ItemState, due: &mut Due) -> bool {
        let Some(by) = self.taken_over_by(id, item) else {
            return false;
        };
        if item.status != ItemStatus::Blocked {
            due.record.push(Event::UndoBlocked {
                item: id.clone(),
                by: by.clone(),
            });
        } else if !item.reported {
            let why =
                format!("it was not taken back, for a person has taken over what {by} touches: resolve with accept");
            due.record.push(Event::Stuck {
                why,
                item: Some(id.clone()),
                phase: Some(Phase::Undo),
            });
        }
        true
    }

    fn taken_over_by<'a>(&'a self, id: &ItemId, item: &ItemState) -> Option<&'a ItemId> {
        let taken = |(other, o): &(&ItemId, &ItemState)| *other != id && o.is_taken_over() && overlap(item, o);
        self.items.iter().find(taken).map(|(other, _)| other)
    }
}

fn doubt(call: &CallState, reason: String) -> Event {
    Event::CallInDoubt {
        call: call.id.clone(),
        attempt: call.attempt,
        reason,
        answered: false,
        dead_since_ms: None,
    }
}
