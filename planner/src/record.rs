//! How a plan was looked for, as it goes: the model's answers, the stages and the tools, for the journal.

use crate::model::Spent;
use flyball_engine::fault::Fault;
use flyball_engine::intent::event::{PlanStage, StageEnd, ToolsRetrieved};
use flyball_engine::ports::{ModelCall, PlanningFact, PlanningNote};

/// What is kept of one search for a plan.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) calls: Vec<ModelCall>,
    pub(crate) notes: Vec<PlanningNote>,
    /// By this intent, on models.
    pub(crate) spent: Spent,
    /// A budget that is nearly used up.
    pub(crate) nearly: Option<String>,
}

impl Record {
    /// Of an intent that has cost so much before.
    pub(crate) fn of(spent: Spent) -> Self {
        Self {
            spent,
            ..Self::default()
        }
    }

    pub(crate) fn call(&mut self, call: ModelCall, spent: Spent) {
        self.calls.push(call);
        self.spent.add(spent);
    }

    /// A stage has ended. What is left of a budget is told with it once little is.
    pub(crate) fn stage(&mut self, stage: PlanStage, end: StageEnd, why: impl Into<String>) {
        let mut why = why.into();
        if let Some(nearly) = &self.nearly {
            why = format!("{why} ({nearly})");
        }
        self.note(PlanningFact::Stage { stage, end, why });
    }

    pub(crate) fn tools(&mut self, tools: ToolsRetrieved) {
        self.note(PlanningFact::Tools(tools));
    }

    fn note(&mut self, fact: PlanningFact) {
        self.notes.push(PlanningNote {
            after_calls: self.calls.len(),
            fact,
        });
    }

    /// What the model said last, word for word.
    pub(crate) fn last_said(&self) -> String {
        let answer = self.calls.last().map(|call| &call.answer);
        answer.map_or_else(String::new, |said| {
            said.as_str().map_or_else(|| said.to_string(), str::to_owned)
        })
    }

    /// The model that answered last.
    pub(crate) fn last_model(&self) -> String {
        self.calls.last().map(|call| call.model.clone()).unwrap_or_default()
    }

    /// Says of the last answer why it is no use, unless that is said already.
    pub(crate) fn problem(&mut self, problem: impl FnOnce() -> String) {
        if let Some(call) = self.calls.last_mut() {
            call.problem.get_or_insert_with(problem);
        }
    }

    /// Keeps all that is wrong with the last answer: the first of it in a word, and each fault as the model is told it.
    pub(crate) fn faulty(&mut self, faults: &[Fault]) {
        self.problem(|| first_of(faults));
        if let Some(call) = self.calls.last_mut() {
            call.faults = faults.to_vec();
        }
    }
}

fn first_of(faults: &[Fault]) -> String {
    let first = faults.first().map(ToString::to_string).unwrap_or_default();
    match faults.len() {
        0 | 1 => first,
        n => format!("{first} (and {} more)", n - 1),
    }
}
