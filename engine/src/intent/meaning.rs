//! Words that can be meant in several ways: a person says which, nothing is guessed. Pure.

use crate::fault::{Fault, nearest};
use crate::question::{Form, answer_faults};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The name under which it is answered what is meant. No question about a call is called so.
pub const MEANING: &str = "meaning";

/// One thing that the words may mean: a runbook with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meaning {
    pub runbook: String,
    pub title: String,
    pub params: Value,
}

impl Meaning {
    fn told(&self) -> String {
        let params = self.params.as_object().into_iter().flatten();
        let params: Vec<String> = params.map(|(name, value)| format!("{name} {value}")).collect();
        match params.is_empty() {
            true => self.title.clone(),
            false => format!("{}, with {}", self.title, params.join(", ")),
        }
    }
}

/// What each is called in the form: by its runbook, or by its place where that has several.
fn names(meanings: &[Meaning]) -> Vec<String> {
    let name = |(at, meaning): (usize, &Meaning)| {
        let others = meanings.iter().filter(|other| other.runbook == meaning.runbook).count() > 1;
        match others {
            true => format!("{}:{}", meaning.runbook, at + 1),
            false => meaning.runbook.clone(),
        }
    };
    meanings.iter().enumerate().map(name).collect()
}

/// The form in which a person says which is meant.
pub fn which(words: &str, meanings: &[Meaning]) -> Form {
    let of = |(name, meaning): (String, &Meaning)| json!({"const": name, "title": meaning.told()});
    let choices: Vec<Value> = names(meanings).into_iter().zip(meanings).map(of).collect();
    let choice = json!({"type": "string", "oneOf": choices, "description": "what is meant"});
    Form {
        message: words.to_owned(),
        schema: json!({"type": "object", "required": [MEANING], "properties": {MEANING: choice}}),
    }
}

/// Everything wrong with an answer to the form; one that names none of the meanings is told their names.
pub fn faults(form: &Form, answer: &Value) -> Vec<Fault> {
    let offered = form
        .schema
        .pointer("/properties/meaning/oneOf")
        .and_then(Value::as_array);
    let names: Vec<&str> = offered
        .into_iter()
        .flatten()
        .filter_map(|one| one["const"].as_str())
        .collect();
    let (action, said) = (
        &answer["action"],
        answer.pointer("/content/meaning").and_then(Value::as_str),
    );
    match said {
        Some(said) if *action == "accept" && !names.contains(&said) => {
            let message = format!("{said:?} is none of {}", names.join(", "));
            let fault = Fault::new("/content/meaning", "answer.field", message);
            let near = nearest(said, names.iter().copied()).map(|near| format!("did you mean {near}?"));
            vec![Fault {
                suggestion: near,
                ..fault
            }]
        }
        _ => answer_faults(form, answer),
    }
}

/// What was chosen, of an answer that fits the form.
pub fn chosen(meanings: Vec<Meaning>, answer: &Value) -> Option<Meaning> {
    let name = answer.pointer("/content/meaning")?.as_str()?;
    let at = names(&meanings).iter().position(|one| one == name)?;
    meanings.into_iter().nth(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(runbook: &str, what: &str) -> Meaning {
        Meaning {
            runbook: runbook.into(),
            title: format!("Do {runbook}"),
            params: json!({"what": what}),
        }
    }

    #[test]
    fn each_meaning_is_chosen_by_the_name_that_the_form_shows() {
        let all = vec![meaning("drain", "a"), meaning("stop", "a"), meaning("stop", "b")];
        let form = which("stop a", &all);
        let names = ["drain", "stop:2", "stop:3"];
        for (name, meant) in names.iter().zip(&all) {
            let answer = json!({"action": "accept", "content": {"meaning": name}});
            assert_eq!(answer_faults(&form, &answer), [], "{name}");
            assert_eq!(chosen(all.clone(), &answer).as_ref(), Some(meant));
        }
        let told = form.schema.pointer("/properties/meaning/oneOf/1/title").unwrap();
        assert_eq!(told, "Do stop, with what \"a\"");
    }

    #[test]
    fn what_was_not_offered_is_no_answer() {
        let all = vec![meaning("drain", "a"), meaning("stop", "a")];
        for content in [json!({"meaning": "start"}), json!({}), json!({"meaning": 1})] {
            let answer = json!({"action": "accept", "content": content});
            assert!(!faults(&which("x", &all), &answer).is_empty(), "{content}");
            assert_eq!(chosen(all.clone(), &answer), None);
        }
        let slip = json!({"action": "accept", "content": {"meaning": "stopp"}});
        let told = faults(&which("x", &all), &slip);
        assert_eq!(told[0].message, "\"stopp\" is none of drain, stop");
        assert_eq!(told[0].suggestion.as_deref(), Some("did you mean stop?"));
        assert_eq!(chosen(all, &json!({"action": "decline"})), None);
    }
}
