//! The fold of what a person is asked about an intent's words: whether they were heard right, and what they mean.

use super::IntentState;
use crate::actor::Actor;
use crate::intent::event::{End, Event};
use crate::intent::heard::WORDS;
use crate::intent::meaning::MEANING;
use crate::intent::question::{AskedForm, OwnQuestion};
use crate::payload::Payload;

impl IntentState {
    /// Whether a person has still to say that the words are those that were spoken.
    pub fn words_unconfirmed(&self) -> bool {
        let confirmed = |asked: &OwnQuestion| !asked.is_open() && !asked.form.declined;
        self.request.heard.is_some() && !self.words.as_ref().is_some_and(confirmed)
    }

    /// The words that wait for a person's answer.
    pub fn open_words(&self) -> Option<&OwnQuestion> {
        self.words.as_ref().filter(|asked| !self.turned() && asked.is_open())
    }

    /// The question what is meant, while nobody has answered it.
    pub fn open_meaning(&self) -> Option<&OwnQuestion> {
        let open = |asked: &&OwnQuestion| !self.turned() && asked.is_open();
        self.meaning.as_ref().filter(open)
    }

    fn turned(&self) -> bool {
        self.ended.is_some() || self.back_out.is_some() || self.rollback.is_some()
    }

    fn own(&mut self, request: &str) -> Option<&mut Option<OwnQuestion>> {
        match request {
            WORDS => Some(&mut self.words),
            MEANING => Some(&mut self.meaning),
            _ => None,
        }
    }

    pub(super) fn own_question(&mut self, request: &str, question: &Payload, since_ms: i64, deadline_ms: i64) {
        let form = AskedForm {
            question: question.clone(),
            answer: None,
            by: None,
            declined: false,
        };
        if let Some(own) = self.own(request) {
            *own = Some(OwnQuestion {
                form,
                since_ms,
                deadline_ms,
            });
        }
    }

    pub(super) fn own_answered(&mut self, request: &str, answer: &Payload, by: &Actor, declined: bool) {
        let open = self
            .own(request)
            .and_then(Option::as_mut)
            .filter(|asked| asked.is_open());
        let Some(asked) = open else { return };
        asked.form.answer = Some(answer.clone());
        asked.form.by = Some(by.clone());
        asked.form.declined = declined;
        if declined {
            let why = match request {
                WORDS => format!("{by} says that these are not the words"),
                _ => format!("{by} says that none of these is meant"),
            };
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
