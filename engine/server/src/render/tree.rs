//! The plan as a tree: steps in the order of their dependencies, with targets, waves and where each stands.

use super::{Color, Style, cut, harmless, mark, pad};
use crate::http::dto::{ConflictView, ItemView, StepView, StepsView};
use serde_json::Value;

/// How many items of one step are drawn one by one.
const SHOWN_ITEMS: usize = 12;

/// The tree. A step hangs below the last of those it depends on.
pub fn tree(view: &StepsView, style: Style) -> String {
    let mut out = String::new();
    if !view.summary.is_empty() {
        out += &format!("{}\n", style.paint(&harmless(&view.summary), Color::Bold));
    }
    for c in view.checks.iter().filter(|c| c.id.starts_with("pre")) {
        out += &check_line(&c.verdict, &c.id, &c.tool, style);
    }
    let roots: Vec<usize> = (0..view.steps.len()).filter(|i| parent(view, *i).is_none()).collect();
    for (n, root) in roots.iter().enumerate() {
        branch(view, *root, "", n + 1 == roots.len(), style, &mut out);
    }
    for c in view.checks.iter().filter(|c| c.id.starts_with("post")) {
        out += &check_line(&c.verdict, &c.id, &c.tool, style);
    }
    out
}

/// What the steps have read, of a plan that changes nothing; else nothing, since there the change is what counts.
pub fn outputs(view: &StepsView, style: Style) -> String {
    if view.steps.iter().any(|s| s.mutating) {
        return String::new();
    }
    let mut out = String::new();
    for item in view.steps.iter().flat_map(|s| &s.items) {
        let Some(read) = &item.output else { continue };
        out += &format!("\n{}\n", style.paint(&harmless(&item.id), Color::Bold));
        let text = match read.as_object() {
            Some(only) if only.len() == 1 => only.get("text").and_then(|t| t.as_str()),
            _ => None,
        };
        let shown = text.map_or_else(|| serde_json::to_string_pretty(read).unwrap_or_default(), str::to_owned);
        for line in shown.lines() {
            out += &format!("  {}\n", harmless(line));
        }
    }
    out
}

/// One line with the share that is done, for a live view's head.
pub fn progress(view: &StepsView, state: &str, style: Style) -> String {
    let items = || view.steps.iter().flat_map(|s| &s.items);
    let total = items().count();
    let done = items().filter(|i| is_done(&i.status)).count();
    let width = 24;
    let filled = (done * width).checked_div(total).unwrap_or(0);
    let bar = format!("{}{}", "█".repeat(filled), "░".repeat(width - filled));
    let state = state.replace('_', " ");
    format!(
        "{} {done}/{total} {}\n",
        style.paint(&bar, Color::Blue),
        style.paint(&state, Color::Bold)
    )
}

fn is_done(status: &str) -> bool {
    !matches!(
        status,
        "waiting" | "ready" | "running" | "backing_off" | "in_doubt" | "undoing"
    )
}

fn check_line(verdict: &str, id: &str, tool: &str, style: Style) -> String {
    let (mark, color) = mark(verdict);
    format!("{} {id} {tool}: {verdict}\n", style.paint(mark, color))
}

/// The step that a step is drawn below: the last of those before it in the plan's own order.
fn parent(view: &StepsView, step: usize) -> Option<usize> {
    let before = &view.steps[step].after;
    (0..step).rev().find(|i| before.contains(&view.steps[*i].id))
}

