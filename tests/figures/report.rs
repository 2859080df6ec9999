//! What was measured, for people and for programs.

use flyball_tests::measure::{machine, number, spread};
use serde_json::{Value, json};
use std::fmt::Write;

/// One figure, as often as it was taken.
struct Figure {
    name: String,
    unit: &'static str,
    values: Vec<f64>,
    /// What is to be reached, if something is.
    goal: Option<f64>,
}

#[derive(Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn add(&mut self, name: impl Into<String>, unit: &'static str, values: Vec<f64>, goal: Option<f64>) {
        let name = name.into();
        eprintln!("figures: {name}: {values:.2?} {unit}");
        self.figures.push(Figure {
            name,
            unit,
            values,
            goal,
        });
    }

    pub(crate) fn json(&self) -> String {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|f| {
                let (least, median, most) = spread(&f.values);
                json!({"name": f.name, "unit": f.unit, "median": median, "least": least, "most": most,
                    "taken": f.values.len(), "goal": f.goal})
            })
            .collect();
        let all = json!({"machine": machine(), "figures": figures});
        serde_json::to_string_pretty(&all).unwrap()
    }

    /// A table in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{}\n\n| figure | median | least to most | to reach |\n|---|---|---|---|\n",
            machine()
        );
        for f in &self.figures {
            let (least, median, most) = spread(&f.values);
            let range = if f.values.len() > 1 {
                format!("{} to {}", number(least), number(most))
            } else {
                String::new()
            };
            let goal = f.goal.map_or(String::new(), |g| format!("≤ {}", number(g)));
            let _ = writeln!(
                table,
                "| {} | {} {} | {range} | {goal} |",
                f.name,
                number(median),
                f.unit
            );
        }
        table
    }
}
