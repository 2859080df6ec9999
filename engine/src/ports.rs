//! What the engine asks of the world. Each trait is a role; the wiring decides who plays it.

use crate::actor::Actor;
use crate::canonical::Digest;
use crate::contract::{Contracts, EffectClass};
use crate::fault::Fault;
use crate::ids::{IntentId, ItemId};
use crate::intent::Request;
use crate::intent::event::{Decision, PlanSource, PlanStage, RuleApplied, StageEnd, ToolsRetrieved};
use crate::intent::meaning::Meaning;
use crate::question::Answers;
use crate::target::Target;
use crate::tool::{Catalogue, Incarnation, Outcome, ToolName, ToolRequest};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Time. Tests move it by hand.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Steady time, Unix milliseconds: what the wall clock said at the start plus what a monotonic clock has counted since.
    /// It never goes back and follows no setting of the wall clock. Everything that is timed goes by it.
    fn now_ms(&self) -> i64;
    /// What the wall clock says now, Unix milliseconds: evidence. A window is opened only if it agrees.
    fn wall_ms(&self) -> i64 {
        self.now_ms()
    }
    async fn sleep(&self, time: Duration);
}

/// What the operator's inventory knows of names, so that one thing has one name in locks, approvals and the record.
pub trait Inventory: Send + Sync {
    /// A target in its canonical form: a device by its name, whatever it was called; a link as both its ends. What the
    /// inventory does not know stays as it is.
    fn canonical(&self, target: Target) -> Vec<Target>;
    /// Whether a target's device may be written to. None: it lies on no device that the inventory knows.
    fn writable(&self, target: &Target) -> Option<bool>;
    /// The group of which no two members may be changed in one wave.
    fn redundancy_group(&self, target: &Target) -> Option<String>;
    /// What the target's device runs. None: it lies on no device that the inventory knows.
    fn platform(&self, target: &Target) -> Option<String> {
        let _ = target;
        None
    }
    /// The names of all devices, for saying which one may be meant. None: nobody keeps a list, and any name may be right.
    fn devices(&self) -> Option<Vec<String>> {
        None
    }
}

/// No inventory: every name stands for itself.
pub struct NoInventory;

impl Inventory for NoInventory {
    fn canonical(&self, target: Target) -> Vec<Target> {
        vec![target]
    }

    fn writable(&self, _: &Target) -> Option<bool> {
        None
    }

    fn redundancy_group(&self, _: &Target) -> Option<String> {
        None
    }
}

/// What came of asking for a plan.
#[derive(Debug, Clone)]
pub struct Planned {
    /// One per model call, in order; journaled whatever came of them.
    pub model_calls: Vec<ModelCall>,
    /// How it went, stage by stage; journaled in order, each among the model calls where it belongs.
    pub notes: Vec<PlanningNote>,
    pub answer: PlanAnswer,
}

/// One thing worth keeping of how a plan was looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanningNote {
    /// How many model calls had been made by then.
    pub after_calls: usize,
    pub fact: PlanningFact,
}

/// What a [`PlanningNote`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanningFact {
    Stage {
        stage: PlanStage,
        end: StageEnd,
        why: String,
    },
    Tools(ToolsRetrieved),
}

/// A draft, or why there is none.
#[derive(Debug, Clone)]
pub enum PlanAnswer {
    /// To be checked by the engine. `params` are the runbook's parameters.
    Draft {
        source: PlanSource,
        draft: Value,
        params: Value,
        /// How often another plan may be asked for, should this one fail and be taken back.
        replans: u32,
    },
    /// The words can be meant in several ways, equally well: a person is asked which.
    Several { meanings: Vec<Meaning> },
    /// Nobody knows how. `nearest` names runbooks that come close; `faults` what was wrong with the last draft.
    Refused {
        reason: String,
        nearest: Vec<String>,
        faults: Vec<Fault>,
    },
}

