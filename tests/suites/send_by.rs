//! Until when a call may leave, and until when its server may begin with it: whatever is done to the wall clock.

use crate::rig::HOUR;
use async_trait::async_trait;
use flyball_engine::contract::{Contracts, EffectClass};
use flyball_engine::intent::event::{Decision, End};
use flyball_engine::intent::item::CallState;
use flyball_engine::ports::{Answer, Clock, ToolExecutor};
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use flyball_tests::clock::{SteadyClock, Wall};
use flyball_tests::engine::{Engine, SetUp};
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The way to the world, which looks at each mutating call: what is left of its time by the engine's clock, and by the
/// wall clock that its server goes by.
struct Looks {
    world: World,
    steady: Arc<SteadyClock>,
    wall: Wall,
    seen: Arc<Mutex<Vec<(i64, i64)>>>,
}

#[async_trait]
impl ToolExecutor for Looks {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.world.catalogue()
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        self.world.ready(server).await
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        if let Some(by) = request.send_by_ms {
            let told = request.meta["io.flyball/send_by"].as_i64().unwrap();
            let left = (by - self.steady.now_ms(), told - self.wall.now_ms());
            self.seen.lock().unwrap().push(left);
        }
        self.world.call(request).await
    }

    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool {
        self.world.is_dead(server, incarnation).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_told_the_time_by_the_wall_clock_as_it_stands_when_the_call_is_handed_over() {
    for set_by in [-HOUR, 0, HOUR] {
        let (world, wall) = (World::of(&["a"]), Wall::start());
        let (steady, seen) = (Arc::new(SteadyClock::over(&wall)), Arc::default());
        let looks = Arc::new(Looks {
            world: world.clone(),
            steady: steady.clone(),
            wall: wall.clone(),
            seen: Arc::clone(&seen),
        });
        let set_up: SetUp = Arc::new(move |deps| {
            deps.executor = looks.clone();
            deps.clock = steady.clone();
        });
        world.set_check("post", false);
        let engine = Engine::over_with(&world, Decision::Run, set_up).await;
        wall.set(set_by);
        let intent = engine
            .submit(json!({
                "steps": [{"id": "s", "tool": "world/set", "args": {"device": "a", "key": "k", "value": 1}}],
                "post_checks": [{"tool": "world/check", "args": {"name": "post"}, "expect": "output.good"}]
            }))
            .await;
        assert_eq!(engine.end(intent).await.ended.unwrap().0, End::RolledBack);
        assert_eq!(world.executed(), ["set a k=1", "unset a k"], "its undo too");
        let seen = seen.lock().unwrap().clone();
        let in_time = |left: &i64| (4_000..=5_000).contains(left);
        assert!(
            seen.len() == 2 && seen.iter().all(|(left, told)| in_time(left) && left == told),
            "set by {set_by}: {seen:?}"
        );
    }
}

#[test]
fn whatever_changes_a_device_is_fenced_by_its_time_under_the_shipped_contracts() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/server/contracts/netops.yaml");
    let shipped: Contracts = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let call: Value = json!({
        "id": "1:s:do:0", "attempt": 1, "tool": "config/set_interface", "started_ms": 0, "deadline_ms": 20_000,
        "orphaned": false, "send_by_ms": 5_000, "answered": false, "unproven": [1],
    });
    let call: CallState = serde_json::from_value(call).unwrap();
    let mut changing = 0;
    for (tool, contract) in shipped.contracts.iter().filter(|(_, c)| c.effect != EffectClass::Read) {
        assert_eq!(call.fence_at(contract, 0, 15_000), None, "{tool}: clocks may differ");
        let fence = call.fence_at(contract, 0, 15_001).unwrap_or_default();
        assert!(fence.contains("send_by"), "{tool}: {fence}");
        changing += 1;
    }
    assert_eq!(changing, 15);
}
