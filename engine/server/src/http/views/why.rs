//! Why an intent is planned, judged and decided as it is. Everything comes from its journal, and every sentence names the
//! entries that it rests on: nobody is asked again, no model and no rule.

use super::super::dto::{
    AnswerWhy, DecisionWhy, FaultWhy, NotShownWhy, PlanWhy, Reasoned, Refusal, Sentence, ToolsWhy, WhyView,
};
use super::reasons::{grouped, of_rules};
use super::{Values, cost, reason, title};
use crate::narrate;
use crate::render::count;
use flyball_engine::intent::event::{Event, ToolsRetrieved};
use flyball_engine::intent::heard::WORDS;
use flyball_engine::intent::meaning::MEANING;
use flyball_engine::intent::state::IntentState;
use flyball_engine::intent::{Request, Wish};
use flyball_engine::journal::StoredEntry;
use std::collections::BTreeMap;

/// The whole answer. `entries` is the whole stream.
pub async fn why(state: &IntentState, entries: &[StoredEntry], values: &Values<'_>) -> WhyView {
    let mut plans = plans(entries, values).await;
    for plan in &mut plans {
        follow_repairs(&mut plan.answers);
    }
    let undecided = super::undecided(state, &[]);
    WhyView {
        intent: state.id.to_string(),
        title: title(&state.request),
        state: state.api_state().to_owned(),
        reason: reason(state),
        asked: asked(entries),
        spent: spent(entries, &plans),
        plans,
        stuck: undecided.stuck,
        ways: undecided.ways,
        given: undecided.given,
        decisions: decisions(entries),
        cost: cost(state),
    }
}

fn asked(entries: &[StoredEntry]) -> Vec<Sentence> {
    let own = |request: &str| matches!(request, WORDS | MEANING);
    let said = entries.iter().filter_map(|e| match &e.entry.event {
        Event::IntentReceived { request } => Some(sentence(e, how_asked(request))),
        Event::InputRequested { request, .. } | Event::InputGiven { request, .. } if own(request) => {
            Some(sentence(e, narrate::line(&e.entry.event)))
        }
        _ => None,
    });
    said.collect()
}

fn how_asked(request: &Request) -> String {
    let by = &request.origin.actor;
    match (&request.wish, request.undo_of) {
        (_, Some(of)) => {
            format!(
                "{by} asked to take back intent {of}: the plan is that one's, from its end, and nobody had to make one"
            )
        }
        (Wish::Text(text), _) => match &request.heard {
            Some(heard) => format!("{by} asked aloud, and {} heard: {text}", heard.model),
            None => format!("{by} asked in words: {text}"),
        },
        (Wish::Plan(_), _) => format!("{by} gave a plan of their own: nobody had to make one"),
        (Wish::Runbook { id, params }, _) => format!("{by} asked for the runbook {id} with {params}"),
    }
}

fn sentence(stored: &StoredEntry, text: String) -> Sentence {
    Sentence {
        text,
        entries: vec![stored.entry.seq],
    }
}

/// One for each time a plan was looked for.
async fn plans(entries: &[StoredEntry], values: &Values<'_>) -> Vec<PlanWhy> {
    let mut plans: Vec<PlanWhy> = Vec::new();
    for stored in entries {
        if let Event::PlanningStarted { revision } = &stored.entry.event {
            plans.push(PlanWhy {
                revision: *revision,
                ..PlanWhy::default()
            });
        }
        if let Some(plan) = plans.last_mut() {
            planned(plan, stored, values).await;
        }
    }
    plans
}

/// What one entry says of how a plan came about.
async fn planned(plan: &mut PlanWhy, stored: &StoredEntry, values: &Values<'_>) {
    let (event, seq) = (&stored.entry.event, stored.entry.seq);
    match event {
        Event::StageTried { .. } => plan.how.push(sentence(stored, narrate::line(event))),
        Event::ToolsRetrieved { tools: found, .. } => plan.tools.push(tools(found, seq)),
        Event::ModelAnswered { .. } => plan.answers.extend(answer(event, seq, values).await),
        Event::PlanAccepted { source, .. } => {
            plan.source = Some(narrate::source_name(source));
            plan.how.push(sentence(stored, narrate::line(event)));
        }
        Event::PlanRefused { faults, .. } => {
            plan.refused = Some(Refusal {
                text: narrate::line(event),
                faults: faults.iter().cloned().map(Into::into).collect(),
                entries: vec![seq],
            });
        }
        _ => {}
    }
}

