//! What became of each target: applied, verified and persisted are kept apart, each row with the entries that it rests on.
//! Plans that failed and were taken back have rows of their own, for what they sent.

use super::super::dto::TargetReport;
use super::shown_target;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::{CheckId, CheckPurpose, CheckReading, Event, ProbePurpose, WayBack};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::proof::Word;
use flyball_engine::intent::state::{Accepted, IntentState, item_of};
use flyball_engine::journal::StoredEntry;
use flyball_engine::tool::ToolName;
use std::collections::{BTreeMap, BTreeSet};

/// A plan with what became of its items.
struct Act<'a> {
    revision: u32,
    /// It failed, and another was made.
    earlier: bool,
    accepted: &'a Accepted,
    items: &'a BTreeMap<ItemId, ItemState>,
    checks: &'a BTreeMap<(CheckId, CheckPurpose), CheckReading>,
}

/// The present plan, then those that failed before it.
fn acts(state: &IntentState) -> impl Iterator<Item = Act<'_>> {
    let present = state.accepted.as_ref().map(|accepted| Act {
        revision: state.revision,
        earlier: false,
        accepted,
        items: &state.items,
        checks: &state.checks,
    });
    let earlier = state.earlier.iter().filter_map(|e| {
        Some(Act {
            revision: e.revision,
            earlier: true,
            accepted: e.accepted.as_ref()?,
            items: &e.items,
            checks: &e.checks,
        })
    });
    present.into_iter().chain(earlier)
}

impl<'a> Act<'a> {
    /// Items that may change the world, in the plan's order; of a plan that failed only those for which something was sent.
    fn mutating(&self) -> impl Iterator<Item = (&'a ItemId, &'a ItemState, &'a ToolName)> {
        let (items, earlier) = (self.items, self.earlier);
        let steps = self.accepted.plan.each().filter(|(_, facts)| facts.mutating);
        let all = steps.flat_map(move |(step, _)| {
            let first = ItemId {
                step: step.id.clone(),
                index: None,
            };
            let of_step = items.range(first..).take_while(|(id, _)| id.step == step.id);
            of_step.map(|(id, item)| (id, item, &step.tool))
        });
        all.filter(move |(_, item, _)| !earlier || item.was_sent())
    }

    /// What stands before or behind something of a plan that failed.
    fn name(&self) -> Option<String> {
        self.earlier.then(|| format!("plan {}", self.revision))
    }
}

/// What was sent and has no way back, with the reason.
pub(super) fn irreversible(state: &IntentState) -> Vec<String> {
    let mut told = Vec::new();
    for act in acts(state) {
        let of_plan = act.name().map(|name| format!("{name}, ")).unwrap_or_default();
        for (id, item, _) in act.mutating().filter(|(_, item, _)| item.sent_at.is_some()) {
            if let Some(WayBack::Irreversible { why }) = &item.way_back {
                told.push(format!("{of_plan}{id}: {why}"));
            }
        }
    }
    told
}

/// One row for each target.
pub(super) fn targets(state: &IntentState, entries: &[StoredEntry]) -> Vec<TargetReport> {
    let settling = settling(entries);
    // What an earlier undo took back has no target in this one.
    let back = state.request.undo_of.is_some();
    acts(state).flat_map(|act| of_act(&act, &settling, back)).collect()
}

/// One target's items.
#[derive(Default)]
struct Group<'a> {
    changes: Vec<(&'a ItemId, &'a ItemState)>,
    saves: Vec<&'a ItemState>,
    /// What says so of all of them.
    entries: BTreeSet<u64>,
}

fn of_act(act: &Act<'_>, settling: &BTreeMap<OfPlan, Vec<u64>>, back: bool) -> Vec<TargetReport> {
    let mut order: Vec<String> = Vec::new();
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    let none = |item: &ItemState| back && item.expanded.targets.is_empty();
    for (id, item, tool) in act.mutating().filter(|(_, item, _)| !none(item)) {
        let name = shown_target(item, tool.server());
        if !groups.contains_key(&name) {
            order.push(name.clone());
        }
        let group = groups.entry(name).or_default();
        let said = settling.get(&(act.revision, id.clone()));
        group.entries.extend(said.into_iter().flatten());
        if tool.saves() {
            group.saves.push(item);
        } else {
            group.changes.push((id, item));
        }
    }
    let row = |name: String| target(act, &groups[&name], name);
    order.into_iter().map(row).collect()
}

