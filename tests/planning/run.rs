//! Puts the intents to each way to plan, one after the other, and keeps what comes.

use super::answers::{Answer, Answers, append, read};
use super::ask::planned;
use super::catalogue::netops;
use super::react::{self, Endpoint};
use super::set::{Intent, Kind, all};
use super::{Options, report};
use flyball_engine::ports::PlanningContext;
use flyball_planner::measure::draft_question;
use flyball_planner::{ApiKey, ModelSettings, Price};
use serde_json::json;
use std::time::Duration;

pub(crate) async fn run(options: &Options) -> Result<(), String> {
    let context = netops();
    let mutates = |tool: &str| {
        tool.parse()
            .is_ok_and(|name| context.contracts.of(&name).effect.mutates())
    };
    let set: Vec<Intent> = all()
        .into_iter()
        .filter(|i| options.only.is_empty() || options.only.contains(&i.id))
        .collect();
    let set: Vec<Intent> = set.into_iter().take(options.limit).collect();
    let mut answers = read(&options.answers);
    let endpoint = endpoint();
    for way in &options.ways {
        for (at, intent) in set.iter().enumerate() {
            if answers.contains_key(&(way.clone(), intent.id.clone())) {
                continue;
            }
            let Some(answer) = answer(way, intent, &context, endpoint.as_ref(), options, &answers).await? else {
                continue;
            };
            let what = match &answer.draft {
                Some(_) => format!("a plan of {} calls", answer.calls),
                None => answer
                    .refused
                    .clone()
                    .unwrap_or_else(|| format!("{} calls", answer.calls)),
            };
            eprintln!(
                "{way} {}/{} {}: {what} ({} tokens, {:.1} s)",
                at + 1,
                set.len(),
                intent.id,
                answer.tokens,
                answer.millis as f64 / 1e3
            );
            append(&options.answers, &answer).map_err(|e| format!("{}: {e}", options.answers.display()))?;
            answers.insert((way.clone(), intent.id.clone()), answer);
        }
    }
    println!("{}", report::report(&set, &answers, &mutates));
    if options.wrong {
        println!("{}", report::wrong(&set, &answers, &mutates));
    }
    Ok(())
}

fn endpoint() -> Option<Endpoint> {
    let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Endpoint {
        base_url: var("OPENAI_BASE_URL")?,
        model: var("FLYBALL_MODEL_NAME")?,
        key: var("OPENAI_API_KEY").unwrap_or_else(|| "none".into()),
    })
}

/// What one way says to one intent. None: it is not asked.
async fn answer(
    way: &str,
    intent: &Intent,
    context: &PlanningContext,
    endpoint: Option<&Endpoint>,
    options: &Options,
    answers: &Answers,
) -> Result<Option<Answer>, String> {
    match (way, endpoint) {
        ("phrases", _) => Ok(Some(planned("phrases", intent, context, None).await?)),
        ("top", _) => Ok(Some(top(intent, context))),
        ("planner", Some(at)) => {
            let model = ModelSettings {
                base_url: at.base_url.clone(),
                name: at.model.clone(),
                api_key: Some(ApiKey::new(at.key.clone())),
                timeout: Duration::from_secs(options.timeout_seconds),
                price: Price::default(),
            };
            Ok(Some(planned("planner", intent, context, Some(model)).await?))
        }
        ("react" | "ideal", Some(at)) => match (worth_a_loop(intent, answers), way) {
            (Some(_), "react") => Ok(Some(react::run(intent, context, at).await?)),
            (Some(plan), _) => Ok(Some(react::ideal(intent, context, at, plan).await?)),
            (None, _) => Ok(None),
        },
        ("planner" | "react" | "ideal", None) => Ok(None),
        (other, _) => Err(format!("no way {other:?}: planner, phrases, top, react, ideal")),
    }
}

/// The plan of three calls or more to which a loop is compared.
fn worth_a_loop<'a>(intent: &Intent, answers: &'a Answers) -> Option<&'a Answer> {
    let planned = answers.get(&("planner".to_owned(), intent.id.clone()))?;
    let asked = matches!(intent.kind, Kind::Read | Kind::Write);
    (asked && planned.draft.is_some() && planned.calls >= 3).then_some(planned)
}

/// The tool that the retrieval has first, and nothing else.
fn top(intent: &Intent, context: &PlanningContext) -> Answer {
    let shown = draft_question(&intent.text, context).tools.shown;
    let draft = shown
        .first()
        .map(|tool| json!({"steps": [{"id": "top", "tool": tool.to_string(), "args": {}}]}));
    Answer {
        way: "top".into(),
        intent: intent.id.clone(),
        calls: shown.len().min(1),
        refused: draft.is_none().then(|| "no tool has to do with it".into()),
        draft,
        ..Answer::default()
    }
}
