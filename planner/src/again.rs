//! Planning anew, after a plan has failed and was taken back: the runbook that is next, else another plan of the model's.

use crate::choice::Asked;
use crate::grounding::Ground;
use crate::planner::{FlyballPlanner, from_runbook, refused};
use crate::record::Record;
use crate::runbook::Runbook;
use flyball_engine::intent::event::{PlanSource, PlanStage, StageEnd};
use flyball_engine::intent::{LONGEST_TEXT, Request, Wish};
use flyball_engine::ports::{PlanAnswer, PlanningContext, Tried};
use serde_json::Value;

impl FlyballPlanner {
    /// Another plan, with what is known of those that failed.
    pub(crate) async fn again(&self, request: &Request, context: &PlanningContext, record: &mut Record) -> PlanAnswer {
        let tried = &context.tried;
        if let Some((next, params)) = tried.last().and_then(|last| self.next(last, tried)) {
            record.stage(PlanStage::Next, StageEnd::Fits, format!("the runbook {}", next.id));
            return match next.accept(&params) {
                Ok(params) => from_runbook(next, params, request),
                Err(faults) => {
                    let reason = format!("the runbook `{}` does not accept these parameters", next.id);
                    refused(reason, Vec::new(), faults)
                }
            };
        }
        record.stage(PlanStage::Next, StageEnd::Passed, "no runbook is named as the next");
        match (&request.wish, &self.models) {
            (Wish::Text(text), Some(models)) if text.len() <= LONGEST_TEXT => {
                let asked = Asked {
                    text,
                    alarm: &request.alarm,
                    ground: &Ground::of(text),
                    context,
                    tried,
                };
                self.draft(models, &asked, record).await
            }
            _ => refused("nobody knows another way".into(), Vec::new(), Vec::new()),
        }
    }

    /// The runbook that the last one names, with the parameters that both have. None: it names none that was not tried.
    fn next(&self, last: &Tried, tried: &[Tried]) -> Option<(&Runbook, Value)> {
        let next = self.named_by(&last.source)?;
        let known = |t: &Tried| t.source == PlanSource::Runbook { id: next.id.clone() };
        if tried.iter().any(known) {
            return None;
        }
        let shared = last.params.as_object().into_iter().flatten();
        let shared = shared.filter(|(name, _)| next.params.contains_key(*name));
        let params = shared.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some((next, Value::Object(params)))
    }

    fn named_by(&self, source: &PlanSource) -> Option<&Runbook> {
        let PlanSource::Runbook { id } = source else {
            return None;
        };
        self.runbooks.get(self.runbooks.get(id)?.otherwise.as_deref()?)
    }

    /// Says with a plan how often another may be asked for: not at all where nobody could make one.
    pub(crate) fn promising(&self, answer: PlanAnswer, request: &Request, context: &PlanningContext) -> PlanAnswer {
        let tried = u32::try_from(context.tried.len()).unwrap_or(u32::MAX);
        let left = self.replans.saturating_sub(tried);
        match answer {
            PlanAnswer::Draft {
                source, draft, params, ..
            } => {
                let by_model = matches!(request.wish, Wish::Text(_)) && self.models.is_some();
                let somebody = by_model || self.named_by(&source).is_some();
                let replans = if somebody { left } else { 0 };
                PlanAnswer::Draft {
                    source,
                    draft,
                    params,
                    replans,
                }
            }
            other => other,
        }
    }
}
