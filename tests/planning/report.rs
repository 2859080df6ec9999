//! The figures of a run, per way to plan.

use super::answers::{Answer, Answers};
use super::grade::{Grade, grade};
use super::set::{Intent, Kind};
use std::collections::BTreeMap;

/// Sums over the intents of one kind.
#[derive(Default)]
struct Sums {
    intents: usize,
    valid: usize,
    kind: usize,
    tools: usize,
    args: usize,
    order: usize,
    unasked: usize,
    named: usize,
    tokens: u64,
}

impl Sums {
    fn add(&mut self, intent: &Intent, answer: &Answer, grade: Grade) {
        self.intents += 1;
        self.valid += usize::from(grade.valid);
        self.kind += usize::from(grade.kind);
        self.tools += usize::from(grade.tools);
        self.args += usize::from(grade.args);
        self.order += usize::from(grade.order);
        self.unasked += usize::from(grade.unasked_write);
        let told = answer.refused.as_deref().unwrap_or_default().to_lowercase();
        self.named += usize::from(intent.missing.iter().any(|word| told.contains(word.as_str())));
        self.tokens += answer.tokens;
    }
}

/// The table of one way; empty if nothing of it was answered yet.
fn table(way: &str, set: &[Intent], answers: &Answers, mutates: &dyn Fn(&str) -> bool) -> String {
    let mut by_kind: BTreeMap<Kind, Sums> = BTreeMap::new();
    let mut all = Sums::default();
    let mut bad = Vec::new();
    for intent in set {
        let Some(answer) = answers.get(&(way.to_owned(), intent.id.clone())) else {
            continue;
        };
        let grade = grade(intent, answer, mutates);
        by_kind.entry(intent.kind).or_default().add(intent, answer, grade);
        all.add(intent, answer, grade);
        if grade.unasked_write {
            bad.push(intent.id.clone());
        }
    }
    if all.intents == 0 {
        return String::new();
    }
    let mut text =
        format!("\n{way}\n  kind     intents  valid  kind  tools  args  order  unasked writes  tokens each\n");
    let line = |name: &str, s: &Sums| {
        let each = s.tokens / s.intents.max(1) as u64;
        let Sums {
            intents,
            valid,
            kind,
            tools,
            args,
            order,
            unasked,
            ..
        } = s;
        format!(
            "  {name:<8} {intents:>7}  {valid:>5}  {kind:>4}  {tools:>5}  {args:>4}  {order:>5}  {unasked:>14}  {each:>11}\n"
        )
    };
    for (kind, sums) in &by_kind {
        text += &line(&format!("{kind:?}").to_lowercase(), sums);
        if *kind == Kind::Ask {
            text += &format!(
                "  {:<8} {:>7} of {} name what is missing\n",
                "", sums.named, sums.intents
            );
        }
    }
    text += &line("all", &all);
    if !bad.is_empty() {
        text += &format!("  unasked writes past validation: {}\n", bad.join(", "));
    }
    text
}

/// Tokens of plans of three calls or more, beside those of a loop over the same intents.
fn beside_the_loop(way: &str, set: &[Intent], answers: &Answers) -> String {
    let of = |way: &str, intent: &Intent| answers.get(&(way.to_owned(), intent.id.clone()));
    let mut lines = String::new();
    let (mut plans, mut loops) = (Tokens::default(), Tokens::default());
    for intent in set {
        let (Some(planned), Some(looped)) = (of("planner", intent), of(way, intent)) else {
            continue;
        };
        if planned.draft.is_none() || planned.calls < 3 {
            continue;
        }
        let by_model = planned.tokens > 0;
        plans.add(planned, by_model);
        loops.add(looped, by_model);
        lines += &format!(
            "  {:<20} {:>3} calls  {:>6} tokens; loop: {:>3} calls {:>6} tokens\n",
            intent.id, planned.calls, planned.tokens, looped.calls, looped.tokens
        );
    }
    if loops.all == 0 {
        return String::new();
    }
    let share = |a: u64, b: u64| a as f64 / (b.max(1)) as f64;
    format!(
        "\nplans of three calls or more, beside a loop that sees each answer before the next call ({way})\n{lines}  \
         all: {} to {} tokens, {:.2}; those that a model planned: {} to {}, {:.2} (to reach: 0.20)\n",
        plans.all,
        loops.all,
        share(plans.all, loops.all),
        plans.by_model,
        loops.by_model,
        share(plans.by_model, loops.by_model)
    )
}

/// Sums over the intents that are compared.
#[derive(Default)]
struct Tokens {
    all: u64,
    /// Over those whose plan a model had a part in.
    by_model: u64,
}

impl Tokens {
    fn add(&mut self, answer: &Answer, by_model: bool) {
        self.all += answer.tokens;
        self.by_model += if by_model { answer.tokens } else { 0 };
    }
}

pub(crate) fn report(set: &[Intent], answers: &Answers, mutates: &dyn Fn(&str) -> bool) -> String {
    let tables: String = ["planner", "phrases", "top"]
        .iter()
        .map(|way| table(way, set, answers, mutates))
        .collect();
    let loops = ["react", "ideal"].map(|way| beside_the_loop(way, set, answers));
    tables + &loops.concat()
}

/// What of the planner's answers is not right, for reading.
pub(crate) fn wrong(set: &[Intent], answers: &Answers, mutates: &dyn Fn(&str) -> bool) -> String {
    let mut text = String::new();
    for intent in set {
        let Some(answer) = answers.get(&("planner".to_owned(), intent.id.clone())) else {
            continue;
        };
        let grade = grade(intent, answer, mutates);
        if !(grade.tools && grade.args && grade.order) {
            let came = answer.draft.as_ref().map(|draft| draft["steps"].to_string());
            let came = came.or_else(|| answer.refused.clone()).unwrap_or_default();
            text += &format!("- {} ({:?}) {:?}\n  {came}\n", intent.id, intent.kind, intent.text);
        }
    }
    text
}
