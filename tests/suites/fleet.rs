//! Fleet tools: one call per device, each with its own probe, wave and way back.

use flyball_engine::intent::event::{Decision, End};
use flyball_tests::engine::Engine;
use flyball_tests::world::{Misbehaviour, World};
use serde_json::{Value, json};

fn fleet(devices: Value) -> Value {
    json!({"steps": [{"id": "fleet", "tool": "world/set_fleet", "waves": [1, "100%"],
        "args": {"devices": devices, "key": "mtu", "value": 9000}}]})
}

#[tokio::test(start_paused = true)]
async fn a_fleet_tool_gets_one_call_per_device_and_none_for_one_that_is_as_asked() {
    let world = World::of(&["a", "b", "c"]);
    world.intrude("b", "mtu", json!(9000));
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(fleet(json!(["a", "b", "c", "a"]))).await;
    assert_eq!(
        engine.end(intent).await.ended.unwrap().0,
        End::Fulfilled,
        "{}",
        engine.story(intent)
    );
    assert_eq!(world.executed(), ["set_fleet a mtu=9000", "set_fleet c mtu=9000"]);
    engine.assert_replays(intent).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_one_device_takes_back_the_others() {
    let world = World::of(&["a", "b", "c"]);
    let before = world.picture();
    world.misbehave("set_fleet c", Misbehaviour::Refuse);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(fleet(json!(["a", "b", "c"]))).await;
    let state = engine.end(intent).await;
    assert_ne!(state.ended.unwrap().0, End::Fulfilled);
    let mut taken_back: Vec<_> = world
        .executed()
        .into_iter()
        .filter(|w| w.starts_with("unset"))
        .collect();
    taken_back.sort();
    assert!(taken_back.contains(&"unset a mtu".to_owned()), "{taken_back:?}");
    assert_eq!(world.picture(), before);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_call_without_its_list_is_refused_before_anything_is_sent() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let intent = engine.submit(fleet(json!("all"))).await;
    let (end, reason, _) = engine.end(intent).await.ended.unwrap();
    assert_eq!(end, End::Refused);
    assert!(reason.contains("devices"), "{reason}");
    assert!(world.executed().is_empty());
}
