//! Calls that the world asks something about before it goes on with them.

use crate::world::World;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::question::{Answers, Form, Question};
use flyball_engine::tool::{Outcome, ToolRequest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// How the world asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// It ends the call, and takes the answer with a new one.
    Ending,
    /// The same, but it has executed the call already.
    HavingActed,
    /// It ends the call with two forms at once.
    Twice,
    /// It keeps the call and waits.
    Waiting,
    /// It asks for a model's answer, which nobody can give.
    ForAModel,
}

/// What was asked and answered.
#[derive(Default)]
pub(crate) struct Questions {
    asked: u32,
    waiting: BTreeMap<String, oneshot::Sender<Outcome>>,
    answers: Vec<Value>,
    dismissed: u32,
}

fn form() -> Form {
    Form {
        message: "For how many seconds?".into(),
        schema: json!({"type": "object", "required": ["seconds"],
            "properties": {"seconds": {"type": "integer", "minimum": 1}}}),
    }
}

fn declined() -> Outcome {
    Outcome::ToolError {
        output: json!({"text": "nobody said for how long", "sent": 0}),
    }
}

impl World {
    pub(crate) fn ask(&self, request: &ToolRequest, how: Asking) -> Answer {
        if how == Asking::HavingActed {
            self.execute(request, None);
        }
        let mut inner = self.inner();
        inner.questions.asked += 1;
        let name = format!("question-{}", inner.questions.asked);
        let mut question = Question {
            forms: [("how".to_owned(), form())].into(),
            ..Question::default()
        };
        match how {
            Asking::Waiting => {
                let (to, late) = oneshot::channel();
                inner.questions.waiting.insert(name.clone(), to);
                question.parked = Some(name);
                let late = Some(late);
                let outcome = Outcome::NeedsInput { question };
                return Answer { outcome, late };
            }
            Asking::ForAModel => question.besides.push("a model's answer".into()),
            Asking::Twice => drop(question.forms.insert("more".into(), form())),
            Asking::Ending | Asking::HavingActed => {}
        }
        question.state = Some(name);
        Outcome::NeedsInput { question }.into()
    }

    pub(crate) async fn answered(&self, request: ToolRequest, answers: Answers) -> Answer {
        let good = {
            let mut inner = self.inner();
            let asked = (1..=inner.questions.asked).any(|n| answers.state == Some(format!("question-{n}")));
            let waits = match &answers.parked {
                Some(parked) => inner.questions.waiting.remove(parked).is_some(),
                None => asked,
            };
            if !waits {
                let reason = "nobody waits for that".into();
                return Outcome::Unknown {
                    reason,
                    task: None,
                    retry_after_ms: None,
                }
                .into();
            }
            inner.questions.answers.extend(answers.by_key.values().cloned());
            answers.by_key.values().all(|a| a["action"] == "accept")
        };
        match good {
            true => self.call(request).await,
            false => declined().into(),
        }
    }

    pub(crate) fn let_go(&self, parked: &str) {
        let mut inner = self.inner();
        if let Some(to) = inner.questions.waiting.remove(parked) {
            inner.questions.dismissed += 1;
            let _ = to.send(declined());
        }
    }

    /// The server does not wait for answers any more: each call that waited ends so.
    pub fn stop_waiting(&self) {
        for (_, to) in std::mem::take(&mut self.inner().questions.waiting) {
            let _ = to.send(declined());
        }
    }

    /// The server's process dies over its questions, and another takes its place.
    pub fn die_waiting(&self) {
        for (_, to) in std::mem::take(&mut self.inner().questions.waiting) {
            let reason = "the connection was cut before the reply".into();
            let _ = to.send(Outcome::Unknown {
                reason,
                task: None,
                retry_after_ms: None,
            });
        }
        self.restart_server();
    }

    /// What was answered to the world's questions, in order.
    pub fn answers(&self) -> Vec<Value> {
        self.inner().questions.answers.clone()
    }

    /// How many calls that waited were let go of.
    pub fn dismissed(&self) -> u32 {
        self.inner().questions.dismissed
    }
}
