//! The output of a call: structured content, else the text as JSON, else the text.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

/// What later steps read. Data, never instructions.
pub(crate) fn of(result: CallToolResult) -> Value {
    if let Some(structured) = result.structured_content {
        return structured;
    }
    let text = text_of(&result.content);
    if let Ok(value) = serde_json::from_str(&text) {
        return value;
    }
    let other = result.content.iter().filter(|b| !matches!(b, ContentBlock::Text(_)));
    let other: Vec<Value> = other.filter_map(|b| serde_json::to_value(b).ok()).collect();
    if other.is_empty() {
        json!({ "text": text })
    } else {
        json!({ "text": text, "content": other })
    }
}

fn text_of(content: &[ContentBlock]) -> String {
    let texts = content.iter().filter_map(|b| match b {
        ContentBlock::Text(t) => Some(t.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