/// One call of a model.
#[derive(Debug, Clone)]
pub struct ModelCall {
    /// `choose`, `slots`, `draft`, `repair`.
    pub purpose: String,
    pub model: String,
    pub prompt: Digest,
    /// The raw answer.
    pub answer: Value,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In the unit of the model's prices.
    pub cost: f64,
    pub millis: u64,
    /// Why the answer could not be used.
    pub problem: Option<String>,
    /// All that is wrong with what it says, where it could be read.
    pub faults: Vec<Fault>,
}

/// What a planner may use. `check` is the engine's own: a planner repairs against it and can promise nothing by itself.
pub struct PlanningContext {
    pub catalogue: Arc<Catalogue>,
    pub contracts: Arc<Contracts>,
    pub inventory: Arc<dyn Inventory>,
    /// The plans that were tried for this intent, oldest first: each has failed and is taken back. Empty: this is the first.
    pub tried: Vec<Tried>,
    /// What the words mean, where they can mean several things and a person has said which.
    pub meant: Option<Meaning>,
    /// What models have cost this intent so far, in tokens and in the unit of their prices.
    pub tokens_spent: u64,
    pub cost_spent: f64,
}

impl PlanningContext {
    /// For an intent's first plan.
    pub fn first(catalogue: Arc<Catalogue>, contracts: Arc<Contracts>, inventory: Arc<dyn Inventory>) -> Self {
        Self {
            catalogue,
            contracts,
            inventory,
            tried: Vec::new(),
            meant: None,
            tokens_spent: 0,
            cost_spent: 0.0,
        }
    }
}

/// A plan that was tried and has failed: what a planner may know of it. All of it is data, none of it instruction.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried {
    pub revision: u32,
    pub source: PlanSource,
    /// The form of design section 4, as it was accepted.
    pub plan: Value,
    pub params: Value,
    /// Why it was given up.
    pub why: String,
    /// What it did and what became of that, and the checks that did not hold: for people and models to read. What may hold a
    /// device's own secrets is left out.
    pub evidence: Vec<Value>,
}

/// Intent → draft.
#[async_trait]
pub trait Planner: Send + Sync {
    async fn plan(&self, request: &Request, context: &PlanningContext) -> Planned;
}

/// A call's outcome, and where a late reply would arrive after the wait was given up.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Outcome,
    pub late: Option<oneshot::Receiver<Outcome>>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, late: None }
    }
}

/// How a task stands at its server.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskReport {
    /// It goes on; the server suggests when to ask again.
    Working { poll_after: Option<Duration> },
    /// It has ended, and nothing of the call can land any more. [`Outcome::Unknown`]: without saying what came of it.
    Ended(Outcome),
    /// The server knows no such task (any more).
    Lost { reason: String },
    /// The server cannot be asked now.
    Unreachable { reason: String },
}

