//! An engine over a world: submits plans, plays the people, and waits for states instead of for time.

use crate::clock::PausedClock;
use crate::world::World;
use async_trait::async_trait;
use flyball_engine::actor::{Actor, Origin, OriginKind};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::{CallId, IntentId};
use flyball_engine::intent::command::{Command, What};
use flyball_engine::intent::event::{Decision, Event, PlanSource, RuleApplied};
use flyball_engine::intent::replay::replay;
use flyball_engine::intent::state::{IntentState, NoBlobs};
use flyball_engine::intent::{Mode, Request, Wish};
use flyball_engine::journal::memory::InMemoryJournal;
use flyball_engine::journal::{Head, Journal, Lock, verify_chain};
use flyball_engine::plan::check::Limits;
use flyball_engine::ports::{
    Clock, NoInventory, PlanAnswer, Planned, Planner, PlanningContext, Policy, Proposal, RetryGranted, RetryQuestion,
    ToolExecutor, Verdict,
};
use flyball_engine::supervisor::{CommandError, Deps, Supervisor, UndoError, undo_request};
use flyball_engine::tool::Outcome;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Takes plans as they are.
struct AsGiven;

#[async_trait]
impl Planner for AsGiven {
    async fn plan(&self, request: &Request, _: &PlanningContext) -> Planned {
        let answer = match &request.wish {
            Wish::Plan(draft) => PlanAnswer::Draft {
                source: PlanSource::Operator,
                draft: draft.clone(),
                params: Value::Null,
                replans: 0,
            },
            _ => PlanAnswer::Refused {
                reason: "only plans are understood here".into(),
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

/// Lets everything run, or asks for approval of every write.
pub struct Simple {
    pub decision: Decision,
}

impl Policy for Simple {
    fn judge(&self, proposal: &Proposal) -> Verdict {
        let decision = if proposal.calls.is_empty() {
            Decision::Run
        } else {
            self.decision
        };
        let rules = vec![RuleApplied {
            rule: "test".into(),
            reason: "a test".into(),
            item: None,
        }];
        Verdict {
            decision,
            rules,
            policies: Digest::zero(),
            approval_ttl: self.approval_ttl(),
        }
    }

    fn may(&self, _: &Actor, _: &str, _: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        Ok(RuleApplied {
            rule: "test".into(),
            reason: "a test".into(),
            item: None,
        })
    }

    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
        let harmless = matches!(question.outcome, Outcome::NotSent { .. } | Outcome::Unknown { .. });
        (harmless && question.attempts < 3).then(|| RetryGranted {
            after: Duration::from_millis(50),
            rule: "test".into(),
        })
    }
}

/// An engine with its world and journal. `restart` puts another engine over the same two.
pub struct Engine {
    pub world: World,
    pub journal: Arc<InMemoryJournal>,
    pub supervisor: Arc<Supervisor>,
    decision: Decision,
    clock: Arc<PausedClock>,
    set_up: SetUp,
    commands: Arc<AtomicU32>,
}

/// What a test puts in the place of the usual parts, at each start of an engine.
pub type SetUp = Arc<dyn Fn(&mut Deps) + Send + Sync>;

/// What an engine that died leaves behind. Time goes on meanwhile.
pub struct Remains {
    world: World,
    journal: Arc<InMemoryJournal>,
    decision: Decision,
    clock: Arc<PausedClock>,
    set_up: SetUp,
    commands: Arc<AtomicU32>,
}

impl Remains {
    /// What was durable when it died.
    pub fn journal(&self) -> &Arc<InMemoryJournal> {
        &self.journal
    }

    /// Another engine takes over.
    pub async fn restart(self) -> Engine {
        let (decision, set_up) = (self.decision, self.set_up.clone());
        self.restart_with(decision, set_up).await
    }

    /// Another engine takes over, with other rules.
    pub async fn restart_with(self, decision: Decision, set_up: SetUp) -> Engine {
        let engine = Engine::start(self.world, self.journal, decision, self.clock, set_up).await;
        Engine {
            commands: self.commands,
            ..engine
        }
    }
}

impl Engine {
    pub async fn over(world: &World, decision: Decision) -> Self {
        Self::over_with(world, decision, Arc::new(|_| {})).await
    }

    pub async fn over_with(world: &World, decision: Decision, set_up: SetUp) -> Self {
        let (journal, clock) = (Arc::new(InMemoryJournal::new()), Arc::new(PausedClock::start()));
        Self::start(world.clone(), journal, decision, clock, set_up).await
    }

    /// An engine whose calls go through another executor than the world itself.
    pub async fn through(executor: Arc<dyn ToolExecutor>, world: &World, decision: Decision) -> Self {
        Self::over_with(world, decision, Arc::new(move |deps| deps.executor = executor.clone())).await
    }

    /// A second engine over the same journal and world, while this one lives: it takes all open intents over.
    pub async fn beside(&self) -> Self {
        self.beside_with(Arc::new(|_| {})).await
    }

    /// A second engine that is made of the same parts.
    pub async fn beside_alike(&self) -> Self {
        self.beside_with(self.set_up.clone()).await
    }

    /// The same, with other parts.
    pub async fn beside_with(&self, set_up: SetUp) -> Self {
        let (world, journal) = (self.world.clone(), self.journal.clone());
        let beside = Self::start(world, journal, self.decision, self.clock.clone(), set_up).await;
        // What people send is known by its number, whichever engine takes it.
        Self {
            commands: self.commands.clone(),
            ..beside
        }
    }

    async fn start(
        world: World,
        journal: Arc<InMemoryJournal>,
        decision: Decision,
        clock: Arc<PausedClock>,
        set_up: SetUp,
    ) -> Self {
        let mut deps = Deps {
            journal: journal.clone(),
            executor: Arc::new(world.clone()),
            planner: Arc::new(AsGiven),
            policy: Arc::new(Simple { decision }),
            clock: clock.clone(),
            contracts: Arc::new(World::contracts()),
            inventory: Arc::new(NoInventory),
            limits: Limits::default(),
            deadline: None,
            build: "test".into(),
        };
        set_up(&mut deps);
        let supervisor = Supervisor::new(deps);
        supervisor.start().await.expect("the journal can be read");
        Self {
            world,
            journal,
            supervisor,
            decision,
            clock,
            set_up,
            commands: Arc::default(),
        }
    }

    /// The engine dies at once, and another starts over the same journal and world.
    pub async fn crash_and_restart(self) -> Self {
        self.crash().restart().await
    }

    /// The engine dies at once.
    pub fn crash(self) -> Remains {
        self.supervisor.abort();
        Remains {
            world: self.world,
            journal: self.journal,
            decision: self.decision,
            clock: self.clock,
            set_up: self.set_up,
            commands: self.commands,
        }
    }

    pub async fn submit(&self, plan: Value) -> IntentId {
        self.submit_as("olga", plan, Mode::Apply).await
    }

    pub async fn submit_as(&self, who: &str, plan: Value, mode: Mode) -> IntentId {
        self.submit_request(Self::request(who, plan, mode)).await
    }

    /// Submits a plan with a deadline so far from now.
    pub async fn submit_until(&self, plan: Value, deadline: Duration) -> IntentId {
        let mut request = Self::request("olga", plan, Mode::Apply);
        request.deadline_ms = Some(self.clock.now_ms() + deadline.as_millis() as i64);
        self.submit_request(request).await
    }

    /// A request without any bounds in time.
    pub fn request(who: &str, plan: Value, mode: Mode) -> Request {
        Request {
            wish: Wish::Plan(plan),
            origin: Origin {
                kind: OriginKind::Operator,
                actor: Actor::human(who),
            },
            mode,
            deadline_ms: None,
            labels: vec![],
            change: None,
            window: None,
            backout_by_ms: None,
            undo_of: None,
            alarm: Value::Null,
            heard: None,
        }
    }

    pub async fn submit_request(&self, request: Request) -> IntentId {
        self.supervisor
            .submit(request, None)
            .await
            .expect("the journal can be written")
            .intent
    }

    /// Takes an intent back by a new one.
    pub async fn undo(&self, who: &str, of: IntentId) -> Result<IntentId, UndoError> {
        let origin = Origin {
            kind: OriginKind::Operator,
            actor: Actor::human(who),
        };
        let request = undo_request(of, origin, Mode::Apply);
        Ok(self.supervisor.undo(request, None).await?.intent)
    }

    /// A person does something.
    pub async fn command(&self, intent: IntentId, what: What) -> Result<(), CommandError> {
        let id = format!("command-{}", self.commands.fetch_add(1, Ordering::Relaxed));
        let at_ms = self.supervisor.deps().clock.now_ms();
        self.supervisor
            .command(
                intent,
                Command {
                    id,
                    by: Actor::human("anna"),
                    at_ms,
                    what,
                },
            )
            .await
    }

    /// Who holds which target.
    pub async fn journal_locks(&self) -> Vec<Lock> {
        self.journal.locks().await.expect("the journal can be read")
    }

    /// Approves what is to be approved.
    pub async fn approve(&self, intent: IntentId) {
        let state = self.until(intent, "awaiting_approval").await;
        let approval = state.approval.expect("an approval is open");
        let (approval, digest) = (approval.id, approval.digest);
        let what = What::Approve {
            approval,
            digest,
            comment: None,
            own: false,
        };
        self.command(intent, what).await.expect("the approval is open");
    }

    /// Waits until the intent's state has the name.
    pub async fn until(&self, intent: IntentId, name: &str) -> IntentState {
        self.until_that(intent, name, |state| state.api_state() == name).await
    }

    /// Waits until the intent has ended.
    pub async fn end(&self, intent: IntentId) -> IntentState {
        self.until_that(intent, "an end", |state| state.ended.is_some()).await
    }

    /// Waits until the state is as `good` says.
    pub async fn until_that(&self, intent: IntentId, what: &str, good: impl Fn(&IntentState) -> bool) -> IntentState {
        let mut changes = self.journal.watch(intent);
        let waiting = async {
            loop {
                changes.mark_unchanged();
                let state = self.supervisor.state(intent).await.expect("the journal folds");
                if good(&state) {
                    return state;
                }
                changes.changed().await.expect("the journal lives");
            }
        };
        match tokio::time::timeout(Duration::from_secs(4 * 3600), waiting).await {
            Ok(state) => state,
            Err(_) => panic!("no {what} within four hours; the story so far:\n{}", self.story(intent)),
        }
    }

    /// Waits until the world has executed so many mutating calls.
    pub async fn until_executed(&self, calls: usize) {
        while self.world.executed().len() < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The names of all events so far, in order.
    pub fn events(&self, intent: IntentId) -> Vec<Event> {
        self.journal
            .entries(intent)
            .into_iter()
            .map(|e| e.entry.event)
            .collect()
    }

    /// The key under which a call was last sent.
    pub fn key_of(&self, intent: IntentId, of: &CallId) -> String {
        let mut keys = self.events(intent).into_iter().filter_map(|event| match event {
            Event::CallStarted { call, key, .. } if call == *of => Some(key.to_string()),
            _ => None,
        });
        keys.next_back().unwrap_or_default()
    }

    /// The story so far, one line an entry.
    pub fn story(&self, intent: IntentId) -> String {
        let lines = self.journal.entries(intent).into_iter().map(|e| {
            format!(
                "{:>3} {}",
                e.entry.seq,
                serde_json::to_string(&e.entry.event).expect("an event serialises")
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The chain is whole, and folding the entries again gives the same state.
    pub async fn assert_replays(&self, intent: IntentId) {
        let entries = self.journal.entries(intent);
        verify_chain(intent, &Head::empty(), &entries).expect("the chain is whole");
        let replayed = replay(intent, &entries, &NoBlobs).expect("every entry is legal");
        let live = self.supervisor.state(intent).await.expect("the journal folds");
        assert_eq!(replayed, live);
    }
}
