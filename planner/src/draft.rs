//! The model writes a plan of its own: few tools, one schema, at most two repairs, and an honest way out.

mod schema;

use crate::choice::Asked;
use crate::model::{Answered, Message, Model, Problem, Question};
use crate::planner::Checker;
use crate::{prompt, retrieve};
use flyball_engine::fault::Fault;
use flyball_engine::ports::ModelCall;
use serde_json::{Value, json};

/// How often a model may correct its draft.
const REPAIRS: usize = 2;

/// What came of asking for a plan.
pub(crate) enum Drafted {
    Draft(Value),
    Refused { reason: String, faults: Vec<Fault> },
}

/// Asks for a plan until it has no fault, the model gives up, or the repairs are used up.
pub(crate) async fn draft(model: &Model, asked: &Asked<'_>, checker: &Checker, calls: &mut Vec<ModelCall>) -> Drafted {
    let tools = retrieve::tools(asked.text, asked.ground.asks_for_change(), asked.context);
    if tools.is_empty() {
        return refused("no tool is known that the plan could use", Vec::new());
    }
    let base = vec![
        Message::system(prompt::draft(&tools, &asked.context.contracts)),
        Message::user(prompt::intent(asked.text, asked.alarm)),
    ];
    let mut question = Question {
        purpose: "draft",
        messages: base.clone(),
        schema: schema::of(&tools, &asked.context.contracts),
        max_tokens: 1_500,
    };
    let mut faults = Vec::new();
    for _ in 0..=REPAIRS {
        let Answered { call, answer } = model.ask(&question).await;
        let said = call
            .answer
            .as_str()
            .map_or_else(|| call.answer.to_string(), str::to_owned);
        calls.push(call);
        faults = match answer {
            Ok(answer) => match judge(&answer, asked, checker) {
                Judged::Draft(draft) => return Drafted::Draft(draft),
                Judged::Cannot(missing) => return refused(&format!("the model cannot plan this: {missing}"), faults),
                Judged::Faulty(found) => found,
            },
            Err(Problem::Unreachable(message)) => return refused(&message, faults),
            Err(Problem::Unusable(message)) => vec![Fault::new("/plan", "draft.unreadable", message)],
        };
        note(calls, &faults);
        question.purpose = "repair";
        question.messages = base.clone();
        question.messages.push(Message::assistant(prompt::clip(&said, 6_000)));
        question.messages.push(Message::user(prompt::repair(&faults)));
    }
    refused("the model's plan still has faults after two repairs", faults)
}

fn refused(reason: &str, faults: Vec<Fault>) -> Drafted {
    Drafted::Refused {
        reason: reason.to_owned(),
        faults,
    }
}

fn note(calls: &mut [ModelCall], faults: &[Fault]) {
    if let (Some(call), Some(first)) = (calls.last_mut(), faults.first()) {
        let more = if faults.len() > 1 {
            format!(" (and {} more)", faults.len() - 1)
        } else {
            String::new()
        };
        call.problem.get_or_insert_with(|| format!("{first}{more}"));
    }
}

enum Judged {
    Draft(Value),
    Cannot(String),
    Faulty(Vec<Fault>),
}

fn judge(answer: &Value, asked: &Asked<'_>, checker: &Checker) -> Judged {
    if let Some(missing) = answer
        .get("cannot")
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty())
    {
        let told = missing.replace(char::is_control, " ");
        return Judged::Cannot(prompt::clip(told.trim(), 300));
    }
    let draft = answer.get("plan").filter(|plan| plan.is_object()).unwrap_or(answer);
    let mut faults = checker(draft, &json!({}), asked.context);
    for fault in asked.ground.faults(draft, asked.context) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if faults.is_empty() {
        Judged::Draft(draft.clone())
    } else {
        Judged::Faulty(faults)
    }
}
