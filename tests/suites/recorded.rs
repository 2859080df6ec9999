//! What a real model said, said again by a scripted server: the planner makes the same of it as on the day it was
//! recorded, and no change gets through that nobody asked for. The model was
//! Qwen2.5-Coder-1.5B; what it is asked may change since, what it may say does not.

use crate::planning::answers::{self, Answer};
use crate::planning::script::{Script, text};
use crate::planning::{ask, catalogue, grade, set};
use flyball_planner::{ModelSettings, Price};
use serde_json::Value;
use std::time::Duration;

/// The model's words, in their order.
fn script(recorded: &Answer) -> Script {
    let word_for_word = |said: &Value| said.as_str().map_or_else(|| said.to_string(), str::to_owned);
    Script::of(recorded.said.iter().map(|(_, said)| text(&word_for_word(said))))
}

pub(crate) fn model(base_url: String) -> ModelSettings {
    ModelSettings {
        base_url,
        name: "recorded".into(),
        api_key: None,
        timeout: Duration::from_secs(20),
        price: Price::default(),
    }
}

#[tokio::test]
async fn of_what_a_real_model_has_said_the_same_plans_come_and_no_write_that_nobody_asked_for() {
    let context = catalogue::netops();
    let mutates = |tool: &str| {
        tool.parse()
            .is_ok_and(|name| context.contracts.of(&name).effect.mutates())
    };
    let recorded = answers::read(&catalogue::root().join("tests/fixtures/planning/recorded.jsonl"));
    let (mut asked, mut plans) = (0, 0);
    for intent in set::all() {
        let Some(then) = recorded.get(&("planner".to_owned(), intent.id.clone())) else {
            continue;
        };
        let script = script(then);
        let now = ask::planned("planner", &intent, &context, Some(model(script.serve().await)))
            .await
            .unwrap();
        assert!(script.is_over(), "{}: asked less often than then: {now:?}", intent.id);
        assert_eq!(now.draft, then.draft, "{}: {now:?}", intent.id);
        assert_eq!(now.params, then.params, "{}", intent.id);
        assert!(!grade::grade(&intent, &now, &mutates).unasked_write, "{}", intent.id);
        asked += now.said.len();
        plans += usize::from(now.draft.is_some());
    }
    assert!(asked >= 181 && plans >= 37, "{plans} plans of {asked} answers");
}
