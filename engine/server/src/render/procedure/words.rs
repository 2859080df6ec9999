//! What text and Markdown say alike, as plain words.

use super::super::{count, one_line};
use crate::http::dto::{Expectation, LookedView, ProcedureView, Reasoned, StageView};
use serde_json::Value;

/// So many of the other intents that want the same are told one by one.
const BESIDE: usize = 5;

/// Of very many calls with one reason, so many are named; each stands with its device in any case.
const NAMED: usize = 12;

/// What stands at the top, each fact with its name.
pub(super) fn facts(view: &ProcedureView) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("asked", format!("{}, by {}", view.title, view.asked_by)),
        ("planned", planned(view)),
        ("intent", format!("{}, {}", view.intent, view.state.replace('_', " "))),
    ];
    facts.extend(view.earlier.iter().map(|e| ("failed", format!("and taken back, {e}"))));
    if let Some(change) = &view.change {
        facts.push(("change", change.clone()));
    }
    if let Some(window) = &view.window {
        facts.push(("window", format!("{} to {}", window.from, window.until)));
    }
    if let Some(digest) = &view.digest {
        facts.push(("digest", digest.clone()));
    }
    if let Some(verdict) = &view.verdict {
        facts.push(("policy", policy(verdict).to_owned()));
        facts.extend(view.rules.iter().map(|rule| ("rule", reasoned(rule))));
    }
    facts.push(("targets", targets(view)));
    facts.push(("calls", calls(view)));
    facts.extend(view.beside.iter().take(BESIDE).map(|other| ("beside", other.clone())));
    if let Some(more) = view.beside.len().checked_sub(BESIDE).filter(|more| *more > 0) {
        facts.push(("beside", format!("and {more} more, see --json")));
    }
    facts
}

fn planned(view: &ProcedureView) -> String {
    if view.undo_of.is_some() {
        return "from the record of that intent's calls".to_owned();
    }
    let Some(runbook) = &view.runbook else {
        return format!("by {}", view.source);
    };
    let mut text = format!("by {} ({})", view.source, runbook.title);
    for (name, value) in [
        ("version", &runbook.version),
        ("owner", &runbook.owner),
        ("risk", &runbook.risk),
        ("impact:", &runbook.impact),
    ] {
        if let Some(value) = value {
            text += &format!(", {name} {value}");
        }
    }
    text
}

fn policy(verdict: &str) -> &'static str {
    match verdict {
        "run" => "it may run",
        "needs_approval" => "a person must approve it",
        _ => "it is refused",
    }
}

fn targets(view: &ProcedureView) -> String {
    let how_many = format!(
        "{} on {}",
        count(view.count.targets, "target"),
        count(view.count.devices, "device")
    );
    match view.targets.is_empty() {
        true => "none: nothing would be changed".to_owned(),
        false => format!("{how_many}: {}", view.targets.join(", ")),
    }
}

fn calls(view: &ProcedureView) -> String {
    let n = &view.count;
    let stages = view.stages.iter().filter(|s| s.mutating).count();
    let mut text = format!("{} in {}", count(n.calls, "call"), count(stages, "stage"));
    for (number, what) in [
        (n.irreversible, "without a way back"),
        (n.unverified, "unverified"),
        (n.in_place, "more not sent: in place already"),
    ] {
        if number > 0 {
            text += &format!("; {number} {what}");
        }
    }
    text
}

/// A reason, and behind it the calls that it holds for.
pub(super) fn reasoned(reasoned: &Reasoned) -> String {
    let items = &reasoned.items;
    let shown: Vec<&str> = items.iter().take(NAMED).map(String::as_str).collect();
    let more = match items.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match items.is_empty() {
        true => reasoned.why.clone(),
        false => format!("{} ({}{more})", reasoned.why, shown.join(", ")),
    }
}

/// What was read, with what, and how often it answered.
pub(super) fn looked(view: &LookedView) -> String {
    let call = with_args(&view.tool, view.args.as_ref().unwrap_or(&Value::Null));
    let times = match (view.read, view.of) {
        (0, _) => "not read yet".to_owned(),
        (1, 1) => "read".to_owned(),
        (read, of) if read == of => format!("read for {}", count(of, "call")),
        (read, of) => format!("read for {read} of {}", count(of, "call")),
    };
    let what = match view.kind.as_str() {
        "probe" => "the state that it starts from, by ",
        "preview" => "the device's own lines and those that take them back, by ",
        _ => "",
    };
    let expected = view.expect.as_ref().map(|e| format!("; must hold: {e}"));
    format!("{what}{call}: {times}{}", expected.unwrap_or_default())
}

/// A call with its arguments, as it would be said in a line.
pub(super) fn call(expectation: &Expectation) -> String {
    with_args(&expectation.tool, &expectation.args)
}

