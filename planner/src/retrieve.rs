//! The few tools that matter for an intent, out of a whole catalogue. BM25 over names, descriptions, fields, contracts and
//! what the tool's server is for; looks at the intent as a whole and at each of its parts, since a later step may need
//! other tools than the first; says what it left out. What is not here: whether a plan may use them.

mod bm25;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use terms::{ROLES, is_device, is_interface, parts, stem};

use crate::grounding::Ground;
use crate::prompt;
use bm25::{Document, Index};
use flyball_engine::contract::{Contract, Contracts};
use flyball_engine::intent::event::{NotShown, ToolsRetrieved, WhyNot};
use flyball_engine::ports::PlanningContext;
use flyball_engine::tool::{CatalogueTool, PinState, ToolName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most tools that a model is shown.
pub(crate) const MOST_TOOLS: usize = 8;
/// Most tokens that they may take in the prompt, estimated.
const MOST_TOKENS: u64 = 4_000;
/// How many of those that came near are named in the record.
const NAMED: usize = 12;
/// How much of each part of an intent is sure of its place.
const PER_CLAUSE: usize = 2;

/// A tool with its name, as the catalogue has it.
pub(crate) type Tool<'a> = (&'a ToolName, &'a CatalogueTool);

/// The tools to show, and the record of it.
pub(crate) struct Retrieval<'a> {
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) record: ToolsRetrieved,
}

/// Finds the tools for an intent. Without a verb of change only those whose contract says that they read; never one whose
/// definition nobody signed, and none that the engine calls by itself.
pub(crate) fn tools<'a>(text: &str, ground: &Ground, context: &'a PlanningContext) -> Retrieval<'a> {
    let all: Vec<Tool<'a>> = context.catalogue.tools.iter().collect();
    let scores = Scores::of(text, &all, &context.contracts);
    let own = engines_own(&context.contracts);
    let barred: Vec<Option<WhyNot>> = all
        .iter()
        .map(|(name, tool)| barred(name, tool, ground, context, &own))
        .collect();
    let open: Vec<usize> = (0..all.len()).filter(|at| barred[*at].is_none()).collect();
    let mut order = Order::default();
    let wanted = |at: &usize| open.len() <= MOST_TOOLS || scores.whole[*at] > 0.0;
    let best: Vec<usize> = ranked(&scores.whole, &open).into_iter().filter(wanted).collect();
    order.extend(best.iter().copied().take(PER_CLAUSE));
    if ground.names_a_group() {
        let lists = |at: &usize| all[*at].0.tool().starts_with("list");
        order.extend(ranked_above_zero(&scores.group, &open).into_iter().find(lists));
    }
    for clause in &scores.clauses {
        order.extend(ranked_above_zero(clause, &open).into_iter().take(PER_CLAUSE));
    }
    order.extend(best.iter().copied());
    let (shown, tokens) = within_budget(&order.0, &all, &context.contracts);
    let record = record(&all, &scores.whole, &shown, &barred, &order.0, tokens);
    // In the order of the score: the best first, whatever part of the intent brought it in.
    let tools = ranked(&scores.whole, &shown).into_iter().map(|at| all[at]).collect();
    Retrieval { tools, record }
}

/// Places in the catalogue, each once, in the order in which they were wanted.
#[derive(Default)]
struct Order(Vec<usize>);

impl Order {
    fn extend(&mut self, places: impl IntoIterator<Item = usize>) {
        for at in places {
            if !self.0.contains(&at) {
                self.0.push(at);
            }
        }
    }
}

/// How well each tool answers the intent, as a whole and part by part.
struct Scores {
    whole: Vec<f64>,
    clauses: Vec<Vec<f64>>,
    /// For the things of which it names a group: what lists them is needed, whatever is to be done with them.
    group: Vec<f64>,
}

impl Scores {
    fn of(text: &str, all: &[Tool<'_>], contracts: &Contracts) -> Self {
        let index = Index::of(all.iter().map(|(name, tool)| document(name, tool, contracts)).collect());
        let clauses = terms::clauses(text);
        let everything: Vec<_> = clauses.iter().flatten().cloned().collect();
        let query = terms::of_intent(&everything);
        let mut whole = index.scores(&query);
        for (score, of_server) in whole.iter_mut().zip(servers(all, &query)) {
            // The server is a hint, never a reason by itself.
            *score *= 1.0 + of_server;
        }
        let parts = clauses
            .iter()
            .map(|clause| terms::of_intent(clause))
            .filter(|terms| !terms.is_empty());
        let clauses: Vec<Vec<f64>> = parts.map(|terms| index.scores(&terms)).collect();
        Self {
            whole,
            group: index.scores(&terms::of_group(&everything)),
            clauses: if clauses.len() > 1 { clauses } else { Vec::new() },
        }
    }
}

/// What is known of one tool, in fields of unequal weight.
fn document(name: &ToolName, tool: &CatalogueTool, contracts: &Contracts) -> Document {
    let mut document = Document::default();
    let description = &tool.spec.description;
    let (first, rest) = description.split_once(['.', '\n']).unwrap_or((description, ""));
    document.field(4.0, terms::of_text(name.tool()));
    document.field(2.0, terms::of_text(name.server()));
    document.field(2.0, terms::of_text(first));
    document.field(0.7, terms::of_text(&prompt::clip(rest, 600)));
    fields(&tool.spec.input_schema, 2, &mut |field, about| {
        document.field(1.5, terms::of_text(field));
        document.field(0.5, terms::of_text(&prompt::clip(about, 200)));
    });
    if let Some(output) = &tool.spec.output_schema {
        fields(output, 2, &mut |field, _| document.field(0.3, terms::of_text(field)));
    }
    if let Some(contract) = contracts.contracts.get(name) {
        document.field(0.7, terms::of_text(&said_by(contract)));
    }
    document
}

/// A schema's fields with their descriptions, so many levels deep.
fn fields(schema: &Value, depth: usize, told: &mut impl FnMut(&str, &str)) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    let inner = [schema.get("items"), schema.pointer("/items/items")];
    for (name, field) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        told(
            name,
            field.get("description").and_then(Value::as_str).unwrap_or_default(),
        );
        fields(field, deeper, told);
    }
    inner
        .into_iter()
        .flatten()
        .for_each(|items| fields(items, deeper, told));
}

