//! Whether the right tools are among those that a model is shown, and how long the prompt gets.

use super::catalogue::{crowded, fixture};
use super::made_up;
use super::set::{Kind, intents};
use flyball_engine::ports::PlanningContext;
use flyball_planner::measure::draft_question;
use serde_json::Value;
use std::time::{Duration, Instant};

/// An intent, and the tools that a plan for it needs.
pub(crate) struct Wanted {
    pub(crate) text: String,
    pub(crate) tools: Vec<String>,
}

/// What came of one set of intents.
#[derive(Debug, Default)]
pub(crate) struct Recall {
    pub(crate) intents: usize,
    /// All of their tools were shown.
    pub(crate) found: usize,
    /// The first tool shown was one of them.
    pub(crate) first: usize,
    pub(crate) longest_prompt: u64,
    pub(crate) mean_shown: f64,
    pub(crate) slowest: Duration,
    pub(crate) missed: Vec<String>,
}

impl Recall {
    pub(crate) fn share(&self) -> f64 {
        self.found as f64 / self.intents.max(1) as f64
    }
}

/// The sets that were written after the retrieval was tuned; the second by somebody who knew nothing of it.
pub(crate) const EVERYDAY: &str = "everyday words";
pub(crate) const HELD_OUT: &str = "held out";

/// The intents of a fixture, each with its tools.
fn of_file(name: &str) -> Vec<Wanted> {
    let set: Value = fixture(name);
    let wanted = |intent: &Value| {
        let tools = intent["tools"].as_array().into_iter().flatten();
        Wanted {
            text: intent["text"].as_str().unwrap_or_default().to_owned(),
            tools: tools.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    };
    set["intents"].as_array().into_iter().flatten().map(wanted).collect()
}

/// The sets, by name: those of netops, of the public servers, of made-up tools, those in everyday words, and the
/// one that was held out.
pub(crate) fn sets() -> Vec<(&'static str, Vec<Wanted>)> {
    let netops = intents("intents.yaml")
        .into_iter()
        .filter(|intent| matches!(intent.kind, Kind::Read | Kind::Write));
    let netops = netops.filter(|intent| !intent.plan.is_empty()).map(|intent| Wanted {
        tools: intent.plan.iter().map(|step| step.tool.clone()).collect(),
        text: intent.text,
    });
    let made_up = made_up::questions().into_iter().map(|asked| Wanted {
        text: asked.text,
        tools: vec![asked.tool],
    });
    vec![
        ("netops", netops.collect()),
        ("public servers", of_file("public.yaml")),
        ("made-up tools", made_up.collect()),
        (EVERYDAY, of_file("everyday.yaml")),
        (HELD_OUT, of_file("held_out.yaml")),
    ]
}

pub(crate) fn measure(set: &[Wanted], context: &PlanningContext) -> Recall {
    let mut recall = Recall::default();
    let mut shown_in_all = 0;
    let there = |name: &String| name.parse().is_ok_and(|name| context.catalogue.get(&name).is_some());
    // The made-up tools end where the catalogue is full: what is not in it cannot be found.
    for wanted in set.iter().filter(|wanted| wanted.tools.iter().all(there)) {
        let began = Instant::now();
        let question = draft_question(&wanted.text, context);
        recall.slowest = recall.slowest.max(began.elapsed());
        let shown: Vec<String> = question.tools.shown.iter().map(ToString::to_string).collect();
        let all = wanted.tools.iter().all(|tool| shown.contains(tool));
        recall.intents += 1;
        recall.found += usize::from(all);
        recall.first += usize::from(shown.first().is_some_and(|first| wanted.tools.contains(first)));
        recall.longest_prompt = recall.longest_prompt.max(question.prompt_tokens);
        shown_in_all += shown.len();
        if !all {
            recall.missed.push(format!(
                "{:?}: {} not among {}",
                wanted.text,
                wanted.tools.join(", "),
                shown.join(", ")
            ));
        }
    }
    recall.mean_shown = shown_in_all as f64 / recall.intents.max(1) as f64;
    recall
}

/// Measures all sets on a catalogue of this size.
pub(crate) fn on(size: usize) -> Vec<(&'static str, Recall)> {
    let context = crowded(size);
    sets()
        .into_iter()
        .map(|(name, set)| (name, measure(&set, &context)))
        .collect()
}
