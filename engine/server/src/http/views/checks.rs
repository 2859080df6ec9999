//! The checks before and after the steps, and the gates.

use super::super::dto::CheckView;
use super::Values;
use crate::narrate;
use crate::render::cut;
use flyball_engine::intent::event::{CheckId, CheckPurpose, CheckReading, CheckVerdict};
use flyball_engine::intent::state::IntentState;
use flyball_engine::plan::Check;

/// Of a reading that decided, at most this many characters are shown.
const READING: usize = 400;

/// Every check of the plan and every gate that was taken.
pub async fn checks(state: &IntentState, values: &Values<'_>) -> Vec<CheckView> {
    let mut views = Vec::new();
    for (id, definition) in all(state) {
        views.push(check(state, &id, definition, values).await);
    }
    views
}

fn all(state: &IntentState) -> Vec<(CheckId, &Check)> {
    let Some(accepted) = &state.accepted else {
        return Vec::new();
    };
    let number = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
    let pre = accepted.plan.pre_checks.iter().enumerate();
    let post = accepted.plan.post_checks.iter().enumerate();
    let gates = state.checks.keys().filter_map(|(id, purpose)| {
        let CheckId::Gate { item } = id else { return None };
        let (step, _) = accepted.plan.step(&item.step)?;
        let gate = step.gate.as_ref()?;
        (*purpose == CheckPurpose::Verdict).then(|| (id.clone(), gate))
    });
    pre.map(|(i, c)| (CheckId::Pre { index: number(i) }, c))
        .chain(post.map(|(i, c)| (CheckId::Post { index: number(i) }, c)))
        .chain(gates)
        .collect()
}

/// Once it has ended or turned back, nobody takes a check any more.
fn not_taken(state: &IntentState) -> &'static str {
    match state.ended.is_some() || state.rollback.is_some() || state.back_out.is_some() {
        true => "not taken",
        false => "waiting",
    }
}

async fn check(state: &IntentState, id: &CheckId, check: &Check, values: &Values<'_>) -> CheckView {
    let reading = |purpose| state.checks.get(&(id.clone(), purpose));
    let taken = reading(CheckPurpose::Verdict).or_else(|| reading(CheckPurpose::Before));
    let told = |r: &&CheckReading| matches!(r.verdict, CheckVerdict::Missed | CheckVerdict::Unreadable);
    let missed = taken.filter(|r| r.verdict == CheckVerdict::Missed);
    let read = values.shown_if(missed.and_then(|r| r.output.as_ref())).await;
    CheckView {
        id: narrate::check_name(id),
        tool: check.tool.to_string(),
        expect: check.expect.clone(),
        verdict: taken
            .map_or(not_taken(state), |r| narrate::verdict_name(r.verdict))
            .to_owned(),
        problem: taken.filter(told).and_then(|r| r.problem.clone()),
        reading: read.map(|value| cut(&value.to_string(), READING)),
        entries: Vec::new(),
    }
}
