//! What a server asks before it goes on with a call, and what a person may answer. A form is shown as the server wrote it:
//! data, never an instruction.

use crate::fault::Fault;
use crate::plan::schema::form_faults;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How often one call may come back with questions.
pub const MAX_ROUNDS: u32 = 10;
/// How many forms one round may have.
pub const MAX_FORMS: usize = 8;
/// How long a form may be, its schema included.
pub const MAX_FORM: usize = 32 * 1024;

/// What is said wherever a form is shown.
pub const NO_SECRETS: &str =
    "never enter passwords, keys or tokens: the answer goes to the server and stays in the journal";

/// A form that a person is to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Form {
    pub message: String,
    /// JSON schema of the content, as the server gave it.
    pub schema: Value,
}

/// A server's question about a call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Question {
    /// By the server's own keys.
    pub forms: BTreeMap<String, Form>,
    /// What else it asks for, by kind: nobody here can give that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub besides: Vec<String>,
    /// What the server wants back with the answer, as it came. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The name under which the executor keeps the call, which is still out. None: the server has ended it and takes the
    /// answer with a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<String>,
}

impl Question {
    /// Why no person can answer it. `rounds`: how often this call has asked before.
    pub fn unanswerable(&self, rounds: u32) -> Option<String> {
        if let Some(kind) = self.besides.first() {
            return Some(format!("it asks for {kind}, which nobody can give here"));
        }
        if self.forms.len() > MAX_FORMS {
            return Some(format!("it asks {} forms at once", self.forms.len()));
        }
        let longest = self.forms.values().map(|f| json!(f).to_string().len()).max();
        if longest.is_some_and(|n| n > MAX_FORM) {
            return Some("a form of it is too long".to_owned());
        }
        (rounds >= MAX_ROUNDS).then(|| format!("it has asked {rounds} times already"))
    }

    /// The question in parts, one for each form, each with what goes back to the server.
    pub fn posed(&self) -> impl Iterator<Item = Posed> {
        self.forms.iter().map(|(key, form)| Posed {
            key: key.clone(),
            form: form.clone(),
            state: self.state.clone(),
            parked: self.parked.clone(),
        })
    }
}

/// One form of a question as its entry keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posed {
    /// The server's own key.
    pub key: String,
    #[serde(flatten)]
    pub form: Form,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<String>,
}

/// The answers with which a call goes on, by the server's own keys: `{"action": …, "content": …}` each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answers {
    pub by_key: BTreeMap<String, Value>,
    pub state: Option<String>,
    pub parked: Option<String>,
}

impl Answers {
    /// Takes one form's answer in.
    pub fn add(&mut self, posed: Posed, answer: Value) {
        self.state = self.state.take().or(posed.state);
        self.parked = self.parked.take().or(posed.parked);
        self.by_key.insert(posed.key, answer);
    }
}

/// Everything wrong with an answer to a form, pointers relative to the answer. No message quotes what was typed.
pub fn answer_faults(form: &Form, answer: &Value) -> Vec<Fault> {
    let Some(answer) = answer.as_object() else {
        return vec![shape(
            "",
            "an answer is an object with `action` and, to accept, `content`",
        )];
    };
    let unknown = answer.keys().filter(|k| !matches!(k.as_str(), "action" | "content"));
    let mut faults: Vec<Fault> = unknown
        .map(|k| {
            let at = format!("/{}", crate::fault::escape_pointer(k));
            shape(&at, "an answer has nothing but `action` and `content`")
        })
        .collect();
    match (answer.get("action").and_then(Value::as_str), answer.get("content")) {
        (Some("accept"), content) => faults.extend(content_faults(form, content)),
        (Some("decline" | "cancel"), None) => {}
        (Some("decline" | "cancel"), Some(_)) => {
            faults.push(shape("/content", "only who accepts fills the form in"));
        }
        _ => faults.push(shape("/action", "the action is accept, decline or cancel")),
    }
    faults
}

fn content_faults(form: &Form, content: Option<&Value>) -> Vec<Fault> {
    let empty = Value::Object(Map::new());
    let content = content.unwrap_or(&empty);
    if !content.is_object() {
        return vec![shape("/content", "the content is an object with the form's fields")];
    }
    let faults = form_faults(&form.schema, content).into_iter();
    faults.map(|f| f.under("/content")).collect()
}

fn shape(pointer: &str, message: &str) -> Fault {
    Fault::new(pointer, "answer.shape", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        Form {
            message: "How?".into(),
            schema: json!({"type": "object", "required": ["count"], "properties": {
                "count": {"type": "integer", "minimum": 1}, "mail": {"type": "string", "format": "email"},
                "mode": {"type": "string", "enum": ["soft", "hard"]}}}),
        }
    }

    fn pointers(answer: &Value) -> Vec<String> {
        answer_faults(&form(), answer).into_iter().map(|f| f.pointer).collect()
    }

    #[test]
    fn an_answer_that_fits_has_no_faults_and_a_refusal_needs_no_content() {
        let content = json!({"count": 2, "mail": "a@example.com", "mode": "soft"});
        for good in [
            json!({"action": "accept", "content": content}),
            json!({"action": "decline"}),
            json!({"action": "cancel"}),
        ] {
            assert_eq!(pointers(&good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn every_fault_of_an_answer_is_named_at_its_place_and_quotes_nothing_that_was_typed() {
        for (bad, at) in [
            (json!("yes"), vec![""]),
            (json!({"action": "maybe"}), vec!["/action"]),
            (json!({"action": "decline", "content": {}}), vec!["/content"]),
            (json!({"action": "accept", "content": []}), vec!["/content"]),
            (
                json!({"action": "accept", "comment": "x", "content": {"count": 1}}),
                vec!["/comment"],
            ),
            (json!({"action": "accept"}), vec!["/content/count"]),
            (
                json!({"action": "accept", "content": {"count": 0, "mode": "s3cret", "mail": "s3cret"}}),
                vec!["/content/count", "/content/mail", "/content/mode"],
            ),
            (
                json!({"action": "accept", "content": {"count": 1, "cuont": 2}}),
                vec!["/content/cuont"],
            ),
        ] {
            let mut found = pointers(&bad);
            found.sort();
            assert_eq!(found, at, "{bad}");
            let said = format!("{:?}", answer_faults(&form(), &bad));
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn what_is_no_form_or_comes_too_often_cannot_be_answered() {
        let question = Question {
            forms: [("k".to_owned(), form())].into(),
            ..Question::default()
        };
        assert_eq!(question.unanswerable(MAX_ROUNDS - 1), None);
        assert!(question.unanswerable(MAX_ROUNDS).is_some());
        let besides = vec!["a model's answer".to_owned()];
        assert!(Question { besides, ..question }.unanswerable(0).is_some());
    }
}