async fn answer(event: &Event, entry: u64, values: &Values<'_>) -> Option<AnswerWhy> {
    let Event::ModelAnswered {
        purpose,
        model,
        answer,
        input_tokens,
        output_tokens,
        millis,
        problem,
        faults,
        ..
    } = event
    else {
        return None;
    };
    let faults = faults.iter().cloned().map(|fault| FaultWhy {
        fault: fault.into(),
        repaired_in: None,
    });
    Some(AnswerWhy {
        entry,
        purpose: purpose.clone(),
        model: model.clone(),
        input_tokens: *input_tokens,
        output_tokens: *output_tokens,
        seconds: *millis as f64 / 1000.0,
        round: 0,
        problem: problem.clone(),
        faults: faults.collect(),
        answer: values.shown(answer).await,
    })
}

fn tools(found: &ToolsRetrieved, entry: u64) -> ToolsWhy {
    let not_shown = found.not_shown.iter().map(|n| NotShownWhy {
        tool: n.tool.to_string(),
        why: n.why.words().to_owned(),
    });
    ToolsWhy {
        entry,
        shown: found.shown.iter().map(ToString::to_string).collect(),
        not_shown: not_shown.collect(),
        others: found.others,
        tokens: found.tokens,
    }
}

/// Counts the rounds, and finds for each fault the answer in which it is no longer there. An answer that could not be read
/// has repaired nothing.
fn follow_repairs(answers: &mut [AnswerWhy]) {
    let mut round = 0;
    for answer in answers.iter_mut() {
        round = if answer.purpose == "repair" { round + 1 } else { 0 };
        answer.round = round;
    }
    for at in 0..answers.len() {
        let (before, later) = answers.split_at_mut(at + 1);
        let repairs: Vec<&AnswerWhy> = later.iter().take_while(|a| a.round > 0).collect();
        for found in &mut before[at].faults {
            let same = |f: &FaultWhy| f.fault.pointer == found.fault.pointer && f.fault.rule == found.fault.rule;
            let cured = repairs.iter().find(|a| is_readable(a) && !a.faults.iter().any(same));
            found.repaired_in = cured.map(|a| a.entry);
        }
    }
}

fn is_readable(answer: &AnswerWhy) -> bool {
    let unreadable = |f: &FaultWhy| f.fault.rule == "draft.unreadable";
    match answer.faults.is_empty() {
        true => answer.problem.is_none(),
        false => !answer.faults.iter().any(unreadable),
    }
}

/// What rules and people decided, in order.
fn decisions(entries: &[StoredEntry]) -> Vec<DecisionWhy> {
    let decided = entries.iter().filter(|e| is_decision(&e.entry.event));
    let told = decided.map(|e| DecisionWhy {
        text: text(&e.entry.event),
        entries: vec![e.entry.seq],
        rules: rules(&e.entry.event),
    });
    told.chain(retries(entries)).collect()
}

/// By which rules something was tried again, each rule once.
fn retries(entries: &[StoredEntry]) -> Option<DecisionWhy> {
    let scheduled = entries.iter().filter_map(|e| match &e.entry.event {
        Event::CallRetryScheduled { call, rule, .. } => Some((e.entry.seq, rule.clone(), call.item.to_string())),
        _ => None,
    });
    let (mut cited, mut applied) = (Vec::new(), Vec::new());
    for (seq, rule, item) in scheduled {
        cited.push(seq);
        if !applied.contains(&(rule.clone(), item.clone())) {
            applied.push((rule, item));
        }
    }
    (!cited.is_empty()).then(|| DecisionWhy {
        text: "tried again".to_owned(),
        entries: cited,
        rules: grouped(applied),
    })
}

fn is_decision(event: &Event) -> bool {
    matches!(
        event,
        Event::PlanJudged { .. }
            | Event::PlanStale { .. }
            | Event::ReplanDecided { .. }
            | Event::ApprovalRequested { .. }
            | Event::ApprovalGiven { .. }
            | Event::ApprovalDenied { .. }
            | Event::ApprovalExpired { .. }
            | Event::ApplyRequested { .. }
            | Event::PauseRequested { .. }
            | Event::Resumed { .. }
            | Event::CancelRequested { .. }
            | Event::DeadlinePassed { .. }
            | Event::CommandRefused { .. }
            | Event::RollbackStarted { .. }
            | Event::Resolved { .. }
            | Event::UndoConflict { .. }
            | Event::SettlementContradicted { .. }
            | Event::TargetsReleased { by: Some(_), .. }
            | Event::IntentEnded { .. }
    )
}

