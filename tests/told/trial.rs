//! What is told of a change that a device keeps on trial.

use crate::{Told, says, says_not};
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::state::IntentState;
use flyball_tests::engine::Engine;
use flyball_tests::world::World;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_change_on_trial_is_shown_as_such_with_until_when_it_stands_and_not_once_it_is_confirmed() {
    let world = World::of(&["a"]);
    let engine = Engine::over(&world, Decision::Run).await;
    let plan = json!({
        "steps": [{"id": "s", "tool": "world/commit", "args": {"device": "a", "key": "k", "value": 1}}],
        "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good", "hold_for": "1m"}]
    });
    let intent = engine.submit(plan).await;
    let pending = |s: &IntentState| {
        s.items
            .values()
            .any(|i| i.status.api_name() == "succeeded" && i.is_pending())
    };
    let state = engine.until_that(intent, "a change on trial", pending).await;
    let until = state.items.values().next().unwrap().lease.as_ref().unwrap().earliest_ms;
    let until = flyball::http::views::clock(until);
    let told = Told::of(&engine, intent).await;
    says(&told.tree, &format!("on trial until {until}"));
    says(&told.item("s").notes.join("\n"), "unless it is confirmed");
    assert_eq!(world.open(), ["a"], "the device waits for a confirmation");
    assert_eq!(engine.end(intent).await.ended.unwrap().0, End::Fulfilled);
    let told = Told::of(&engine, intent).await;
    says_not(&told.tree, "on trial");
    assert!(world.open().is_empty());
}
