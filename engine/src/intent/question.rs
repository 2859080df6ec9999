//! What is known of a question that a server asks before it goes on with a call: its forms, who answered them, until when
//! they can be answered, and whether the server still keeps the call for the answer. Pure.

use super::event::Event;
use super::item::{ItemState, ItemStatus};
use crate::actor::Actor;
use crate::ids::{CallId, Phase};
use crate::payload::Payload;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One round of questions about one call. It is kept until the call has an outcome, so that an answer which could not
/// be delivered is delivered again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub call: CallId,
    /// The tool whose server asks.
    pub tool: ToolName,
    /// The forms, by the name under which a person answers them.
    pub forms: BTreeMap<String, AskedForm>,
    pub since_ms: i64,
    pub deadline_ms: i64,
    /// The call is still out: only the life of the server that asked can take the answer.
    pub held: bool,
    /// That life is gone.
    pub lost: bool,
    /// The number of this round, from 1.
    pub round: u32,
}

/// A form, and what a person answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskedForm {
    pub question: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Payload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// A person would not fill it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
}

/// A question of the engine's own about the words of an intent, as it stands with a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnQuestion {
    pub form: AskedForm,
    pub since_ms: i64,
    pub deadline_ms: i64,
}

impl OwnQuestion {
    pub fn is_open(&self) -> bool {
        self.form.answer.is_none()
    }
}

impl Asked {
    /// Whether a person has answered every form.
    pub fn is_answered(&self) -> bool {
        self.forms.values().all(|f| f.answer.is_some())
    }

    /// Whether the call must not be sent again by itself, seen at `at`: a person declined, or nobody answered in time. It
    /// would only ask again, or do what nobody wanted done.
    pub(super) fn is_refused(&self, at: i64) -> bool {
        let declined = self.forms.values().any(|f| f.declined);
        declined || (!self.is_answered() && at >= self.deadline_ms)
    }
}

impl ItemStatus {
    /// Whether the call waits for the answer to a question.
    pub fn is_asked(self) -> bool {
        matches!(self, Self::Asked | Self::UndoAsked)
    }
}

impl ItemState {
    /// The item's status after one of its events. What was to carry an answer and did not leave carries it still.
    pub(super) fn status_after(&self, event: &Event) -> Option<ItemStatus> {
        let next = self.status.after(event, self.probed)?;
        let undelivered = match event {
            Event::CallNotSent { call, .. } => self.carries_answer(call),
            Event::CallRetryScheduled { call, .. } => {
                let dropped = self.lost_its_question() || (self.holds_question() && !self.status.is_asked());
                self.carries_answer(call) && !dropped
            }
            _ => false,
        };
        Some(match next {
            ItemStatus::BackingOff if undelivered => ItemStatus::Asked,
            ItemStatus::Asked if self.lost_its_question() => ItemStatus::BackingOff,
            ItemStatus::Succeeded if undelivered => ItemStatus::UndoAsked,
            next => next,
        })
    }

    fn carries_answer(&self, call: &CallId) -> bool {
        self.asked.as_ref().is_some_and(|a| a.call == *call)
    }

    /// Whether the call is still out at a server that waits for an answer, or was when the answer left.
    pub fn holds_question(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| a.held)
    }

    /// Whether the server waited for an answer in a life that is gone.
    pub fn lost_its_question(&self) -> bool {
        self.asked.as_ref().is_some_and(|a| a.lost)
    }

    /// The question that a person has still to answer.
    pub fn open_question(&self) -> Option<&Asked> {
        let asked = self.asked.as_deref().filter(|_| self.status.is_asked());
        asked.filter(|a| !a.is_answered())
    }

    /// The answered question with which the next call of a phase goes on.
    pub fn answered_question(&self, phase: Phase) -> Option<&Asked> {
        let asked = self.asked.as_deref().filter(|_| self.status.is_asked());
        asked.filter(|a| a.call.phase == phase && a.is_answered())
    }
}
