//! What events are made of: readings, verdicts, decisions and ends.

use crate::actor::Actor;
use crate::ids::{CallId, ItemId};
use crate::journal::Seq;
use crate::payload::Payload;
use crate::target::Target;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};

/// Who made a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanSource {
    Runbook { id: String },
    Model { name: String },
    Operator,
}

/// Why a probe was taken: the six uses of the one read-back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbePurpose {
    Before,
    After,
    Settle,
    Stale,
    BeforeUndo,
    AfterUndo,
}

/// A probe's answer, judged. Only a `valid` one is evidence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    pub valid: bool,
    /// The selected state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Payload>,
    /// The digest that writing tools expect to find (`base` of the probe's output).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Whether the contract's `holds` is true of the state. None: no `holds`, or it could not be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// Whether the state equals the one it is compared with: for `stale` the approved one, for `settle` and
    /// `after_undo` the one before the call, for `before_undo` the one that our last call left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equal: Option<bool>,
    /// Whether the device still keeps the change on its timer, as far as the contract can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<bool>,
    /// Why it is no evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An undo as it would be sent, chosen when the state before was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoCall {
    pub tool: ToolName,
    pub args: Payload,
}

/// The way back of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    Call(UndoCall),
    /// None fits. Shown as such before approval.
    Irreversible {
        why: String,
    },
}

/// One expanded call of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpandedItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The element of the `for_each` list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<Payload>,
    /// The one element that this call keeps of the argument by which a fleet tool is split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Payload>,
    /// The arguments, if all bindings could be resolved; others are resolved just before sending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Payload>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// The wave it goes in, from 0.
    #[serde(default)]
    pub wave: u32,
    /// Why it is not to run (`when` is false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What an earlier intent did here, which this one is to take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<Box<Undoes>>,
}

/// A call of an earlier intent, as that intent's ledger shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Undoes {
    /// Number of the entry that started it: the order of taking back.
    pub sent_at: Seq,
    /// The state before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Reading>,
    /// What it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Reading>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Payload>,
    pub way_back: WayBack,
}

/// A check of the plan, or a gate's check of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckId {
    Pre {
        index: u32,
    },
    Post {
        index: u32,
    },
    /// The gate of a mutating step, taken for one item.
    Gate {
        item: ItemId,
    },
    /// The `expect` of a read-only step, polled.
    Expect {
        item: ItemId,
    },
}

/// What a check's reading is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckPurpose {
    /// Taken before the first change, to be compared with.
    Before,
    Verdict,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    Held,
    Missed,
    /// No answer could be had: a person decides, never an automatic rollback.
    Unreadable,
    /// A reading to compare with.
    Recorded,
}

/// One check, taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReading {
    pub check: CheckId,
    pub purpose: CheckPurpose,
    pub verdict: CheckVerdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    /// How often it was read.
    #[serde(default)]
    pub polls: u32,
    /// Of the polls before the last, the first and those that read something new. They decide nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierPoll>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A poll that was not the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierPoll {
    /// Its number, from 1.
    pub poll: u32,
    pub held: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Payload>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What policy says of an expanded plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Run,
    NeedsApproval,
    Refuse,
}

/// One rule's part in a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleApplied {
    pub rule: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
}

/// What a call's failure did to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEffect {
    None,
    Some,
    Unknown,
}

/// How a doubt was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    Applied,
    NotApplied,
    /// Some of it: to be undone.
    Partial,
    /// A person has taken the target over: touch it no more.
    TakenOver,
}

impl Settlement {
    /// The verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplied => "not applied",
            Self::Partial => "applied in part",
            Self::TakenOver => "taken over by a person",
        }
    }
}

/// What settled it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettledBy {
    Task,
    LateAnswer,
    Probe,
    Person {
        by: Actor,
        comment: Option<String>,
        forced: bool,
    },
}

/// What a person decided about a stuck item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    Retry,
    Accept,
    Overwrite,
}

impl Resolution {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Accept => "accept",
            Self::Overwrite => "overwrite",
        }
    }
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Fulfilled,
    RolledBack,
    Failed,
    Refused,
    Cancelled,
}

/// Which clock ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deadline {
    Intent,
    Window,
    Approval,
    BackoutBy,
    /// Words that were heard, to be confirmed by a person.
    Words,
    /// Which of several things the words mean, to be said by a person.
    Meaning,
}

/// What waits to be tried again: a call, or one of the readings that are made around the calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    Call {
        call: CallId,
    },
    /// A draft: the model did not answer.
    Plan {
        revision: u32,
    },
    /// A read-only step's call.
    Step {
        item: ItemId,
    },
    /// The state, the preview and the way back of a mutating item.
    Look {
        item: ItemId,
    },
    /// The probe under the lock.
    Confirm {
        item: ItemId,
    },
    /// The read-back after an answer.
    Verify {
        item: ItemId,
    },
    VerifyUndo {
        item: ItemId,
    },
    /// The probe that settles a doubt.
    Settle {
        item: ItemId,
    },
    /// The probe that says what has become of a lease.
    Lease {
        item: ItemId,
    },
    Check {
        check: CheckId,
        purpose: CheckPurpose,
    },
}
