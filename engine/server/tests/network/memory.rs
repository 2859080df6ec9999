//! What a tool server remembers is no state of a device: it may die between the look and the approval.

use serde_json::{Value, json};

use crate::engine::{Engine, Folder};
use crate::lab::Lab;

const DEVICE: &str = "sh-core-1";

fn save(needs: &[&str]) -> Value {
    json!({"id": "saved", "tool": "config/save", "needs": needs, "args": {"device": DEVICE}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_stands_although_the_server_that_was_looked_through_died_since() {
    let lab = Lab::of(&[DEVICE, "sh-core-2"]).await;
    let folder = Folder::over(&lab.sandbox.inventory_path(), true);
    let engine = Engine::start(&folder);
    // The device confirms a save, and shows nothing of it.
    let first = engine.submit(json!({"steps": [save(&[])]})).await;
    engine.approve(&first).await;
    engine.until(&first, "fulfilled").await;

    let cost = json!({"id": "cost", "tool": "config/set_interface",
                      "args": {"device": DEVICE, "interface": "eth1", "ospf_cost": 33}});
    let second = engine.submit(json!({"steps": [cost, save(&["cost"])]})).await;
    engine.until(&second, "awaiting_approval").await;
    engine.kill_server("config");
    engine.approve(&second).await;
    engine.until(&second, "fulfilled").await;
    let story = engine.story(&second).await;
    assert!(engine.events(&second, "PlanStale").await.is_empty(), "{story}");
    assert_eq!(engine.events(&second, "ApprovalRequested").await.len(), 1, "{story}");
    let saves = lab
        .executed(DEVICE)
        .await
        .into_iter()
        .filter(|e| e.line.starts_with("write"));
    assert_eq!(saves.count(), 2, "{story}");
    let saved = lab
        .ask(json!({"cmd": "show", "device": DEVICE, "what": "startup"}))
        .await;
    assert!(saved["text"].as_str().unwrap().contains("cost 33"), "{saved}");
}
