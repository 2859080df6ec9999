//! Both engines side by side, for people and for programs.

use flyball_tests::measure::{machine, number, spread};
use serde_json::{Value, json};
use std::fmt::Write;

/// One figure: what each engine took, once a round.
pub(crate) struct Figure {
    pub(crate) what: String,
    /// The contract that Flyball ran under; LangGraph has none.
    pub(crate) contract: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) flyball: Vec<f64>,
    /// Nothing: it has no such thing.
    pub(crate) peer: Vec<f64>,
    pub(crate) goal: Goal,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Flyball's own figure, at most.
    AtMost(f64),
    /// Flyball's share of LangGraph's figure in the same round, at most.
    Share(f64),
    /// So many times LangGraph's figure in the same round, at least.
    Times(f64),
    None,
}

impl Figure {
    /// Flyball's figure as a share of LangGraph's, formed inside each round.
    fn shares(&self) -> Vec<f64> {
        let both = self.flyball.iter().zip(&self.peer);
        both.map(|(ours, theirs)| ours / theirs)
            .filter(|s| s.is_finite())
            .collect()
    }

    fn is_kept(&self) -> Option<bool> {
        let share = || Some(spread(&self.shares())).filter(|_| !self.shares().is_empty());
        match self.goal {
            Goal::AtMost(most) => Some(spread(&self.flyball).1 <= most),
            Goal::Share(most) => Some(share()?.1 <= most),
            Goal::Times(least) => Some(share()?.1 >= least),
            Goal::None => None,
        }
    }

    fn goal(&self) -> String {
        let said = match self.goal {
            Goal::AtMost(most) => format!("≤ {}", number(most)),
            Goal::Share(most) => format!("≤ {} of it", number(most)),
            Goal::Times(least) => format!("≥ {} × it", number(least)),
            Goal::None => return String::new(),
        };
        match self.is_kept() {
            Some(true) => said,
            _ => format!("{said}: missed"),
        }
    }
}

fn cell(values: &[f64], unit: &str) -> String {
    if values.is_empty() {
        return "–".to_owned();
    }
    let (least, median, most) = spread(values);
    let unit = if unit.is_empty() {
        String::new()
    } else {
        format!(" {unit}")
    };
    match values.len() {
        1 => format!("{}{unit}", number(median)),
        _ => format!("{}{unit} ({} to {})", number(median), number(least), number(most)),
    }
}

#[derive(Default)]
pub(crate) struct Table {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn add(&mut self, figure: Figure) {
        let (what, contract) = (&figure.what, figure.contract);
        let (ours, theirs) = (cell(&figure.flyball, figure.unit), cell(&figure.peer, figure.unit));
        eprintln!(
            "beside: {what} [{contract}]: {ours}; LangGraph {theirs} {}",
            figure.goal()
        );
        self.figures.push(figure);
    }

    /// Something to be said below the table.
    pub(crate) fn note(&mut self, note: String) {
        eprintln!("beside: {note}");
        self.notes.push(note);
    }

    /// In Markdown: median, and least to most in parentheses.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{}\n\n| figure | contract | Flyball | LangGraph | share | to reach |\n|---|---|---|---|---|---|\n",
            machine()
        );
        for f in &self.figures {
            let (ours, theirs) = (cell(&f.flyball, f.unit), cell(&f.peer, f.unit));
            let share = cell(&f.shares(), "");
            let _ = writeln!(
                text,
                "| {} | {} | {ours} | {theirs} | {share} | {} |",
                f.what,
                f.contract,
                f.goal()
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let values = |values: &[f64]| match values {
            [] => Value::Null,
            _ => {
                let (least, median, most) = spread(values);
                json!({"least": least, "median": median, "most": most, "taken": values})
            }
        };
        let one = |f: &Figure| {
            json!({"figure": f.what, "contract": f.contract, "unit": f.unit, "flyball": values(&f.flyball),
                "langgraph": values(&f.peer), "share": values(&f.shares()), "goal": f.goal(), "kept": f.is_kept()})
        };
        let figures: Vec<Value> = self.figures.iter().map(one).collect();
        let all = json!({"machine": machine(), "figures": figures, "notes": self.notes});
        serde_json::to_string_pretty(&all).unwrap()
    }
}
