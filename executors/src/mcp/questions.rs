//! Questions of servers, in both eras. In the new one a call ends with the question and is sent again with the answer. In
//! the old one the server asks while the call is out, and waits: the question is brought to the call that it belongs to.

use flyball_engine::question::{Form, Question};
use rmcp::RoleClient;
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction, InputRequest, InputRequiredResult, RequestId};
use rmcp::service::{InboundStreamOrigin, RequestContext};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// What a call of the new era ended with.
pub(super) fn of_result(result: InputRequiredResult) -> Question {
    let mut question = Question {
        state: result.request_state,
        ..Question::default()
    };
    for (key, request) in result.input_requests.unwrap_or_default() {
        match request {
            InputRequest::Elicitation(asked) => match form(asked.params) {
                Some(form) => drop(question.forms.insert(key, form)),
                None => question
                    .besides
                    .push("something that is to be done at a web page".to_owned()),
            },
            InputRequest::CreateMessage(_) => question.besides.push("a model's answer".to_owned()),
            InputRequest::ListRoots(_) => question.besides.push("folders".to_owned()),
            _ => question.besides.push("something unknown".to_owned()),
        }
    }
    question
}

// Only forms: what is to be done at a web page cannot be done here.
fn form(params: ElicitRequestParams) -> Option<Form> {
    let ElicitRequestParams::FormElicitationParams {
        message,
        requested_schema,
        ..
    } = params
    else {
        return None;
    };
    let schema = serde_json::to_value(requested_schema).ok()?;
    Some(Form { message, schema })
}

/// The key of the one form of a server that waits.
const KEY: &str = "form";

/// A form that a server of the old era waits for. Dropped: the server is told that nobody fills it in.
pub(crate) struct Posed {
    form: Form,
    reply: oneshot::Sender<ElicitResult>,
}

impl Posed {
    /// The question, under the name by which the call is kept for the answer.
    pub(crate) fn question(&self, parked: String) -> Question {
        Question {
            forms: [(KEY.to_owned(), self.form.clone())].into(),
            parked: Some(parked),
            ..Question::default()
        }
    }

    /// Hands the answer in.
    pub(crate) fn answer(self, answers: &BTreeMap<String, Value>) {
        let answer = answers.get(KEY).cloned().unwrap_or_default();
        let answer = serde_json::from_value(answer);
        let _ = self.reply.send(answer.unwrap_or_else(|_| dismissed()));
    }

    /// Resolves when the server waits no more.
    pub(crate) async fn withdrawn(&mut self) {
        self.reply.closed().await;
    }
}

fn dismissed() -> ElicitResult {
    ElicitResult::new(ElicitationAction::Cancel)
}

/// A call that is out, as far as a question may belong to it.
struct Entry {
    /// Known once the request has left.
    id: Option<RequestId>,
    mutating: bool,
    /// It waits for an answer already: a server asks one thing at a time.
    asking: bool,
    to: mpsc::UnboundedSender<Posed>,
}

#[derive(Default)]
struct Calls {
    last: u64,
    out: BTreeMap<u64, Entry>,
}

/// The calls of a session that are out.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Calls>);

