//! What was measured, for people and for programs.

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

fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    (sorted[0], median, *sorted.last().unwrap())
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|l| l.strip_prefix("model name"));
    let model = model.map_or("processor unknown", |m| m.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("?");
    format!("{model}, {cores} cores, load {load}")
}
