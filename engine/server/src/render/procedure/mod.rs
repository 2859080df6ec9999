//! A plan as a method of procedure: for the terminal here, for a change ticket in [`markdown`]. Whoever approves reads it:
//! no line that would be sent is ever cut.

mod markdown;
mod words;

pub use markdown::markdown;

use super::{Color, Style, diff, harmless, mark, pad};
use crate::http::dto::{Expectation, LookedView, ProcedureCheck, ProcedureView, Reasoned, StageView};

/// The whole procedure as text.
pub fn text(view: &ProcedureView, style: Style) -> String {
    let mut out = head(view, style);
    let mut section = |title: &str, body: String| {
        out += &format!("\n{}\n{body}", style.paint(title, Color::Bold));
    };
    section("1. What was looked at", looked(&view.looked));
    section("2. Pre-checks", checks(&view.pre_checks, style));
    section("3. Changes, in this order", stages(view, style));
    section("4. Post-checks", checks(&view.post_checks, style));
    section("5. The way back", way_back(view));
    section(
        "6. What cannot be taken back, and what nothing verifies",
        limits(view, style),
    );
    out
}

fn head(view: &ProcedureView, style: Style) -> String {
    let name = if view.summary.is_empty() {
        &view.title
    } else {
        &view.summary
    };
    let mut out = format!(
        "{}\n",
        style.paint(&format!("Method of procedure: {}", harmless(name)), Color::Bold)
    );
    for (key, value) in words::facts(view) {
        out += &format!("{}  {}\n", pad(key, 8), harmless(&value));
    }
    if let Some(why) = words::incomplete(view) {
        out += &format!("{}\n", style.paint(&why, Color::Yellow));
    }
    out
}

fn looked(views: &[LookedView]) -> String {
    if views.is_empty() {
        return "  nothing had to be read\n".to_owned();
    }
    let widest = views.iter().map(|v| v.step.chars().count()).max().unwrap_or(0);
    let line = |view: &LookedView| format!("  {}  {}\n", pad(&view.step, widest), harmless(&words::looked(view)));
    views.iter().map(line).collect()
}

fn checks(checks: &[ProcedureCheck], style: Style) -> String {
    if checks.is_empty() {
        return "  none\n".to_owned();
    }
    let mut out = String::new();
    for check in checks {
        let (sign, color) = mark(&check.verdict);
        let call = harmless(&words::call(&check.must));
        out += &format!(
            "  {} {} {call}: {}\n",
            style.paint(sign, color),
            check.id,
            check.verdict
        );
        out += &must(&check.must, "      ");
        if let Some(problem) = &check.problem {
            out += &format!("      {}\n", harmless(problem));
        }
    }
    out + words::about_before(checks.iter().map(|c| &c.must), "  ").as_str()
}

fn must(expectation: &Expectation, indent: &str) -> String {
    format!("{indent}must hold: {}\n", harmless(&words::must(expectation)))
}

fn stages(view: &ProcedureView, style: Style) -> String {
    if view.stages.is_empty() {
        return "  nothing that changes a device\n".to_owned();
    }
    let mut out = String::new();
    for (n, stage) in view.stages.iter().enumerate() {
        let title = format!("  3.{} {}", n + 1, words::stage(stage));
        out += &format!("{}\n", style.paint(&harmless(&title), Color::Bold));
        out += &one_stage(stage, style);
    }
    for skipped in &view.skipped {
        out += &format!("  left out: {}\n", harmless(&words::reasoned(skipped)));
    }
    out
}

fn one_stage(stage: &StageView, style: Style) -> String {
    let mut out = String::new();
    let narrower = Style {
        width: style.width.saturating_sub(4),
        ..style
    };
    for device in &stage.devices {
        for line in diff::device(device, narrower).lines() {
            out += &format!("    {line}\n");
        }
    }
    for (what, how) in words::afterwards(stage) {
        out += &format!("    {what}: {}\n", harmless(&how));
    }
    out
}

fn way_back(view: &ProcedureView) -> String {
    words::way_back(view).iter().map(|line| format!("  {line}\n")).collect()
}

fn limits(view: &ProcedureView, style: Style) -> String {
    let mut out = String::new();
    let mut told = |what: &str, groups: &[Reasoned], color| {
        for group in groups {
            let line = format!("{what}: {}", harmless(&words::reasoned(group)));
            out += &format!("  {}\n", style.paint(&line, color));
        }
    };
    told("no way back", &view.irreversible, Color::Red);
    told("unverified", &view.unverified, Color::Yellow);
    if out.is_empty() {
        out += &format!("  {}\n", words::nothing_wanting(view.count.calls));
    }
    out
}

#[cfg(test)]
mod tests;
