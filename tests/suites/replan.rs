//! Planning anew: a plan that failed is taken back first; the next one is made from quoted evidence, approved by a person
//! and kept to the targets of the first.

use crate::settle::in_doubt;
use async_trait::async_trait;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Decision, End, Event, PlanSource, Resolution, Settlement};
use flyball_engine::intent::{Mode, Request};
use flyball_engine::ports::{Answer, PlanAnswer, Planned, Planner, PlanningContext, ToolExecutor, Tried};
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::Mutex;

/// Gives its plans one after the other, and keeps what it was told of those that failed.
struct InTurn {
    plans: Vec<Value>,
    told: Mutex<Vec<Vec<Tried>>>,
}

#[async_trait]
impl Planner for InTurn {
    async fn plan(&self, _: &Request, context: &PlanningContext) -> Planned {
        self.told.lock().unwrap().push(context.tried.clone());
        let answer = match self.plans.get(context.tried.len()) {
            Some(plan) => PlanAnswer::Draft {
                source: PlanSource::Model { name: "test".into() },
                draft: plan.clone(),
                params: Value::Null,
                replans: 10,
            },
            None => PlanAnswer::Refused {
                reason: "nobody knows another way".into(),
                nearest: vec![],
                faults: vec![],
            },
        };
        Planned {
            model_calls: vec![],
            notes: vec![],
            answer,
        }
    }
}

fn planner(plans: &[Value]) -> (Arc<InTurn>, SetUp) {
    let planner = Arc::new(InTurn {
        plans: plans.to_vec(),
        told: Mutex::default(),
    });
    let given = planner.clone();
    (planner, Arc::new(move |deps| deps.planner = given.clone()))
}