fn with_args(tool: &str, args: &Value) -> String {
    let said = |value: &Value| match value.as_str() {
        Some(text) if !text.is_empty() && !text.contains(char::is_whitespace) => text.to_owned(),
        _ => value.to_string(),
    };
    let args = args.as_object().into_iter().flatten();
    args.fold(tool.to_owned(), |line, (key, value)| {
        format!("{line} {key}={}", said(value))
    })
}

/// The expression, and for how long.
pub(super) fn must(expectation: &Expectation) -> String {
    let mut text = one_line(&expectation.expect);
    if let Some(within) = &expectation.within {
        text += &format!("; within {within}");
    }
    if let Some(hold) = &expectation.hold_for {
        text += &format!("; and stay so for {hold}");
    }
    text
}

/// What `before` means, where an expression says it.
pub(super) fn about_before<'a>(all: impl Iterator<Item = &'a Expectation>, indent: &str) -> String {
    let mut words = all.flat_map(|e| e.expect.split(|c: char| !c.is_alphanumeric() && c != '_'));
    match words.any(|word| word == "before") {
        true => format!("{indent}(before: the same reading, taken before the first change)\n"),
        false => String::new(),
    }
}

/// What a stage is. Waves are counted from 1 for people.
pub(super) fn stage(stage: &StageView) -> String {
    let waves = match stage.waves {
        0 | 1 => String::new(),
        n => format!(", wave {} of {n}", stage.wave + 1),
    };
    let after = match stage.after.is_empty() {
        true => String::new(),
        false => format!(", after {}", stage.after.join(" and ")),
    };
    let kind = if stage.mutating { stage.effect.as_str() } else { "reads" };
    format!("{}{waves}: {} ({kind}){after}", stage.step, stage.tool)
}

/// What follows a stage's calls, each with its name.
pub(super) fn afterwards(stage: &StageView) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    if stage.mutating && stage.devices.is_empty() {
        told.push(("calls", "they follow from what is still being read".to_owned()));
    }
    if let Some(trial) = &stage.trial {
        told.push(("on trial", trial.clone()));
    }
    if let Some(read_back) = &stage.read_back {
        told.push(("read back", format!("by {read_back}")));
    }
    if let Some(gate) = &stage.gate {
        let before = about_before(std::iter::once(gate), " ");
        told.push(("gate", format!("for each, {}", call(gate))));
        told.push(("must hold", format!("{}{}", must(gate), before.trim_end())));
    }
    if let Some(expect) = &stage.expect {
        told.push(("reads", call(expect)));
        told.push(("must hold", must(expect)));
    }
    let otherwise = match stage.on_failure.as_str() {
        "hold" => Some("nothing goes on, and a person decides"),
        "continue" => Some("the rest goes on without what builds on it"),
        _ => None,
    };
    told.extend(otherwise.map(|o| ("if it fails", o.to_owned())));
    told
}

/// How it goes back, if it has to.
pub(super) fn way_back(view: &ProcedureView) -> Vec<String> {
    if view.count.calls == 0 {
        return vec!["nothing is sent, so nothing has to be taken back".to_owned()];
    }
    if view.undo_of.is_some() {
        return vec![
            "this takes back what another intent did; what it has taken back stays so if it is stopped".to_owned(),
            "what somebody else changed meanwhile is not overwritten: a person decides".to_owned(),
        ];
    }
    let mut told = vec![
        "if a call fails, a gate or post-check does not hold, a deadline passes or it is cancelled, what was sent is taken back",
        "it goes back latest first, by the lines beside each change, and only where the state is still as the change left it",
        "a call whose outcome is not known is settled by evidence first; a check that cannot be read waits for a person",
    ];
    if view.replans > 0 {
        told.push("then another plan may be made: what it writes needs a person, and it writes nowhere else");
    }
    if view.count.irreversible > 0 {
        told.push("what has no way back (6) stays as it is");
    }
    told.into_iter().map(str::to_owned).collect()
}

/// That nothing is wanting, of so many calls.
/// Why it is not all that it could be, if it is not.
pub(super) fn incomplete(view: &ProcedureView) -> Option<String> {
    let over = matches!(
        view.state.as_str(),
        "fulfilled" | "rolled_back" | "failed" | "refused" | "cancelled"
    );
    let why = match over {
        true => format!(
            "it ended ({}) before all was looked at: this is not all of it",
            view.state
        ),
        false => "the look goes on: this is not all of it yet".to_owned(),
    };
    (!view.complete).then_some(why)
}

pub(super) fn nothing_wanting(calls: usize) -> String {
    match calls {
        0 => "nothing".to_owned(),
        1 => "nothing: the one call has a way back and will be verified".to_owned(),
        n => format!("nothing: all {n} calls have a way back and will be verified"),
    }
}
