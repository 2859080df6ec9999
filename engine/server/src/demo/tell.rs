//! How the demo talks: titles, steps, and a mark for each promise.

use super::stage::{APPROVER, OPERATOR, Stage};
use crate::cli::output::Output;
use crate::render::{Color, Style};
use serde::Serialize;

/// A promise, and whether it held.
#[derive(Debug, Clone, Serialize)]
struct Promise {
    what: String,
    held: bool,
}

pub(super) struct Tell {
    output: Output,
    promises: Vec<Promise>,
    figures: serde_json::Map<String, serde_json::Value>,
}

impl Tell {
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            promises: Vec::new(),
            figures: serde_json::Map::new(),
        }
    }

    pub(super) fn style(&self) -> Style {
        self.output.style
    }

    pub(super) fn title(&self) {
        self.line(
            &self
                .style()
                .paint("Flyball: an intent in, a verified network out", Color::Bold),
        );
        self.line(
            "Twelve routers in three sites on loopback addresses, four vendors' dialects, real SSH, real MCP servers.",
        );
    }

    pub(super) fn act(&self, number: u32, title: &str) {
        self.line(&format!(
            "\n{}",
            self.style().paint(&format!("── Act {number}: {title}"), Color::Bold)
        ));
    }

    /// What a person types.
    pub(super) fn types(&self, who: &str, what: &str) {
        self.line(&format!(
            "{} {what}",
            self.style().paint(&format!("{who}>"), Color::Blue)
        ));
    }

    pub(super) fn line(&self, text: &str) {
        self.output.text(&format!("{}\n", text.trim_end_matches('\n')));
    }

    /// Notes whether a promise held, and says so.
    pub(super) fn promise(&mut self, what: &str, held: bool) {
        let (mark, color) = if held {
            ("✓", Color::Green)
        } else {
            ("✗", Color::Red)
        };
        self.line(&format!("  {} {what}", self.style().paint(mark, color)));
        self.promises.push(Promise {
            what: what.to_owned(),
            held,
        });
    }

    pub(super) fn figure(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    pub(super) fn all_held(&self) -> bool {
        self.promises.iter().all(|p| p.held)
    }

    pub(super) fn how_to_explore(&self, stage: &Stage) {
        let dir = stage.dir().display();
        self.line(&format!(
            "\nEverything runs on. In another terminal:\n  \
             export FLYBALL_CONFIG={dir}/flyball.yaml\n  \
             export FLYBALL_TOKEN={}   # {OPERATOR}, operator; {APPROVER}, approver: {}\n  \
             flyball list\n  \
             flyball submit \"Check the health of Beijing\"\n  \
             ssh and passwords: {dir}/sandbox/inventory.yaml, credentials.yaml; faults: {}\n\
             Interrupt (Ctrl-C) to end.",
            stage.token(OPERATOR),
            stage.token(APPROVER),
            stage.network.control().display(),
        ));
    }

    pub(super) fn finish(&self) {
        if self.output.json {
            self.output
                .value(&serde_json::json!({"promises": self.promises, "figures": self.figures}));
        }
    }

    pub(super) fn promises_kept(&self) -> (usize, usize) {
        (self.promises.iter().filter(|p| p.held).count(), self.promises.len())
    }
}
