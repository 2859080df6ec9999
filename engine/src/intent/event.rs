//! Every fact that an intent's journal can hold. Past tense, final, and enough to arrive at the same state again
//! without evaluating an expression, asking a model or reading a clock: whatever was decided stands here as decided.

mod parts;
mod planning;

pub use parts::*;
pub use planning::*;

use crate::actor::Actor;
use crate::canonical::Digest;
use crate::fault::Fault;
use crate::ids::{CallId, IntentId, ItemId, Phase, StepId};
use crate::intent::Request;
use crate::intent::heard::is_free;
use crate::payload::Payload;
use crate::target::Target;
use crate::tool::{Incarnation, ToolName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A fact of an intent's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    IntentReceived {
        request: Box<Request>,
    },
    /// An engine took the intent over. Calls of the former owner that have no answer are in doubt from here on.
    Claimed {
        epoch: u64,
        build: String,
    },
    PlanningStarted {
        revision: u32,
    },
    ModelAnswered {
        purpose: String,
        model: String,
        prompt: Digest,
        answer: Payload,
        input_tokens: u64,
        output_tokens: u64,
        /// In the unit of the model's prices.
        #[serde(default, skip_serializing_if = "is_free")]
        cost: f64,
        millis: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        /// All that is wrong with what it answered, as it was told for the next round.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        faults: Vec<Fault>,
    },
    /// A stage of the search for a plan has ended. The model's answers on the way stand before it.
    StageTried {
        revision: u32,
        stage: PlanStage,
        end: StageEnd,
        why: String,
    },
    /// What a model is shown of the tools, and what not.
    ToolsRetrieved {
        revision: u32,
        tools: ToolsRetrieved,
    },
    PlanDrafted {
        revision: u32,
        source: PlanSource,
        draft: Payload,
    },
    PlanRefused {
        revision: u32,
        faults: Vec<Fault>,
        reason: String,
        final_: bool,
    },
    PlanAccepted {
        revision: u32,
        digest: Digest,
        source: PlanSource,
        plan: Payload,
        /// The contracts that the plan's calls are held to until the end, by tool.
        contracts: Payload,
        /// The pins it was accepted under, by tool.
        pins: BTreeMap<ToolName, Digest>,
        /// How often another plan may be asked for, should this one fail and be taken back.
        #[serde(default, skip_serializing_if = "is_none")]
        replans: u32,
    },
    StepExpanded {
        step: StepId,
        items: Vec<ExpandedItem>,
    },
    StepSkipped {
        item: ItemId,
        reason: String,
    },
    StepSatisfied {
        item: ItemId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Payload>,
    },
    ProbeTaken {
        item: ItemId,
        purpose: ProbePurpose,
        reading: Reading,
    },
    PreviewTaken {
        item: ItemId,
        output: Payload,
        way_back: WayBack,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
    },
    ChecksTaken {
        readings: Vec<CheckReading>,
    },
    PlanStale {
        items: Vec<ItemId>,
        why: String,
        /// Contracts or tools are others now: the plan itself has to be made and checked again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replan: bool,
    },
    PlanJudged {
        decision: Decision,
        rules: Vec<RuleApplied>,
        /// What an approval binds to: plan, calls, targets, diffs, undos, bases, contracts, pins, policies.
        digest: Digest,
        /// Open intents on the same targets. They will not overlap; who approves should know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<Beside>,
    },
    ApprovalRequested {
        approval: String,
        digest: Digest,
        expires_ms: i64,
    },
    ApprovalGiven {
        approval: String,
        digest: Digest,
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        own: bool,
    },
    ApprovalDenied {
        approval: String,
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    ApprovalExpired {
        approval: String,
    },
    TargetsLocked {
        targets: Vec<Target>,
    },
    TargetsWaiting {
        targets: Vec<Target>,
        holders: Vec<String>,
    },
    TargetsReleased {
        targets: Vec<Target>,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
        /// The intent that takes them over in the same commit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<IntentId>,
    },
    WaveStarted {
        step: StepId,
        wave: u32,
    },
    WaveJudged {
        step: StepId,
        wave: u32,
        passed: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    CallStarted {
        call: CallId,
        attempt: u32,
        /// H(intent, revision, step, item, phase, generation).
        key: Digest,
        tool: ToolName,
        args: Payload,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        incarnation: Option<Incarnation>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expect_base: Option<String>,
        send_by_ms: i64,
        deadline_ms: i64,
    },
    CallAnswered {
        call: CallId,
        attempt: u32,
        output: Payload,
    },
    CallNotSent {
        call: CallId,
        attempt: u32,
        reason: String,
    },
    CallRetryScheduled {
        call: CallId,
        until_ms: i64,
        rule: String,
        /// The reading that is taken again. None: the call itself is sent again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reading: Option<Awaited>,
        /// What it met, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    CallFailed {
        call: CallId,
        attempt: u32,
        fault: String,
        effect: FaultEffect,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Payload>,
    },
    /// Said again of a call in doubt when the process that got it was proven dead.
    CallInDoubt {
        call: CallId,
        attempt: u32,
        reason: String,
        /// The server ended the call, without saying what came of it: nothing of it can land later.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        answered: bool,
        /// Since when the process that got it is proven dead, Unix milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dead_since_ms: Option<i64>,
    },
    TaskNoted {
        call: CallId,
        task: String,
        /// Why the server cannot be asked about the task any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<String>,
    },
    LateAnswer {
        call: CallId,
        attempt: u32,
        applied: Option<bool>,
        output: Option<Payload>,
        reason: String,
    },
    CallSettled {
        call: CallId,
        verdict: Settlement,
        by: SettledBy,
        evidence: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<String>,
    },
    SettlementContradicted {
        call: CallId,
        evidence: String,
    },
    /// A server asks before it goes on with a call: one entry for each form that is to be filled in.
    InputRequested {
        request: String,
        call: Option<CallId>,
        question: Payload,
        /// The tool whose server asks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tool: Option<ToolName>,
        /// Until when it can be answered, Unix milliseconds. None: nothing waits for the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline_ms: Option<i64>,
        /// The call is still out: only the life of the server that asked can take the answer.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        held: bool,
    },
    InputGiven {
        request: String,
        answer: Payload,
        by: Actor,
        /// The form was not filled in: a person declined to, or dismissed it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        declined: bool,
    },
    LeaseExtended {
        call: CallId,
        until_ms: i64,
    },
    LeaseExpired {
        call: CallId,
        earliest_ms: i64,
        latest_ms: i64,
    },
    ReplanDecided {
        revision: u32,
        why: String,
    },
    RollbackStarted {
        why: String,
    },
    UndoConflict {
        item: ItemId,
        found: Option<Payload>,
        why: String,
    },
    UndoBlocked {
        item: ItemId,
        by: ItemId,
    },
    Resolved {
        item: ItemId,
        resolution: Resolution,
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    ApplyRequested {
        by: Actor,
    },
    PauseRequested {
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Resumed {
        by: Actor,
    },
    CancelRequested {
        by: Actor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    DeadlinePassed {
        which: Deadline,
    },
    /// A command that was acknowledged does not fit any more: nothing came of it.
    CommandRefused {
        command: String,
        /// What was asked, in words.
        what: String,
        by: Actor,
        why: String,
    },
    DriftFound {
        item: ItemId,
        evidence: Payload,
    },
    Summarised {
        report: Payload,
    },
    Stuck {
        why: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<ItemId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
    },
    IntentEnded {
        end: End,
        reason: String,
        #[serde(default)]
        partial: bool,
    },
}

impl Event {
    /// The event's name as it stands in `type`.
    pub fn name(&self) -> &'static str {
        macro_rules! names { ($($n:ident),* $(,)?) => { match self { $(Self::$n { .. } => stringify!($n)),* } } }
        names!(
            IntentReceived,
            Claimed,
            PlanningStarted,
            ModelAnswered,
            StageTried,
            ToolsRetrieved,
            PlanDrafted,
            PlanRefused,
            PlanAccepted,
            StepExpanded,
            StepSkipped,
            StepSatisfied,
            ProbeTaken,
            PreviewTaken,
            ChecksTaken,
            PlanStale,
            PlanJudged,
            ApprovalRequested,
            ApprovalGiven,
            ApprovalDenied,
            ApprovalExpired,
            TargetsLocked,
            TargetsWaiting,
            TargetsReleased,
            WaveStarted,
            WaveJudged,
            CallStarted,
            CallAnswered,
            CallNotSent,
            CallRetryScheduled,
            CallFailed,
            CallInDoubt,
            TaskNoted,
            LateAnswer,
            CallSettled,
            SettlementContradicted,
            InputRequested,
            InputGiven,
            LeaseExtended,
            LeaseExpired,
            ReplanDecided,
            RollbackStarted,
            UndoConflict,
            UndoBlocked,
            Resolved,
            ApplyRequested,
            PauseRequested,
            Resumed,
            CancelRequested,
            DeadlinePassed,
            CommandRefused,
            DriftFound,
            Summarised,
            Stuck,
            IntentEnded,
        )
    }
}

fn is_none(times: &u32) -> bool {
    *times == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_models_answer_from_before_its_faults_were_kept_is_read_and_written_as_it_was() {
        let old = json!({"type": "ModelAnswered", "purpose": "draft", "model": "m", "answer": {"inline": {}},
            "prompt": Digest::of_bytes(b"asked"), "input_tokens": 1, "output_tokens": 2, "millis": 3, "problem": "first"});
        let event: Event = serde_json::from_value(old.clone()).unwrap();
        assert!(matches!(&event, Event::ModelAnswered { faults, .. } if faults.is_empty()));
        assert_eq!(serde_json::to_value(&event).unwrap(), old);
    }
}
