//! The fold of questions that servers ask while a call is out.

use super::IntentState;
use crate::intent::event::Event;
use crate::intent::heard::WORDS;
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::meaning::MEANING;
use crate::intent::question::{Asked, AskedForm};
use crate::journal::Entry;

impl IntentState {
    /// Takes answers in. All other events are facts that stand for themselves: they change nothing that drives.
    pub(super) fn fold_question(&mut self, event: &Event, at: i64) {
        if let Event::InputRequested {
            request,
            call: None,
            question,
            deadline_ms: Some(deadline_ms),
            ..
        } = event
        {
            self.own_question(request, question, at, *deadline_ms);
        }
        let Event::InputGiven {
            request,
            answer,
            by,
            declined,
        } = event
        else {
            return;
        };
        if matches!(request.as_str(), WORDS | MEANING) {
            return self.own_answered(request, answer, by, *declined);
        }
        let asked = self.items.values_mut().filter_map(|i| i.asked.as_mut());
        for form in asked.filter_map(|a| a.forms.get_mut(request)) {
            form.answer.get_or_insert_with(|| answer.clone());
            form.by.get_or_insert_with(|| by.clone());
            form.declined |= declined;
        }
    }

    /// Whether anything is asked that a person has still to answer.
    pub fn waits_for_an_answer(&self) -> bool {
        let own = self.open_words().or(self.open_meaning());
        own.is_some() || self.open_questions().next().is_some()
    }

    /// What servers ask and nobody has answered yet, with the name under which it is answered.
    pub fn open_questions(&self) -> impl Iterator<Item = (&str, &Asked, &AskedForm)> {
        let asked = self.items.values().filter_map(ItemState::open_question);
        asked.flat_map(|a| {
            let open = a.forms.iter().filter(|(_, form)| form.answer.is_none());
            open.map(move |(request, form)| (request.as_str(), a, form))
        })
    }
}

/// What an event makes of the question of an item's call. `was`: its status before.
pub(super) fn update(item: &mut ItemState, was: ItemStatus, entry: &Entry) {
    match &entry.event {
        Event::InputRequested {
            request,
            call: Some(call),
            question,
            tool: Some(tool),
            deadline_ms: Some(deadline_ms),
            held,
        } => {
            let form = AskedForm {
                question: question.clone(),
                answer: None,
                by: None,
                declined: false,
            };
            let round = item.asked.as_ref().map_or(0, |a| a.round);
            if let Some(asked) = item.asked.as_mut().filter(|_| was.is_asked()) {
                asked.forms.insert(request.clone(), form);
                return;
            }
            item.asked = Some(Box::new(Asked {
                call: call.clone(),
                tool: tool.clone(),
                forms: [(request.clone(), form)].into(),
                since_ms: entry.at,
                deadline_ms: *deadline_ms,
                held: *held,
                lost: false,
                round: round + 1,
            }));
        }
        Event::CallStarted { .. } | Event::CallNotSent { .. } => {}
        // A call that was held and is made anew asks anew.
        Event::CallRetryScheduled { .. } if !item.lost_its_question() && (was.is_asked() || !item.holds_question()) => {
        }
        Event::CallInDoubt { call, .. } => {
            let asked = item.asked.take();
            let refused = asked.is_some_and(|a| a.call == *call && a.is_refused(entry.at));
            if let Some(state) = item.call_of_mut(call.phase).as_mut().filter(|_| refused) {
                state.unanswered = true;
            }
        }
        Event::CallRetryScheduled { .. }
        | Event::CallAnswered { .. }
        | Event::CallFailed { .. }
        | Event::TaskNoted { .. }
        | Event::CallSettled { .. } => item.asked = None,
        _ => {}
    }
}

/// Another engine owns the intent: what a server held for the former one's answer is gone. Where the server has ended the
/// call, its question can still be answered, for as long as it was asked for.
pub(super) fn claimed(item: &mut ItemState, at: i64) {
    let asked_still = item.status.is_asked();
    item.asked.take_if(|a| a.held && !asked_still);
    if let Some(asked) = &mut item.asked {
        asked.lost |= asked.held;
        (asked.since_ms, asked.deadline_ms) = super::time::no_longer(asked.since_ms, asked.deadline_ms, at);
    }
}
