//! Calls whose servers ask: they go on once a person has answered, and are in doubt once nobody can or will.

use super::{Due, Work};
use crate::contract::EffectClass;
use crate::ids::{ItemId, Phase};
use crate::intent::event::Event;
use crate::intent::item::ItemState;
use crate::intent::question::Asked;
use crate::intent::state::IntentState;

impl IntentState {
    pub(super) fn due_question(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        let (Some(asked), Some(call)) = (item.asked.as_deref(), item.open_call()) else {
            return;
        };
        let contract = self.contract_of_call(call);
        if asked.lost && contract.effect == EffectClass::Idempotent && asked.call.phase == Phase::Do {
            due.record.push(Event::CallRetryScheduled {
                call: asked.call.clone(),
                until_ms: now,
                rule: "idempotent.orphaned".into(),
                reading: None,
                why: Some("its server lost the question".to_owned()),
            });
        } else if let Some(reason) = self.given_up_question(item, asked, now) {
            due.record.push(Event::CallInDoubt {
                call: asked.call.clone(),
                attempt: call.attempt,
                reason: reason.to_owned(),
                // Whoever asks by ending the call does nothing more until it is called again.
                answered: !asked.held,
                dead_since_ms: None,
            });
        } else if !asked.is_answered() {
            due.wake(asked.deadline_ms);
        } else if self.paused.is_none() && !self.awaits_a_decision() {
            self.due_answer(id, item, asked, due);
        }
    }

    /// Why nobody can answer any more, or no answer is sent.
    fn given_up_question(&self, item: &ItemState, asked: &Asked, now: i64) -> Option<&'static str> {
        let forward = asked.call.phase == Phase::Do;
        let turned = self.back_out.is_some() && (forward || self.request.undo_of.is_some());
        if asked.lost {
            return Some("the engine stopped while the server waited for the answer to its question");
        }
        if turned || (forward && self.rollback.is_some()) {
            return Some("the server's question was not answered, and nothing goes forward any more");
        }
        if forward && self.lost_its_lock(item) {
            return Some("the server's question was not answered before a person took the lock on its target away");
        }
        (!asked.is_answered() && now >= asked.deadline_ms).then_some("nobody answered the server's question in time")
    }

    fn due_answer(&self, id: &ItemId, item: &ItemState, asked: &Asked, due: &mut Due) {
        let id = id.clone();
        if self.lost_its_lock(item) {
            if !due.work.contains(&Work::Lock) {
                due.work.push(Work::Lock);
            }
            return;
        }
        due.work.push(match asked.call.phase {
            Phase::Do => Work::Send { item: id },
            _ => Work::Undo { item: id },
        });
    }
}
