//! What an operator is told of what the engine does, beside what the world shows: a text that is wrong about it is a defect
//! as a wrong call is.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

mod again;
mod back;
mod halted;
mod late;
mod persons;
#[path = "../suites/rig.rs"]
#[allow(dead_code, reason = "the suites need more of it")]
mod rig;
mod stuck;
mod trial;

use flyball::http::dto::{ItemView, ReportView, StepsView};
use flyball::http::views::{self, Values};
use flyball::render::{Style, table, tree, why};
use flyball_engine::ids::IntentId;
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;

const STYLE: Style = Style {
    color: false,
    width: 200,
};

/// All that is shown of an intent at one moment.
pub(crate) struct Told {
    pub(crate) state: IntentState,
    pub(crate) steps: StepsView,
    pub(crate) report: ReportView,
    /// As `show` draws it.
    pub(crate) tree: String,
    pub(crate) reported: String,
    pub(crate) why: String,
    /// One line for each entry, as `watch` tells them.
    pub(crate) lines: String,
}

impl Told {
    pub(crate) async fn of(engine: &Engine, intent: IntentId) -> Self {
        let state = engine.supervisor.state(intent).await.unwrap();
        let entries = engine.journal.entries(intent);
        let journal = engine.journal.as_ref();
        let values = Values { journal, intent };
        let steps = views::steps(&state, &values).await;
        let report = views::report(&state, &entries, &values).await;
        let answer = views::why(&state, &entries, &values).await;
        let lines = entries.iter().map(|e| flyball::narrate::line(&e.entry.event) + "\n");
        Self {
            tree: tree::tree(&steps, STYLE),
            reported: table::report(&report, STYLE),
            why: why::why(&answer, STYLE),
            lines: lines.collect(),
            state,
            steps,
            report,
        }
    }

    pub(crate) fn item(&self, id: &str) -> &ItemView {
        let items = self.steps.steps.iter().flat_map(|s| &s.items);
        items.into_iter().find(|i| i.id == id).unwrap()
    }

    pub(crate) fn view(&self) -> flyball::http::dto::IntentView {
        views::intent(&self.state, Vec::new())
    }
}

#[track_caller]
pub(crate) fn says(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not said in\n{text}");
}

#[track_caller]
pub(crate) fn says_not(text: &str, part: &str) {
    assert!(!text.contains(part), "{part:?} is said in\n{text}");
}
