//! The order in which a plan is looked for: the first that fits.

use crate::choice::{self, Asked, Chosen};
use crate::draft::{self, Drafted};
use crate::grounding::Ground;
use crate::model::{Error, Model, ModelSettings};
use crate::prompt::LONGEST_INTENT;
use crate::runbook::{PhraseMatch, Runbook, Runbooks};
use async_trait::async_trait;
use flyball_engine::fault::{Fault, nearest};
use flyball_engine::intent::event::PlanSource;
use flyball_engine::intent::{Request, Wish};
use flyball_engine::ports::{ModelCall, PlanAnswer, Planned, Planner, PlanningContext};
use serde_json::Value;
use std::sync::Arc;

/// How many runbooks a refusal names when none is near.
const NAMED: usize = 12;

/// The engine's plan check: draft and parameters → all faults, pointers from `/plan`.
pub type Checker = Arc<dyn Fn(&Value, &Value, &PlanningContext) -> Vec<Fault> + Send + Sync>;

/// Words → draft: a phrase of a runbook, a runbook that the model chose, a plan that the model wrote, or a refusal.
pub struct FlyballPlanner {
    runbooks: Runbooks,
    model: Option<Model>,
    checker: Checker,
}

impl FlyballPlanner {
    /// Without a model only phrases and runbooks are understood. An error says that the model's settings are unusable;
    /// the model is not asked anything yet.
    pub fn new(runbooks: Runbooks, model: Option<ModelSettings>, checker: Checker) -> Result<Self, Error> {
        Ok(Self {
            runbooks,
            model: model.as_ref().map(Model::new).transpose()?,
            checker,
        })
    }

    pub fn runbooks(&self) -> &Runbooks {
        &self.runbooks
    }

    fn runbook(&self, id: &str, params: &Value) -> PlanAnswer {
        let Some(runbook) = self.runbooks.get(id) else {
            let near = nearest(id, self.runbooks.iter().map(|runbook| runbook.id.as_str()));
            let instead = if near.is_none() { self.known() } else { String::new() };
            return refused(
                format!("there is no runbook `{id}`{instead}"),
                near.into_iter().map(str::to_owned).collect(),
                Vec::new(),
            );
        };
        match runbook.accept(params) {
            Ok(params) => from_runbook(runbook, params),
            Err(faults) => {
                let reason = format!("the runbook `{id}` does not accept these parameters");
                refused(reason, vec![id.to_owned()], faults)
            }
        }
    }

    async fn text(
        &self,
        text: &str,
        alarm: &Value,
        context: &PlanningContext,
        calls: &mut Vec<ModelCall>,
    ) -> PlanAnswer {
        match (self.runbooks.find(text), &self.model) {
            (PhraseMatch::One { runbook, params }, _) => from_runbook(runbook, params),
            (PhraseMatch::Several(several), _) => ambiguous(&several),
            (PhraseMatch::Broken { runbook, faults }, _) => {
                let reason = format!("the runbook `{}` fits, but not with these values", runbook.id);
                refused(reason, vec![runbook.id.clone()], faults)
            }
            (PhraseMatch::None, None) => self.not_understood(text, "no model is configured", Vec::new()),
            (PhraseMatch::None, Some(_)) if text.chars().count() > LONGEST_INTENT => {
                let why = format!("the text is longer than {LONGEST_INTENT} characters");
                self.not_understood(text, &why, Vec::new())
            }
            (PhraseMatch::None, Some(model)) => {
                let ground = Ground::of(text);
                let asked = Asked {
                    text,
                    alarm,
                    ground: &ground,
                    context,
                };
                self.ask(model, &asked, calls).await
            }
        }
    }

    async fn ask(&self, model: &Model, asked: &Asked<'_>, calls: &mut Vec<ModelCall>) -> PlanAnswer {
        let source = PlanSource::Model {
            name: model.name().to_owned(),
        };
        match choice::choose(model, &self.runbooks, asked, calls).await {
            // The model's doing, reviewed plan or not: a person approves what it writes.
            Chosen::Runbook { runbook, params } => PlanAnswer::Draft {
                source,
                draft: runbook.draft(&params),
                params,
            },
            Chosen::Unreachable(why) => self.not_understood(asked.text, &why, Vec::new()),
            Chosen::Unsaid { runbook, faults } => {
                let reason = format!(
                    "the runbook `{}` seems to be meant, but the text does not say all that it needs",
                    runbook.id
                );
                refused(reason, vec![runbook.id.clone()], faults)
            }
            Chosen::None => match draft::draft(model, asked, &self.checker, calls).await {
                Drafted::Draft(draft) => PlanAnswer::Draft {
                    source,
                    draft,
                    params: Value::Null,
                },
                Drafted::Refused { reason, faults } => self.not_understood(asked.text, &reason, faults),
            },
        }
    }

    /// No phrase says this, and why nothing else helped; with what could be said instead.
    fn not_understood(&self, text: &str, why: &str, faults: Vec<Fault>) -> PlanAnswer {
        let near = self.runbooks.nearest(text);
        let example = near.first().and_then(|runbook| runbook.phrases().next());
        let hint = example
            .map(|phrase| format!("; one that comes close: \"{phrase}\""))
            .or_else(|| near.is_empty().then(|| self.known()))
            .unwrap_or_default();
        let reason = format!("no runbook's phrase says this, and {why}{hint}");
        refused(reason, near.iter().map(|runbook| runbook.id.clone()).collect(), faults)
    }

    /// What there is, for a refusal that comes close to nothing: a dead end would help nobody.
    fn known(&self) -> String {
        let mut ids: Vec<&str> = self.runbooks.iter().map(|runbook| runbook.id.as_str()).collect();
        ids.sort_unstable();
        let more = ids.len().saturating_sub(NAMED);
        ids.truncate(NAMED);
        match (ids.is_empty(), more) {
            (true, _) => "; there are no runbooks at all".to_owned(),
            (_, 0) => format!("; there are {}", ids.join(", ")),
            _ => format!(
                "; there are {} and {more} more, see: flyball runbook list",
                ids.join(", ")
            ),
        }
    }
}

fn from_runbook(runbook: &Runbook, params: Value) -> PlanAnswer {
    PlanAnswer::Draft {
        source: PlanSource::Runbook { id: runbook.id.clone() },
        draft: runbook.draft(&params),
        params,
    }
}

fn ambiguous(several: &[(&Runbook, Value)]) -> PlanAnswer {
    let mut ids: Vec<String> = several.iter().map(|(runbook, _)| runbook.id.clone()).collect();
    let readings: Vec<String> = several
        .iter()
        .map(|(runbook, params)| format!("{} with {params}", runbook.id))
        .collect();
    ids.dedup();
    refused(
        format!("this can be read in several ways: {}", readings.join("; or ")),
        ids,
        Vec::new(),
    )
}

fn refused(reason: String, nearest: Vec<String>, faults: Vec<Fault>) -> PlanAnswer {
    PlanAnswer::Refused {
        reason,
        nearest,
        faults,
    }
}

#[async_trait]
impl Planner for FlyballPlanner {
    async fn plan(&self, request: &Request, context: &PlanningContext) -> Planned {
        let mut model_calls = Vec::new();
        let answer = match &request.wish {
            Wish::Plan(draft) => PlanAnswer::Draft {
                source: PlanSource::Operator,
                draft: draft.clone(),
                params: Value::Null,
            },
            Wish::Runbook { id, params } => self.runbook(id, params),
            Wish::Text(text) => self.text(text, &request.alarm, context, &mut model_calls).await,
        };
        Planned { model_calls, answer }
    }
}
