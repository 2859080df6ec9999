//! The operator's statement of what a tool does to the world. Servers' own hints are never believed.
//!
//! [`load`] reads contracts from the operator's files, [`apply`] answers what a contract says of one call.

pub mod apply;
pub mod load;

use crate::canonical::Digest;
use crate::ids::Phase;
use crate::span::Span;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a call does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectClass {
    /// Changes nothing.
    Read,
    /// May be repeated while in doubt. Probe and undo as for reversible.
    Idempotent,
    /// Has a way back.
    Reversible,
    /// Applied under a device-side timer until confirmed.
    Confirmable,
    /// No way back.
    Irreversible,
}

impl EffectClass {
    /// Whether a call of this class may change the world.
    pub fn mutates(self) -> bool {
        self != Self::Read
    }
}

/// What `isError` says about the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorMeans {
    /// Something may have happened: in doubt.
    #[default]
    Unknown,
    /// Nothing happened: failed.
    NoEffect,
}

/// When a call that is settled as `not_applied` may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resend {
    /// Only when the first sending can no longer land.
    #[default]
    Fenced,
    /// `settle_after` is trusted as that bound.
    Bound,
    Never,
}

/// Another tool's call, its arguments made from this call's scope. `args` is one `${expression}` that yields the
/// object, or an object with `${…}` inside its strings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallTemplate {
    pub tool: ToolName,
    pub args: Value,
}

/// A read-only call that shows the state which a tool changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    pub tool: ToolName,
    pub args: Value,
    /// CEL over `output`: only a reading for which this holds is evidence. Absent: every answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<String>,
    /// CEL over `output`: the part that is compared. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// CEL over `output` and `lease`: whether the device still keeps the change on its timer; confirmable tools only.
    /// Absent: whether a change was confirmed shows only once the timer must have run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
}

/// One way back. The first whose `when` holds is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    pub tool: ToolName,
    pub args: Value,
}

/// What one tool does to the world. Expressions are CEL; their scopes are those of the design's section 5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    pub effect: EffectClass,
    /// CEL that yields the list of targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<CallTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// CEL over `state`: the change is in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_within: Option<Span>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Undo>,
    /// Stop waiting: in doubt. Default [`Contract::DEFAULT_TIMEOUT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// After we stopped waiting, the call cannot land later than this. Default [`Contract::DEFAULT_SETTLE_AFTER`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_after: Option<Span>,
    #[serde(default)]
    pub resend: Resend,
    /// The argument that takes our key, where the tool's schema has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_arg: Option<String>,
    /// The server begins with no call past the `send_by`, or of an older epoch, that stands in its `_meta`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refuses_stale: bool,
    /// A fleet tool: one call per element of this argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_when: Option<String>,
    #[serde(default)]
    pub error_means: ErrorMeans,
    /// CEL over `output`: an error answer that proves that the call is over although part of it may be in. Failed, and to
    /// be taken back, without a doubt that only a person could settle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial_when: Option<String>,
    /// CEL over `output`: an error answer that proves that nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_effect_when: Option<String>,
    /// CEL over `args`: the call is refused before anything is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_when: Option<String>,
    /// CEL over `args` and `state`: what later steps read when there is no reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_from_state: Option<String>,
    /// Confirmable: a call that changes nothing that runs, and goes to all items of the step before any `do`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<CallTemplate>,
    /// Confirmable: how long the device keeps the change when nobody confirms or extends it. Default
    /// [`Contract::DEFAULT_LEASE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<CallTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<CallTemplate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend: Option<CallTemplate>,
    /// The tool's output is device state that may hold secrets: kept in encrypted blobs only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sealed: bool,
}

impl Contract {
    pub const DEFAULT_TIMEOUT: Span = Span::secs(30);
    pub const DEFAULT_SETTLE_AFTER: Span = Span::secs(30);
    pub const DEFAULT_LEASE: Span = Span::secs(60);
    /// A shorter lease could not be kept alive over an ordinary management network.
    pub const SHORTEST_LEASE: Span = Span::secs(10);

    /// What a tool without a contract is taken for: irreversible, nothing known, the whole server as target.
    pub fn missing() -> Self {
        serde_json::from_value(serde_json::json!({"effect": "irreversible", "resend": "never"}))
            .expect("the smallest contract is one")
    }

    pub fn timeout(&self) -> Span {
        self.timeout.unwrap_or(Self::DEFAULT_TIMEOUT)
    }

    pub fn settle_after(&self) -> Span {
        self.settle_after.unwrap_or(Self::DEFAULT_SETTLE_AFTER)
    }

    /// How long a confirmable call's change stands unless it is extended or confirmed.
    pub fn lease(&self) -> Span {
        self.lease.unwrap_or(Self::DEFAULT_LEASE)
    }

    /// The call of a confirmable tool's phase; none for `do` and `undo`.
    pub fn lease_call(&self, phase: Phase) -> Option<&CallTemplate> {
        match phase {
            Phase::Prepare => self.prepare.as_ref(),
            Phase::Confirm => self.confirm.as_ref(),
            Phase::Cancel => self.cancel.as_ref(),
            Phase::Extend => self.extend.as_ref(),
            Phase::Do | Phase::Undo => None,
        }
    }
}

/// The contracts of all tools that have one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Contracts {
    pub contracts: BTreeMap<ToolName, Contract>,
}

impl Contracts {
    /// The tool's contract, or what a tool without one is taken for.
    pub fn of(&self, tool: &ToolName) -> Contract {
        self.contracts.get(tool).cloned().unwrap_or_else(Contract::missing)
    }

    /// The digest of one tool's contract, which an approval binds to.
    pub fn digest(&self, tool: &ToolName) -> Digest {
        Digest::of_value(&serde_json::to_value(self.of(tool)).expect("a contract serialises"))
    }
}
