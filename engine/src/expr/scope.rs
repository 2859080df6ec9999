//! Which names an expression may use, and what they stand for.

use super::{ExprFault, Uses};
use crate::fault::nearest;
use crate::ids::StepId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A name that an expression can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    Steps,
    Params,
    Alarm,
    Item,
    Index,
    Output,
    Before,
    After,
    Args,
    State,
    Preview,
    Lease,
}

impl Root {
    pub const ALL: [Root; 12] = [
        Self::Steps,
        Self::Params,
        Self::Alarm,
        Self::Item,
        Self::Index,
        Self::Output,
        Self::Before,
        Self::After,
        Self::Args,
        Self::State,
        Self::Preview,
        Self::Lease,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Params => "params",
            Self::Alarm => "alarm",
            Self::Item => "item",
            Self::Index => "index",
            Self::Output => "output",
            Self::Before => "before",
            Self::After => "after",
            Self::Args => "args",
            Self::State => "state",
            Self::Preview => "preview",
            Self::Lease => "lease",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }
}

/// The names that are in scope at one place of a plan or a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(&'static [Root]);

impl Scope {
    /// A scope of one's own.
    pub const fn of(roots: &'static [Root]) -> Self {
        Self(roots)
    }

    /// A step without `for_each`, pre-checks' arguments, `for_each` itself.
    pub const STEP: Self = Self(&[Root::Steps, Root::Params, Root::Alarm]);
    /// A step with `for_each`: its `args` and `when`, and its gate's `args`.
    pub const ITEM: Self = Self(&[Root::Steps, Root::Params, Root::Alarm, Root::Item, Root::Index]);
    /// `expect` of a step and of a pre-check.
    pub const EXPECT: Self = Self(&[Root::Steps, Root::Params, Root::Alarm, Root::Output]);
    /// `expect` of a step with `for_each`.
    pub const ITEM_EXPECT: Self = Self(&[
        Root::Steps,
        Root::Params,
        Root::Alarm,
        Root::Item,
        Root::Index,
        Root::Output,
    ]);
    /// `expect` of a post-check and of a gate.
    pub const CHECK: Self = Self(&[Root::Steps, Root::Params, Root::Alarm, Root::Output, Root::Before]);
    /// `expect` of the gate of a step with `for_each`.
    pub const ITEM_CHECK: Self = Self(&[
        Root::Steps,
        Root::Params,
        Root::Alarm,
        Root::Item,
        Root::Index,
        Root::Output,
        Root::Before,
    ]);
    /// A contract's `targets`, `refuse_when`, and the arguments of its probe and preview.
    pub const ARGS: Self = Self(&[Root::Args]);
    /// A probe's `valid` and `select`; `output` is the probe's.
    pub const PROBE: Self = Self(&[Root::Args, Root::Output]);
    /// A probe's `pending`; `output` is the probe's.
    pub const PENDING: Self = Self(&[Root::Args, Root::Output, Root::Lease]);
    /// Everything else of a contract.
    pub const CONTRACT: Self = Self(&[
        Root::Args,
        Root::Output,
        Root::Before,
        Root::After,
        Root::State,
        Root::Preview,
    ]);

    /// The arguments of a confirmable call's `prepare`, `confirm`, `cancel` and `extend`.
    pub const LEASE: Self = Self(&[Root::Args, Root::Before, Root::Preview, Root::Lease]);

    /// The names, in the order in which they are explained.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|r| r.as_str())
    }

    pub(super) fn admits(self, uses: &Uses) -> Result<(), ExprFault> {
        for name in uses.roots() {
            let root = Root::named(name);
            if root.is_some_and(|r| self.0.contains(&r)) {
                continue;
            }
            let known: Vec<_> = self.names().collect();
            let why = match root {
                Some(Root::Item | Root::Index) => " (only in a step with for_each)",
                Some(_) => " here",
                None => "",
            };
            return Err(ExprFault {
                message: format!(
                    "{name:?} is not in scope{why}: an expression here reads {}",
                    known.join(", ")
                ),
                suggestion: nearest(name, known).map(|near| format!("did you mean {near:?}?")),
            });
        }
        Ok(())
    }
}

/// What a step left for later ones.
#[derive(Debug, Clone)]
enum StepValue {
    One(Arc<Value>),
    Many(Vec<Arc<Value>>),
}

/// What the names in scope stand for. Values are shared: a clone is cheap.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    roots: BTreeMap<Root, Arc<Value>>,
    steps: Arc<BTreeMap<StepId, StepValue>>,
}

impl Bindings {
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one name bound. `steps` is bound by [`Self::step`] and [`Self::for_each_step`].
    #[must_use]
    pub fn with(mut self, root: Root, value: impl Into<Arc<Value>>) -> Self {
        self.set(root, value);
        self
    }

    pub fn set(&mut self, root: Root, value: impl Into<Arc<Value>>) {
        self.roots.insert(root, value.into());
    }

    /// Binds `steps.ID.output`.
    pub fn step(&mut self, id: &StepId, output: impl Into<Arc<Value>>) {
        Arc::make_mut(&mut self.steps).insert(id.clone(), StepValue::One(output.into()));
    }

    /// Binds `steps.ID.outputs` of a step with `for_each`, one per item.
    pub fn for_each_step(&mut self, id: &StepId, outputs: Vec<Arc<Value>>) {
        Arc::make_mut(&mut self.steps).insert(id.clone(), StepValue::Many(outputs));
    }

    pub(super) fn root(&self, root: Root) -> Option<&Value> {
        self.roots.get(&root).map(AsRef::as_ref)
    }

    /// The step's id as it is bound.
    pub(super) fn step_key(&self, id: &str) -> Option<&str> {
        let (key, _) = self.steps.get_key_value(&StepId::from(id))?;
        Some(&key.0)
    }

    /// `steps.ID.output`, if that step has ended with one.
    pub(super) fn output(&self, id: &str) -> Option<&Value> {
        match self.steps.get(&StepId::from(id)) {
            Some(StepValue::One(value)) => Some(value),
            _ => None,
        }
    }

    /// `steps.ID.outputs`, if that step has `for_each` and has ended.
    pub(super) fn outputs(&self, id: &str) -> Option<&[Arc<Value>]> {
        match self.steps.get(&StepId::from(id)) {
            Some(StepValue::Many(values)) => Some(values),
            _ => None,
        }
    }

    /// The whole of `steps` as JSON; for plain paths that end above an output.
    pub(super) fn step_object(&self, id: &str) -> Option<Value> {
        let (key, value) = match self.steps.get(&StepId::from(id))? {
            StepValue::One(value) => ("output", Value::clone(value)),
            StepValue::Many(values) => ("outputs", values.iter().map(|v| Value::clone(v)).collect()),
        };
        Some(Value::Object(Map::from_iter([(key.to_owned(), value)])))
    }
}