fn target(act: &Act<'_>, group: &Group<'_>, target: String) -> TargetReport {
    let contradicted = group.changes.iter().find_map(|(_, i)| super::notes::contradiction(i));
    let accepted = group.changes.iter().find_map(|(_, i)| super::notes::accepted(i));
    let reason = contradicted.or(accepted);
    let reason = reason.or_else(|| group.changes.iter().find_map(|(_, i)| super::notes::reason(i)));
    let note: Vec<String> = act.name().into_iter().chain(reason).collect();
    TargetReport {
        target,
        applied: applied(&group.changes).to_owned(),
        verified: verified(act, group).to_owned(),
        persisted: persisted(group).to_owned(),
        entries: group.entries.iter().copied().collect(),
        note: (!note.is_empty()).then(|| note.join(": ")),
    }
}

fn applied(items: &[(&ItemId, &ItemState)]) -> &'static str {
    use ItemStatus as S;
    let any = |wanted: &[S]| items.iter().any(|(_, i)| wanted.contains(&i.status));
    // What another intent did stands in one that takes it back as done.
    let undoes = |i: &ItemState| i.expanded.undoes.is_some() && matches!(i.status, S::Succeeded | S::Accepted);
    let left = |i: &ItemState| undoes(i) || i.accepted_by().is_some_and(Word::is_of_the_way_back);
    match () {
        () if items.iter().any(|(_, i)| i.contradiction.is_some()) => "contradicted",
        () if any(&[S::InDoubt, S::UndoInDoubt]) => "in doubt",
        () if any(&[S::UndoFailed, S::UndoConflict, S::Blocked]) => "not taken back",
        () if any(&[S::Failed]) => "failed",
        () if any(&[S::Running, S::Answered, S::Undoing, S::UndoAnswered, S::BackingOff]) => "under way",
        () if items.iter().any(|(_, i)| left(i)) => "not taken back",
        () if items.iter().any(|(_, i)| i.accepted_by().is_some()) => "accepted",
        () if any(&[S::Accepted]) => "taken over",
        () if any(&[S::Succeeded]) => "changed",
        () if any(&[S::Undone]) => "taken back",
        () if any(&[S::Satisfied]) => "already",
        () => "not changed",
    }
}

fn verified(act: &Act<'_>, group: &Group<'_>) -> &'static str {
    let gate = |id: &ItemId| {
        let key = (CheckId::Gate { item: id.clone() }, CheckPurpose::Verdict);
        act.checks.get(&key).map(|r| r.verdict)
    };
    let verdicts: Vec<Option<bool>> = group
        .changes
        .iter()
        .filter(|(_, i)| !matches!(i.status, ItemStatus::Skipped | ItemStatus::Waiting))
        .map(|(id, item)| item.proof(gate(id)))
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

/// An item of a plan.
type OfPlan = (u32, ItemId);

/// For each item the entries that say what became of it. What was seen before its plan's last look does not count any more.
fn settling(entries: &[StoredEntry]) -> BTreeMap<OfPlan, Vec<u64>> {
    let mut found: BTreeMap<OfPlan, Vec<u64>> = BTreeMap::new();
    let mut revision = 0;
    for stored in entries {
        let (event, seq) = (&stored.entry.event, stored.entry.seq);
        match event {
            Event::PlanningStarted { revision: next } => revision = *next,
            event if starts_anew(event) => found.retain(|(of, _), _| *of != revision),
            Event::ChecksTaken { readings } => {
                for reading in readings {
                    if let CheckId::Gate { item } = &reading.check {
                        found.entry((revision, item.clone())).or_default().push(seq);
                    }
                }
            }
            _ => {
                if let Some(item) = item_of(event).filter(|_| settles(event)) {
                    found.entry((revision, item.clone())).or_default().push(seq);
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
        | Event::SettlementContradicted { .. }
        | Event::UndoConflict { .. }
        | Event::Resolved { .. } => true,
        _ => false,
    }
}

/// Whether what was seen before does not count any more.
pub(super) fn starts_anew(event: &Event) -> bool {
    matches!(event, Event::PlanAccepted { .. } | Event::PlanStale { .. })
}
