//! The procedure as Markdown, for a change ticket.

use super::super::markdown::{code, fence, plain};
use super::words;
use crate::http::dto::{ChangeView, Expectation, ProcedureCheck, ProcedureView, Reasoned, StageView};

/// The whole procedure. Whatever was written elsewhere stands as text or in a fence.
pub fn markdown(view: &ProcedureView) -> String {
    let name = if view.summary.is_empty() {
        &view.title
    } else {
        &view.summary
    };
    let mut out = format!("# Method of procedure: {}\n\n", plain(name));
    for (key, value) in words::facts(view) {
        out += &format!("- {key}: {}\n", plain(&value));
    }
    if let Some(why) = words::incomplete(view) {
        out += &format!("\n**{}**\n", plain(&why));
    }
    let mut section = |title: &str, body: String| out += &format!("\n## {title}\n\n{body}");
    section("1. What was looked at", looked(view));
    section("2. Pre-checks", checks(&view.pre_checks));
    section("3. Changes, in this order", stages(view));
    section("4. Post-checks", checks(&view.post_checks));
    let back = words::way_back(view).into_iter();
    section("5. The way back", back.map(|line| format!("- {line}\n")).collect());
    section("6. What cannot be taken back, and what nothing verifies", limits(view));
    out
}

fn looked(view: &ProcedureView) -> String {
    if view.looked.is_empty() {
        return "Nothing had to be read.\n".to_owned();
    }
    let line = |v: &crate::http::dto::LookedView| format!("- {}: {}\n", code(&v.step), plain(&words::looked(v)));
    view.looked.iter().map(line).collect()
}

fn checks(checks: &[ProcedureCheck]) -> String {
    if checks.is_empty() {
        return "None.\n".to_owned();
    }
    let mut out = String::new();
    for check in checks {
        out += &format!(
            "- {}, {}: **{}**\n",
            check.id,
            code(&words::call(&check.must)),
            check.verdict
        );
        out += &must(&check.must);
        if let Some(problem) = &check.problem {
            out += &format!("  {}\n", plain(problem));
        }
    }
    out + &words::about_before(checks.iter().map(|c| &c.must), "\n")
}

fn must(expectation: &Expectation) -> String {
    format!("  must hold: {}\n", code(&words::must(expectation)))
}

fn stages(view: &ProcedureView) -> String {
    if view.stages.is_empty() {
        return "Nothing that changes a device.\n".to_owned();
    }
    let mut out = String::new();
    for (n, stage) in view.stages.iter().enumerate() {
        let gap = if n > 0 { "\n" } else { "" };
        out += &format!("{gap}### 3.{} {}\n\n", n + 1, plain(&words::stage(stage)));
        out += &one_stage(stage);
    }
    let skipped = view
        .skipped
        .iter()
        .map(|s| format!("\nLeft out: {}\n", plain(&words::reasoned(s))));
    out + &skipped.collect::<String>()
}

fn one_stage(stage: &StageView) -> String {
    let mut out = String::new();
    for device in &stage.devices {
        for change in &device.changes {
            out += &one_change(&device.device, change);
        }
    }
    for (what, how) in words::afterwards(stage) {
        out += &format!("- {what}: {}\n", plain(&how));
    }
    out
}

fn one_change(device: &str, change: &ChangeView) -> String {
    let (device, item) = (plain(device), code(&change.item));
    if change.unchanged {
        return format!("**{device}** ({item}): in place already, nothing is sent.\n\n");
    }
    let sent = fence(&change.lines, "");
    let back = match (change.irreversible, change.way_back.is_empty()) {
        (true, _) => format!("**No way back:** {}\n", plain(&change.way_back.join("; "))),
        (false, true) => "Way back: it follows from what is still being read.\n".to_owned(),
        (false, false) => format!("Way back:\n\n{}", fence(&change.way_back, "")),
    };
    format!("**{device}** ({item}), {}:\n\n{sent}\n{back}\n", code(&change.tool))
}

fn limits(view: &ProcedureView) -> String {
    let told = |what: &str, groups: &[Reasoned]| -> String {
        let lines = groups
            .iter()
            .map(|g| format!("- **{what}**: {}\n", plain(&words::reasoned(g))));
        lines.collect()
    };
    let out = told("no way back", &view.irreversible) + &told("unverified", &view.unverified);
    match out.is_empty() {
        true => format!("- {}\n", words::nothing_wanting(view.count.calls)),
        false => out,
    }
}