/// A verdict's rules stand below it, each with its calls, so that the sentence itself names none.
fn text(event: &Event) -> String {
    match event {
        Event::PlanJudged { decision, beside, .. } => {
            let others: String = beside.iter().map(|other| format!("; {other}")).collect();
            format!("{}{others}", narrate::verdict_of(*decision))
        }
        event => narrate::line(event),
    }
}

fn rules(event: &Event) -> Vec<Reasoned> {
    match event {
        Event::PlanJudged { rules, .. } => of_rules(rules),
        _ => Vec::new(),
    }
}

/// What it has cost: the models by name, then the calls.
fn spent(entries: &[StoredEntry], plans: &[PlanWhy]) -> Vec<Sentence> {
    let mut models: BTreeMap<&str, Vec<&AnswerWhy>> = BTreeMap::new();
    for answer in plans.iter().flat_map(|p| &p.answers) {
        models.entry(&answer.model).or_default().push(answer);
    }
    let mut told: Vec<Sentence> = models
        .into_iter()
        .map(|(name, answers)| of_model(name, &answers))
        .collect();
    let calls: Vec<u64> = entries
        .iter()
        .filter(|e| matches!(e.entry.event, Event::CallStarted { .. }))
        .map(|e| e.entry.seq)
        .collect();
    let heard = entries.iter().filter_map(|e| match &e.entry.event {
        Event::IntentReceived { request } => Some((e, request.heard.as_ref()?)),
        _ => None,
    });
    for (entry, heard) in heard {
        let (input, output) = heard.tokens();
        let text = format!("{} heard the words: {input} tokens in, {output} out", heard.model);
        told.insert(0, sentence(entry, text));
    }
    if plans.iter().all(|p| p.answers.is_empty()) {
        let started = entries
            .iter()
            .filter(|e| matches!(e.entry.event, Event::PlanningStarted { .. }));
        told.push(Sentence {
            text: "no model was asked for a plan".to_owned(),
            entries: started.map(|e| e.entry.seq).collect(),
        });
    }
    if !calls.is_empty() {
        told.push(Sentence {
            text: format!("{} sent", count(calls.len(), "call")),
            entries: calls,
        });
    }
    told
}

fn of_model(name: &str, answers: &[&AnswerWhy]) -> Sentence {
    let input: u64 = answers.iter().map(|a| a.input_tokens).sum();
    let output: u64 = answers.iter().map(|a| a.output_tokens).sum();
    let seconds: f64 = answers.iter().map(|a| a.seconds).sum();
    Sentence {
        text: format!(
            "{name} was asked {}: {input} tokens in, {output} out, {seconds:.1} s",
            super::report::times(answers.len())
        ),
        entries: answers.iter().map(|a| a.entry).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::fault::Fault;

    fn answer(entry: u64, purpose: &str, rules: &[&str]) -> AnswerWhy {
        let found = |rule: &&str| FaultWhy {
            fault: Fault::new("/plan/steps/0/tool", rule, "wrong").into(),
            repaired_in: None,
        };
        AnswerWhy {
            entry,
            purpose: purpose.into(),
            problem: rules.first().map(ToString::to_string),
            faults: rules.iter().map(found).collect(),
            ..AnswerWhy::default()
        }
    }

    #[test]
    fn a_fault_is_repaired_in_the_first_readable_round_that_has_it_no_more() {
        let mut answers = [
            answer(4, "choose", &[]),
            answer(7, "draft", &["plan.unknown_tool", "ground.literal"]),
            answer(8, "repair", &["draft.unreadable"]),
            answer(9, "repair", &["ground.literal"]),
        ];
        follow_repairs(&mut answers);
        let rounds: Vec<u32> = answers.iter().map(|a| a.round).collect();
        assert_eq!(rounds, [0, 0, 1, 2]);
        let repaired: Vec<Option<u64>> = answers[1].faults.iter().map(|f| f.repaired_in).collect();
        assert_eq!(
            repaired,
            [Some(9), None],
            "an answer that nobody could read repairs nothing"
        );
        assert_eq!(answers[3].faults[0].repaired_in, None);
    }
}
