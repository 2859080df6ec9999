//! Words that are read back, what they may mean, and a server's question, as text: who asks, what it writes (quoted, it is not ours), the fields, and how to answer.

use super::{Color, Style, cut, harmless, pad};
use crate::http::dto::{HeardView, QuestionView};
use serde_json::{Map, Value};

/// All questions of an intent.
pub fn questions(intent: &str, questions: &[QuestionView], style: Style) -> String {
    let several = questions.len() > 1;
    questions.iter().map(|q| question(intent, q, several, style)).collect()
}

/// The kind of question in which words are read back.
pub const WORDS: &str = "words";

/// The kind of question in which a person says what is meant.
const MEANING: &str = "meaning";

/// Words as they were heard, and by whom.
pub fn heard(heard: &HeardView) -> String {
    let by = heard
        .confirmed_by
        .as_ref()
        .map(|by| format!("; confirmed by {by}"))
        .unwrap_or_default();
    format!(
        "heard: “{}”\n  ({}{})\n",
        harmless(&heard.text),
        harmless(&heard.how()),
        harmless(&by)
    )
}

/// The words stand in one line of their own, uncut: they are what is confirmed.
fn read_back(intent: &str, q: &QuestionView, style: Style) -> String {
    let asks = style.paint("are these the words that were spoken?", Color::Bold);
    let words: String = q
        .message
        .lines()
        .map(|line| format!("  | {}\n", harmless(line)))
        .collect();
    format!(
        "\n{asks}\n{words}confirm with: flyball answer {intent} confirmed=true   or: --decline\nuntil {}; {}\n",
        q.deadline, q.notice
    )
}

/// Each meaning in a line of its own, with the name under which it is chosen.
fn which(intent: &str, q: &QuestionView, style: Style) -> String {
    let asks = style.paint("this can mean several things; which is meant?", Color::Bold);
    let choices = q.schema.pointer("/properties/meaning/oneOf").and_then(Value::as_array);
    let told = |choice: &Value, key: &str| harmless(choice[key].as_str().unwrap_or_default());
    let choices: Vec<(String, String)> = choices
        .into_iter()
        .flatten()
        .map(|choice| (told(choice, "const"), told(choice, "title")))
        .collect();
    let widest = choices.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: String = choices
        .iter()
        .map(|(name, title)| format!("  {}  {title}\n", pad(name, widest)))
        .collect();
    let first = choices.first().map_or("…", |(name, _)| name);
    format!(
        "\n{asks}\n{lines}say, for example: flyball answer {intent} meaning={first}   or: --decline\nuntil {}; {}\n",
        q.deadline, q.notice
    )
}

fn question(intent: &str, q: &QuestionView, several: bool, style: Style) -> String {
    match q.kind.as_str() {
        WORDS => return read_back(intent, q, style),
        MEANING => return which(intent, q, style),
        _ => {}
    }
    let phase = if q.phase == "do" { "" } else { " (taking it back)" };
    let asks = format!(
        "server {} asks before it goes on with {}{phase}, {}:",
        q.server, q.item, q.tool
    );
    let mut text = format!("\n{}\n", style.paint(&asks, Color::Bold));
    for line in q.message.lines() {
        text += &format!("  | {}\n", harmless(line));
    }
    let fields = fields(&q.schema);
    let widest = fields.iter().map(|f| f.name.chars().count()).max().unwrap_or(0);
    for field in &fields {
        let line = format!("  {}  {}", pad(&harmless(&field.name), widest), harmless(&field.about));
        text += &format!("{}\n", cut(&line, style.width));
    }
    let request = if several {
        format!(" --request {}", harmless(&q.request))
    } else {
        String::new()
    };
    let example: String = fields.iter().map(|f| f.example()).collect();
    text += &format!("answer with: flyball answer {intent}{request}{example}   or: --decline\n");
    text += &format!("until {}; {}\n", q.deadline, q.notice);
    text
}

struct Field {
    name: String,
    needed: bool,
    about: String,
}

impl Field {
    fn example(&self) -> String {
        let name = harmless(&self.name);
        match self.needed {
            true => format!(" {name}=…"),
            false => format!(" [{name}=…]"),
        }
    }
}