fn branch(view: &StepsView, at: usize, indent: &str, last: bool, style: Style, out: &mut String) {
    let step = &view.steps[at];
    let (elbow, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
    *out += &format!("{indent}{elbow}{}\n", step_line(step, style));
    let indent = format!("{indent}{below}");
    let children: Vec<usize> = (at + 1..view.steps.len())
        .filter(|i| parent(view, *i) == Some(at))
        .collect();
    let bar = if children.is_empty() { "   " } else { "│  " };
    for line in item_lines(step, style) {
        *out += format!("{indent}{bar}{line}").trim_end();
        out.push('\n');
    }
    for (n, child) in children.iter().enumerate() {
        branch(view, *child, &indent, n + 1 == children.len(), style, out);
    }
}

fn step_line(step: &StepView, style: Style) -> String {
    let (sign, color) = mark(&step.status);
    let kind = if step.mutating { "changes" } else { "reads" };
    let count = if step.for_each {
        format!(" × {}", step.items.len())
    } else {
        String::new()
    };
    let gate = if step.gate.is_some() { ", gated" } else { "" };
    let id = style.paint(&step.id, Color::Bold);
    let status = style.paint(&step.status.replace('_', " "), color);
    format!(
        "{} {id} {} ({kind}{gate}){count}  {status}",
        style.paint(sign, color),
        step.tool
    )
}

fn item_lines(step: &StepView, style: Style) -> Vec<String> {
    // A single read says nothing that its step's line does not say.
    let worth_it = step.mutating
        || step
            .items
            .iter()
            .any(|i| i.reason.is_some() || i.doubt.is_some() || !i.notes.is_empty());
    if !worth_it {
        return Vec::new();
    }
    let mut wave = None;
    let mut lines = Vec::new();
    let waves = step.items.iter().map(|i| i.wave).max().unwrap_or(0);
    let mut items: Vec<&ItemView> = step.items.iter().collect();
    items.sort_by_key(|i| i.wave);
    for item in items.into_iter().take(SHOWN_ITEMS) {
        if waves > 0 && wave != Some(item.wave) {
            wave = Some(item.wave);
            lines.push(style.paint(&format!("wave {}", item.wave + 1), Color::Dim));
        }
        lines.push(item_line(item, style));
        lines.extend(item.notes.iter().map(|note| format!("    {}", harmless(note))));
        lines.extend(item.conflict.iter().flat_map(|c| conflict_lines(c, style)));
    }
    if step.items.len() > SHOWN_ITEMS {
        lines.push(style.paint(&format!("… and {} more", step.items.len() - SHOWN_ITEMS), Color::Dim));
    }
    lines
}

/// What another hand has changed.
fn conflict_lines(conflict: &ConflictView, style: Style) -> [String; 2] {
    let shown = |value: &Option<Value>| match value {
        Some(sealed) if sealed["sealed"] == true => "not shown, since it may hold secrets".to_owned(),
        Some(value) => cut(&harmless(&value.to_string()), style.width.saturating_mul(4)),
        None => "not known".to_owned(),
    };
    let at = conflict.found_at.as_ref().map(|at| format!("  (at {at})"));
    let at = at.unwrap_or_default();
    [
        format!("    left as  {}", shown(&conflict.expected)),
        format!("    found    {}{at}", shown(&conflict.found)),
    ]
}

fn item_line(item: &ItemView, style: Style) -> String {
    let (sign, color) = mark(&item.status);
    let name = item.targets.first().map_or(item.id.as_str(), String::as_str);
    let name = harmless(name.strip_prefix("device:").unwrap_or(name));
    let why = item.doubt.as_ref().or(item.reason.as_ref());
    let why = why.map(|w| format!("  {}", cut(&harmless(w), style.width.saturating_sub(40).max(20))));
    let status = item.status.replace('_', " ");
    let name = pad(&name, 18);
    format!(
        "{} {name} {status}{}",
        style.paint(sign, color),
        why.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::dto::CheckView;

    fn item(id: &str, target: &str, status: &str, wave: u32) -> ItemView {
        ItemView {
            id: id.into(),
            status: status.into(),
            wave,
            targets: vec![target.into()],
            ..ItemView::default()
        }
    }

    fn sample() -> StepsView {
        let step = |id: &str, tool: &str, status: &str, after: &[&str]| StepView {
            id: id.into(),
            tool: tool.into(),
            status: status.into(),
            after: after.iter().map(ToString::to_string).collect(),
            ..StepView::default()
        };
        let mut ospf = step("ospf", "config/configure_ospf", "running", &["cores"]);
        (ospf.mutating, ospf.for_each, ospf.gate) = (true, true, Some("x".into()));
        ospf.items = vec![
            item("ospf/0", "device:bj-core-1", "succeeded", 0),
            item("ospf/1", "device:bj-core-2", "running", 0),
            item("ospf/2", "device:bj-core-3", "waiting", 1),
        ];
        let mut save = step("save", "config/save", "waiting", &["cores", "ospf"]);
        save.mutating = true;
        StepsView {
            intent: "i".into(),
            summary: "OSPF in Beijing".into(),
            steps: vec![step("cores", "inventory/list_devices", "succeeded", &[]), ospf, save],
            checks: vec![CheckView {
                id: "post-check 1".into(),
                tool: "telemetry/reachability".into(),
                verdict: "waiting".into(),
                ..CheckView::default()
            }],
        }
    }

    #[test]
    fn the_plan_is_drawn_as_a_tree_with_targets_and_waves() {
        let golden = "\
OSPF in Beijing
└─ ✓ cores inventory/list_devices (reads)  succeeded
   └─ ▸ ospf config/configure_ospf (changes, gated) × 3  running
      │  wave 1
      │  ✓ bj-core-1          succeeded
      │  ▸ bj-core-2          running
      │  wave 2
      │  · bj-core-3          waiting
      └─ · save config/save (changes)  waiting
· post-check 1 telemetry/reachability: waiting
";
        assert_eq!(tree(&sample(), Style::PLAIN), golden);
    }

    #[test]
    fn progress_counts_the_items_that_are_done() {
        let line = progress(&sample(), "executing", Style::PLAIN);
        assert!(line.contains(" 1/3 executing"), "{line}");
    }

    #[test]
    fn what_was_read_is_shown_of_plans_that_change_nothing() {
        let mut read = item("health", "device:bj-core-1", "succeeded", 0);
        read.output = Some(serde_json::json!({"note": "a\u{202e}b", "up": true}));
        let mut said = item("version", "device:bj-core-1", "succeeded", 0);
        said.output = Some(serde_json::json!({"text": "IOS\n17.3"}));
        let mut view = StepsView {
            steps: vec![StepView {
                items: vec![read, said],
                ..StepView::default()
            }],
            ..StepsView::default()
        };
        let golden = "
health
  {
    \"note\": \"a\u{fffd}b\",
    \"up\": true
  }

version
  IOS
  17.3
";
        assert_eq!(outputs(&view, Style::PLAIN), golden);
        view.steps[0].mutating = true;
        assert_eq!(outputs(&view, Style::PLAIN), "");
    }
}
