//! What is to be said of an item beside its status: what it waits for, until when it stands on trial, what was found in the
//! place of what was left; and what a person can do where only a person can.

use super::super::dto::{ConflictView, time};
use super::Values;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::effects::end_name;
use flyball_engine::intent::event::{Awaited, Reading, Resolution};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::proof::Word;
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
    notes.extend(given(state, item).filter(|_| open));
    notes
}

/// Why it stands where it stands. What a person has decided about since is not asked any more.
pub(super) fn reason(item: &ItemState) -> Option<String> {
    let decided = item.word.as_ref().is_some_and(|word| {
        let open = item.status.needs_a_person() || item.status.is_doubt();
        !open && (word.is_of_the_way_back() || word.resolution == Resolution::Retry)
    });
    item.reason.clone().filter(|_| !decided)
}

/// Who took it as it stands, and why.
pub(super) fn accepted(item: &ItemState) -> Option<String> {
    let word = item.accepted_by()?;
    Some(format!("{} accepted it as it stands{}", word.by, comment(word)))
}

fn comment(word: &Word) -> String {
    let said = word.comment.as_deref().filter(|c| !c.is_empty());
    said.map(|c| format!(" ({c})")).unwrap_or_default()
}

/// What a person has said to do, and what of it is still to come.
fn given(state: &IntentState, item: &ItemState) -> Option<String> {
    use ItemStatus as S;
    let word = item.word.as_deref().filter(|w| w.resolution != Resolution::Accept)?;
    let undoes = item.expanded.undoes.is_some() || state.rollback.is_some() || state.back_out.is_some();
    let awaited = match item.status {
        S::Waiting => "it is yet to be sent again",
        S::Running | S::Asked | S::Answered if !word.is_of_the_way_back() => "it is being sent again",
        S::Succeeded if undoes && word.is_of_the_way_back() => "the undo is yet to be sent",
        S::Undoing | S::UndoAsked | S::UndoAnswered => "the undo is under way",
        _ => return None,
    };
    let (by, what, said) = (&word.by, word.resolution.as_str(), comment(word));
    Some(format!("{by} said {what}{said}: {awaited}"))
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
    let undoes = item.expanded.undoes.is_some();
    if let Some(accepted) = accepted(item) {
        let of_the_way_back = item.word.as_ref().is_some_and(|w| w.is_of_the_way_back());
        return Some(match undoes || of_the_way_back {
            true => format!("not taken back: {accepted}"),
            false => accepted,
        });
    }
    let ended = state.ended.as_ref().filter(|_| item.status == ItemStatus::Succeeded);
    match ended {
        _ if !undoes => None,
        _ if item.status == ItemStatus::Accepted => Some("not taken back: a person left it as it is".to_owned()),
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
        found_at: item.met_at.map(time),
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

/// The time of day, in UTC: none of these is far away.
pub fn clock(ms: i64) -> String {
    let whole = time(ms - ms.rem_euclid(1000));
    let of_day = whole.split_once('T').map_or(whole.as_str(), |(_, t)| t);
    format!("{} UTC", of_day.trim_end_matches('Z'))
}
