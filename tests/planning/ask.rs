//! Puts one intent to the shipped planner, and keeps what came of it as it is graded.

use super::answers::Answer;
use super::catalogue::root;
use super::react::calls;
use super::set::Intent;
use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::intent::event::PlanSource;
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::plan::check::{CheckContext, Limits, check};
use flyball_engine::ports::{PlanAnswer, Planned, Planner, PlanningContext};
use flyball_planner::{Checker, FlyballPlanner, ModelSettings, Runbooks};
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn planned(
    way: &str,
    intent: &Intent,
    context: &PlanningContext,
    model: Option<ModelSettings>,
) -> Result<Answer, String> {
    let runbooks = Runbooks::load(&root().join("engine/server/runbooks")).map_err(|faults| format!("{faults:?}"))?;
    let by_id: Vec<(String, Value)> = runbooks
        .iter()
        .map(|r| (r.id.clone(), r.plan["steps"].clone()))
        .collect();
    let planner = FlyballPlanner::new(runbooks, model, checker()).map_err(|e| e.to_string())?;
    let began = Instant::now();
    let Planned {
        model_calls, answer, ..
    } = planner.plan(&request(&intent.text), context).await;
    let mut found = Answer {
        way: way.to_owned(),
        intent: intent.id.clone(),
        tokens: model_calls
            .iter()
            .map(|call| call.input_tokens + call.output_tokens)
            .sum(),
        problems: model_calls.iter().map(|call| call.problem.clone()).collect(),
        said: model_calls
            .into_iter()
            .map(|call| (call.purpose, call.answer))
            .collect(),
        millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..Answer::default()
    };
    match answer {
        PlanAnswer::Draft {
            source, draft, params, ..
        } => {
            let chosen = by_id
                .iter()
                .find(|(_, steps)| *steps == draft["steps"])
                .map(|(id, _)| id.clone());
            found.runbook = match source {
                PlanSource::Runbook { id } => Some(id),
                _ => chosen,
            };
            found.calls = calls(&draft, &params).len();
            (found.draft, found.params) = (Some(draft), params);
        }
        PlanAnswer::Several { meanings } => {
            let ids: Vec<String> = meanings.into_iter().map(|meaning| meaning.runbook).collect();
            found.refused = Some(format!("it asks which is meant: {}", ids.join(", ")));
        }
        PlanAnswer::Refused { reason, faults, .. } => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            found.refused = Some(format!("{reason} {}", faults.join("; ")).trim().to_owned());
        }
    }
    Ok(found)
}

fn checker() -> Checker {
    Arc::new(|draft, params, context| {
        let against = CheckContext {
            catalogue: &context.catalogue,
            contracts: &context.contracts,
            params: params.clone(),
            alarm: Value::Null,
            limits: Limits::default(),
        };
        check(draft, &against).err().unwrap_or_default()
    })
}

fn request(text: &str) -> Request {
    Request {
        wish: Wish::Text(text.to_owned()),
        origin: Origin {
            kind: OriginKind::Operator,
            actor: Actor::human("olga"),
        },
        mode: Mode::Plan,
        deadline_ms: None,
        labels: Vec::new(),
        change: None,
        window: None,
        backout_by_ms: None,
        undo_of: None,
        alarm: Value::Null,
        heard: None,
    }
}