/// What a contract says of what its tool touches and of what takes it back.
fn said_by(contract: &Contract) -> String {
    let targets = contract.targets.clone().unwrap_or_default().replace("args.", " ");
    let undo: Vec<&str> = contract.undo.iter().map(|undo| undo.tool.tool()).collect();
    format!("{targets} {}", undo.join(" "))
}

/// How well the server of each tool answers the intent: 0 to 0.5, of all that its tools are called.
fn servers(all: &[Tool<'_>], query: &[terms::Weighted]) -> Vec<f64> {
    let mut names: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, _) in all {
        let words = names.entry(name.server()).or_default();
        words.extend(terms::of_text(name.server()));
        words.extend(terms::of_text(name.tool()));
    }
    let documents = names.values().map(|words| {
        let mut document = Document::default();
        document.field(1.0, words.iter().cloned());
        document
    });
    let scores = Index::of(documents.collect()).scores(query);
    let best = scores.iter().copied().fold(0.0_f64, f64::max).max(f64::MIN_POSITIVE);
    let of: BTreeMap<&str, f64> = names
        .keys()
        .copied()
        .zip(scores.iter().map(|score| 0.5 * score / best))
        .collect();
    all.iter().map(|(name, _)| of[name.server()]).collect()
}

/// Tools that contracts name for the engine to call: previews, and the phases of a change on trial.
fn engines_own(contracts: &Contracts) -> BTreeSet<&ToolName> {
    contracts
        .contracts
        .values()
        .flat_map(|c| [&c.preview, &c.prepare, &c.confirm, &c.cancel, &c.extend])
        .flatten()
        .map(|call| &call.tool)
        .collect()
}

/// Why a tool is not to be shown, whatever it is called.
fn barred(
    name: &ToolName,
    tool: &CatalogueTool,
    ground: &Ground,
    context: &PlanningContext,
    own: &BTreeSet<&ToolName>,
) -> Option<WhyNot> {
    let mutates = context.contracts.of(name).effect.mutates();
    if tool.pin != PinState::Pinned {
        Some(WhyNot::Unsigned)
    } else if own.contains(name) {
        Some(WhyNot::EnginesOwn)
    } else if mutates && !ground.backs(name) {
        Some(WhyNot::NotAsked)
    } else {
        None
    }
}

/// Places by their score, best first; equal ones as the catalogue has them.
fn ranked(scores: &[f64], places: &[usize]) -> Vec<usize> {
    let mut places = places.to_vec();
    places.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then_with(|| a.cmp(b)));
    places
}

fn ranked_above_zero(scores: &[f64], places: &[usize]) -> Vec<usize> {
    let mut ranked = ranked(scores, places);
    ranked.retain(|at| scores[*at] > 0.0);
    ranked
}

/// As many as may be shown and have room, and the tokens that they take. One that is too long gives its place to the next.
fn within_budget(order: &[usize], all: &[Tool<'_>], contracts: &Contracts) -> (Vec<usize>, u64) {
    let mut shown = Vec::new();
    let mut tokens = 0;
    for at in order {
        let cost = prompt::tokens(&prompt::tool(&all[*at], contracts));
        if shown.len() < MOST_TOOLS && tokens + cost <= MOST_TOKENS {
            shown.push(*at);
            tokens += cost;
        }
    }
    (shown, tokens)
}

fn record(
    all: &[Tool<'_>],
    scores: &[f64],
    shown: &[usize],
    barred: &[Option<WhyNot>],
    order: &[usize],
    tokens: u64,
) -> ToolsRetrieved {
    let left: Vec<usize> = (0..all.len()).filter(|at| !shown.contains(at)).collect();
    let near = ranked_above_zero(scores, &left);
    let full = shown.len() >= MOST_TOOLS;
    let why = |at: &usize| {
        let room = if !full && order.contains(at) {
            WhyNot::Budget
        } else {
            WhyNot::Rank
        };
        barred[*at].unwrap_or(room)
    };
    let named = near.iter().take(NAMED).map(|at| NotShown {
        tool: all[*at].0.clone(),
        why: why(at),
    });
    let not_shown: Vec<NotShown> = named.collect();
    ToolsRetrieved {
        shown: ranked(scores, shown).iter().map(|at| all[*at].0.clone()).collect(),
        others: (left.len() - not_shown.len()) as u64,
        not_shown,
        tokens,
    }
}