/// Calls tools on servers and says honestly what is known afterwards. Never retries.
#[async_trait]
pub trait ToolExecutor: Send + Sync {
    /// The tools of all servers, as last listed.
    fn catalogue(&self) -> Arc<Catalogue>;
    /// Waits, at most for a while after the engine's start, until each of these servers runs or is known not to; until then
    /// the catalogue says nothing of them. None: all servers.
    async fn settled(&self, servers: Option<&BTreeSet<String>>) {
        let _ = servers;
    }
    /// Whether the catalogue says anything of this server: it does once the server has listed its tools, and not while it was
    /// not to be had since the engine's start.
    fn has_listed(&self, server: &str) -> bool {
        let _ = server;
        true
    }
    /// Makes sure that the server runs and, if it is a child, that its record is synced. The life that a call would go to.
    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome>;
    async fn call(&self, request: ToolRequest) -> Answer;
    /// Goes on with a call whose server asked: `request` is the call as it was sent. Where the server has ended it, it is
    /// sent again with the answers; where it is still out, they are handed in and its reply is waited for.
    async fn go_on(&self, request: ToolRequest, answers: Answers) -> Answer {
        let _ = (request, answers);
        let reason = "nobody here can carry an answer to a server".into();
        Outcome::Unknown {
            reason,
            task: None,
            retry_after_ms: None,
        }
        .into()
    }
    /// Lets go of a question that nobody answers: the server is told so if it still waits. `parked`: the name under which
    /// the call is kept.
    async fn dismiss(&self, parked: &str) {
        let _ = parked;
    }
    /// Whether nothing that was sent to this life of the server can land any more.
    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool;
    /// For how long at least this life of the server has been proven dead. None: it is not.
    async fn dead_for(&self, server: &str, incarnation: &Incarnation) -> Option<Duration> {
        self.is_dead(server, incarnation).await.then_some(Duration::ZERO)
    }
    /// How a task stands that the server made of a call. Asking changes nothing, but that what the task asks is dismissed.
    async fn task(&self, server: &str, task: &str) -> TaskReport {
        let _ = (server, task);
        TaskReport::Lost {
            reason: "nobody here can ask for tasks".into(),
        }
    }
}

/// One mutating call, as policy sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposedCall {
    pub item: ItemId,
    pub tool: ToolName,
    pub effect: EffectClass,
    /// Whether a way back is known.
    pub way_back: bool,
    pub contracted: bool,
    pub targets: Vec<Target>,
    pub args: Map<String, Value>,
}

/// The expanded plan, as policy sees it.
#[derive(Debug, Clone)]
pub struct Proposal {
    pub intent: IntentId,
    pub request: Request,
    pub source: PlanSource,
    pub calls: Vec<ProposedCall>,
    /// The read-only tools that the plan calls.
    pub reads: Vec<ToolName>,
    /// It follows a plan that failed: the targets that were judged for the plans before it, if any came so far.
    pub replan_of: Option<Option<Vec<Target>>>,
    pub now_ms: i64,
}

/// What policy says, with the rules that said it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub decision: Decision,
    pub rules: Vec<RuleApplied>,
    /// Over the policies that determined the verdict; part of what an approval binds to.
    pub policies: Digest,
    pub approval_ttl: Duration,
}

/// A retry that policy may grant.
#[derive(Debug, Clone)]
pub struct RetryQuestion<'a> {
    pub tool: &'a ToolName,
    pub effect: EffectClass,
    pub outcome: &'a Outcome,
    /// Attempts made so far, from 1.
    pub attempts: u32,
    /// It takes a change back, or finds out what became of one: worth more patience.
    pub way_back: bool,
}

/// What trying again may cost. The way back has no such limits but that of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// One attempt, whatever contract or step allow.
    pub attempt: Duration,
    /// Retries of one intent on its way forward, readings included.
    pub per_intent: u32,
    /// Retries of all intents together on a day (UTC).
    pub per_day: u64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(60 * 60),
            per_intent: 1_000,
            per_day: 100_000,
        }
    }
}

/// When to try again, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryGranted {
    pub after: Duration,
    pub rule: String,
}

/// Who may do what.
pub trait Policy: Send + Sync {
    fn judge(&self, proposal: &Proposal) -> Verdict;
    /// Whether a principal may do an action (`submit`, `approve`, `cancel`, `settle`, …) on an intent, and by which rule.
    fn may(&self, actor: &Actor, action: &str, request: Option<&Request>) -> Result<RuleApplied, RuleApplied>;
    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted>;
    fn retry_budget(&self) -> RetryBudget {
        RetryBudget::default()
    }
    /// How long a person may take to approve.
    fn approval_ttl(&self) -> Duration {
        Duration::from_secs(24 * 3600)
    }
    /// How long a person may take to answer a server's question. The change is half made meanwhile, and its targets locked.
    fn answer_ttl(&self) -> Duration {
        Duration::from_secs(3600)
    }
}
