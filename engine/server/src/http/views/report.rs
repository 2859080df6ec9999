//! What became of an intent: written from the journal, each sentence with the numbers of its entries; per target,
//! applied, verified and persisted are kept apart.

use super::super::dto::{ReportView, Sentence, TargetReport};
use super::{Values, checks, cost, mutating, reason, shown_target, title};
use crate::narrate;
use crate::render::count;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::{CheckId, CheckPurpose, CheckVerdict, Event, ProbePurpose};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::{IntentState, item_of};
use flyball_engine::journal::StoredEntry;
use std::collections::{BTreeMap, BTreeSet};

/// The report. `entries` is the whole stream.
pub async fn report(state: &IntentState, entries: &[StoredEntry], values: &Values<'_>) -> ReportView {
    let mut checks = checks(state, values).await;
    let mut taken = taken(entries);
    for check in &mut checks {
        check.entries = taken.remove(&check.id).unwrap_or_default();
    }
    ReportView {
        intent: state.id.to_string(),
        title: title(&state.request),
        state: state.api_state().to_owned(),
        reason: reason(state),
        sentences: sentences(entries),
        targets: targets(state, &settling(entries)),
        checks,
        irreversible: super::irreversible(state, |i| i.sent_at.is_some()),
        cost: cost(state),
        summary: values.shown_if(state.report.as_ref()).await,
    }
}

/// Decisions and ends one by one, calls by their number: what a reader wants to know without reading every entry.
fn sentences(entries: &[StoredEntry]) -> Vec<Sentence> {
    let mut told = Vec::new();
    let mut sums: BTreeMap<Sum, Vec<u64>> = BTreeMap::new();
    let mut end = None;
    for stored in entries {
        let entry = &stored.entry;
        if let Event::IntentEnded { .. } = &entry.event {
            end = Some(told.len());
        }
        if let Some(sum) = Sum::of(&entry.event) {
            sums.entry(sum).or_default().push(entry.seq);
        } else if worth_telling(&entry.event) {
            told.push(Sentence {
                text: narrate::line(&entry.event),
                entries: vec![entry.seq],
            });
        }
    }
    let sums = sums.into_iter().map(|(sum, entries)| Sentence {
        text: sum.text(entries.len()),
        entries,
    });
    let at = end.unwrap_or(told.len());
    told.splice(at..at, sums);
    told
}

/// What is told once for all items to which it happened.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Sum {
    Skipped(String),
    InPlace,
    Called(String),
}

impl Sum {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::CallStarted { tool, call, .. } => Some(Self::Called(format!("{tool} ({})", call.phase.as_str()))),
            Event::StepSatisfied { .. } => Some(Self::InPlace),
            Event::StepSkipped { reason, .. } => Some(Self::Skipped(reason.clone())),
            _ => None,
        }
    }

    fn text(&self, n: usize) -> String {
        match self {
            Self::Skipped(reason) => format!("{} left out: {reason}", count(n, "call")),
            Self::InPlace => format!("in place already, so that nothing was sent: {}", count(n, "call")),
            Self::Called(what) => format!("{what} was called {}", times(n)),
        }
    }
}

/// For each check the entries in which it was taken since the last look.
fn taken(entries: &[StoredEntry]) -> BTreeMap<String, Vec<u64>> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for stored in entries {
        match &stored.entry.event {
            event if starts_anew(event) => found.clear(),
            Event::ChecksTaken { readings } => {
                for reading in readings {
                    let name = narrate::check_name(&reading.check);
                    found.entry(name).or_default().push(stored.entry.seq);
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether what was seen before does not count any more.
fn starts_anew(event: &Event) -> bool {
    matches!(event, Event::PlanAccepted { .. } | Event::PlanStale { .. })
}

/// For each item the entries that say what became of it. What was seen before the last look does not count any more.
fn settling(entries: &[StoredEntry]) -> BTreeMap<ItemId, Vec<u64>> {
    let mut found: BTreeMap<ItemId, Vec<u64>> = BTreeMap::new();
    for stored in entries {
        let (event, seq) = (&stored.entry.event, stored.entry.seq);
        match event {
            event if starts_anew(event) => found.clear(),
            Event::ChecksTaken { readings } => {
                for reading in readings {
                    if let CheckId::Gate { item } = &reading.check {
                        found.entry(item.clone()).or_default().push(seq);
                    }
                }
            }
            _ => {
                if let Some(item) = item_of(event).filter(|_| settles(event)) {
                    found.entry(item.clone()).or_default().push(seq);
                }
            }
        }
    }
    found
}

fn settles(event: &Event) -> bool {
    match event {
        Event::ProbeTaken { purpose, reading, .. } => {
            reading.valid && matches!(purpose, ProbePurpose::After | ProbePurpose::AfterUndo)
        }
        Event::StepSatisfied { .. }
        | Event::CallAnswered { .. }
        | Event::CallFailed { .. }
        | Event::CallInDoubt { .. }
        | Event::CallSettled { .. }
        | Event::UndoConflict { .. }
        | Event::Resolved { .. } => true,
        _ => false,
    }
}

pub(super) fn times(n: usize) -> String {
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
            | Event::LeaseExpired { .. }
            | Event::InputGiven { .. }
            | Event::CommandRefused { .. }
            | Event::PauseRequested { .. }
            | Event::Resumed { .. }
            | Event::ReplanDecided { .. }
            | Event::RollbackStarted { .. }
            | Event::UndoConflict { .. }
            | Event::UndoBlocked { .. }
            | Event::Resolved { .. }
            | Event::CancelRequested { .. }
            | Event::DeadlinePassed { .. }
            | Event::DriftFound { .. }
            | Event::Stuck { .. }
            | Event::IntentEnded { .. }
    )
}

/// One target's items.
#[derive(Default)]
struct Group<'a> {
    changes: Vec<(&'a ItemId, &'a ItemState)>,
    saves: Vec<&'a ItemState>,
    /// What says so of all of them.
    entries: BTreeSet<u64>,
}

fn targets(state: &IntentState, settling: &BTreeMap<ItemId, Vec<u64>>) -> Vec<TargetReport> {
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
        group.entries.extend(settling.get(id).into_iter().flatten());
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
        entries: group.entries.iter().copied().collect(),
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
