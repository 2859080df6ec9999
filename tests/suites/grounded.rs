//! Plans under the rules that hold a model's words to the intent, with the shipped tools and runbooks: the right ones stand,
//! and a runbook that is about something else is not taken.

use crate::planning::answers::Answer;
use crate::planning::script::{Script, reply};
use crate::planning::set::{self, Call, Intent, Kind};
use crate::planning::{ask, catalogue};
use crate::recorded::model;
use serde_json::{Value, json};

/// What comes of an intent when the model says this, and then the last of it again and again.
async fn planned(intent: &Intent, said: &[Value]) -> Answer {
    let again = std::iter::repeat_n(said.last().unwrap(), 3);
    let script = Script::of(said.iter().chain(again).map(reply));
    let model = model(script.serve().await);
    ask::planned("planner", intent, &catalogue::netops(), Some(model))
        .await
        .unwrap()
}

fn step((at, call): (usize, &Call)) -> Value {
    let mut args = call.args.clone();
    for value in args.values_mut().filter(|value| value.get("from").is_some()) {
        *value = json!("${item.name}");
    }
    let id = call.id.clone().unwrap_or_else(|| format!("step{at}"));
    let mut step = json!({"id": id, "tool": call.tool, "args": args, "needs": call.after});
    if let Some(list) = &call.each {
        step["for_each"] = json!(format!("${{steps.{list}.output.devices}}"));
    }
    step
}

#[tokio::test]
async fn no_rule_refuses_a_plan_that_is_right() {
    let wanted = |intent: &Intent| matches!(intent.kind, Kind::Read | Kind::Write) && !intent.plan.is_empty();
    let intents: Vec<Intent> = set::all().into_iter().filter(wanted).collect();
    for intent in &intents {
        let steps: Vec<Value> = intent.plan.iter().enumerate().map(step).collect();
        let plan = json!({"summary": "as it should be", "steps": steps});
        let answer = planned(intent, &[json!({"runbook": "none"}), plan]).await;
        assert!(answer.draft.is_some(), "{}: {:?}", intent.id, answer.problems);
    }
    assert!(intents.len() >= 60, "{}", intents.len());
}

#[tokio::test]
async fn a_runbook_for_time_servers_is_not_taken_for_a_log_host() {
    let params = json!({"servers": ["192.0.2.9"], "role": "core", "site": "beijing"});
    let chosen = json!({"runbook": "ntp-on-group"});
    let cannot = json!({"cannot": "it"});
    let text = |what: &str| Intent {
        text: format!("Configure all core routers in Beijing with 192.0.2.9 as their {what} server"),
        ..set::all().remove(0)
    };
    let said = [chosen, params.clone(), params, cannot];
    let logs = planned(&text("log"), &said).await;
    assert!(logs.draft.is_none(), "{logs:?}");
    let told = logs.problems.iter().flatten().next().unwrap();
    assert!(
        told.starts_with("/params/servers: the intent does not speak of `ntp`"),
        "{told}"
    );
    let time = planned(&text("time"), &said).await;
    assert_eq!(time.runbook.as_deref(), Some("ntp-on-group"), "{time:?}");
}
