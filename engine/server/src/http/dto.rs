//! The shapes of the API: plain, apart from the engine's own types, so that API and journal can change apart. The
//! command line reads what the server writes, so both directions are derived here.

mod back;
mod bodies;
mod conflict;
mod explain;
mod heard;
mod question;
mod runbooks;
mod taken;
mod world;

pub use back::{LockView, UndoBody};
pub use bodies::*;
pub use conflict::ConflictView;
pub use explain::*;
pub use heard::*;
pub use question::*;
pub use runbooks::*;
pub use taken::Taken;
pub use world::*;

use flyball_engine::canonical::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A runbook with the values of its parameters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookCall {
    pub id: String,
    #[serde(default)]
    pub params: Value,
}

/// From when until when changes may start. RFC 3339.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowBody {
    pub from: String,
    pub until: String,
}

/// What somebody wants: exactly one of `text`, `plan` and `runbook`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A plan as it should run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<RunbookCall>,
    /// `plan`: look and show the diff, then wait for `apply`. `apply` (default): go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// RFC 3339, or a length of time from now such as `2h`. Absent: that of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowBody>,
    /// RFC 3339 or a length of time: not verified by then means taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backout_by: Option<String>,
}

/// The answer to a submission.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Submission {
    pub id: String,
    /// Joined to an intent that goes on already.
    pub joined: bool,
    /// The idempotency key was used before with the same body.
    pub repeated: bool,
    /// The words, where they were spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<HeardView>,
}

/// One row of the list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IntentRowView {
    pub id: String,
    pub state: String,
    pub title: String,
    pub origin: String,
    pub by: String,
    pub received_at: String,
    pub updated_at: String,
    pub targets: Vec<String>,
    /// Something that changes waits for the end of a halt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub halted: bool,
    /// A call whose outcome is not known, and what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<String>,
    /// What came later says otherwise than what a call was settled as.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
}

/// A page of the list, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IntentPage {
    pub intents: Vec<IntentRowView>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An approval, asked for or given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    pub id: String,
    pub intent: String,
    pub title: String,
    pub asked_by: String,
    /// What an approval binds to: plan, calls, targets, diffs, ways back, bases, contracts, pins and policies.
    #[schema(value_type = String)]
    pub digest: Digest,
    pub requested_at: String,
    pub expires_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_by: Option<String>,
    pub targets: Vec<String>,
    /// What would stay whatever happens, and why: calls without a way back.
    #[serde(default)]
    pub irreversible: Vec<String>,
    /// The rules that asked for it.
    pub reasons: Vec<String>,
    /// Open intents on the same targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
}

/// An intent as it stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct IntentView {
    pub id: String,
    pub state: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Fulfilled, but not everything.
    #[serde(default)]
    pub partial: bool,
    pub by: String,
    pub origin: String,
    /// How its words were heard, where they were spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<HeardView>,
    pub mode: String,
    /// The intent that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// The intents that were made to take it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone_by: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    pub received_at: String,
    pub updated_at: String,
    /// Not done by then means stopped and taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// When it is looked at again although nothing happens. Absent: only an event, or a person, moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakes_at: Option<String>,
    /// It is about to record something: where it stands changes at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub about_to_move: bool,
    pub revision: u32,
    /// The plans that failed and were taken back before this one was made, oldest first, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierPlan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalView>,
    /// Targets that this intent holds.
    pub locked: Vec<String>,
    /// Targets that a person took away from it, by whom and why; while it is stuck or waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<String>,
    /// What was sent and may still land, until when, though it is settled: nothing more is done there before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cooling: Vec<String>,
    /// Targets that others hold, and who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<Waiting>,
    /// Open intents that want some of the same targets, when this one's plan was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// The halt that holds back what is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<HaltView>,
    /// What a person is asked before it goes on: by a tool's server, or whether words were heard as they were spoken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<QuestionView>,
    /// What only a person can decide.
    pub stuck: Vec<String>,
    /// What people have said to do that is recorded and has yet to be taken in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<String>,
    /// The commands by which a person moves it on from there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<String>,
    /// What came later and says otherwise than what a call was settled as.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<String>,
    /// Calls whose outcome is not known, each with until when and for whom it waits.
    pub in_doubt: Vec<DoubtView>,
    /// The last commands of which nothing came, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Why no engine works on it, since when, and what moves it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_driven: Option<String>,
    /// Why nothing more is recorded, and so nothing done, before the server is started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritable: Option<String>,
    /// How many items stand where.
    pub items: BTreeMap<String, u32>,
    /// Why a plan was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<super::problem::ProblemFault>,
    pub cost: Cost,
    /// Number of the last entry.
    pub seq: u64,
}

/// A plan that failed and was taken back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EarlierPlan {
    pub revision: u32,
    pub why: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanRef>,
}

