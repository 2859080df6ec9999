//! A plan as a person checks it before it is carried out, and why it is as it is.

use super::{Cost, DeviceDiff, Sentence, WindowBody};
use crate::http::problem::ProblemFault;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A method of procedure: what was looked at, what will change in which order in the devices' own lines with the way back,
/// what must hold before, between and after, and what of it cannot be taken back or verified.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcedureView {
    pub intent: String,
    /// What was asked.
    pub title: String,
    /// What the plan says of itself.
    pub summary: String,
    pub state: String,
    /// Which of the intent's plans it is, and how often yet another may be made should it fail and be taken back.
    pub revision: u32,
    #[serde(default)]
    pub replans: u32,
    /// The plans before it, which failed and were taken back, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// The look is over and policy has judged what it found: nothing is missing here.
    pub complete: bool,
    pub asked_by: String,
    /// `runbook ID`, `model NAME` or `operator`.
    pub source: String,
    /// What the runbook's owner says of it, as it is loaded now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<ReviewedView>,
    /// The intent that it takes back: the stages take back what that one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// From when until when changes may start. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// What an approval binds to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `run`, `needs_approval` or `refuse`, with the rules that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Reasoned>,
    /// Open intents on the same targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// What would be changed.
    pub targets: Vec<String>,
    pub count: ProcedureCount,
    pub looked: Vec<LookedView>,
    pub pre_checks: Vec<ProcedureCheck>,
    /// In their order. Those that wait for none of the others go side by side.
    pub stages: Vec<StageView>,
    pub post_checks: Vec<ProcedureCheck>,
    /// Calls that will not be made, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Reasoned>,
    /// Calls without a way back, and why.
    pub irreversible: Vec<Reasoned>,
    /// Calls of which nothing will show that they did what they should, and why.
    pub unverified: Vec<Reasoned>,
}

/// What the owner of a runbook says of it, for the people who approve.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ReviewedView {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `low`, `medium` or `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
}

/// How much there is of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProcedureCount {
    /// What would be changed, and the devices it lies on.
    pub targets: usize,
    pub devices: usize,
    /// Calls that change something.
    pub calls: usize,
    /// Calls that are not sent, since what they ask for is in place already.
    pub in_place: usize,
    pub irreversible: usize,
    pub unverified: usize,
}

/// One reason, and the items that it holds for; none: for all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reasoned {
    pub why: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

/// Something that was read before anything is changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct LookedView {
    /// The step that reads, or for whose calls it was read.
    pub step: String,
    /// `read` (a step of the plan), `probe` (the state that a change starts from) or `preview` (the native lines).
    pub kind: String,
    pub tool: String,
    /// Arguments of a single read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    /// How often it was read with an answer, of how many.
    pub read: usize,
    pub of: usize,
    /// What was expected of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

/// A read-only call whose answer must satisfy an expression.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Expectation {
    pub tool: String,
    /// As the plan has them; those that name a parameter, with its value.
    pub args: Value,
    pub expect: String,
    /// Asked until it holds, for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// And it must stay so for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_for: Option<String>,
}

/// A check of the plan, and how it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ProcedureCheck {
    pub id: String,
    #[serde(flatten)]
    pub must: Expectation,
    /// `waiting`, `not taken`, `recorded`, `held`, `missed` or `unreadable`.
    pub verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One wave of a step that changes something, or a step that reads between changes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct StageView {
    pub step: String,
    pub tool: String,
    pub mutating: bool,
    /// `read`, `idempotent`, `reversible`, `confirmable` or `irreversible`.
    pub effect: String,
    /// Which wave of the step, from 0 as in every other view, and how many it has.
    pub wave: u32,
    pub waves: u32,
    /// The steps that it waits for.
    pub after: Vec<String>,
    /// What is sent, by device, with the way back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceDiff>,
    /// How the device itself keeps the change only for a while, until it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<String>,
    /// How each call is read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back: Option<String>,
    /// What must hold for each item before anything else goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Expectation>,
    /// What a step that reads must find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// What happens when it fails: `rollback`, `hold` or `continue`.
    pub on_failure: String,
}

/// Why an intent is planned, judged and decided as it is: from its journal alone, each sentence with its entries.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct WhyView {
    pub intent: String,
    pub title: String,
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was asked, by whom and how.
    pub asked: Vec<Sentence>,
    /// One for each time a plan was looked for.
    pub plans: Vec<PlanWhy>,
    /// What it is stuck at, and the commands that move it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stuck: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<String>,
    /// What people have said to do that is recorded and has yet to be taken in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
    /// What policy said, who approved or denied, and what nothing came of; in order.
    pub decisions: Vec<DecisionWhy>,
    pub cost: Cost,
    /// What the cost is made of.
    pub spent: Vec<Sentence>,
}

/// How one plan came about.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PlanWhy {
    pub revision: u32,
    /// `runbook ID`, `model NAME` or `operator`; absent: there is no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The stages of the search and what came of each.
    pub how: Vec<Sentence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerWhy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolsWhy>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// One answer of a model.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct AnswerWhy {
    /// The number of its entry.
    pub entry: u64,
    /// `choose`, `slots`, `draft`, `repair`.
    pub purpose: String,
    pub model: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub seconds: f64,
    /// Which round of repair it is, from 1; 0: none.
    #[serde(default)]
    pub round: u32,
    /// Why it could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Each fault that was found in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultWhy>,
    /// What it answered.
    pub answer: Value,
}

/// A fault in a model's answer, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FaultWhy {
    #[serde(flatten)]
    pub fault: ProblemFault,
    /// The answer in which it is no longer found; absent: it never was repaired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired_in: Option<u64>,
}

/// Which tools were considered for a plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolsWhy {
    /// The number of the entry.
    pub entry: u64,
    /// Shown to the model, best first.
    pub shown: Vec<String>,
    /// Came near and were not shown, with the reason.
    pub not_shown: Vec<NotShownWhy>,
    /// How many more were not shown.
    pub others: u64,
    /// Estimated tokens that the shown ones take in the prompt.
    pub tokens: u64,
}

/// A tool that a model was not shown.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct NotShownWhy {
    pub tool: String,
    pub why: String,
}

/// Why there is no plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    pub text: String,
    pub faults: Vec<ProblemFault>,
    pub entries: Vec<u64>,
}

/// A decision, with the rules that applied and the calls that each applied to.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DecisionWhy {
    pub text: String,
    pub entries: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Reasoned>,
}
