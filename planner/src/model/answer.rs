//! What a reply says. Servers wrap, cut, refuse and say nothing in their own ways; each becomes a problem with its name.

use super::Problem;
use serde::Deserialize;
use serde_json::Value;

/// The parts of a reply that are read. Everything may be absent: servers differ.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: ReplyMessage,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ReplyMessage {
    /// A text, or a list of parts with texts.
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Option<String>,
}

/// What the server says the question took.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) prompt_tokens: u64,
    #[serde(default)]
    pub(super) completion_tokens: u64,
}

/// How refusals begin, in lower case. Only a text that is no JSON is compared.
const REFUSALS: &[&str] = &[
    "i'm sorry",
    "i’m sorry",
    "i am sorry",
    "sorry",
    "i can't",
    "i can’t",
    "i cannot",
    "i'm unable",
    "i’m unable",
    "i am unable",
    "i'm not able",
    "i am not able",
    "i won't",
    "i will not",
    "as an ai",
    "i'm afraid",
    "unfortunately",
];

fn withheld(why: &str) -> Problem {
    Problem::Withheld(why.to_owned())
}

fn unusable(why: &str) -> Problem {
    Problem::Unusable(why.to_owned())
}

fn refused() -> Problem {
    withheld("the model refused to answer")
}

/// The raw answer for the record, and what it says.
pub(super) fn read(reply: Reply) -> (Value, Result<Value, Problem>) {
    let Some(choice) = reply.choices.into_iter().next() else {
        return (Value::Null, Err(unusable("the reply holds no answer")));
    };
    if let Some(refusal) = choice.message.refusal.filter(|text| !text.trim().is_empty()) {
        return (Value::String(refusal), Err(refused()));
    }
    let content = text_of(&choice.message.content);
    let answer = match choice.finish_reason.as_deref().unwrap_or_default() {
        // What fits into the limit by chance is half of what was meant.
        "length" => Err(unusable("the answer was cut off at its token limit")),
        "content_filter" => Err(withheld("the model's server held the answer back")),
        _ => json_in(&content),
    };
    match answer {
        Ok(value) => (value.clone(), Ok(value)),
        Err(problem) => (Value::String(content), Err(problem)),
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// The JSON object of an answer: bare, in a fence, after a model's thoughts, or amid its talk. Only whole JSON counts:
/// what was cut is not guessed.
fn json_in(content: &str) -> Result<Value, Problem> {
    let broken_off = || unusable("the answer breaks off before its JSON ends");
    let content = content.rsplit("</think>").next().unwrap_or_default().trim();
    if content.is_empty() {
        return Err(withheld("the answer is empty"));
    }
    match serde_json::from_str::<Value>(content) {
        Ok(value) => return Ok(value),
        Err(error) if error.is_eof() && content.starts_with('{') => return Err(broken_off()),
        Err(_) => {}
    }
    if let Some(inside) = fenced(content).or_else(|| braced(content)) {
        return serde_json::from_str::<Value>(inside).map_err(|error| match error.is_eof() {
            true => broken_off(),
            false => unusable("the answer is no JSON"),
        });
    }
    let said = content.to_lowercase();
    match REFUSALS.iter().any(|start| said.starts_with(start)) {
        true => Err(refused()),
        false => Err(unusable("the answer is no JSON")),
    }
}

/// What stands in the first fence. A fence that never closes is cut off with the answer.
fn fenced(content: &str) -> Option<&str> {
    let (_, after) = content.split_once("```")?;
    let (_, inside) = after.split_once('\n')?;
    Some(inside.split("```").next().unwrap_or_default().trim())
}

/// From the first brace to the last.
fn braced(content: &str) -> Option<&str> {
    let start = content.find('{')?;
    let end = content.rfind('}').map_or(content.len(), |at| at + 1);
    content.get(start..end.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(content: &str) -> Result<Value, String> {
        json_in(content).map_err(|problem| problem.message().to_owned())
    }

    #[test]
    fn json_is_found_in_whatever_it_is_wrapped() {
        let wanted = Ok(json!({"a": 1}));
        for content in [
            "{\"a\": 1}",
            "  {\"a\": 1}\n",
            "```json\n{\"a\": 1}\n```",
            "```\n{\"a\": 1}\n```\nThat is the plan.",
            "Here is the plan:\n```json\n{\"a\": 1}\n```",
            "Sure! {\"a\": 1} I hope this helps.",
            "<think>What about {\"b\": 2}?</think>\n{\"a\": 1}",
        ] {
            assert_eq!(said(content), wanted, "{content}");
        }
    }

    #[test]
    fn what_is_no_whole_json_has_its_name() {
        let cases = [
            ("", "the answer is empty"),
            ("   \n", "the answer is empty"),
            ("<think>hm</think>", "the answer is empty"),
            ("{\"a\": ", "the answer breaks off before its JSON ends"),
            ("{\"a\": [{\"b\": \"c", "the answer breaks off before its JSON ends"),
            ("```json\n{\"a\": [1", "the answer breaks off before its JSON ends"),
            ("I'm sorry, but I cannot help with that.", "the model refused to answer"),
            (
                "As an AI model I have no access to routers.",
                "the model refused to answer",
            ),
            ("ospf is a routing protocol", "the answer is no JSON"),
            ("{a: 1}", "the answer is no JSON"),
        ];
        for (content, wanted) in cases {
            assert_eq!(said(content), Err(wanted.to_owned()), "{content}");
        }
    }
}
