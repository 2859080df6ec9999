//! What waits for a person: what it is stuck at, the commands that fit there, and those that were given and are recorded but
//! have yet to be taken in.

use super::super::dto::time;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::item::ItemState;
use flyball_engine::intent::state::IntentState;

/// What waits for a person, and what one has said already.
#[derive(Debug, Default)]
pub struct Undecided {
    /// What only a person can decide, each with what it is about.
    pub stuck: Vec<String>,
    /// The commands that fit there, one for each.
    pub ways: Vec<String>,
    /// What was said and is still to be taken in.
    pub given: Vec<String>,
}

/// As an intent stands. `inbox`: the commands that are recorded and not taken in yet; nobody is asked again for them.
pub fn undecided(state: &IntentState, inbox: &[Command]) -> Undecided {
    if state.ended.is_some() {
        return Undecided::default();
    }
    let is_given = |about: &String| inbox.iter().any(|command| decides(command, about));
    let open = || state.stuck.iter().filter(|(about, _)| !is_given(about));
    Undecided {
        stuck: open().map(|(about, why)| format!("{about}: {why}")).collect(),
        ways: ways(state, open().map(|(about, _)| about.as_str())),
        given: inbox.iter().map(given).collect(),
    }
}

fn decides(command: &Command, about: &str) -> bool {
    match &command.what {
        What::Settle { item, .. } | What::Resolve { item, .. } => item.to_string() == about,
        What::Resume | What::Cancel { .. } => about == "intent",
        _ => false,
    }
}

fn given(command: &Command) -> String {
    let verdict = match &command.what {
        What::Settle { verdict, .. } => format!(" as {}", verdict.words()),
        What::Resolve { resolution, .. } => format!(" with {}", resolution.as_str()),
        _ => String::new(),
    };
    let (what, by, at) = (command.what.words(), &command.by, time(command.at_ms));
    format!("{what}{verdict}, given by {by} at {at}: recorded, and yet to be taken in")
}

/// One command to a line, so that a line can be given as it stands.
fn ways<'a>(state: &IntentState, stuck: impl Iterator<Item = &'a str>) -> Vec<String> {
    let intent = state.id;
    let mut ways: Vec<String> = Vec::new();
    for about in stuck {
        let item = about.parse::<ItemId>().ok();
        let known = item.as_ref().and_then(|id| Some((id, state.items.get(id)?)));
        let fit = known.map(|(id, item)| ways_of(state, id, item)).unwrap_or_default();
        match fit.is_empty() {
            true => ways.push(format!("flyball resume {intent}")),
            false => ways.extend(fit),
        }
    }
    ways.dedup();
    if !ways.is_empty() && state.back_out.is_none() && state.rollback.is_none() {
        ways.push(format!("flyball cancel {intent}"));
    }
    ways
}

fn ways_of(state: &IntentState, id: &ItemId, item: &ItemState) -> Vec<String> {
    let intent = state.id;
    if item.contradiction.is_some() || item.doubtful_phase().is_some() {
        let verdicts = ["applied", "not_applied", "partial", "taken_over"];
        return verdicts
            .map(|verdict| format!("flyball settle {intent} {id} {verdict}"))
            .to_vec();
    }
    let fits = state.resolutions(id).iter();
    fits.map(|fit| format!("flyball resolve {intent} {id} {}", fit.as_str()))
        .collect()
}
