//! The model chooses a runbook and copies its parameters out of the text. It writes no plan, and both answers are held
//! to the text: a runbook that writes needs its verb there, a parameter its words.

use crate::grounding::{Ground, swallowing};
use crate::json::Ordered;
use crate::model::{Message, Models, Problem, Question};
use crate::prompt;
use crate::record::Record;
use crate::runbook::{Runbook, Runbooks};
use crate::words::{singular, words};
use flyball_engine::fault::{Fault, nearest};
use flyball_engine::ports::{PlanningContext, Tried};
use flyball_engine::tool::ToolName;
use serde_json::{Map, Value, json};

/// The answer that no runbook fits. No runbook may have it as its id.
pub(crate) const NONE: &str = "none";

/// What came of asking for a runbook.
pub(crate) enum Chosen<'a> {
    Runbook {
        runbook: &'a Runbook,
        params: Value,
    },
    /// None fits; something else may be tried.
    None,
    /// The model cannot be asked.
    Unreachable(String),
    /// A runbook fits, but the text does not say all that it needs.
    Unsaid {
        runbook: &'a Runbook,
        faults: Vec<Fault>,
    },
}

/// An intent's text with what it stands on.
pub(crate) struct Asked<'a> {
    pub(crate) text: &'a str,
    pub(crate) alarm: &'a Value,
    pub(crate) ground: &'a Ground,
    pub(crate) context: &'a PlanningContext,
    /// The plans that were tried and have failed.
    pub(crate) tried: &'a [Tried],
}

/// Asks for the runbook, then for its parameters. Every call is in the record.
pub(crate) async fn choose<'a>(
    models: &Models,
    runbooks: &'a Runbooks,
    asked: &Asked<'_>,
    record: &mut Record,
) -> Chosen<'a> {
    let offered: Vec<&Runbook> = runbooks.iter().filter(|runbook| may_be_meant(runbook, asked)).collect();
    if offered.is_empty() {
        return Chosen::None;
    }
    let id = match models.ask(&choice_question(runbooks, &offered, asked), record).await {
        Ok(answer) => answer.get("runbook").and_then(Value::as_str).unwrap_or(NONE).to_owned(),
        Err(Problem::Unreachable(message)) => return Chosen::Unreachable(message),
        Err(_) => NONE.to_owned(),
    };
    match offered.iter().copied().find(|runbook| runbook.id == id) {
        Some(runbook) => fill(models, runbook, asked, record).await,
        None => {
            if id != NONE {
                record.problem(|| unknown(&id, &offered));
            }
            Chosen::None
        }
    }
}

/// A name that is near is said, not taken: what was meant is not ours to guess.
fn unknown(id: &str, offered: &[&Runbook]) -> String {
    let near = nearest(id, offered.iter().map(|runbook| runbook.id.as_str()));
    let near = near.map(|near| format!("; did it mean {near:?}?")).unwrap_or_default();
    format!("no runbook {id:?} was offered{near}")
}

/// A runbook that writes answers only an intent that asks for its kind of change; one that reads, only one that asks for
/// none: to have looked is not to have done it. And it must be about something that the intent speaks of: a small model
/// that is offered one runbook for a site takes it for a question about one interface.
fn may_be_meant(runbook: &Runbook, asked: &Asked<'_>) -> bool {
    if !asked.ground.speaks_of(runbook) {
        return false;
    }
    match writes(runbook, asked.context) {
        true => asked.ground.asks_for(runbook),
        false => !asked.ground.asks_for_change() && asked.ground.speaks_mostly_of(runbook),
    }
}

fn writes(runbook: &Runbook, context: &PlanningContext) -> bool {
    let steps = runbook.plan.get("steps").and_then(Value::as_array);
    steps.into_iter().flatten().any(|step| {
        let tool = step
            .get("tool")
            .and_then(Value::as_str)
            .and_then(|name| name.parse::<ToolName>().ok());
        tool.is_some_and(|tool| context.contracts.of(&tool).effect.mutates())
    })
}

fn choice_question(runbooks: &Runbooks, offered: &[&Runbook], asked: &Asked<'_>) -> Question {
    let mut ids: Vec<Value> = offered.iter().map(|runbook| runbook.id.clone().into()).collect();
    ids.push(NONE.into());
    let schema = json!({
        "type": "object", "properties": {"runbook": {"type": "string", "enum": ids}},
        "required": ["runbook"], "additionalProperties": false,
    });
    Question {
        purpose: "choose",
        messages: vec![
            Message::system(prompt::choose(runbooks)),
            Message::user(prompt::intent(asked.text, asked.alarm)),
        ],
        schema: schema.into(),
        max_tokens: 64,
    }
}

