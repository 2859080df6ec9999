//! An intent in one line, for lists.

use super::Wish;
use serde_json::Value;

/// How many tools stand for a plan that does not say what it is for.
const NAMED: usize = 3;

impl Wish {
    /// The words, where it says what is wanted in words.
    pub fn words(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Plan(_) | Self::Runbook { .. } => "",
        }
    }

    /// The first line of the words, the plan's summary (else the tools of its steps), or the runbook.
    pub fn title(&self) -> String {
        match self {
            Self::Text(text) => text.lines().next().unwrap_or_default().to_owned(),
            Self::Runbook { id, .. } => format!("runbook {id}"),
            Self::Plan(plan) => match plan.get("summary").and_then(Value::as_str) {
                Some(summary) if !summary.trim().is_empty() => summary.trim().to_owned(),
                _ => by_its_tools(plan),
            },
        }
    }
}

fn by_its_tools(plan: &Value) -> String {
    let steps = plan.get("steps").and_then(Value::as_array).into_iter().flatten();
    let mut tools: Vec<&str> = steps.filter_map(|s| s.get("tool")?.as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    tools.retain(|tool| seen.insert(*tool));
    match (tools.len(), tools.len().saturating_sub(NAMED)) {
        (0, _) => "a plan".to_owned(),
        (_, 0) => tools.join(", "),
        (_, more) => format!("{} and {more} more", tools[..NAMED].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_without_a_summary_is_named_by_its_tools() {
        let title = |plan: Value| Wish::Plan(plan).title();
        assert_eq!(title(json!({"summary": "MTU", "steps": [{"tool": "a/b"}]})), "MTU");
        assert_eq!(
            title(json!({"summary": " ", "steps": [{"tool": "a/b"}, {"tool": "a/b"}]})),
            "a/b"
        );
        let many: Vec<Value> = (0..5).map(|i| json!({"tool": format!("a/{i}")})).collect();
        assert_eq!(title(json!({ "steps": many })), "a/0, a/1, a/2 and 2 more");
        assert_eq!(title(json!("nonsense")), "a plan");
    }
}