/// Which plan, and who made it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlanRef {
    pub digest: String,
    pub summary: String,
    /// `runbook ID`, `model NAME` or `operator`.
    pub source: String,
}

/// Whom an intent waits for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    pub targets: Vec<String>,
    pub holders: Vec<String>,
}

/// What it has cost.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Cost {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub calls: u64,
    pub seconds: f64,
}

/// The accepted plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    pub intent: String,
    pub revision: u32,
    pub digest: String,
    pub source: String,
    /// The plan as it was accepted (design: JSON of a plan).
    pub plan: Value,
    /// Pins it was accepted under, by tool.
    pub pins: BTreeMap<String, String>,
    /// The plan for the people who check it. This alone, as a text: with `Accept: text/markdown` or `text/plain`.
    pub procedure: ProcedureView,
}

/// A step with its items.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    pub id: String,
    pub tool: String,
    pub mutating: bool,
    /// One item per element of a list.
    pub for_each: bool,
    /// The steps before it.
    pub after: Vec<String>,
    /// Where its items stand together.
    pub status: String,
    pub gate: Option<String>,
    pub items: Vec<ItemView>,
}

/// One call, as expanded.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// `step` or `step/3`.
    pub id: String,
    pub status: String,
    pub wave: u32,
    pub targets: Vec<String>,
    /// Arguments; absent while they depend on what is not known yet, `{"sealed": true}` where they may hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `call`, `none` (irreversible) or absent for reads and until it was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way_back: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// What a step that only reads has read; `{"sealed": true}` where it may hold secrets, `{"too_long": true}` where only
    /// the journal holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// A call was sent.
    pub sent: bool,
    /// A valid reading after the call says that the change is in place; absent: nothing can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// What else is to be known of it: when it is tried again and why, until when it stands on trial, what contradicts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What its undo met in the place of what the call had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<ConflictView>,
}

/// All steps of the accepted plan.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct StepsView {
    pub intent: String,
    pub summary: String,
    pub steps: Vec<StepView>,
    pub checks: Vec<CheckView>,
}

/// A check before or after the steps, or a gate.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    pub id: String,
    pub tool: String,
    pub expect: String,
    /// `waiting`, `recorded`, `held`, `missed` or `unreadable`.
    pub verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What was read when it was missed, shortened; `{"sealed": true}` where it may hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
    /// The entries that say so; in the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<u64>,
}

/// The change of one intent in the devices' own words.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DiffView {
    pub intent: String,
    /// What an approval of this diff binds to; absent until policy has judged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    pub devices: Vec<DeviceDiff>,
}

/// One device's (or other target's) part.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DeviceDiff {
    pub device: String,
    pub changes: Vec<ChangeView>,
}

/// One call: what it would do and the way back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    pub item: String,
    pub tool: String,
    pub status: String,
    pub wave: u32,
    /// Native lines, or the arguments where the tool has no preview.
    pub lines: Vec<String>,
    /// The way back: native lines, or the call that takes it back.
    pub way_back: Vec<String>,
    /// No way back is known; `way_back` says why.
    pub irreversible: bool,
    /// Everything is in place already: nothing will be sent.
    pub unchanged: bool,
}

/// What became of the intent, from the journal.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    pub intent: String,
    pub title: String,
    pub state: String,
    pub reason: Option<String>,
    /// What came later and says otherwise than what a call was settled as: the end may not be what it says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradicted: Vec<Sentence>,
    pub sentences: Vec<Sentence>,
    pub targets: Vec<TargetReport>,
    pub checks: Vec<CheckView>,
    /// What was sent and has no way back, with the reason.
    #[serde(default)]
    pub irreversible: Vec<String>,
    pub cost: Cost,
    /// What the engine summarised at the end, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Value>,
}

/// One sentence with the numbers of the entries that it rests on.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Sentence {
    pub text: String,
    pub entries: Vec<u64>,
}

/// One target: changed, verified and persisted are kept apart.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct TargetReport {
    pub target: String,
    /// `changed`, `already`, `taken back`, `not taken back`, `not changed`, `under way`, `in doubt`, `failed`,
    /// `accepted` or `taken over` (by a person), `contradicted`.
    pub applied: String,
    /// `verified`, `missed`, `unverified`.
    pub verified: String,
    /// `saved`, `not saved`, `-` (the plan saves nothing there).
    pub persisted: String,
    /// The entries that say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One journal entry for reading.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    pub seq: u64,
    pub at: String,
    pub actor: String,
    pub epoch: u64,
    pub hash: String,
    pub prev_hash: String,
    /// The event's name.
    pub kind: String,
    /// One line for people.
    pub text: String,
    /// The event as it stands in the journal. Sealed values appear as their digest only.
    pub event: Value,
}

/// A page of entries.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryPage {
    pub entries: Vec<EntryView>,
    /// Pass as `after` for the next page; absent at the end of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// RFC 3339 in UTC, of Unix milliseconds.
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |t| t.to_string())
}
