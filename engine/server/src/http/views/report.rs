//! What became of an intent: written from the journal, each sentence with the numbers of its entries; per target,
//! applied, verified and persisted are kept apart.

use super::super::dto::{ReportView, Sentence};
use super::outcome::{irreversible, starts_anew, targets};
use super::{Values, checks, cost, reason, title};
use crate::narrate;
use crate::render::{count, cut};
use flyball_engine::ids::{ItemId, Phase};
use flyball_engine::intent::event::{Event, Resolution};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::StoredEntry;
use flyball_engine::payload::Payload;
use std::collections::BTreeMap;

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
        contradicted: contradicted(entries),
        sentences: with_overwritten(sentences(entries), entries, values).await,
        targets: targets(state, entries),
        checks,
        irreversible: irreversible(state),
        cost: cost(state),
        summary: values.shown_if(state.report.as_ref()).await,
    }
}

/// What contradicts a settlement after the end: nobody is asked about it any more, so that it stands above all else.
fn contradicted(entries: &[StoredEntry]) -> Vec<Sentence> {
    let ended = |e: &&StoredEntry| !matches!(e.entry.event, Event::IntentEnded { .. });
    let after = entries.iter().skip_while(ended);
    let found = after.filter(|e| matches!(e.entry.event, Event::SettlementContradicted { .. }));
    found
        .map(|e| Sentence {
            text: narrate::line(&e.entry.event),
            entries: vec![e.entry.seq],
        })
        .collect()
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
        let before_the_end = end.is_none() && matches!(entry.event, Event::SettlementContradicted { .. });
        if let Some(sum) = Sum::of(&entry.event) {
            sums.entry(sum).or_default().push(entry.seq);
        } else if before_the_end || worth_telling(&entry.event) {
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

/// Says with each word to overwrite what was there, if an undo was sent over it: nothing else shows it once it is gone.
async fn with_overwritten(mut told: Vec<Sentence>, entries: &[StoredEntry], values: &Values<'_>) -> Vec<Sentence> {
    const SHOWN: usize = 400;
    let of = |(at, sentence): (usize, &Sentence)| Some((*sentence.entries.first()?, at));
    let places: BTreeMap<u64, usize> = told.iter().enumerate().filter_map(of).collect();
    let mut met: BTreeMap<&ItemId, (&Payload, Option<u64>)> = BTreeMap::new();
    for stored in entries {
        match &stored.entry.event {
            Event::UndoConflict { item, found, .. } => match found {
                Some(found) => _ = met.insert(item, (found, None)),
                None => _ = met.remove(item),
            },
            Event::Resolved { item, resolution, .. } => {
                if let Some((_, said)) = met.get_mut(item) {
                    *said = (*resolution == Resolution::Overwrite).then_some(stored.entry.seq);
                }
            }
            Event::CallStarted { call, .. } if call.phase == Phase::Undo => {
                let Some((found, Some(said))) = met.remove(&call.item) else {
                    continue;
                };
                if let Some(at) = places.get(&said) {
                    let value = values.shown(found).await.to_string();
                    told[*at].text += &format!("; that was {}", cut(&value, SHOWN));
                }
            }
            _ => {}
        }
    }
    told
}

/// What is told once for all items to which it happened.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Sum {
    Skipped(String),
    InPlace,
    Called(String),
    Again(String),
}

impl Sum {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::CallStarted { tool, call, .. } => Some(Self::Called(format!("{tool} ({})", call.phase.as_str()))),
            Event::CallRetryScheduled { .. } => Some(Self::Again(narrate::again(event))),
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
            Self::Again(what) => format!("tried again {}: {what}", times(n)),
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
            | Event::TargetsReleased { by: Some(_), .. }
            | Event::LeaseExpired { .. }
            | Event::InputGiven { .. }
            | Event::CommandRefused { .. }
            | Event::PauseRequested { .. }
            | Event::Resumed { .. }
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
