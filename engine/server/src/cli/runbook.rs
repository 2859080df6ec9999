//! `runbook …`: what there is, whether the files' own tests pass, what words would call, and drafts of new ones.

use super::args::{Global, RunbookAction};
use super::client::{Client, settings};
use super::output::Output;
use super::{Exit, Failure, Outcome};
use crate::finding::Finding;
use crate::http::dto::{DraftRunbook, RunbookDetail, RunbookMatch, RunbookView, Tried, TryBody};
use crate::library;
use crate::render::{count, harmless, table};
use serde_json::json;
use std::path::Path;

pub(super) async fn run(action: RunbookAction, client: &Client, output: Output) -> Outcome {
    match action {
        RunbookAction::List => list(client, output).await,
        RunbookAction::Show { id } => show(client, &id, output).await,
        RunbookAction::Try { text } => try_text(client, text, output).await,
        RunbookAction::Promote { intent, out } => promote(client, &intent, out.as_deref(), output).await,
        RunbookAction::Test { .. } => Err(Failure::Internal("the tests run without a server".into())),
    }
}

async fn list(client: &Client, output: Output) -> Outcome {
    let views: Vec<RunbookView> = client.get("/v1/runbooks").await?;
    output.show(&views, |views| {
        let row = |r: &RunbookView| {
            let phrase = r.phrases.first().cloned().unwrap_or_default();
            vec![
                r.id.clone(),
                r.risk.clone().unwrap_or_default(),
                r.title.clone(),
                phrase,
            ]
        };
        let rows: Vec<Vec<String>> = views.iter().map(row).collect();
        table::table(&["runbook", "risk", "title", "say"], &rows, output.style)
    });
    Ok(Exit::Done)
}

/// The file as it is: what a person reviews, comments and all.
async fn show(client: &Client, id: &str, output: Output) -> Outcome {
    let detail: RunbookDetail = client.get(&format!("/v1/runbooks/{}", super::read::escape(id))).await?;
    output.show(&detail, |d| {
        let text: String = d.text.lines().map(|line| harmless(line) + "\n").collect();
        format!("# {}\n{text}", harmless(&d.file))
    });
    Ok(Exit::Done)
}

async fn try_text(client: &Client, text: String, output: Output) -> Outcome {
    let tried: Tried = client.post("/v1/runbooks/try", &TryBody { text }).await?;
    output.show(&tried, told);
    Ok(match tried.outcome.as_str() {
        "one" => Exit::Done,
        _ => Exit::Refused,
    })
}

fn told(tried: &Tried) -> String {
    let one = |m: &RunbookMatch| {
        let window = if m.window_required {
            "\n  needs --window FROM..UNTIL"
        } else {
            ""
        };
        format!(
            "{} ({})\n  {}\n  flyball submit {}{window}\n",
            m.id, m.title, m.params, m.call
        )
    };
    let matches: String = tried.matches.iter().map(one).collect();
    let near = match tried.nearest.is_empty() {
        true => String::new(),
        false => format!("; nearest: {}", tried.nearest.join(", ")),
    };
    let faults = tried.faults.iter();
    let faults: String = faults
        .map(|f| format!("  {} {}\n", f.pointer, harmless(&f.message)))
        .collect();
    match tried.outcome.as_str() {
        "one" => matches,
        "several" => format!("it can be read in several ways; say which:\n{matches}"),
        "broken" => format!(
            "{} fits, but not with these values:\n{faults}",
            tried.nearest.join(", ")
        ),
        _ if !faults.is_empty() => format!("no runbook's phrase says this with these values{near}\n{faults}"),
        _ => format!("no runbook's phrase says this{near}\n"),
    }
}

async fn promote(client: &Client, intent: &str, out: Option<&Path>, output: Output) -> Outcome {
    let draft: DraftRunbook = client.get(&format!("/v1/intents/{intent}/runbook")).await?;
    if let Some(path) = out {
        // Never over a file: it may be one that somebody has worked on.
        let file = std::fs::File::options().write(true).create_new(true).open(path);
        let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, draft.yaml.as_bytes()));
        written.map_err(|e| Failure::Usage(format!("{} cannot be written: {e}", path.display())))?;
        output.show(&draft, |d| format!("{} is written to {}\n", d.id, path.display()));
    } else {
        output.show(&draft, |d| d.yaml.clone());
    }
    for fault in &draft.faults {
        output.note(&format!("still to mend: {}\n", harmless(fault)));
    }
    Ok(Exit::Done)
}

/// Runs the runbooks' own tests, among all runbooks. Asks no server.
pub(super) fn test(global: &Global, only: Option<&str>, output: Output) -> Outcome {
    let told = |findings: Vec<Finding>| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        Failure::Usage(lines.join("\n"))
    };
    let settings = settings(global).map_err(told)?;
    let examined = library::examine_runbooks(&settings).map_err(told)?;
    let of_interest = |id: &str| only.is_none_or(|only| only == id);
    if let Some(id) = only.filter(|id| examined.runbooks.get(id).is_none()) {
        return Err(Failure::Usage(format!("there is no runbook {id:?}")));
    }
    let runs: Vec<_> = examined.tests.iter().filter(|run| of_interest(&run.runbook)).collect();
    let failed: Vec<_> = runs.iter().filter_map(|run| run.fault.as_ref()).collect();
    let findings: Vec<Finding> = examined
        .faults
        .iter()
        .chain(failed)
        .cloned()
        .map(Finding::from)
        .collect();
    if output.json {
        let run = |run: &&flyball_planner::TestRun| {
            let why = run.fault.as_ref().map(ToString::to_string);
            json!({"runbook": run.runbook, "say": run.say, "wanted": run.wanted, "passed": why.is_none(), "why": why})
        };
        let tests: Vec<_> = runs.iter().map(run).collect();
        output.value(&json!({"tests": tests, "mistakes": findings}));
    } else {
        let mut text = String::new();
        for runbook in examined.runbooks.iter().filter(|r| of_interest(&r.id)) {
            let own = || runs.iter().filter(|run| run.runbook == runbook.id);
            let (passed, all) = (own().filter(|run| run.fault.is_none()).count(), own().count());
            text += &format!("{}: {passed} of {} passed\n", runbook.id, count(all, "test"));
        }
        output.text(&text);
        for finding in &findings {
            output.note(&format!("{finding}\n"));
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Failed })
}
