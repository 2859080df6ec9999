//! The plan: a frozen, validated DAG of steps with checks before and after. Whoever holds a [`Plan`] need not check it
//! again: the only way to make one is [`check`](check::check).

pub mod check;
mod draft;
mod graph;
mod references;
pub mod schema;

#[cfg(test)]
mod check_tests;

use crate::canonical::Digest;
use crate::ids::StepId;
use crate::span::Span;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;

/// A read-only call whose output must satisfy an expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub tool: ToolName,
    #[serde(default = "empty_object")]
    pub args: Value,
    /// CEL over `output` (and `before`, in gates and post-checks).
    pub expect: String,
    /// Polled until it holds, this long. Absent: judged once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Must stay so for this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_for: Option<Span>,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What happens when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Everything sent is taken back.
    #[default]
    Rollback,
    /// Stuck: a person decides.
    Hold,
    /// Dependents that bind to it are skipped; the end is at best `fulfilled` with `partial: true`.
    Continue,
}

/// The size of one batch of a mutating `for_each`: a number of items, or a share of all, rounded up (`"25%"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum WaveSize {
    Count(u32),
    Percent(u32),
}

impl WaveSize {
    /// How many items this is of `total`; at least one.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(n) => (n as usize).max(1),
            Self::Percent(p) => (total * p as usize).div_ceil(100).max(1),
        }
    }
}

impl TryFrom<Value> for WaveSize {
    type Error = String;
    fn try_from(value: Value) -> Result<Self, String> {
        let bad = || format!("{value} is no wave size: write a positive number or a share such as \"25%\"");
        match &value {
            Value::Number(n) => n
                .as_u64()
                .and_then(|n| u32::try_from(n).ok())
                .filter(|n| *n > 0)
                .map(Self::Count)
                .ok_or_else(bad),
            Value::String(s) => s
                .strip_suffix('%')
                .and_then(|p| p.parse().ok())
                .filter(|p| (1..=100).contains(p))
                .map(Self::Percent)
                .ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

impl From<WaveSize> for Value {
    fn from(size: WaveSize) -> Value {
        match size {
            WaveSize::Count(n) => Value::from(n),
            WaveSize::Percent(p) => Value::from(format!("{p}%")),
        }
    }
}

/// A node of the DAG: one tool call, or one per element of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub id: StepId,
    pub tool: ToolName,
    #[serde(default = "empty_object")]
    pub args: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<StepId>,
    /// `${expression}` that yields a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<Value>,
    /// CEL: else the step (or item) is skipped, and so is what binds to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// CEL over `output`; read-only steps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_for: Option<Span>,
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Tightens the contract's timeout, never loosens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveSize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Check>,
}

/// What a checked plan knows of each step beside what was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepFacts {
    /// All steps that must end before this one: `needs` and the edges that bindings add.
    pub after: Vec<StepId>,
    /// The steps whose output this one binds to: if one is skipped, so is this.
    pub binds: Vec<StepId>,
    /// Whether the tool's contract says it may change the world.
    pub mutating: bool,
    /// Read-only, and so is everything before it: it runs during the look.
    pub look: bool,
    /// The tool takes a fleet, and its contract wants one call per element of this argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_by: Option<String>,
}

/// A checked plan. Content-addressed: see [`Plan::digest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    #[serde(default)]
    pub summary: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_checks: Vec<Check>,
    pub steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_checks: Vec<Check>,
    /// The platforms of the devices that it may change; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<String>,
    /// The values of the runbook's parameters, `params` in expressions.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub params: Value,
    /// The alarm that the intent is about, `alarm` in expressions. Untrusted text.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub alarm: Value,
    /// One per step, in the order of `steps`, which is a topological order of the DAG.
    pub facts: Vec<StepFacts>,
    /// Where each step stands. Made when first asked for.
    #[serde(skip)]
    pub(crate) places: Places,
}

/// Steps by their ids: derived, so that no two plans differ in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(OnceLock<HashMap<StepId, usize>>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Step {
    /// Whether it makes a list of calls, and so of outputs.
    pub fn fans_out(&self, facts: &StepFacts) -> bool {
        self.for_each.is_some() || facts.split_by.is_some()
    }
}

impl Plan {
    /// The digest of the plan's canonical form.
    pub fn digest(&self) -> Digest {
        Digest::of_value(&serde_json::to_value(self).expect("a plan serialises"))
    }

    /// A step with what is known of it.
    pub fn step(&self, id: &StepId) -> Option<(&Step, &StepFacts)> {
        let places = || {
            self.steps
                .iter()
                .enumerate()
                .map(|(at, s)| (s.id.clone(), at))
                .collect()
        };
        let at = *self.places.0.get_or_init(places).get(id)?;
        Some((self.steps.get(at)?, self.facts.get(at)?))
    }

    /// Every step before one, however far.
    pub fn ancestors(&self, facts: &StepFacts) -> std::collections::BTreeSet<StepId> {
        let mut found = std::collections::BTreeSet::new();
        let mut open = facts.after.clone();
        while let Some(id) = open.pop() {
            if let Some((_, facts)) = self.step(&id).filter(|_| found.insert(id.clone())) {
                open.extend(facts.after.iter().cloned());
            }
        }
        found
    }

    /// All steps with what is known of them, dependencies first.
    pub fn each(&self) -> impl Iterator<Item = (&Step, &StepFacts)> {
        self.steps.iter().zip(&self.facts)
    }

    /// Every tool that the plan itself names.
    pub fn tools(&self) -> impl Iterator<Item = &ToolName> {
        let checks = self.pre_checks.iter().chain(&self.post_checks).map(|c| &c.tool);
        let steps = self
            .steps
            .iter()
            .flat_map(|s| std::iter::once(&s.tool).chain(s.gate.as_ref().map(|g| &g.tool)));
        checks.chain(steps)
    }
}