fn fields(schema: &Value) -> Vec<Field> {
    let needed: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object();
    let field = |(name, of): (&String, &Value)| {
        let needed = needed.contains(&name.as_str());
        let must = if needed { ", needed" } else { "" };
        let says = of["description"].as_str().or(of["title"].as_str());
        let says = says.map(|s| format!(": {s}")).unwrap_or_default();
        Field {
            name: name.clone(),
            needed,
            about: format!("{}{must}{says}", kind(of.as_object())),
        }
    };
    properties.into_iter().flatten().map(field).collect()
}

fn kind(of: Option<&Map<String, Value>>) -> String {
    let Some(of) = of else { return "anything".to_owned() };
    let named = |choices: &Value| -> Vec<String> {
        let choices = choices.as_array().into_iter().flatten();
        let constant = |c: &Value| c.get("const").unwrap_or(c).as_str().map(str::to_owned);
        choices.filter_map(constant).collect()
    };
    let choices = ["enum", "oneOf", "anyOf"].iter().find_map(|k| of.get(*k)).map(named);
    let of_items = of
        .get("items")
        .and_then(|i| ["enum", "anyOf", "oneOf"].iter().find_map(|k| i.get(*k)));
    match (choices, of_items.map(named)) {
        (Some(choices), _) => format!("one of {}", choices.join(", ")),
        (None, Some(choices)) => format!("some of {}, with commas between", choices.join(", ")),
        (None, None) => of.get("type").and_then(Value::as_str).unwrap_or("anything").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_question_names_its_server_quotes_it_and_says_how_to_answer_and_what_never_to_enter() {
        let q = QuestionView {
            request: "s:1".into(),
            kind: "tool".into(),
            item: "s".into(),
            phase: "do".into(),
            server: "control".into(),
            tool: "control/apply".into(),
            message: "How long?\x1b[2J\nSay it.".into(),
            schema: json!({"type": "object", "required": ["seconds"], "properties": {
                "mode": {"type": "string", "enum": ["soft", "hard"]},
                "seconds": {"type": "integer", "description": "until it goes back"}}}),
            asked_at: String::new(),
            deadline: "2026-11-27T12:00:00Z".into(),
            notice: flyball_engine::question::NO_SECRETS.into(),
        };
        let text = questions("ID", std::slice::from_ref(&q), Style::PLAIN);
        let told = "
server control asks before it goes on with s, control/apply:
  | How long?\u{fffd}[2J
  | Say it.
  mode     one of soft, hard
  seconds  integer, needed: until it goes back
answer with: flyball answer ID [mode=…] seconds=…   or: --decline
until 2026-11-27T12:00:00Z; never enter passwords, keys or tokens: the answer goes to the server and stays in the journal
";
        assert_eq!(text, told);
        let two = questions("ID", &[q.clone(), q], Style::PLAIN);
        assert!(two.contains("flyball answer ID --request s:1 [mode=…]"), "{two}");
    }

    #[test]
    fn each_meaning_is_shown_with_the_name_that_chooses_it() {
        let meaning = |name: &str, title: &str| json!({"const": name, "title": title});
        let choices = [
            meaning("drain", "Drain a device, with device \"r1\""),
            meaning("stop:2", "Stop\u{1b}[2J"),
        ];
        let q = QuestionView {
            request: MEANING.into(),
            kind: MEANING.into(),
            schema: json!({"properties": {"meaning": {"oneOf": choices}}}),
            deadline: "2026-11-27T12:00:00Z".into(),
            notice: "mind".into(),
            ..QuestionView::default()
        };
        let told = "
this can mean several things; which is meant?
  drain   Drain a device, with device \"r1\"
  stop:2  Stop\u{fffd}[2J
say, for example: flyball answer ID meaning=drain   or: --decline
until 2026-11-27T12:00:00Z; mind
";
        assert_eq!(questions("ID", &[q], Style::PLAIN), told);
    }

    #[test]
    fn words_are_read_back_whole_with_how_to_confirm_them() {
        let q = QuestionView {
            request: WORDS.into(),
            kind: WORDS.into(),
            message: "take interface eth1 of sh-core-1 down\x1b[2J".into(),
            deadline: "2026-11-27T12:00:00Z".into(),
            notice: "mind".into(),
            ..QuestionView::default()
        };
        let told = "
are these the words that were spoken?
  | take interface eth1 of sh-core-1 down\u{fffd}[2J
confirm with: flyball answer ID confirmed=true   or: --decline
until 2026-11-27T12:00:00Z; mind
";
        assert_eq!(questions("ID", &[q], Style::PLAIN), told);
    }
}
