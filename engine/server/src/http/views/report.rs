//! What became of an intent: written from the journal, each sentence with the numbers of its entries; per target,
//! applied, verified and persisted are kept apart.

use super::super::dto::{ReportView, Sentence, TargetReport};
use super::{Values, checks, cost, mutating, reason, shown_target, title};
use crate::narrate;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::{CheckId, CheckPurpose, CheckVerdict, Event};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::StoredEntry;
use std::collections::BTreeMap;

/// The report. `entries` is the whole stream.
pub async fn report(state: &IntentState, entries: &[StoredEntry], values: &Values<'_>) -> ReportView {
    ReportView {
        intent: state.id.to_string(),
        title: title(&state.request),
        state: state.api_state().to_owned(),
        reason: reason(state),
        sentences: sentences(entries),
        targets: targets(state),
        checks: checks(state, values).await,
        irreversible: super::irreversible(state, |i| i.sent_at.is_some()),
        cost: cost(state),
        summary: values.shown_if(state.report.as_ref()).await,
    }
}

/// Decisions and ends one by one, calls by their number: what a reader wants to know without reading every entry.
fn sentences(entries: &[StoredEntry]) -> Vec<Sentence> {
    let mut told = Vec::new();
    let mut sent: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for stored in entries {
        let entry = &stored.entry;
        if let Event::CallStarted { tool, call, .. } = &entry.event {
            let key = format!("{tool} ({})", call.phase.as_str());
            sent.entry(key).or_default().push(entry.seq);
        } else if worth_telling(&entry.event) {
            told.push(Sentence {
                text: narrate::line(&entry.event),
                entries: vec![entry.seq],
            });
        }
    }
    let calls = sent.into_iter().map(|(what, entries)| Sentence {
        text: format!("{what} was called {}", times(entries.len())),
        entries,
    });
    let end = told
        .iter()
        .position(|s| s.entries == [entries.last().map_or(0, |e| e.entry.seq)]);
    let at = end.unwrap_or(told.len());
    told.splice(at..at, calls);
    told
}

fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    }
}

fn worth_telling(event: &Event) -> bool {
    matches!(
        event,
        Event::IntentReceived { .. }
            | Event::PlanRefused { .. }
            | Event::PlanAccepted { .. }
            | Event::PlanStale { .. }
            | Event::PlanJudged { .. }
            | Event::ApprovalGiven { .. }
            | Event::ApprovalDenied { .. }
            | Event::ApprovalExpired { .. }
            | Event::WaveJudged { .. }
            | Event::CallFailed { .. }
            | Event::CallInDoubt { .. }
            | Event::CallSettled { .. }
            | Event::SettlementContradicted { .. }
            | Event::RollbackStarted { .. }
            | Event::ReplanDecided { .. }
            | Event::UndoConflict { .. }
            | Event::UndoBlocked { .. }
            | Event::Resolved { .. }
            | Event::CancelRequested { .. }
            | Event::DeadlinePassed { .. }
            | Event::Stuck { .. }
            | Event::IntentEnded { .. }
    )
}

/// One target's items.
#[derive(Default)]
struct Group<'a> {
    changes: Vec<(&'a ItemId, &'a ItemState)>,
    saves: Vec<&'a ItemState>,
}

fn targets(state: &IntentState) -> Vec<TargetReport> {
    let mut order: Vec<String> = Vec::new();
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for (id, item) in mutating(state) {
        let Some((step, _)) = state.accepted.as_ref().and_then(|a| a.plan.step(&id.step)) else {
            continue;
        };
        let name = shown_target(item, step.tool.server());
        if !groups.contains_key(&name) {
            order.push(name.clone());
        }
        let group = groups.entry(name).or_default();
        // Saving is no change of its own: it is what makes the others last.
        if step.tool.tool().starts_with("save") {
            group.saves.push(item);
        } else {
            group.changes.push((id, item));
        }
    }
    order
        .into_iter()
        .map(|name| target(state, &groups[&name], name.clone()))
        .collect()
}

fn target(state: &IntentState, group: &Group<'_>, target: String) -> TargetReport {
    let statuses: Vec<ItemStatus> = group.changes.iter().map(|(_, i)| i.status).collect();
    let note = group.changes.iter().find_map(|(_, i)| i.reason.clone());
    TargetReport {
        target,
        applied: applied(&statuses).to_owned(),
        verified: verified(state, group).to_owned(),
        persisted: persisted(group).to_owned(),
        note,
    }
}

fn applied(statuses: &[ItemStatus]) -> &'static str {
    use ItemStatus as S;
    let any = |wanted: &[S]| statuses.iter().any(|s| wanted.contains(s));
    match () {
        () if any(&[S::InDoubt, S::UndoInDoubt]) => "in doubt",
        () if any(&[S::UndoFailed, S::UndoConflict, S::Blocked]) => "not taken back",
        () if any(&[S::Failed]) => "failed",
        () if any(&[S::Running, S::Answered, S::Undoing, S::UndoAnswered, S::BackingOff]) => "under way",
        () if any(&[S::Succeeded, S::Accepted]) => "changed",
        () if any(&[S::Undone]) => "taken back",
        () if any(&[S::Satisfied]) => "already",
        () => "not changed",
    }
}

fn verified(state: &IntentState, group: &Group<'_>) -> &'static str {
    let gate = |id: &ItemId| {
        let key = (CheckId::Gate { item: id.clone() }, CheckPurpose::Verdict);
        state.checks.get(&key).map(|r| r.verdict)
    };
    let verdicts: Vec<Option<bool>> = group
        .changes
        .iter()
        .filter(|(_, i)| !matches!(i.status, ItemStatus::Skipped | ItemStatus::Waiting))
        .map(|(id, item)| match (gate(id), super::steps::verified(item)) {
            (Some(CheckVerdict::Missed), _) => Some(false),
            // A taken-back item of a probed tool is only `undone` once the probe saw the state before.
            _ if item.status == ItemStatus::Undone && item.probed => Some(true),
            (Some(CheckVerdict::Held), read) => Some(read != Some(false)),
            (_, read) => read,
        })
        .collect();
    if verdicts.contains(&Some(false)) {
        "missed"
    } else if !verdicts.is_empty() && verdicts.iter().all(|v| *v == Some(true)) {
        "verified"
    } else {
        "unverified"
    }
}

fn persisted(group: &Group<'_>) -> &'static str {
    let saved = |i: &&ItemState| matches!(i.status, ItemStatus::Succeeded | ItemStatus::Satisfied);
    match group.saves.as_slice() {
        [] => "-",
        saves if saves.iter().all(saved) => "saved",
        _ => "not saved",
    }
}
