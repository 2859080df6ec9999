//! Models and their servers as they are: busy, down, wordy, cut short, silent. What comes of each, and what it costs.

mod support;

use async_trait::async_trait;
use flyball_engine::intent::Wish;
use flyball_engine::intent::event::{PlanSource, PlanStage, StageEnd};
use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::ports::{Clock, PlanAnswer, Planner, PlanningContext};
use flyball_planner::{ModelBudget, Price};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{
    Said, Script, context, drafted, model, plan, plan_by, planner, purposes, raw, refusal, reply, request, silence,
    stages, status, text,
};

/// It speaks of a data center, as a runbook does: so a runbook is asked about first.
const LOOK: &str = "show device r7 of the data center";

fn none() -> Said {
    reply(&json!({"runbook": "none"}))
}

fn good() -> Value {
    json!({"summary": "s", "steps": [{"id": "look", "tool": "inventory/get_device", "args": {"device": "r7"}}]})
}

struct Still;

#[async_trait]
impl Clock for Still {
    fn now_ms(&self) -> i64 {
        0
    }
    async fn sleep(&self, _: Duration) {}
}

#[tokio::test]
async fn a_plan_is_found_in_whatever_a_model_wraps_it() {
    let plan_text = good().to_string();
    let parts =
        json!({"choices": [{"message": {"content": [{"type": "text", "text": plan_text}]}, "finish_reason": "stop"}]});
    for answer in [
        text(&format!("```json\n{plan_text}\n```")),
        text(&format!("Here is the plan:\n```\n{plan_text}\n```\nAnything else?")),
        text(&format!("<think>a device, so get_device</think>{plan_text}")),
        raw(&parts),
    ] {
        let script = Script::of([none(), answer]);
        assert_eq!(*drafted(&plan(LOOK, &script).await), good());
    }
}

#[tokio::test]
async fn each_malformed_answer_is_a_fault_with_its_name_and_is_asked_again() {
    let filtered = json!({"choices": [{"message": {"content": "{}"}, "finish_reason": "content_filter"}]});
    let refused = json!({"choices": [{"message": {"content": null, "refusal": "I won't."}, "finish_reason": "stop"}]});
    for (answer, named) in [
        (text(""), "the answer is empty"),
        (text(&good().to_string()[..40]), "breaks off before its JSON ends"),
        (text("I'm sorry, but I can't help with that."), "refused to answer"),
        (text("You should use get_device."), "no JSON"),
        (text("[1, 2]"), "plan."),
        (raw(&json!({"choices": []})), "holds no answer"),
        (raw(&json!({"object": "error"})), "holds no answer"),
        (raw(&filtered), "held the answer back"),
        (raw(&refused), "refused to answer"),
        (support::cut_off(&good().to_string()), "cut off at its token limit"),
    ] {
        let script = Script::of([none(), answer, reply(&good())]);
        let planned = plan(LOOK, &script).await;
        assert_eq!(*drafted(&planned), good(), "{named}");
        assert_eq!(purposes(&planned), ["choose", "draft", "repair"], "{named}");
        let problem = planned.model_calls[1].problem.as_ref().unwrap();
        assert!(problem.contains(named), "{problem} is not {named}");
    }
}

#[tokio::test]
async fn a_tool_s_name_that_is_nearly_right_is_suggested_and_not_taken() {
    let near =
        json!({"summary": "s", "steps": [{"id": "look", "tool": "inventory/get_devise", "args": {"device": "r7"}}]});
    let script = Script::of([none(), reply(&near), reply(&good())]);
    let planned = plan(LOOK, &script).await;
    assert_eq!(*drafted(&planned), good());
    let bodies = script.bodies();
    let told = bodies[2]["messages"][3]["content"].as_str().unwrap();
    assert!(told.contains("did you mean \"inventory/get_device\"?"), "{told}");
    let script = Script::of([none(), reply(&near), reply(&near), reply(&near)]);
    assert!(
        refusal(&plan(LOOK, &script).await).contains("after two repairs"),
        "never substituted"
    );
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let busy = |code: u16| status(code, "later").with_header("retry-after-ms", "300");
    for code in [429, 503] {
        let script = Script::of([busy(code), none(), reply(&good())]);
        let began = Instant::now();
        let planned = plan(LOOK, &script).await;
        assert_eq!(*drafted(&planned), good());
        assert!(
            began.elapsed() >= Duration::from_millis(300),
            "{code}: {:?}",
            began.elapsed()
        );
        assert_eq!(purposes(&planned), ["choose", "draft"], "one question is one record");
    }
}

