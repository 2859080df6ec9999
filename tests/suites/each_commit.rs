//! Twenty steps with a fan-out and branches side by side: wherever the engine dies between them, the end is the same.

use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, End, Event};
use flyball_engine::journal::Journal;
use flyball_tests::engine::Engine;
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::time::Duration;

const DEVICES: [&str; 4] = ["a", "b", "c", "d"];

/// A list, a change on each device, then four branches of four steps side by side, then two more steps. The server begins
/// with no call past its `send_by`, so what was recorded and never sent is sent after all.
fn twenty_steps() -> Value {
    let mut steps = vec![
        json!({"id": "all", "tool": "world/list"}),
        json!({"id": "each", "for_each": "${steps.all.output.devices}", "tool": "world/set_stale",
               "args": {"device": "${item.name}", "key": "mtu", "value": 9000}}),
    ];
    for device in DEVICES {
        let id = |n: u32| format!("{device}{n}");
        let set = |n: u32, after: String| json!({"id": id(n), "needs": [after], "tool": "world/set_stale", "args": {"device": device, "key": format!("k{n}"), "value": n}});
        steps.push(set(1, "each".to_owned()));
        steps.push(set(2, id(1)));
        steps.push(json!({"id": id(3), "needs": [id(2)], "tool": "world/get", "args": {"device": device}}));
        steps.push(set(4, id(3)));
    }
    steps.push(json!({"id": "seen", "needs": ["a4", "b4", "c4", "d4"], "tool": "world/list"}));
    steps.push(json!({"id": "last", "needs": ["seen"], "tool": "world/set_stale",
                      "args": {"device": "a", "key": "done", "value": true}}));
    assert_eq!(steps.len(), 20);
    let check = json!({"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"});
    json!({"steps": steps, "post_checks": [check]})
}

/// How the intent ended. Read entry by entry: folding it all anew for each would take longer than the runs.
async fn end(engine: &Engine, intent: IntentId) -> End {
    let mut changes = engine.journal.watch(intent);
    let mut seen = 0;
    let reading = async {
        loop {
            changes.mark_unchanged();
            let new = engine.journal.read(intent, seen, usize::MAX).await.unwrap();
            seen = new.last().map_or(seen, |e| e.entry.seq);
            let end = new.iter().find_map(|e| match e.entry.event {
                Event::IntentEnded { end, .. } => Some(end),
                _ => None,
            });
            if let Some(end) = end {
                return end;
            }
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(4 * 3600), reading).await;
    waited.unwrap_or_else(|_| panic!("it does not go on:\n{}", engine.story(intent)))
}

#[tokio::test(start_paused = true)]
async fn wherever_the_engine_dies_in_twenty_steps_the_end_is_the_same_and_no_call_is_made_twice() {
    let mut once = None;
    for writes in 0..1_000 {
        let world = World::of(&DEVICES);
        let engine = Engine::over(&world, Decision::Run).await;
        let intent = engine.submit(twenty_steps()).await;
        engine.journal.refuse_writes_after(writes);
        // Whoever failed is tried again for as long as the journal refuses: the first failure is this engine's death.
        while engine.supervisor.is_driving(intent) && engine.supervisor.not_driven(intent).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let finished = engine.supervisor.state(intent).await.unwrap().ended.is_some();
        engine.journal.refuse_writes(None);
        let engine = engine.crash_and_restart().await;
        let story = || format!("dead after write {writes}:\n{}", engine.story(intent));
        assert_eq!(end(&engine, intent).await, End::Fulfilled, "{}", story());
        let mut executed = world.executed();
        executed.sort();
        assert_eq!(executed.len(), 4 + 4 * 3 + 1, "{}", story());
        let this = (executed, world.picture());
        assert_eq!(once.get_or_insert_with(|| this.clone()), &this, "{}", story());
        assert_eq!(world.overlap(), None, "{}", story());
        engine.assert_replays(intent).await;
        if finished {
            // What is done side by side shares its writes; what follows one another does not.
            assert!(writes > 15, "it ended after {writes} writes");
            return;
        }
    }
    panic!("it never ended by itself");
}
