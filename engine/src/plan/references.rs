//! Which step names which: the edges of the plan, read off its expressions.

use super::draft::{Faults, RawStep};
use crate::binding;
use crate::expr::{Expr, ExprFault, Scope};
use crate::fault::Fault;
use crate::ids::StepId;
use serde_json::Value;
use std::collections::BTreeMap;

/// One reading of a step's output.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    /// The place in the draft of the step that is read.
    pub(super) step: usize,
    /// Where the expression stands, from `/plan`.
    pub(super) pointer: String,
    /// Where it stands within the arguments, if it does.
    pub(super) within: String,
}

/// The steps of a draft, by id.
pub(super) struct Places {
    /// The place of each id, and whether that step has a list of outputs.
    by_id: BTreeMap<StepId, (usize, bool)>,
}

impl Places {
    /// Notes every id; the second of its kind is a fault. `fan_out`: of each step, whether it makes a list of calls.
    pub(super) fn of(steps: &[RawStep], fan_out: &[bool], faults: &mut Faults) -> Self {
        let mut by_id = BTreeMap::new();
        for (at, step) in steps.iter().enumerate() {
            let Some(id) = &step.id else { continue };
            if by_id.contains_key(id) {
                let pointer = format!("{}/id", step.call.pointer);
                faults.add(pointer, "plan.repeated_id", format!("the step id {:?} is taken", id.0));
            } else {
                by_id.insert(id.clone(), (at, fan_out[at]));
            }
        }
        Self { by_id }
    }

    /// The steps that a step's `needs` name.
    pub(super) fn needs(&self, step: &RawStep, faults: &mut Faults) -> Vec<usize> {
        let mut found = Vec::with_capacity(step.needs.len());
        for (n, id) in step.needs.iter().enumerate() {
            match self.by_id.get(id) {
                Some((at, _)) => found.push(*at),
                None => self.unknown(&id.0, &format!("{}/needs/{n}", step.call.pointer), faults),
            }
        }
        found
    }

    /// What the templates of the value under `key` read.
    pub(super) fn templates(
        &self,
        value: &Value,
        pointer: &str,
        key: &str,
        scope: Scope,
        faults: &mut Faults,
    ) -> Vec<Reads> {
        let mut reads = Vec::new();
        for (within, expr) in binding::compile(value, scope) {
            let pointer = format!("{pointer}/{key}{within}");
            reads.extend(self.reads(expr, &pointer, &within, faults));
        }
        reads
    }

    /// What a bare expression reads.
    pub(super) fn expression(&self, source: &str, pointer: &str, scope: Scope, faults: &mut Faults) -> Vec<Reads> {
        self.reads(Expr::compile(source, scope), pointer, "", faults)
    }

    fn reads(&self, expr: Result<Expr, ExprFault>, pointer: &str, within: &str, faults: &mut Faults) -> Vec<Reads> {
        let expr = match expr {
            Ok(expr) => expr,
            Err(fault) => {
                faults.0.push(Fault {
                    suggestion: fault.suggestion,
                    ..Fault::new(pointer, "plan.expression", fault.message)
                });
                return Vec::new();
            }
        };
        let mut reads = Vec::new();
        for (id, many) in expr.uses().steps() {
            let Some((step, each)) = self.by_id.get(&StepId::from(id)) else {
                self.unknown(id, pointer, faults);
                continue;
            };
            if many != *each {
                let (has, right) = match each {
                    true => ("one output per item", "outputs"),
                    false => ("one output", "output"),
                };
                let fault = Fault::new(pointer, "plan.reference", format!("the step {id} has {has}"));
                faults.0.push(fault.suggest(format!("write steps.{id}.{right}")));
            }
            reads.push(Reads {
                step: *step,
                pointer: pointer.to_owned(),
                within: within.to_owned(),
            });
        }
        reads
    }

    fn unknown(&self, id: &str, pointer: &str, faults: &mut Faults) {
        let ids = self.by_id.keys().map(|id| id.0.as_str());
        faults.add_near(
            pointer,
            "plan.reference",
            format!("there is no step {id:.80?}"),
            id,
            ids,
        );
    }
}
