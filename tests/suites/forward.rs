//! The way forward: look, then act, in waves, with gates and checks.

use flyball_engine::intent::event::{CheckVerdict, Decision, End, Event};
use flyball_engine::journal::Journal as _;
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::json;
use std::time::Duration;

fn set_all(value: u32) -> serde_json::Value {
    json!({
        "summary": "the same on every device",
        "steps": [
            {"id": "all", "tool": "world/list"},
            {"id": "mtu", "for_each": "${steps.all.output.devices}", "tool": "world/set", "waves": [2, "100%"],
             "args": {"device": "${item.name}", "key": "mtu", "value": value},
             "gate": {"tool": "world/check", "args": {"name": "gate"}, "expect": "output.good"}}
        ],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
    })
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_carried_out_in_waves_and_every_device_gets_its_call_once() {
    let world = World::of(&["a", "b", "c", "d", "e"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all(9000)).await;
    let state = engine.end(intent).await;
    assert_eq!(
        state.ended.as_ref().unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    let mut executed = world.executed();
    assert_eq!(
        executed[..2],
        ["set a mtu=9000", "set b mtu=9000"],
        "the first wave is a pair"
    );
    executed.sort();
    assert_eq!(executed, ["a", "b", "c", "d", "e"].map(|d| format!("set {d} mtu=9000")));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_words_again_send_nothing() {
    let world = World::of(&["a", "b"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let first = engine.submit(set_all(9000)).await;
    engine.end(first).await;
    let sent = world.executed().len();
    let again = engine
        .submit_as("olga", set_all(9000), flyball_engine::intent::Mode::Apply)
        .await;
    let state = engine.end(again).await;
    let (end, reason, _) = state.ended.unwrap();
    assert_eq!(end, End::Fulfilled);
    assert!(reason.contains("nothing was sent"), "{reason}");
    assert_eq!(world.executed().len(), sent);
}

#[tokio::test(start_paused = true)]
async fn every_call_is_in_the_journal_before_it_is_in_the_world() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    engine.journal.refuse_writes(None);
    let intent = engine
        .submit_as("olga", set_all(1), flyball_engine::intent::Mode::Plan)
        .await;
    engine.until(intent, "planned").await;
    engine
        .command(intent, flyball_engine::intent::command::What::Apply)
        .await
        .unwrap();
    engine.journal.refuse_writes(Some("the disk is full"));
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(world.executed(), Vec::<String>::new(), "no record, no action");
}

#[tokio::test(start_paused = true)]
async fn a_step_runs_only_after_the_steps_it_reads_from() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({"steps": [
        {"id": "second", "tool": "world/set", "needs": ["first"], "args": {"device": "a", "key": "second", "value": 2}},
        {"id": "first", "tool": "world/set", "args": {"device": "a", "key": "first", "value": 1}},
    ]});
    let intent = engine.submit(plan).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a first=1", "set a second=2"]);
    assert_eq!(world.most_at_once(), 1);
}

#[tokio::test(start_paused = true)]
async fn mutating_calls_on_one_device_never_overlap_and_on_others_do() {
    let world = World::of(&["a", "b", "c"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let one = |id: &str, device: &str| json!({"id": id, "tool": "world/set", "args": {"device": device, "key": id, "value": 1}});
    let intent = engine
        .submit(json!({"steps": [one("x", "a"), one("y", "a"), one("z", "a")]}))
        .await;
    engine.end(intent).await;
    assert_eq!((world.executed().len(), world.most_at_once()), (3, 1));
    let intent = engine
        .submit(json!({"steps": [one("p", "a"), one("q", "b"), one("r", "c")]}))
        .await;
    engine.end(intent).await;
    assert_eq!(world.most_at_once(), 3);
}

#[tokio::test(start_paused = true)]
async fn steps_that_wait_for_nothing_go_out_together_behind_one_commit() {
    let names: Vec<String> = (0..20).map(|n| format!("d{n}")).collect();
    let world = World::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let engine = Engine::over(&world, Decision::Run).await;
    let step =
        |name: &String| json!({"id": name, "tool": "world/set_same", "args": {"device": name, "key": "k", "value": 1}});
    let steps: Vec<_> = names.iter().map(step).collect();
    let before = engine.journal.syncs();
    let intent = engine.submit(json!({"steps": steps})).await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!((world.executed().len(), world.most_at_once()), (20, 20));
    let commits = engine.journal.syncs() - before;
    assert!(commits < 12, "{commits} commits\n{}", engine.story(intent));
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_turned_away_unread_is_sent_again() {
    let world = World::of(&["a"]);
    world.misbehave("set a", Misbehaviour::TurnAway);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(set_all(1)).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a mtu=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_cannot_be_read_waits_for_a_person_and_takes_nothing_back() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_all(1);
    let reads = json!({"tool": "world/get", "args": {"device": "later"}, "expect": "output.values.size() > 0"});
    plan["post_checks"] = json!([reads]);
    let intent = engine.submit(plan).await;
    engine.until(intent, "stuck").await;
    assert_eq!(world.executed(), ["set a mtu=1"]);
    world.intrude("later", "k", json!(1));
    engine
        .command(intent, flyball_engine::intent::command::What::Resume)
        .await
        .unwrap();
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
}

#[tokio::test(start_paused = true)]
async fn a_missed_pre_check_ends_the_intent_before_anything_is_sent() {
    let world = World::of(&["a"]);
    world.set_check("pre", false);
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_all(1);
    plan["pre_checks"] = json!([{"tool": "world/check", "args": {"name": "pre"}, "expect": "output.good"}]);
    let intent = engine.submit(plan).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Failed);
    assert!(reason.contains("pre-check 1"), "{reason}");
    assert!(world.executed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_faulty_plan_is_refused_with_all_its_faults_before_any_call() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine
        .submit(json!({"steps": [
            {"id": "x", "tool": "world/sett", "args": {}},
            {"id": "y", "tool": "world/set", "args": {"devise": "a", "key": "k", "value": 1}},
        ]}))
        .await;
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Refused);
    let faults = engine.events(intent).into_iter().find_map(|e| match e {
        Event::PlanRefused { faults, .. } => Some(faults),
        _ => None,
    });
    let pointers: Vec<String> = faults.unwrap().into_iter().map(|f| f.pointer).collect();
    assert!(pointers.iter().any(|p| p.starts_with("/plan/steps/0")), "{pointers:?}");
    assert!(
        pointers.iter().any(|p| p.starts_with("/plan/steps/1/args")),
        "{pointers:?}"
    );
    assert_eq!(world.reads(), 0);
}

#[tokio::test(start_paused = true)]
async fn two_intents_on_one_device_go_one_after_the_other_and_the_second_says_for_whom_it_waits() {
    let world = World::of(&["a"]);
    world.misbehave("set a first", Misbehaviour::ActAndHoldAnswer);
    let engine = Engine::over(&world, Decision::Run).await;
    let one = |key: &str| json!({"steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": key, "value": 1}}]});
    let first = engine.submit(one("first")).await;
    engine.until_executed(1).await;
    let second = engine
        .submit_as("otto", one("second"), flyball_engine::intent::Mode::Apply)
        .await;
    let state = engine
        .until_that(second, "a wait for a lock", |s| s.waiting_for.is_some())
        .await;
    assert!(state.waiting_for.unwrap().1[0].contains(&first.to_string()));
    assert_eq!(world.executed(), ["set a first=1"]);
    world.release();
    engine.end(first).await;
    assert_eq!(engine.end(second).await.ended.unwrap().0, End::Fulfilled);
    assert_eq!(world.executed(), ["set a first=1", "set a second=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_state_an_earlier_step_changes_is_not_taken_for_done_because_it_held_before() {
    let world = World::of(&["a"]);
    world.intrude("a", "k", json!(2));
    let engine = Engine::over(&world, Decision::Run).await;
    let set = |id: &str, value: u32, needs: serde_json::Value| json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": "a", "key": "k", "value": value}});
    let intent = engine
        .submit(json!({"steps": [set("away", 1, json!([])), set("back", 2, json!(["away"]))]}))
        .await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set a k=1", "set a k=2"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_polled_check_the_first_reading_each_change_and_the_last_are_in_the_journal() {
    let world = World::of(&["a"]);
    world.intrude("later", "k", json!(0));
    let engine = Engine::over(&world, Decision::Run).await;
    let mut plan = set_all(1);
    let check =
        json!({"tool": "world/get", "args": {"device": "later"}, "expect": "output.values.k == 2", "within": "1m"});
    plan["post_checks"] = json!([check]);
    let intent = engine.submit(plan).await;
    engine.until_executed(1).await;
    for value in [1, 2] {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.intrude("later", "k", json!(value));
    }
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let mut readings = engine.events(intent).into_iter().filter_map(|event| match event {
        Event::ChecksTaken { readings } => readings.into_iter().next(),
        _ => None,
    });
    let last = readings.next_back().unwrap();
    assert_eq!(last.verdict, CheckVerdict::Held);
    assert!(last.polls > 40, "{}", last.polls);
    let seen: Vec<_> = last
        .earlier
        .iter()
        .map(|e| {
            (
                e.held,
                e.output.clone().unwrap().value(None).unwrap()["values"]["k"].clone(),
            )
        })
        .collect();
    assert_eq!(seen, [(false, json!(0)), (false, json!(1))]);
    assert_eq!(last.earlier[0].poll, 1);
}
