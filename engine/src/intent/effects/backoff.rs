//! What is tried again only later. Whatever would be due is put off until the time that stands in the journal: a
//! restart waits for the rest of it, and nobody has to remember that something waits.

use super::{Due, Work};
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::event::{Awaited, Event, FaultEffect};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::proof::Word;
use crate::intent::state::IntentState;

impl IntentState {
    /// What a piece of work waits under when it is to be tried again. None: it is never tried again by itself.
    pub fn awaited(&self, work: &Work) -> Option<Awaited> {
        let call = |item: &ItemId, phase| Awaited::Call {
            call: self.next_call(item, phase),
        };
        let item = |item: &ItemId| item.clone();
        Some(match work {
            Work::Send { item } => call(item, Phase::Do),
            // What is pending is cancelled instead.
            Work::Undo { item } if self.items.get(item).is_some_and(ItemState::is_pending) => call(item, Phase::Cancel),
            Work::Undo { item } => call(item, Phase::Undo),
            Work::LeaseCall { item, phase } => call(item, *phase),
            Work::LeaseRead { item: i } => Awaited::Lease { item: item(i) },
            Work::Plan { revision } => Awaited::Plan { revision: *revision },
            Work::Read { item: i } => Awaited::Step { item: item(i) },
            Work::Look { item: i } => Awaited::Look { item: item(i) },
            Work::Confirm { item: i } => Awaited::Confirm { item: item(i) },
            Work::Verify { item: i } => Awaited::Verify { item: item(i) },
            Work::VerifyUndo { item: i } => Awaited::VerifyUndo { item: item(i) },
            Work::Settle { item: i } => Awaited::Settle { item: item(i) },
            Work::Check { check, purpose } => Awaited::Check {
                check: check.clone(),
                purpose: *purpose,
            },
            _ => return None,
        })
    }

    /// Takes out of `due` what is to be tried again only later, and wakes for it.
    pub(super) fn put_off(&self, now: i64, due: &mut Due) {
        if self.waits.is_empty() {
            return;
        }
        for work in std::mem::take(&mut due.work) {
            let until = self.awaited(&work).and_then(|a| self.waits.get(&a)).map(|w| w.until_ms);
            match until.filter(|at| *at > now) {
                Some(at) => due.wake(at),
                None => due.work.push(work),
            }
        }
    }

    /// Whether a call is to be sent again only later; wakes for it.
    pub(super) fn backs_off(&self, call: &CallId, now: i64, due: &mut Due) -> bool {
        let call = Awaited::Call { call: call.clone() };
        let until = self.waits.get(&call).map(|w| w.until_ms).filter(|at| *at > now);
        if let Some(at) = until {
            due.wake(at);
        }
        until.is_some()
    }

    /// Once nothing goes forward any more, what waited to be sent again is given up: it failed without effect if no
    /// attempt ever left, and is in doubt if one did.
    pub(super) fn due_given_up(&self, due: &mut Due) {
        if self.back_out.is_none() && self.rollback.is_none() {
            return;
        }
        let waiting = self.items.iter().filter(|(_, i)| i.status == ItemStatus::BackingOff);
        due.record.extend(waiting.map(|(id, item)| self.given_up(id, item)));
    }

    fn given_up(&self, id: &ItemId, item: &ItemState) -> Event {
        let call = self.next_call(id, Phase::Do);
        let attempt = item.call.as_ref().map_or(0, |c| c.attempt);
        if item.unproven(Phase::Do) {
            return Event::CallInDoubt {
                call,
                attempt,
                reason: "it was to be repeated, but nothing goes forward any more".to_owned(),
                answered: false,
                dead_since_ms: None,
            };
        }
        Event::CallFailed {
            call,
            attempt,
            fault: "it never left, and nothing goes forward any more".to_owned(),
            effect: FaultEffect::None,
            output: None,
        }
    }

    /// An item's status as the API names it: an undo that waits to be sent again is backing off too, and what an intent takes
    /// back has succeeded only once it is undone.
    pub fn item_api_name(&self, id: &ItemId, item: &ItemState) -> &'static str {
        let undoes = item.expanded.undoes.is_some();
        let back = self.awaited(&Work::Undo { item: id.clone() });
        let waits = back.is_some_and(|back| self.waits.contains_key(&back));
        let goes_back = self.rollback.is_some() || (undoes && self.ended.is_none());
        if item.must_be_undone() && goes_back && waits {
            return ItemStatus::BackingOff.api_name();
        }
        match item.status {
            ItemStatus::Succeeded if undoes && self.ended.is_none() => ItemStatus::Waiting.api_name(),
            ItemStatus::Succeeded | ItemStatus::Accepted if undoes => ItemStatus::Skipped.api_name(),
            // It was to be taken back, and a person left it.
            ItemStatus::Accepted if item.accepted_by().is_some_and(Word::is_of_the_way_back) => {
                ItemStatus::Skipped.api_name()
            }
            status => status.api_name(),
        }
    }
}