/// What the first model's server says, then which model planned, and how often the first was asked.
async fn with_a_second(first: impl IntoIterator<Item = Said>) -> (String, usize, Vec<String>) {
    let (first, second) = (Script::of(first), Script::of([none(), reply(&good())]));
    let mut preferred = model(&first.serve().await, "preferred");
    preferred.timeout = Duration::from_millis(600);
    let planner = planner(vec![preferred, model(&second.serve().await, "spare")]);
    let planned = plan_by(&planner, LOOK).await;
    let PlanAnswer::Draft {
        source: PlanSource::Model { name },
        ..
    } = &planned.answer
    else {
        panic!("{planned:?}")
    };
    let asked: Vec<String> = planned.model_calls.iter().map(|call| call.model.clone()).collect();
    (name.clone(), first.bodies().len(), asked)
}

#[tokio::test]
async fn when_the_preferred_model_cannot_be_asked_the_next_is() {
    let down = || status(500, "boom");
    let much_later = status(429, "later").with_header("retry-after", "3600");
    let no_quota = status(429, r#"{"error": {"code": "insufficient_quota"}}"#);
    let login_page = status(200, "<html>a proxy's login page</html>");
    let cases: [(&str, Vec<Said>, usize); 6] = [
        ("behind a proxy that wants a login", vec![login_page], 1),
        ("failing", vec![down(), down(), down()], 3),
        ("busy for an hour", vec![much_later], 1),
        ("used up", vec![no_quota], 1),
        ("refusing the key", vec![status(401, "no")], 1),
        ("silent", vec![silence()], 1),
    ];
    for (what, said, times) in cases {
        let (name, asked, models) = with_a_second(said).await;
        assert_eq!((name.as_str(), asked), ("spare", times), "{what}");
        // Both stand in the record, and the one that is down is passed over afterwards.
        assert_eq!(models, ["preferred", "spare", "spare"], "{what}");
    }
}

#[tokio::test]
async fn where_a_model_refuses_or_says_nothing_the_next_is_asked_and_no_repair_is_spent() {
    let sorry = || text("I'm sorry, but I can't help with that.");
    let filtered = || raw(&json!({"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}));
    let refused = || raw(&json!({"choices": [{"message": {"content": null, "refusal": "I won't."}}]}));
    for (what, said) in [
        ("sorry", [sorry(), sorry()]),
        ("refused", [refused(), refused()]),
        ("held back", [filtered(), filtered()]),
        ("empty", [text(""), text(" ")]),
    ] {
        let (name, asked, models) = with_a_second(said).await;
        assert_eq!(
            (name.as_str(), asked),
            ("spare", 2),
            "{what}: it is there, and is asked again"
        );
        assert_eq!(models, ["preferred", "spare", "preferred", "spare"], "{what}");
    }
}

#[tokio::test]
async fn that_a_model_refused_is_told_although_the_next_is_away() {
    let sorry = || text("I'm sorry, but I can't help with that.");
    let first = Script::of([none(), sorry(), sorry(), sorry()]);
    let away = Script::of([status(500, "boom"), status(500, "boom"), status(500, "boom")]);
    let models = vec![model(&first.serve().await, "first"), model(&away.serve().await, "away")];
    let planned = plan_by(&planner(models), LOOK).await;
    let PlanAnswer::Refused { faults, .. } = &planned.answer else {
        panic!("{planned:?}")
    };
    assert!(
        faults.iter().any(|f| f.message.contains("refused to answer")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_model_that_costs_more_than_is_left_gives_way_to_one_that_does_not() {
    let (dear, free) = (Script::of([]), Script::of([none(), reply(&good())]));
    let mut first = model(&dear.serve().await, "dear");
    first.price = Price {
        input: 1_000.0,
        ..Price::default()
    };
    let budget = ModelBudget {
        cost_per_intent: Some(0.001),
        ..ModelBudget::default()
    };
    let planner = planner(vec![first, model(&free.serve().await, "free")]);
    let planner = planner.with_budget(budget, Arc::new(InMemoryJournal::default()), Arc::new(Still));
    assert_eq!(*drafted(&plan_by(&planner, LOOK).await), good());
    assert!(dear.bodies().is_empty());
}

#[tokio::test]
async fn a_spare_model_is_not_asked_while_the_preferred_one_answers() {
    let (first, second) = (Script::of([none(), reply(&good())]), Script::default());
    let models = vec![
        model(&first.serve().await, "preferred"),
        model(&second.serve().await, "spare"),
    ];
    let planned = plan_by(&planner(models), LOOK).await;
    assert_eq!(*drafted(&planned), good());
    assert!(second.bodies().is_empty());
}

#[tokio::test]
async fn a_budget_ends_the_asking_before_it_is_passed() {
    let script = Script::of([none(), reply(&good())]);
    let budget = ModelBudget {
        tokens_per_intent: Some(2_000),
        ..ModelBudget::default()
    };
    let planner = planner(vec![model(&script.serve().await, "m")]);
    let planner = planner.with_budget(budget, Arc::new(InMemoryJournal::default()), Arc::new(Still));
    let planned = plan_by(&planner, LOOK).await;
    assert_eq!(script.bodies().len(), 1, "the draft would take more than is left");
    assert!(
        refusal(&planned).contains("the intent's budget of tokens"),
        "{planned:?}"
    );
    assert!(
        refusal(&planned).contains("18 of 2000 are spent"),
        "{}",
        refusal(&planned)
    );
    assert_eq!(planner.spent_today().await.tokens, 18);
}

#[tokio::test]
async fn what_is_left_of_a_budget_is_told_before_it_runs_out() {
    let uses = |prompt: u64| {
        let message = json!({"content": good().to_string()});
        raw(&json!({"choices": [{"message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": 10}}))
    };
    let script = Script::of([none(), uses(900_000)]);
    let budget = ModelBudget {
        cost_per_day: Some(1.0),
        ..ModelBudget::default()
    };
    let mut dear = model(&script.serve().await, "m");
    dear.price = Price {
        input: 1.0,
        ..Price::default()
    };
    let planner = planner(vec![dear]).with_budget(budget, Arc::new(InMemoryJournal::default()), Arc::new(Still));
    let planned = plan_by(&planner, LOOK).await;
    let stages = stages(&planned);
    let (stage, end, why) = stages.last().unwrap();
    assert_eq!((*stage, *end), (PlanStage::Draft, StageEnd::Fits));
    assert!(
        why.contains("the day's budget of cost: 0.9000 of 1.0000 are spent"),
        "{why}"
    );
}

#[tokio::test]
async fn what_earlier_plans_have_cost_counts_against_the_intents_budget() {
    let budget = ModelBudget {
        cost_per_intent: Some(1.0),
        ..ModelBudget::default()
    };
    let script = Script::of([]);
    let mut dear = model(&script.serve().await, "m");
    dear.price = Price {
        input: 1.0,
        ..Price::default()
    };
    let planner = planner(vec![dear]).with_budget(budget, Arc::new(InMemoryJournal::default()), Arc::new(Still));
    let context = PlanningContext {
        cost_spent: 1.0,
        ..context()
    };
    let planned = planner
        .plan(&request(Wish::Text(LOOK.into()), Value::Null), &context)
        .await;
    let told = refusal(&planned);
    let spent = "the intent's budget of cost does not allow another question: 1.0000 of 1.0000 are spent";
    assert!(told.contains(spent), "{told}");
    assert!(script.bodies().is_empty(), "nobody is asked");
}

#[tokio::test]
async fn a_server_that_does_not_count_its_tokens_is_counted_for() {
    let uncounted = json!({"choices": [{"message": {"content": "{\"runbook\": \"none\"}"}, "finish_reason": "stop"}]});
    let script = Script::of([raw(&uncounted), reply(&json!({"cannot": "x"}))]);
    let planned = plan(LOOK, &script).await;
    let call = &planned.model_calls[0];
    assert!(call.input_tokens > 100 && call.output_tokens > 0, "{call:?}");
}

#[tokio::test]
async fn every_stage_says_what_came_of_it_and_the_tools_stand_where_they_were_found() {
    let script = Script::of([none(), reply(&good())]);
    let planned = plan(LOOK, &script).await;
    let told: Vec<(PlanStage, StageEnd)> = stages(&planned).iter().map(|(stage, end, _)| (*stage, *end)).collect();
    let wanted = [
        (PlanStage::Phrase, StageEnd::Passed),
        (PlanStage::Choice, StageEnd::Passed),
        (PlanStage::Draft, StageEnd::Fits),
    ];
    assert_eq!(told, wanted);
    let after: Vec<usize> = planned.notes.iter().map(|note| note.after_calls).collect();
    assert_eq!(after, [0, 1, 1, 2], "phrase, choice, tools, draft among the calls");
}