impl Listeners {
    fn with<T>(&self, what: impl FnOnce(&mut Calls) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here until the listener is dropped a call hears the questions that belong to it.
    pub(super) fn listen(self: &Arc<Self>, mutating: bool) -> Listener {
        let (to, asked) = mpsc::unbounded_channel();
        let entry = Entry {
            id: None,
            mutating,
            asking: false,
            to,
        };
        let number = self.with(|calls| {
            calls.last += 1;
            calls.out.insert(calls.last, entry);
            calls.last
        });
        Listener {
            calls: Arc::clone(self),
            number,
            asked,
        }
    }

    /// Brings a server's question to its call and waits for the answer. What is no form is declined; what belongs to no
    /// call that is out, or cannot be told to which, is dismissed: a person must not be shown the wrong one.
    pub(super) async fn ask(&self, request: ElicitRequestParams, context: &RequestContext<RoleClient>) -> ElicitResult {
        let Some(form) = form(request) else {
            return ElicitResult::new(ElicitationAction::Decline);
        };
        let origin = context.extensions.get::<InboundStreamOrigin>();
        let (reply, answer) = oneshot::channel();
        let found = self.with(|calls| {
            let number = calls.belongs_to(origin)?;
            let entry = calls.out.get_mut(&number)?;
            entry.to.send(Posed { form, reply }).ok()?;
            entry.asking = true;
            Some(number)
        });
        let Some(number) = found else {
            tracing::warn!("a server's question is dismissed: it cannot be told which call it is about");
            return dismissed();
        };
        let answer = tokio::select! {
            answer = answer => answer.unwrap_or_else(|_| dismissed()),
            () = context.ct.cancelled() => dismissed(),
        };
        self.with(|calls| {
            if let Some(entry) = calls.out.get_mut(&number) {
                entry.asking = false;
            }
        });
        answer
    }
}

impl Calls {
    // Over HTTP a question comes on the stream of its call. Elsewhere the protocol does not say: then it is the only
    // change that is out, or the only call.
    fn belongs_to(&self, origin: Option<&InboundStreamOrigin>) -> Option<u64> {
        let idle = || self.out.iter().filter(|(_, e)| !e.asking);
        if let Some(InboundStreamOrigin::OutboundRequest(id)) = origin {
            let its = idle()
                .find(|(_, e)| e.id.as_ref() == Some(id))
                .map(|(number, _)| *number);
            // It may come before its request is known to have left.
            return its.or_else(|| only(idle().filter(|(_, e)| e.id.is_none())));
        }
        match idle().any(|(_, e)| e.mutating) {
            true => only(idle().filter(|(_, e)| e.mutating)),
            false => only(idle()),
        }
    }
}

fn only<'a>(mut entries: impl Iterator<Item = (&'a u64, &'a Entry)>) -> Option<u64> {
    let (number, _) = entries.next()?;
    entries.next().is_none().then_some(*number)
}

/// A call's ear for the questions of its server.
pub(super) struct Listener {
    calls: Arc<Listeners>,
    number: u64,
    asked: mpsc::UnboundedReceiver<Posed>,
}

impl Listener {
    /// The request that it belongs to.
    pub(super) fn is_of(&self, id: RequestId) {
        self.calls.with(|calls| {
            if let Some(entry) = calls.out.get_mut(&self.number) {
                entry.id = Some(id);
            }
        });
    }

    /// The next question.
    pub(super) async fn asked(&mut self) -> Posed {
        match self.asked.recv().await {
            Some(posed) => posed,
            // The sender lives in the calls for as long as this does.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.calls.with(|calls| calls.out.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(out: &[(Option<i64>, bool, bool)]) -> Calls {
        let mut calls = Calls::default();
        for (id, mutating, asking) in out {
            calls.last += 1;
            let (to, _) = mpsc::unbounded_channel();
            let id = id.map(RequestId::Number);
            let (mutating, asking) = (*mutating, *asking);
            let entry = Entry {
                id,
                mutating,
                asking,
                to,
            };
            calls.out.insert(calls.last, entry);
        }
        calls
    }

    #[test]
    fn a_question_belongs_to_the_call_on_whose_stream_it_came() {
        let out = calls(&[(Some(7), true, false), (Some(8), true, false)]);
        let origin = |n| InboundStreamOrigin::OutboundRequest(RequestId::Number(n));
        assert_eq!(out.belongs_to(Some(&origin(8))), Some(2));
        assert_eq!(out.belongs_to(Some(&origin(9))), None);
    }

    #[test]
    fn without_a_stream_of_its_own_a_question_belongs_to_the_only_change_that_is_out() {
        let reading_beside = calls(&[(Some(1), false, false), (Some(2), true, false)]);
        assert_eq!(reading_beside.belongs_to(None), Some(2));
        let two_changes = calls(&[(Some(1), true, false), (Some(2), true, false)]);
        assert_eq!(two_changes.belongs_to(None), None);
        let the_other_asks_already = calls(&[(Some(1), true, true), (Some(2), true, false)]);
        assert_eq!(the_other_asks_already.belongs_to(None), Some(2));
    }
}
