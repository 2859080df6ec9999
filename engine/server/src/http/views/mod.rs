//! From an intent's state to what the API shows of it. Sealed values are never opened here: they appear as `sealed`.

mod checks;
mod diff;
mod doubts;
mod notes;
mod outcome;
mod procedure;
mod questions;
mod reasons;
mod report;
mod steps;
mod undecided;
mod why;

pub use checks::checks;
pub use diff::diff;
pub use doubts::doubts;
pub use notes::{awaited_name, clock};
pub use procedure::{plan, reviewed};
pub use questions::questions;
pub use report::report;
pub use steps::steps;
pub use undecided::{Undecided, undecided};
pub use why::why;

use super::dto::{
    ApprovalView, Cost, EarlierPlan, EntryView, HeardView, IntentRowView, IntentView, PlanRef, Waiting, time,
};
use super::problem::ProblemFault;
use crate::narrate;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::effects::Due;
use flyball_engine::intent::event::{Event, WayBack};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::{Accepted, Approval, Earlier, IntentState, RefusedCommand};
use flyball_engine::intent::{Mode, Request};
use flyball_engine::journal::{IntentRow, Journal, StoredEntry};
use flyball_engine::payload::Payload;
use flyball_engine::target::Target;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where payloads that do not stand in their entry come from.
pub struct Values<'a> {
    pub journal: &'a dyn Journal,
    pub intent: IntentId,
}

impl Values<'_> {
    /// The value as it may be shown: sealed ones as a mark, missing ones as such.
    pub async fn shown(&self, payload: &Payload) -> Value {
        match payload {
            Payload::Inline(v) => v.clone(),
            Payload::Sealed { bytes, .. } => json!({"sealed": true, "bytes": bytes}),
            Payload::Blob { digest, bytes } => {
                let blob = self.journal.blob(self.intent, digest).await.ok().flatten();
                payload
                    .value(blob.as_deref())
                    .unwrap_or_else(|| json!({"missing": true, "bytes": bytes}))
            }
        }
    }

    /// As [`Values::shown`], nothing where there is no payload.
    pub async fn shown_if(&self, payload: Option<&Payload>) -> Option<Value> {
        match payload {
            Some(p) => Some(self.shown(p).await),
            None => None,
        }
    }
}

/// What was asked, in one line.
pub fn title(request: &Request) -> String {
    request.wish.title()
}

/// A row of the list.
pub fn row(row: IntentRow) -> IntentRowView {
    IntentRowView {
        id: row.intent.to_string(),
        state: row.state,
        title: row.title,
        origin: row.origin,
        by: row.by.to_string(),
        received_at: time(row.received_ms),
        updated_at: time(row.updated_ms),
        targets: texts(&row.targets),
        halted: false,
        in_doubt: None,
        contradicted: row.contradicted,
    }
}

/// An intent as it stands. `faults` are those of the last refusal.
pub fn intent(state: &IntentState, faults: Vec<ProblemFault>) -> IntentView {
    let waiting = state.waiting_for.as_ref().map(|(targets, holders)| Waiting {
        targets: texts(targets),
        holders: holders.clone(),
    });
    let undecided = undecided(state, &[]);
    IntentView {
        id: state.id.to_string(),
        state: state.api_state().to_owned(),
        title: title(&state.request),
        reason: reason(state),
        partial: state.ended.as_ref().is_some_and(|(_, _, partial)| *partial),
        by: state.request.origin.actor.to_string(),
        origin: origin_name(&state.request),
        heard: heard(state),
        mode: if state.request.mode == Mode::Plan {
            "plan"
        } else {
            "apply"
        }
        .to_owned(),
        undo_of: state.request.undo_of.map(|id| id.to_string()),
        undone_by: Vec::new(),
        change: state.request.change.clone(),
        labels: state.request.labels.clone(),
        received_at: time(state.received_ms),
        updated_at: time(state.updated_ms),
        deadline: state.request.deadline_ms.map(time),
        wakes_at: None,
        about_to_move: false,
        revision: state.revision,
        earlier: state.earlier.iter().map(earlier).collect(),
        plan: state.accepted.as_ref().map(plan_ref),
        approval: state.approval.as_ref().map(|a| approval(state, a)),
        locked: texts(&state.locked),
        released: Vec::new(),
        cooling: Vec::new(),
        waiting_for: waiting,
        beside: beside(state),
        halted: None,
        questions: Vec::new(),
        stuck: undecided.stuck,
        ways: undecided.ways,
        given: undecided.given,
        contradicted: notes::contradicted(state),
        in_doubt: Vec::new(),
        refused: state.refused.iter().map(refused).collect(),
        not_driven: None,
        unwritable: None,
        items: counts(state),
        faults,
        cost: cost(state),
        seq: state.seq,
    }
}

