//! Runbooks: what there is, what a text would call, and a draft made of an intent that worked.

use super::app::{App, Shared};
use super::body::Body;
use super::dto::{DraftRunbook, FixedLiteral, RunbookDetail, RunbookMatch, RunbookView, Tried, TryBody};
use super::problem::Problem;
use crate::auth::Caller;
use crate::errors::Code;
use axum::Json;
use axum::extract::{Path, State};
use flyball_engine::intent::Wish;
use flyball_engine::intent::event::{End, PlanSource};
use flyball_engine::intent::state::IntentState;
use flyball_planner::{PhraseMatch, Runbook, Runbooks};

/// The runbooks.
#[utoipa::path(get, path = "/v1/runbooks", tag = "world", responses((status = 200, body = Vec<RunbookView>)))]
pub(super) async fn list(State(app): Shared, caller: Caller) -> Result<Json<Vec<RunbookView>>, Problem> {
    app.may(&caller, "read", None)?;
    Ok(Json(app.runbooks.iter().map(view).collect()))
}

/// A runbook with its plan.
#[utoipa::path(get, path = "/v1/runbooks/{id}", params(("id" = String, Path)), tag = "world",
    responses((status = 200, body = RunbookDetail), (status = 404, body = Problem)))]
pub(super) async fn one(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RunbookDetail>, Problem> {
    app.may(&caller, "read", None)?;
    let runbook = app.runbooks.get(&id).ok_or_else(|| unknown(&app, &id))?;
    Ok(Json(RunbookDetail {
        runbook: view(runbook),
        plan: runbook.plan.clone(),
        file: runbook.file.clone(),
        text: runbook.text.clone(),
    }))
}

/// What a text would call. Submits nothing and asks no model.
#[utoipa::path(post, path = "/v1/runbooks/try", request_body = TryBody, tag = "world",
    responses((status = 200, body = Tried), (status = 422, body = Problem)))]
pub(super) async fn try_text(
    State(app): Shared,
    caller: Caller,
    Body(body): Body<TryBody>,
) -> Result<Json<Tried>, Problem> {
    app.may(&caller, "read", None)?;
    Ok(Json(tried(&app.runbooks, &body.text)))
}

/// A draft runbook of a fulfilled intent: what its words say of the plan's literals turned into parameters.
#[utoipa::path(get, path = "/v1/intents/{id}/runbook", params(("id" = String, Path)), tag = "intents",
    responses((status = 200, body = DraftRunbook), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It is not fulfilled, or is no plan made of words.")))]
pub(super) async fn promote(
    State(app): Shared,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DraftRunbook>, Problem> {
    let state = app.state(&caller, &id).await?;
    let (text, plan) = promotable(&state).map_err(|why| Problem::new(Code::DoesNotFit, why))?;
    let promoted = flyball_planner::promote(&state.id.to_string(), text, &plan);
    let fixed = promoted.fixed.into_iter();
    Ok(Json(DraftRunbook {
        id: promoted.id,
        yaml: promoted.yaml,
        params: promoted.params,
        fixed: fixed.map(|(pointer, value)| FixedLiteral { pointer, value }).collect(),
        faults: promoted.faults,
    }))
}

/// The words and the plan; or why there is nothing to make a runbook of.
fn promotable(state: &IntentState) -> Result<(&str, serde_json::Value), String> {
    let fulfilled = matches!(&state.ended, Some((End::Fulfilled, _, false)));
    if !fulfilled {
        let stands = state.api_state();
        return Err(format!(
            "only a plan that worked becomes a runbook: intent {} is {stands}",
            state.id
        ));
    }
    let accepted = state.accepted.as_ref().ok_or("it has no plan")?;
    match (&accepted.source, &state.request.wish) {
        (PlanSource::Runbook { id }, _) => Err(format!("it ran the runbook {id} already")),
        (_, Wish::Text(text)) => {
            let plan = serde_json::to_value(&*accepted.plan).expect("a plan serialises");
            Ok((text, plan))
        }
        _ => Err("it was not asked for in words, so nothing tells its parameters from its literals".to_owned()),
    }
}

fn unknown(app: &App, id: &str) -> Problem {
    let ids = app.runbooks.iter().map(|r| r.id.as_str());
    let near = flyball_engine::fault::nearest(id, ids).map(|n| format!("did you mean {n:?}?"));
    let near = near.or_else(|| Some("see: flyball runbook list".to_owned()));
    let detail = format!("there is no runbook {id:?}");
    Problem::new(Code::NoSuchThing, detail.clone()).with("id", "request.runbook", detail, near)
}

fn view(runbook: &Runbook) -> RunbookView {
    RunbookView {
        id: runbook.id.clone(),
        title: runbook.title.clone(),
        owner: runbook.owner.clone(),
        version: runbook.version.clone(),
        risk: runbook.risk.clone(),
        impact: runbook.impact.clone(),
        platforms: runbook.platforms.clone(),
        window_required: runbook.window_required,
        phrases: runbook.phrases().map(str::to_owned).collect(),
        params: runbook.params_schema(),
    }
}

fn tried(runbooks: &Runbooks, text: &str) -> Tried {
    let found = |(runbook, params): (&Runbook, serde_json::Value)| RunbookMatch {
        id: runbook.id.clone(),
        title: runbook.title.clone(),
        call: runbook.call(&params),
        window_required: runbook.window_required,
        params,
    };
    let told = |outcome: &str| Tried {
        outcome: outcome.to_owned(),
        matches: Vec::new(),
        faults: Vec::new(),
        nearest: Vec::new(),
    };
    match runbooks.find(text) {
        PhraseMatch::One { runbook, params } => Tried {
            matches: vec![found((runbook, params))],
            ..told("one")
        },
        PhraseMatch::Several(several) => Tried {
            matches: several.into_iter().map(found).collect(),
            ..told("several")
        },
        PhraseMatch::Broken { runbook, faults } => Tried {
            faults: faults.into_iter().map(Into::into).collect(),
            nearest: vec![runbook.id.clone()],
            ..told("broken")
        },
        PhraseMatch::None => Tried {
            faults: runbooks
                .nearly(text)
                .into_iter()
                .flat_map(|(_, faults)| faults)
                .map(Into::into)
                .collect(),
            nearest: runbooks.nearest(text).iter().map(|r| r.id.clone()).collect(),
            ..told("none")
        },
    }
}
