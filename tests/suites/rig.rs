//! What the suites on retries and on time stand on: the shipped retry policy, a flaky way to the world, and a wall clock
//! that somebody may set.

use flyball_engine::actor::Actor;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::event::{Decision, Event, RuleApplied};
use flyball_engine::intent::{Mode, Request};
use flyball_engine::ports::{Policy, Proposal, RetryBudget, RetryGranted, RetryQuestion, Verdict};
use flyball_policies::{Policies, PolicySettings, RetrySettings};
use flyball_tests::clock::{SteadyClock, Wall};
use flyball_tests::engine::{Engine, SetUp, Simple};
use flyball_tests::flaky::Flaky;
use flyball_tests::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Lets everything run, or asks for an approval; retries are those of the shipped policy.
struct Shipped {
    judges: Simple,
    policies: Policies,
}

impl Policy for Shipped {
    fn judge(&self, proposal: &Proposal) -> Verdict {
        self.judges.judge(proposal)
    }
    fn may(&self, actor: &Actor, action: &str, request: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        self.judges.may(actor, action, request)
    }
    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
        self.policies.retry(question)
    }
    fn retry_budget(&self) -> RetryBudget {
        self.policies.retry_budget()
    }
}

pub(crate) struct Rig {
    pub(crate) world: World,
    pub(crate) flaky: Flaky,
    pub(crate) wall: Wall,
    pub(crate) engine: Engine,
}

impl Rig {
    pub(crate) async fn of(devices: &[&str]) -> Self {
        Self::with(devices, Decision::Run, RetrySettings::default()).await
    }

    pub(crate) async fn with(devices: &[&str], decision: Decision, retry: RetrySettings) -> Self {
        let world = World::of(devices);
        let (flaky, wall) = (Flaky::before(&world), Wall::start());
        let (executor, clock) = (flaky.clone(), wall.clone());
        let set_up: SetUp = Arc::new(move |deps| {
            let settings = PolicySettings {
                retry: retry.clone(),
                ..PolicySettings::default()
            };
            deps.executor = Arc::new(executor.clone());
            deps.clock = Arc::new(SteadyClock::over(&clock));
            deps.policy = Arc::new(Shipped {
                judges: Simple { decision },
                policies: Policies::load(settings).expect("the shipped policies load"),
            });
        });
        let engine = Engine::over_with(&world, decision, set_up).await;
        Self {
            world,
            flaky,
            wall,
            engine,
        }
    }

    /// The engine dies; another starts after a while, by a wall clock that was set meanwhile.
    pub(crate) async fn crash_for(self, down_ms: u64, set_by: i64) -> Self {
        self.engine.supervisor.abort();
        tokio::time::sleep(std::time::Duration::from_millis(down_ms)).await;
        self.wall.set(set_by);
        let engine = self.engine.crash_and_restart().await;
        Self { engine, ..self }
    }

    /// Submits a plan with bounds in time, given as milliseconds from now.
    pub(crate) async fn submit(&self, plan: Value, bound: impl FnOnce(&mut Request, i64)) -> IntentId {
        let mut request = Engine::request("olga", plan, Mode::Apply);
        bound(&mut request, self.wall.now_ms());
        self.engine.submit_request(request).await
    }

    /// Every wait that was scheduled so far: what waits, for how long, and by which rule.
    pub(crate) fn waits(&self, intent: IntentId) -> Vec<(String, i64, String)> {
        let entries = self.engine.journal.entries(intent).into_iter();
        let waits = entries.filter_map(|stored| match stored.entry.event {
            Event::CallRetryScheduled {
                call, until_ms, rule, ..
            } => Some((call.to_string(), until_ms - stored.entry.at, rule)),
            _ => None,
        });
        waits.collect()
    }

    pub(crate) fn count(&self, intent: IntentId, name: &str) -> usize {
        let events = self.engine.events(intent);
        events.iter().filter(|e| e.name() == name).count()
    }
}

/// Sets one value on a device.
pub(crate) fn set(device: &str) -> Value {
    json!({"steps": [step("s", device, &[])]})
}

pub(crate) fn step(id: &str, device: &str, needs: &[&str]) -> Value {
    json!({"id": id, "tool": "world/set", "needs": needs, "args": {"device": device, "key": "k", "value": 1}})
}