/// Sets one value; the check after it decides whether that was right.
fn set(device: &str, value: u32) -> Value {
    json!({
        "summary": format!("try {value}"),
        "steps": [{"id": "s", "tool": "world/set", "args": {"device": device, "key": "mtu", "value": value}}],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

async fn submit(engine: &Engine) -> IntentId {
    engine
        .submit_request(Engine::request("olga", json!({}), Mode::Apply))
        .await
}

fn count(engine: &Engine, intent: IntentId, name: &str) -> usize {
    engine.events(intent).iter().filter(|e| e.name() == name).count()
}

/// A world in which the first plan's check fails.
fn world() -> World {
    let world = World::of(&["a", "b"]);
    world.set_check("post", false);
    world
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_missed_its_goal_is_taken_back_and_the_next_one_reaches_it_once_a_person_approves() {
    let world = world();
    let (planner, set_up) = planner(&[set("a", 9000), set("a", 4000)]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    // Policy lets everything run; a replan's writes wait for a person all the same.
    let state = engine.until(intent, "awaiting_approval").await;
    assert_eq!(
        (state.revision, state.earlier.len()),
        (2, 1),
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
    assert!(
        engine.journal_locks().await.is_empty(),
        "a person may take long: nobody else waits for that"
    );
    let rules: Vec<_> = state.judged.unwrap().rules.into_iter().map(|r| r.rule).collect();
    assert!(rules.contains(&"replan.person".to_owned()), "{rules:?}");
    world.set_check("post", true);
    engine.approve(intent).await;
    let state = engine.end(intent).await;
    assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", engine.story(intent));
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu", "set a mtu=4000"]);
    engine.assert_replays(intent).await;
    let told = planner.told.lock().unwrap().clone();
    assert_eq!((told.len(), told[0].len(), told[1].len()), (2, 0, 1));
    let tried = &told[1][0];
    assert_eq!(
        (tried.revision, &tried.plan["steps"][0]["tool"]),
        (1, &json!("world/set"))
    );
    assert!(tried.why.contains("post-check 1"), "{}", tried.why);
    let evidence = json!(tried.evidence).to_string();
    assert!(
        evidence.contains("\"good\":false") && evidence.contains("\"undone\""),
        "{evidence}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_plan_may_not_write_where_the_first_did_not() {
    let world = world();
    let (_, set_up) = planner(&[set("a", 9000), set("b", 4000)]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::RolledBack, "{}", engine.story(intent));
    assert!(
        reason.contains("device:b") && reason.contains("post-check 1"),
        "{reason}"
    );
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
    assert_eq!(
        count(&engine, intent, "ReplanDecided"),
        1,
        "a refusal is not planned around"
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_plan_again_counts_as_no_plan_whatever_it_calls_itself() {
    let world = world();
    let mut renamed = set("a", 9000);
    renamed["summary"] = json!("something quite different");
    let (_, set_up) = planner(&[set("a", 9000), renamed]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::RolledBack);
    assert!(reason.contains("the very plan that has failed"), "{reason}");
    assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_plans_is_bounded_whatever_a_planner_promises() {
    let world = world();
    let plans: Vec<Value> = (0..20).map(|n| set("a", 9000 + n)).collect();
    let (planner, set_up) = planner(&plans);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    for _ in 1..6 {
        engine.approve(intent).await;
        engine
            .until_that(intent, "the next", |s| s.ended.is_some() || s.approval.is_none())
            .await;
    }
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(planner.told.lock().unwrap().len(), 6);
    assert_eq!(world.executed().len(), 12, "each was taken back");
    engine.assert_replays(intent).await;
}

/// A world beside which a server is named that has not listed its tools.
struct Beside(World);

#[async_trait]
impl ToolExecutor for Beside {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.0.catalogue()
    }

    fn has_listed(&self, server: &str) -> bool {
        server == "world"
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        self.0.ready(server).await
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        self.0.call(request).await
    }

    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool {
        self.0.is_dead(server, incarnation).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_plan_that_waits_for_a_server_waits_as_often_as_policy_grants() {
    let world = world();
    let ghost = json!({"steps": [{"id": "s", "tool": "ghost/read", "args": {}}]});
    let (planner, set_up) = planner(&[set("a", 9000), ghost]);
    let executor = Arc::new(Beside(world.clone()));
    let both: SetUp = Arc::new(move |deps| {
        set_up(deps);
        deps.executor = executor.clone();
    });
    let engine = Engine::over_with(&world, Decision::Run, both).await;
    let intent = submit(&engine).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
    assert_eq!(
        count(&engine, intent, "CallRetryScheduled"),
        2,
        "{}",
        engine.story(intent)
    );
    assert_eq!(planner.told.lock().unwrap().len(), 1 + 3);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_that_failed_is_planned_anew_and_without_another_way_has_failed() {
    let world = World::of(&["a"]);
    let bad = json!({"steps": [{"id": "r", "tool": "world/get", "args": {"device": "nobody"}}]});
    let (_, set_up) = planner(std::slice::from_ref(&bad));
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Failed, "{}", engine.story(intent));
    assert!(
        reason.contains("step r failed") && reason.contains("nobody knows another way"),
        "{reason}"
    );

    let (_, set_up) = planner(&[bad, set("a", 4000)]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    engine.approve(intent).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_who_denies_or_stops_the_next_plan_ends_it_there() {
    for (what, wanted) in [("deny", End::RolledBack), ("cancel", End::Cancelled)] {
        let world = world();
        let (planner, set_up) = planner(&[set("a", 9000), set("a", 4000), set("a", 3000)]);
        let engine = Engine::over_with(&world, Decision::Run, set_up).await;
        let intent = submit(&engine).await;
        let approval = engine.until(intent, "awaiting_approval").await.approval.unwrap();
        let what = match what {
            "deny" => What::Deny {
                approval: approval.id,
                comment: None,
            },
            _ => What::Cancel { reason: None },
        };
        engine.command(intent, what).await.unwrap();
        assert_eq!(
            engine.end(intent).await.ended.unwrap().0,
            wanted,
            "{}",
            engine.story(intent)
        );
        assert_eq!(
            planner.told.lock().unwrap().len(),
            2,
            "nothing is planned around a person's no"
        );
        assert_eq!(world.executed(), ["set a mtu=9000", "unset a mtu"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_planned_anew_while_something_is_not_as_it_was_before() {
    let world = world();
    world.misbehave("unset a", Misbehaviour::Refuse);
    let (planner, set_up) = planner(&[set("a", 9000), set("a", 4000)]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    engine.until(intent, "stuck").await;
    assert_eq!(planner.told.lock().unwrap().len(), 1);
    let what = What::Resolve {
        item: "s".parse().unwrap(),
        resolution: Resolution::Accept,
        comment: None,
    };
    engine.command(intent, what).await.unwrap();
    let (end, _, partial) = engine.end(intent).await.ended.unwrap();
    assert_eq!(
        (end, partial),
        (End::RolledBack, true),
        "what is left is a person's now"
    );
    assert_eq!(planner.told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_in_two_plans_the_end_is_the_same_and_no_call_is_made_twice() {
    for writes in 0..1_000 {
        let world = world();
        let (_, set_up) = planner(&[set("a", 9000), set("a", 4000)]);
        let engine = Engine::over_with(&world, Decision::Run, set_up).await;
        let intent = submit(&engine).await;
        engine.journal.refuse_writes_after(writes);
        let waits = async || engine.supervisor.state(intent).await.unwrap().approval.is_some();
        while engine.supervisor.not_driven(intent).is_none() && !waits().await {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let through = engine.supervisor.not_driven(intent).is_none();
        engine.journal.refuse_writes(None);
        let engine = engine.crash_and_restart().await;
        engine
            .until_that(intent, "an approval asked for", |s| s.approval.is_some())
            .await;
        world.set_check("post", true);
        engine.approve(intent).await;
        let state = engine.end(intent).await;
        let story = || format!("dead after write {writes}:\n{}", engine.story(intent));
        assert_eq!(state.ended.unwrap().0, End::Fulfilled, "{}", story());
        assert_eq!(
            world.executed(),
            ["set a mtu=9000", "unset a mtu", "set a mtu=4000"],
            "{}",
            story()
        );
        assert_eq!(count(&engine, intent, "ReplanDecided"), 1, "{}", story());
        engine.assert_replays(intent).await;
        if through {
            assert!(writes > 6, "it waited for a person after {writes} writes");
            return;
        }
    }
    panic!("it never came to the second plan by itself");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_call_of_the_first_plan_that_contradicts_its_settlement_stops_the_second() {
    let world = world();
    world.misbehave("set a", Misbehaviour::ActAndHoldAnswer);
    let (_, set_up) = planner(&[set("a", 9000), set("a", 4000)]);
    let engine = Engine::over_with(&world, Decision::Run, set_up).await;
    let intent = submit(&engine).await;
    engine.until_that(intent, "a doubt", in_doubt).await;
    // The person is wrong: it was executed. Nothing is taken back, since nothing is believed to be there.
    let what = What::Settle {
        item: "s".parse().unwrap(),
        verdict: Settlement::NotApplied,
        force: true,
        comment: None,
    };
    engine.command(intent, what).await.unwrap();
    engine.until(intent, "awaiting_approval").await;
    world.release();
    let state = engine.until(intent, "paused").await;
    let reason = state.paused.unwrap();
    assert!(
        reason.contains("revision 1") && reason.contains("settled as not applied"),
        "{reason}"
    );
    assert_eq!(count(&engine, intent, "LateAnswer"), 1);
    assert_eq!(count(&engine, intent, "SettlementContradicted"), 1);
    assert_eq!(
        world.executed(),
        ["set a mtu=9000"],
        "nothing goes on before a person has looked"
    );
    assert!(
        state.items.values().all(|i| i.contradiction.is_none()),
        "the second plan's calls are not meant"
    );
    engine.command(intent, What::Cancel { reason: None }).await.unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Cancelled);
    engine.assert_replays(intent).await;
    let events = engine.events(intent);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, Event::LateAnswer { call, .. } if call.revision == 1))
    );
}
