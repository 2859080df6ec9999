//! The steps of the plan, with their items and checks.

use super::super::dto::{ItemView, StepView, StepsView};
use super::Values;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::WayBack;
use flyball_engine::intent::item::ItemState;
use flyball_engine::intent::state::IntentState;
use flyball_engine::payload::Payload;
use flyball_engine::plan::{Step, StepFacts};
use serde_json::{Value, json};

/// The longest output of one reading that is shown, in bytes of JSON.
const LONGEST_OUTPUT: usize = 16 * 1024;

/// All steps with their items; empty before a plan is accepted.
pub async fn steps(state: &IntentState, values: &Values<'_>) -> StepsView {
    let mut view = StepsView {
        intent: state.id.to_string(),
        checks: super::checks::checks(state, values).await,
        ..StepsView::default()
    };
    let Some(accepted) = &state.accepted else { return view };
    view.summary = match accepted.plan.summary.as_str() {
        "" => super::title(&state.request),
        summary => summary.to_owned(),
    };
    for (definition, facts) in accepted.plan.each() {
        view.steps.push(step(state, definition, facts, values).await);
    }
    if state.request.undo_of.is_some() {
        turn_round(&mut view.steps);
    }
    view
}

/// What takes an intent back does so in reverse: what came last comes first, and what was built on waits.
fn turn_round(steps: &mut [StepView]) {
    let before: Vec<(String, Vec<String>)> = steps.iter().map(|s| (s.id.clone(), s.after.clone())).collect();
    for step in steps.iter_mut() {
        let built_on_it = before.iter().filter(|(_, after)| after.contains(&step.id));
        step.after = built_on_it.map(|(id, _)| id.clone()).collect();
    }
    steps.reverse();
}

async fn step(state: &IntentState, step: &Step, facts: &StepFacts, values: &Values<'_>) -> StepView {
    let mut items = Vec::new();
    for (id, of_item) in state.items_of(&step.id) {
        let status = state.item_api_name(id, of_item);
        let mut shown = item(state, (id, of_item), status, values).await;
        if !facts.mutating
            && let Some(read) = &of_item.output
        {
            shown.output = Some(output(read, values).await);
        }
        items.push(shown);
    }
    let statuses: Vec<&str> = items.iter().map(|i| i.status.as_str()).collect();
    StepView {
        id: step.id.to_string(),
        tool: tool(state, step),
        mutating: facts.mutating,
        for_each: step.for_each.is_some(),
        after: facts.after.iter().map(ToString::to_string).collect(),
        status: together(&statuses).to_owned(),
        gate: step.gate.as_ref().map(|g| g.expect.clone()),
        items,
    }
}

/// The step's tool; of what is taken back, the tool that does so.
fn tool(state: &IntentState, step: &Step) -> String {
    let undone = state
        .items_of(&step.id)
        .find_map(|(_, i)| match (&i.expanded.undoes, &i.way_back) {
            (Some(_), Some(WayBack::Call(undo))) => Some(undo.tool.to_string()),
            _ => None,
        });
    undone.unwrap_or_else(|| step.tool.to_string())
}

/// What most needs to be seen comes first.
const URGENCY: [&str; 14] = [
    "in_doubt",
    "undo_conflict",
    "undo_failed",
    "blocked",
    "failed",
    "undoing",
    "running",
    "backing_off",
    "ready",
    "waiting",
    "undone",
    "succeeded",
    "satisfied",
    "skipped",
];

/// One word for a step, from those of its items.
fn together<'a>(statuses: &[&'a str]) -> &'a str {
    let rank = |s: &&&str| URGENCY.iter().position(|u| *u == **s).unwrap_or(URGENCY.len());
    statuses.iter().min_by_key(rank).copied().unwrap_or("waiting")
}

async fn item(state: &IntentState, (id, item): (&ItemId, &ItemState), status: &str, values: &Values<'_>) -> ItemView {
    ItemView {
        id: id.to_string(),
        status: status.to_owned(),
        wave: item.expanded.wave,
        targets: item.expanded.targets.iter().map(ToString::to_string).collect(),
        args: values.shown_if(item.expanded.args.as_ref()).await,
        reason: match item.open_question() {
            Some(_) => Some("its server waits for the answer to a question".to_owned()),
            None => super::notes::reason(item),
        },
        way_back: item.way_back.as_ref().map(|w| match w {
            WayBack::Call(_) => "call".to_owned(),
            WayBack::Irreversible { .. } => "none".to_owned(),
        }),
        doubt: item
            .open_call()
            .and_then(|c| c.doubt.as_ref())
            .map(|d| d.reason.clone()),
        output: None,
        sent: item.was_sent(),
        verified: item.read_back(),
        notes: super::notes::notes(state, id, item),
        conflict: super::notes::conflict(item, values).await,
    }
}

/// What was read, if it is not too long to be shown beside others.
async fn output(read: &Payload, values: &Values<'_>) -> Value {
    match read {
        // Not even fetched.
        Payload::Blob { bytes, .. } if *bytes > LONGEST_OUTPUT as u64 => json!({"too_long": true, "bytes": bytes}),
        _ => {
            let value = values.shown(read).await;
            match value.to_string().len() {
                length if length > LONGEST_OUTPUT => json!({"too_long": true, "bytes": length}),
                _ => value,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_shows_what_most_needs_to_be_seen_of_its_items() {
        for (items, shown) in [
            (vec![], "waiting"),
            (vec!["succeeded", "succeeded"], "succeeded"),
            (vec!["succeeded", "running"], "running"),
            (vec!["failed", "in_doubt", "running"], "in_doubt"),
            (vec!["satisfied", "waiting"], "waiting"),
        ] {
            assert_eq!(together(&items), shown, "{items:?}");
        }
    }
}