async fn fill<'a>(models: &Models, runbook: &'a Runbook, asked: &Asked<'_>, record: &mut Record) -> Chosen<'a> {
    if runbook.params.is_empty() {
        return Chosen::Runbook {
            runbook,
            params: json!({}),
        };
    }
    let mut question = slots_question(runbook, asked);
    loop {
        let answer = models.ask(&question, record).await;
        let said = record.last_said();
        let faults = match answer.map(|answer| params(runbook, &answer, asked)) {
            Ok(Ok(params)) => return Chosen::Runbook { runbook, params },
            Ok(Err(faults)) => faults,
            Err(Problem::Unreachable(message)) => return Chosen::Unreachable(message),
            Err(problem) => vec![Fault::new("/params", "draft.unreadable", problem.message())],
        };
        record.faulty(&faults);
        let unsaid = faults.iter().all(|fault| fault.rule == "runbook.missing_param");
        if unsaid || question.purpose == "repair" {
            return Chosen::Unsaid { runbook, faults };
        }
        question.purpose = "repair";
        question.messages.push(Message::assistant(prompt::clip(&said, 2_000)));
        question.messages.push(Message::user(prompt::repair(&faults)));
    }
}

fn slots_question(runbook: &Runbook, asked: &Asked<'_>) -> Question {
    let nullable = |schema: Value| json!({"anyOf": [schema, {"type": "null"}]});
    let properties: Map<String, Value> = runbook
        .params
        .iter()
        .map(|(name, param)| (name.clone(), nullable(param.schema())))
        .collect();
    let required: Vec<&String> = runbook.params.keys().collect();
    let schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    Question {
        purpose: "slots",
        messages: vec![
            Message::system(prompt::slots(runbook)),
            Message::user(prompt::intent(asked.text, asked.alarm)),
        ],
        schema: Ordered::from(schema),
        max_tokens: 400,
    }
}

/// Whether a text has no words but those with which the runbook is asked for.
fn is_of_phrases(runbook: &Runbook, text: &str) -> bool {
    let own: Vec<String> = runbook.own_words().map(singular).collect();
    let said = words(text);
    let mut said = said.iter().filter(|word| !word.is_filler()).peekable();
    said.peek().is_some() && said.all(|word| own.contains(&word.stem()))
}

/// The parameters in their one form, if the runbook accepts them, the text says each, and it speaks of what they are given to.
fn params(runbook: &Runbook, answer: &Value, asked: &Asked<'_>) -> Result<Value, Vec<Fault>> {
    let ground = asked.ground;
    let accepted = runbook.accept(answer)?;
    let is_default = |name: &str, value: &Value| {
        let param = runbook.params.get(name);
        param.and_then(|param| param.default.as_ref()) == Some(value)
    };
    // What the runbook itself says is nobody's claim about the intent.
    let claimed: Map<String, Value> = accepted
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, value)| {
            answer.get(name.as_str()).is_some_and(|given| !given.is_null()) && !is_default(name, value)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let at = |name: &str| format!("/params/{name}");
    let mut faults: Vec<Fault> = claimed
        .iter()
        .filter_map(|(name, value)| {
            Some(Fault::new(
                at(name),
                "ground.literal",
                unsaid(runbook, &answer[name], value, ground)?,
            ))
        })
        .collect();
    faults.extend(
        ground
            .swallowed(&claimed)
            .into_iter()
            .map(|(long, short)| swallowing(at(long), short)),
    );
    faults.extend(ground.misplaced(&runbook.plan, &claimed, asked.context));
    if faults.is_empty() && writes(runbook, asked.context) {
        faults.extend(ground.beyond(&claimed, asked.context));
    }
    if faults.is_empty() { Ok(accepted) } else { Err(faults) }
}

/// Why a parameter's value is none that the intent gives: what the model gave, and what the runbook made of it.
fn unsaid(runbook: &Runbook, given: &Value, value: &Value, ground: &Ground) -> Option<String> {
    let others = value.as_str().map_or(&[][..], |text| runbook.other_words(text));
    let said = ground.has(given) || others.iter().any(|other| ground.has(&Value::from(other.as_str())));
    if !said {
        return Some(format!("{given} does not stand in the intent"));
    }
    let only_asks = value.as_str().is_some_and(|text| is_of_phrases(runbook, text));
    only_asks.then(|| format!("{value} is what the runbook is about, not a value"))
}
