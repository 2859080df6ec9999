//! The DAG for other programs: Mermaid and DOT.

use crate::http::dto::{StepView, StepsView};

/// A Mermaid flowchart.
pub fn mermaid(view: &StepsView) -> String {
    let mut out = String::from("flowchart TD\n");
    for step in &view.steps {
        let label = quote(&format!(
            "{}<br/>{}{}<br/>{}",
            step.id,
            step.tool,
            count(step),
            step.status
        ));
        let (open, close) = if step.mutating { ("[", "]") } else { ("([", "])") };
        out += &format!("  {}{open}\"{label}\"{close}\n", node(&step.id));
    }
    for step in &view.steps {
        for before in &step.after {
            out += &format!("  {} --> {}\n", node(before), node(&step.id));
        }
    }
    for step in view.steps.iter().filter(|s| is_class(&s.status)) {
        out += &format!("  class {} {}\n", node(&step.id), step.status);
    }
    out += "  classDef succeeded fill:#d9f2d9,stroke:#2e7d32\n  classDef failed fill:#f8d7da,stroke:#b71c1c\n";
    out += "  classDef in_doubt fill:#fff3cd,stroke:#b26a00\n  classDef running fill:#dbe9ff,stroke:#1e55a8\n";
    out
}

/// A DOT digraph.
pub fn dot(view: &StepsView) -> String {
    let mut out = String::from("digraph plan {\n  rankdir=TB;\n  node [fontname=\"sans-serif\"];\n");
    for step in &view.steps {
        let label = format!("{}\\n{}{}\\n{}", step.id, step.tool, count(step), step.status).replace('"', "'");
        let shape = if step.mutating { "box" } else { "ellipse" };
        out += &format!("  \"{}\" [shape={shape}, label=\"{label}\"];\n", step.id);
    }
    for step in &view.steps {
        for before in &step.after {
            out += &format!("  \"{before}\" -> \"{}\";\n", step.id);
        }
    }
    out.push_str("}\n");
    out
}

fn count(step: &StepView) -> String {
    if step.for_each {
        format!(" × {}", step.items.len())
    } else {
        String::new()
    }
}

/// Step ids are plain words already; `end` is a keyword of Mermaid, so all of them get a prefix.
fn node(id: &str) -> String {
    format!("s_{id}")
}

fn quote(text: &str) -> String {
    text.replace('"', "#quot;")
}

fn is_class(status: &str) -> bool {
    matches!(status, "succeeded" | "failed" | "in_doubt" | "running")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> StepsView {
        let step = |id: &str, mutating: bool, after: &[&str]| StepView {
            id: id.into(),
            tool: format!("config/{id}"),
            mutating,
            status: "succeeded".into(),
            after: after.iter().map(ToString::to_string).collect(),
            ..StepView::default()
        };
        StepsView {
            steps: vec![step("read", false, &[]), step("end", true, &["read"])],
            ..StepsView::default()
        }
    }

    #[test]
    fn mermaid_shows_each_step_and_edge() {
        let text = mermaid(&sample());
        for line in [
            "flowchart TD",
            "s_read([\"read<br/>config/read<br/>succeeded\"])",
            "s_read --> s_end",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn dot_shows_each_step_and_edge() {
        let text = dot(&sample());
        assert!(
            text.starts_with("digraph plan {") && text.contains("\"read\" -> \"end\";"),
            "{text}"
        );
    }
}