fn plan_ref(accepted: &Accepted) -> PlanRef {
    PlanRef {
        digest: accepted.digest.to_string(),
        summary: accepted.plan.summary.clone(),
        source: narrate::source_name(&accepted.source),
    }
}

fn earlier(earlier: &Earlier) -> EarlierPlan {
    EarlierPlan {
        revision: earlier.revision,
        why: earlier.why.clone(),
        plan: earlier.accepted.as_ref().map(plan_ref),
    }
}

/// How the words were heard, and who has confirmed them.
fn heard(state: &IntentState) -> Option<HeardView> {
    let by = state.words.as_ref().filter(|_| !state.words_unconfirmed());
    let confirmed_by = by.and_then(|back| back.form.by.as_ref()).map(ToString::to_string);
    HeardView::of(&state.request).map(|view| HeardView { confirmed_by, ..view })
}

fn refused(command: &RefusedCommand) -> String {
    let RefusedCommand { what, by, why, .. } = command;
    format!("{what}, asked by {by} at {}: {why}", time(command.at_ms))
}

fn reason(state: &IntentState) -> Option<String> {
    let ended = state.ended.as_ref().map(|(_, reason, _)| reason.clone());
    ended
        .or_else(|| state.paused.clone())
        .or_else(|| state.rollback.clone())
        .or_else(|| state.back_out.as_ref().map(|b| b.reason.clone()))
}

/// `operator`, `alarm`, `agent` or `schedule`.
pub fn origin_name(request: &Request) -> String {
    let value = serde_json::to_value(request.origin.kind).unwrap_or_default();
    value.as_str().unwrap_or("operator").to_owned()
}

fn counts(state: &IntentState) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for (id, item) in &state.items {
        *counts.entry(state.item_api_name(id, item).to_owned()).or_insert(0) += 1;
    }
    counts
}

/// What it has cost so far.
pub fn cost(state: &IntentState) -> Cost {
    Cost {
        input_tokens: state.tokens.0,
        output_tokens: state.tokens.1,
        calls: state.calls_sent,
        seconds: (state.updated_ms - state.received_ms).max(0) as f64 / 1000.0,
    }
}

/// An approval with what it is about.
pub fn approval(state: &IntentState, approval: &Approval) -> ApprovalView {
    let mut targets: Vec<&Target> = mutating(state).flat_map(|(_, i)| &i.expanded.targets).collect();
    targets.sort();
    targets.dedup();
    let rules = state.judged.iter().flat_map(|j| &j.rules);
    let mut reasons: Vec<String> = rules.map(|r| format!("{}: {}", r.rule, r.reason)).collect();
    reasons.dedup();
    ApprovalView {
        id: approval.id.clone(),
        intent: state.id.to_string(),
        title: title(&state.request),
        asked_by: state.request.origin.actor.to_string(),
        digest: approval.digest.clone(),
        requested_at: time(approval.requested_ms),
        expires_at: time(approval.expires_ms),
        given_by: approval.given_by.as_ref().map(ToString::to_string),
        targets: targets.into_iter().map(ToString::to_string).collect(),
        irreversible: irreversible(state, |i| !is_settled(i)),
        reasons,
        beside: beside(state),
    }
}

