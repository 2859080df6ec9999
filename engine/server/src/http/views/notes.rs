//! What is to be said of an item beside its status: what it waits for, until when it stands on trial, what was found in the
//! place of what was left; and what a person can do where only a person can.

use super::super::dto::{ConflictView, time};
use super::Values;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::effects::end_name;
use flyball_engine::intent::event::{Awaited, FaultEffect, Reading, WayBack};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use flyball_engine::intent::state::lease::Standing;
use flyball_engine::payload::Payload;
use serde_json::Value;

/// All notes of one item.
pub(super) fn notes(state: &IntentState, id: &ItemId, item: &ItemState) -> Vec<String> {
    let open = state.ended.is_none();
    let mut notes = Vec::new();
    notes.extend(again(state, id).filter(|_| open));
    notes.extend(trial(item).filter(|_| open));
    notes.extend(contradiction(item));
    notes.extend(left_as_it_is(state, item));
    notes
}

/// When it is tried again, by which rule, and why.
fn again(state: &IntentState, id: &ItemId) -> Option<String> {
    let (awaited, wait) = state.wait_of(id)?;
    let what = awaited_name(awaited);
    let why = wait.why.as_deref().map(|w| format!(": {w}")).unwrap_or_default();
    let (at, rule, granted) = (clock(wait.until_ms), &wait.rule, wait.granted);
    Some(format!("{what} again from {at} on ({rule}, retry {granted}){why}"))
}

/// What is done again, in words.
pub fn awaited_name(awaited: &Awaited) -> &'static str {
    match awaited {
        Awaited::Call { .. } => "to be sent",
        Awaited::Plan { .. } => "a plan is to be asked for",
        Awaited::Step { .. } => "to be read",
        Awaited::Look { .. } => "to be looked at",
        Awaited::Confirm { .. } => "under the lock, to be read",
        Awaited::Verify { .. } => "the read-back is to be taken",
        Awaited::VerifyUndo { .. } => "the read-back of the undo is to be taken",
        Awaited::Settle { .. } => "the probe that settles it is to be taken",
        Awaited::Lease { .. } => "the state on trial is to be read",
        Awaited::Check { .. } => "the check is to be taken",
    }
}

/// Until when a change stands that nobody has confirmed yet.
fn trial(item: &ItemState) -> Option<String> {
    let lease = item.lease.as_deref().filter(|l| l.standing == Standing::Pending)?;
    let until = clock(lease.earliest_ms);
    Some(format!(
        "on trial until {until}: the device takes it back by itself unless it is confirmed or extended"
    ))
}

/// What came later and says otherwise than what its call was settled as.
pub(super) fn contradiction(item: &ItemState) -> Option<String> {
    let contradiction = item.contradiction.as_ref()?;
    Some(format!(
        "what it was settled as is contradicted: {}",
        contradiction.evidence
    ))
}

fn left_as_it_is(state: &IntentState, item: &ItemState) -> Option<String> {
    item.expanded.undoes.as_ref()?;
    let by_a_person = item.status == ItemStatus::Accepted;
    let ended = state.ended.as_ref().filter(|_| item.status == ItemStatus::Succeeded);
    match ended {
        _ if by_a_person => Some("not taken back: a person left it as it is".to_owned()),
        Some((end, ..)) => Some(format!("not taken back: the intent ended before ({})", end_name(*end))),
        None => None,
    }
}

/// What an undo met: what the last call had left, and what another hand has put there.
pub(super) async fn conflict(item: &ItemState, values: &Values<'_>) -> Option<ConflictView> {
    if item.status != ItemStatus::UndoConflict {
        return None;
    }
    let looked = || item.looked.as_ref().filter(|_| item.expanded.undoes.is_some());
    let found = item.found.as_ref().or_else(looked).filter(|r| r.valid);
    let of = |reading: Option<&Reading>| reading.and_then(|r| r.state.clone());
    let (expected, found) = (of(item.after.as_ref()), of(found));
    (expected.is_some() || found.is_some()).then_some(())?;
    Some(ConflictView {
        expected: shown(expected.as_ref(), values).await,
        found: shown(found.as_ref(), values).await,
    })
}

async fn shown(payload: Option<&Payload>, values: &Values<'_>) -> Option<Value> {
    values.shown_if(payload).await
}

/// What came after the end and says otherwise than what was settled.
pub(super) fn contradicted(state: &IntentState) -> Vec<String> {
    let items = state.items.iter();
    items
        .filter_map(|(id, item)| Some(format!("{id}: {}", contradiction(item)?)))
        .collect()
}

/// The commands that fit what the intent is stuck at, one for each.
pub(super) fn ways(state: &IntentState) -> Vec<String> {
    let intent = state.id;
    if state.ended.is_some() {
        return Vec::new();
    }
    let mut ways: Vec<String> = Vec::new();
    for about in state.stuck.keys() {
        let item = about.parse::<ItemId>().ok();
        let known = item.as_ref().and_then(|id| Some((id, state.items.get(id)?)));
        let way = known.and_then(|(id, item)| way_of(state, id, item));
        ways.push(way.unwrap_or_else(|| format!("flyball resume {intent}")));
    }
    ways.dedup();
    if !ways.is_empty() && state.back_out.is_none() && state.rollback.is_none() {
        ways.push(format!("flyball cancel {intent}"));
    }
    ways
}

fn way_of(state: &IntentState, id: &ItemId, item: &ItemState) -> Option<String> {
    let intent = state.id;
    if item.contradiction.is_some() || item.doubtful_phase().is_some() {
        return Some(format!(
            "flyball settle {intent} {id} applied|not_applied|partial|taken_over"
        ));
    }
    let fits = match item.status {
        ItemStatus::UndoConflict if matches!(item.way_back, Some(WayBack::Irreversible { .. })) => "accept",
        ItemStatus::UndoConflict => "retry|overwrite|accept",
        ItemStatus::UndoFailed => "retry|accept",
        ItemStatus::Blocked => "accept",
        ItemStatus::Failed if may_be_sent_again(state, item) => "retry|accept",
        ItemStatus::Failed => "accept",
        _ => return None,
    };
    Some(format!("flyball resolve {intent} {id} {fits}"))
}

/// As the engine judges it when it is asked to.
fn may_be_sent_again(state: &IntentState, item: &ItemState) -> bool {
    let harmless = |c: &flyball_engine::intent::item::CallState| {
        c.effect == Some(FaultEffect::None) && (c.settled.is_none() || c.fence.is_some())
    };
    item.lease.is_none() && state.rollback.is_none() && item.call.as_ref().is_none_or(harmless)
}

/// The time of day, in UTC: none of these is far away.
pub fn clock(ms: i64) -> String {
    let whole = time(ms - ms.rem_euclid(1000));
    let of_day = whole.split_once('T').map_or(whole.as_str(), |(_, t)| t);
    format!("{} UTC", of_day.trim_end_matches('Z'))
}
