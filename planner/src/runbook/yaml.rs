//! Values as YAML that a person likes to read and edit. Only what a runbook holds: maps, lists, texts, numbers.

use serde_json::{Map, Value};

/// The keys that come first, in this order; the others follow by name.
const FIRST: [&str; 18] = [
    "id",
    "for_each",
    "tool",
    "args",
    "needs",
    "when",
    "expect",
    "within",
    "hold_for",
    "waves",
    "gate",
    "type",
    "say",
    "summary",
    "pre_checks",
    "steps",
    "post_checks",
    "params",
];

/// The value below a key that stands `depth` levels deep: on the key's line if it is short, else on lines of its own.
pub(super) fn below(value: &Value, depth: usize) -> String {
    match is_short(value) {
        true => format!(" {}\n", flow(value)),
        false => format!("\n{}", block(value, depth + 1)),
    }
}

/// What stands on one line: all but maps, and lists with maps or lists in them.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => !items.iter().any(|item| item.is_object() || item.is_array()),
        _ => true,
    }
}

fn block(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) => ordered(map)
            .into_iter()
            .map(|key| format!("{pad}{}:{}", scalar(key), below(&map[key], depth)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| entry(item, depth)).collect(),
        short => format!("{pad}{}\n", flow(short)),
    }
}

/// An entry of a list; a map begins beside its dash.
fn entry(item: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    if is_short(item) {
        return format!("{pad}- {}\n", flow(item));
    }
    let text = block(item, depth + 1);
    let inner = "  ".repeat(depth + 1);
    format!("{pad}- {}", text.strip_prefix(&inner).unwrap_or(&text))
}

fn ordered(map: &Map<String, Value>) -> Vec<&String> {
    let rank = |key: &String| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len());
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_by_key(|key| (rank(key), (*key).clone()));
    keys
}

fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text as it may stand; in quotes wherever it could be read as something else.
pub(super) fn scalar(text: &str) -> String {
    const OTHER: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    let inner = |c: char| c.is_ascii_alphanumeric() || "_ ./-".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(inner)
        && !text.ends_with(' ')
        && !OTHER.contains(&text.to_lowercase().as_str());
    match plain {
        true => text.to_owned(),
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::document::Document;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let value = json!({
            "id": "a", "n": -3, "yes": "no", "odd": "a: b # c \"d\"\n", "empty": {}, "none": null, "list": ["x", 1, "${y}"],
            "steps": [{"id": "s", "args": {"lines": ["a", "b"], "deep": {"x": [[1], []]}}}, {"id": "t"}],
        });
        let text = format!("top:{}", below(&value, 0));
        let read = Document::parse("x.yaml", &text).unwrap_or_else(|f| panic!("{f:?}\n{text}"));
        assert_eq!(read.value["top"], value, "{text}");
    }
}
