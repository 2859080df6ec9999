//! The model writes a plan of its own: few tools, one schema, at most two repairs, and an honest way out.

mod schema;

use crate::choice::Asked;
use crate::model::{Message, Models, Problem, Question};
use crate::planner::Checker;
use crate::record::Record;
use crate::{prompt, retrieve};
use flyball_engine::fault::Fault;
use serde_json::{Value, json};

/// How often a model may correct its draft.
const REPAIRS: usize = 2;

/// What came of asking for a plan.
pub(crate) enum Drafted {
    Draft(Value),
    Refused { reason: String, faults: Vec<Fault> },
}

/// Asks for a plan until it has no fault, the model gives up, or the repairs are used up.
pub(crate) async fn draft(models: &Models, asked: &Asked<'_>, checker: &Checker, record: &mut Record) -> Drafted {
    let found = retrieve::tools(asked.text, asked.ground, asked.context);
    record.tools(found.record);
    if found.tools.is_empty() {
        return refused("no tool is known that has to do with it", Vec::new());
    }
    let mut question = question(asked, &found.tools);
    let base = question.messages.clone();
    let mut faults = Vec::new();
    for _ in 0..=REPAIRS {
        let answer = models.ask(&question, record).await;
        faults = match answer {
            Ok(answer) => match judge(&answer, asked, checker) {
                Judged::Draft(draft) => return Drafted::Draft(draft),
                Judged::Cannot(missing) => return refused(&format!("the model cannot plan this: {missing}"), faults),
                Judged::Faulty(found) => found,
            },
            Err(Problem::Unreachable(message)) => return refused(&message, faults),
            Err(problem) => vec![Fault::new("/plan", "draft.unreadable", problem.message())],
        };
        record.faulty(&faults);
        let said = record.last_said();
        question.purpose = "repair";
        question.messages = base.clone();
        question.messages.push(Message::assistant(prompt::clip(&said, 6_000)));
        question.messages.push(Message::user(prompt::repair(&faults)));
    }
    refused("the model's plan still has faults after two repairs", faults)
}

/// The question for a plan: rules and tools first, the intent last.
pub(crate) fn question(asked: &Asked<'_>, tools: &[retrieve::Tool<'_>]) -> Question {
    Question {
        purpose: "draft",
        messages: vec![
            Message::system(prompt::draft(tools, &asked.context.contracts)),
            Message::user(prompt::tried(asked.tried) + &prompt::intent(asked.text, asked.alarm)),
        ],
        schema: schema::of(tools, &asked.context.contracts),
        max_tokens: 1_500,
    }
}

fn refused(reason: &str, faults: Vec<Fault>) -> Drafted {
    Drafted::Refused {
        reason: reason.to_owned(),
        faults,
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
    let told = asked
        .tried
        .iter()
        .flat_map(|tried| &tried.evidence)
        .chain([asked.alarm]);
    let strange = asked.ground.strange_reads(draft, told, asked.context);
    for fault in asked.ground.faults(draft, asked.context).into_iter().chain(strange) {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    if faults.is_empty() && asked.tried.iter().any(|tried| is_same(draft, &tried.plan)) {
        let fault = Fault::new("/plan/steps", "replan.same", "this is the very plan that has failed");
        faults.push(fault.suggest("another way, or `cannot`"));
    }
    if faults.is_empty() {
        Judged::Draft(draft.clone())
    } else {
        Judged::Faulty(faults)
    }
}

/// Whether two plans call the same tools with the same arguments for the same lists and ask the same of them, in the same
/// order, whatever their steps are called. A gate that was wrong may be put right.
fn is_same(draft: &Value, tried: &Value) -> bool {
    let calls = |plan: &Value| -> Vec<Vec<Value>> {
        let of = |step: &Value, key: &str| step.get(key).map(plainly).unwrap_or_default();
        let steps = plan.get("steps").and_then(Value::as_array);
        let one = |step: &Value| {
            let gate = step.get("gate").cloned().unwrap_or_default();
            let asked = ["tool", "args", "expect"].map(|key| of(&gate, key));
            let called = ["tool", "args", "for_each"].map(|key| of(step, key));
            called.into_iter().chain(asked).collect()
        };
        steps.into_iter().flatten().map(one).collect()
    };
    calls(draft) == calls(tried)
}

/// A value with the literals that stand in braces as if they stood without: `${1722}` says 1722.
fn plainly(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), plainly(value))).collect(),
        Value::Array(items) => items.iter().map(plainly).collect(),
        Value::String(text) => {
            let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            let literal = inner.and_then(|inner| serde_json::from_str(&inner.trim().replace('\'', "\"")).ok());
            literal.unwrap_or_else(|| value.clone())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_plan_is_the_same_in_braces_and_another_one_with_another_gate() {
        let plan = |mtu: Value, expect: &str| {
            json!({"steps": [{"id": "a", "tool": "config/set_interface", "args": {"device": "r1", "mtu": mtu},
                "gate": {"tool": "config/get_interface", "args": {"device": "r1"}, "expect": expect}}]})
        };
        let tried = plan(json!(1722), "output.mtu == 9");
        for same in [json!(1722), json!("${1722}"), json!("${ 1722 }")] {
            assert!(is_same(&plan(same, "output.mtu == 9"), &tried));
        }
        assert!(!is_same(&plan(json!(1722), "output.mtu == 1722"), &tried));
        assert!(!is_same(&plan(json!(1723), "output.mtu == 9"), &tried));
    }
}