/// Open intents on the same targets, when the plan was judged.
fn beside(state: &IntentState) -> Vec<String> {
    let found = state.judged.iter().flat_map(|judged| &judged.beside);
    found.map(ToString::to_string).collect()
}

/// Items that may change the world, in the plan's order.
fn mutating(state: &IntentState) -> impl Iterator<Item = (&flyball_engine::ids::ItemId, &ItemState)> {
    let steps = state.accepted.iter().flat_map(|a| a.plan.each());
    let changing = steps.filter(|(_, facts)| facts.mutating);
    changing.flat_map(|(step, _)| state.items_of(&step.id))
}

/// Items without a way back, each with the reason, of those that `wanted` names.
fn irreversible(state: &IntentState, wanted: impl Fn(&ItemState) -> bool) -> Vec<String> {
    let items = mutating(state).filter(|(_, i)| wanted(i));
    items
        .filter_map(|(id, item)| match &item.way_back {
            Some(WayBack::Irreversible { why }) => Some(format!("{id}: {why}")),
            _ => None,
        })
        .collect()
}

/// Whether nothing will be sent for it: in place already, or not to run.
fn is_settled(item: &ItemState) -> bool {
    let skipped = item.status == ItemStatus::Skipped && item.expanded.undoes.is_none();
    item.status == ItemStatus::Satisfied || skipped
}

/// The target that an item is shown under: its device, else its first target, else its server.
fn shown_target(item: &ItemState, server: &str) -> String {
    match item.expanded.targets.first() {
        Some(t) => t.device().map_or_else(|| t.to_string(), str::to_owned),
        None => Target::server(server).to_string(),
    }
}

/// An entry for reading.
pub fn entry(stored: &StoredEntry) -> EntryView {
    let e = &stored.entry;
    EntryView {
        seq: e.seq,
        at: time(e.at),
        actor: e.actor.to_string(),
        epoch: e.epoch,
        hash: stored.hash.to_string(),
        prev_hash: e.prev_hash.to_string(),
        kind: e.event.name().to_owned(),
        text: narrate::line(&e.event),
        event: serde_json::to_value(&e.event).unwrap_or_default(),
    }
}

/// The faults of the last refusal of a plan.
pub fn refusal_faults(entries: &[StoredEntry]) -> Vec<ProblemFault> {
    let mut refusals = entries.iter().rev().filter_map(|e| match &e.entry.event {
        Event::PlanRefused { faults, .. } => Some(faults),
        _ => None,
    });
    refusals.next().into_iter().flatten().cloned().map(Into::into).collect()
}

/// What was settled before it was certain to be over, and what is held up by that.
pub fn cooling(state: &IntentState, now: i64) -> Vec<String> {
    let open = state.items.iter().filter(|_| state.ended.is_none());
    open.filter(|(_, item)| item.hot_until() > now && !item.status.is_open())
        .map(|(id, item)| {
            let until = match item.hot_until() {
                i64::MAX => "until its server answers".to_owned(),
                at => format!("until {}", time(at)),
            };
            let targets: Vec<String> = item.expanded.targets.iter().map(ToString::to_string).collect();
            format!(
                "{id}: what was sent may still land: nothing more is done on {} {until}",
                targets.join(", ")
            )
        })
        .collect()
}

/// Whether it has something to say without waiting for anybody: what it shows now is of this moment alone.
pub fn is_about_to_move(due: &Due) -> bool {
    !due.record.is_empty()
}

/// What a person took away from it.
pub fn released(entries: &[StoredEntry]) -> Vec<String> {
    let by_a_person = |e: &&StoredEntry| matches!(e.entry.event, Event::TargetsReleased { by: Some(_), .. });
    let released = entries.iter().filter(by_a_person);
    released
        .map(|e| format!("{}, at {}", narrate::line(&e.entry.event), time(e.entry.at)))
        .collect()
}

fn texts(targets: &[Target]) -> Vec<String> {
    targets.iter().map(ToString::to_string).collect()
}
