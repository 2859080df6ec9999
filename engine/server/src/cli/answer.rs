//! `answer`: fills in a form that a tool's server asks for, or declines to.

use super::args::Answer;
use super::client::Client;
use super::output::Output;
use super::{Exit, Failure, Outcome, decide, watch};
use crate::http::dto::{InputBody, IntentView, QuestionView, Taken};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

pub(super) async fn answer(client: &Client, args: Answer, output: Output) -> Outcome {
    let path = format!("/v1/intents/{}", args.follow.intent);
    let before: IntentView = client.get(&path).await?;
    let question = question(&before, args.request.as_deref())?;
    let request = question.map_or_else(|| args.request.clone().unwrap_or_default(), |q| q.request.clone());
    let answer = given(&args, question)?;
    let body = InputBody { request, answer };
    let taken: Taken = client.post(&format!("{path}/input"), &body).await?;
    if args.follow.no_wait {
        output.show(&taken, |t| {
            format!("answered; intent {} is {}", t.id, t.state.replace('_', " "))
        });
        return Ok(Exit::Done);
    }
    watch::until_rest(client, &args.follow.intent, Some(before.seq), output).await
}

/// The question that is meant: the one that is named, or the only one. None: a name that is not open, for the server to
/// refuse.
fn question<'a>(view: &'a IntentView, named: Option<&str>) -> Result<Option<&'a QuestionView>, Failure> {
    match (named, view.questions.as_slice()) {
        (Some(name), open) => Ok(open.iter().find(|q| q.request == name)),
        (None, [only]) => Ok(Some(only)),
        (None, []) => Err(decide::stands_elsewhere(view, "no question is open")),
        (None, open) => {
            let names: Vec<&str> = open.iter().map(|q| q.request.as_str()).collect();
            let names = names.join(", ");
            Err(Failure::Usage(format!(
                "several questions are open, name one with --request: {names}"
            )))
        }
    }
}

fn given(args: &Answer, question: Option<&QuestionView>) -> Result<Value, Failure> {
    if args.decline {
        return Ok(json!({"action": "decline"}));
    }
    if args.dismiss {
        return Ok(json!({"action": "cancel"}));
    }
    let content = match &args.file {
        Some(file) => from_file(file)?,
        None => Value::Object(typed(&args.fields, question.map(|q| &q.schema))?),
    };
    Ok(json!({"action": "accept", "content": content}))
}

fn from_file(path: &Path) -> Result<Value, Failure> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(path).map(|t| text = t),
    };
    read.map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    serde_json::from_str(&text).map_err(|e| Failure::Usage(format!("{}: no JSON: {e}", path.display())))
}

/// `key=value` pairs as the form's schema has them. What does not fit is sent as typed: the server names the fault.
fn typed(fields: &[String], schema: Option<&Value>) -> Result<Map<String, Value>, Failure> {
    let mut content = Map::new();
    for field in fields {
        let (key, text) = field
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("{field:?} is no KEY=VALUE")))?;
        let kind = schema.and_then(|s| s["properties"][key]["type"].as_str());
        let value = match kind {
            Some("string") => Value::from(text),
            Some("array") => text
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(Value::from)
                .collect(),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        if content.insert(key.to_owned(), value).is_some() {
            return Err(Failure::Usage(format!("{key} is given twice")));
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_the_form_says_they_are() {
        let schema = json!({"properties": {"n": {"type": "integer"}, "name": {"type": "string"},
            "on": {"type": "boolean"}, "all": {"type": "array"}}});
        let fields = ["n=5", "name=5", "on=true", "all=a, b", "other=x=y"].map(str::to_owned);
        let content = typed(&fields, Some(&schema)).ok();
        let told = json!({"n": 5, "name": "5", "on": true, "all": ["a", "b"], "other": "x=y"});
        assert_eq!(content.map(Value::Object), Some(told));
        assert!(typed(&["n".to_owned()], None).is_err());
        assert!(typed(&["n=1".to_owned(), "n=2".to_owned()], None).is_err());
    }

    #[test]
    fn the_only_question_is_meant_and_of_several_one_must_be_named() {
        let of = |names: &[&str]| IntentView {
            questions: names
                .iter()
                .map(|n| QuestionView {
                    request: (*n).to_owned(),
                    ..QuestionView::default()
                })
                .collect(),
            ..IntentView::default()
        };
        let found = |view: &IntentView, named| question(view, named).ok().map(|q| q.map(|q| q.request.clone()));
        assert_eq!(found(&of(&["a"]), None), Some(Some("a".to_owned())));
        assert_eq!(found(&of(&["a", "b"]), None), None);
        assert_eq!(found(&of(&["a", "b"]), Some("b")), Some(Some("b".to_owned())));
        assert_eq!(found(&of(&["a"]), Some("c")), Some(None));
        assert_eq!(found(&of(&[]), None), None);
    }
}
