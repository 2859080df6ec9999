//! The fold of words that were heard: read back to a person, and what the person says.

use super::IntentState;
use crate::actor::Actor;
use crate::intent::event::{End, Event};
use crate::intent::heard::ReadBack;
use crate::intent::question::AskedForm;
use crate::payload::Payload;

impl IntentState {
    /// Whether a person has still to say that the words are those that were spoken.
    pub fn words_unconfirmed(&self) -> bool {
        let confirmed = |back: &ReadBack| back.form.answer.is_some() && !back.form.declined;
        self.request.heard.is_some() && !self.words.as_ref().is_some_and(confirmed)
    }

    /// The words that wait for a person's answer.
    pub fn open_words(&self) -> Option<&ReadBack> {
        let over = self.ended.is_some() || self.back_out.is_some() || self.rollback.is_some();
        self.words.as_ref().filter(|back| !over && back.form.answer.is_none())
    }

    pub(super) fn words_read_back(&mut self, question: &Payload, since_ms: i64, deadline_ms: i64) {
        let form = AskedForm {
            question: question.clone(),
            answer: None,
            by: None,
            declined: false,
        };
        self.words = Some(ReadBack {
            form,
            since_ms,
            deadline_ms,
        });
    }

    pub(super) fn words_answered(&mut self, answer: &Payload, by: &Actor, declined: bool) {
        let Some(back) = self.words.as_mut().filter(|back| back.form.answer.is_none()) else {
            return;
        };
        back.form.answer = Some(answer.clone());
        back.form.by = Some(by.clone());
        back.form.declined = declined;
        if declined {
            let why = format!("{by} says that these are not the words");
            self.back_out(&why, End::Refused, End::RolledBack);
        }
    }

    /// Why a call that changes something must not start yet.
    pub(super) fn not_as_heard(&self, event: &Event) -> Option<String> {
        let Event::CallStarted { call, .. } = event else {
            return None;
        };
        let changes = self.items.get(&call.item).is_some_and(|item| item.mutating);
        (changes && self.words_unconfirmed()).then(|| "nobody has confirmed the words that were heard".to_owned())
    }
}
