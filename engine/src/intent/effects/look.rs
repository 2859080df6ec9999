//! Look: read-only steps first, then each mutating step's items with their state, diff and way back, then the verdict.

use super::{Due, Work};
use crate::ids::{ItemId, StepId};
use crate::intent::event::{CheckId, CheckPurpose, CheckVerdict, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::plan::{OnFailure, Plan, Step, StepFacts};

impl IntentState {
    pub(super) fn due_look(&self, due: &mut Due) {
        let Some(accepted) = &self.accepted else { return };
        let plan = &accepted.plan;
        if let Some(why) = self.failed_look(plan) {
            due.record.push(Event::RollbackStarted { why });
            return;
        }
        for (step, facts) in plan.each().filter(|(_, f)| f.look) {
            self.due_read_step(plan, step, facts, due);
        }
        if !plan.each().filter(|(_, f)| f.look).all(|(s, f)| self.step_ended(s, f)) {
            return;
        }
        let seen = self.due_mutating_look(plan, due);
        let checked = self.due_pre_checks(plan, due);
        if let Some(refusal) = self.lease_clash(plan).filter(|_| seen) {
            due.record.push(refusal);
        }
        if seen && checked && due.record.is_empty() && due.work.is_empty() {
            due.work.push(Work::Judge);
        }
    }

    /// Expands and runs a read-only step once what it needs has ended.
    pub(super) fn due_read_step(&self, plan: &Plan, step: &Step, facts: &StepFacts, due: &mut Due) {
        if self.expanded.contains_key(&step.id) {
            let waiting = self.items_of(&step.id).filter(|(_, i)| i.status == ItemStatus::Waiting);
            due.work.extend(waiting.map(|(id, _)| Work::Read { item: id.clone() }));
        } else if self.after_ended(plan, facts) {
            self.due_expand(plan, step, facts, due);
        }
    }

    fn due_expand(&self, plan: &Plan, step: &Step, facts: &StepFacts, due: &mut Due) {
        match self.bound_to_nothing(plan, facts) {
            Some(reason) => due.record.push(Event::StepSkipped {
                item: ItemId::single(&step.id),
                reason,
            }),
            None => due.work.push(Work::Expand { step: step.id.clone() }),
        }
    }

    pub(super) fn after_ended(&self, plan: &Plan, facts: &StepFacts) -> bool {
        facts
            .after
            .iter()
            .all(|id| plan.step(id).is_none_or(|(s, f)| self.step_ended(s, f)))
    }

    /// Why a step's bindings have nothing to bind to: a step they read was skipped or failed.
    fn bound_to_nothing(&self, plan: &Plan, facts: &StepFacts) -> Option<String> {
        facts.binds.iter().find_map(|id| self.has_no_output(plan, id))
    }

    pub(super) fn has_no_output(&self, plan: &Plan, id: &StepId) -> Option<String> {
        let (step, _) = plan.step(id)?;
        let mut items = self.items_of(id).peekable();
        items.peek()?;
        let without = |status: ItemStatus| matches!(status, ItemStatus::Skipped | ItemStatus::Failed);
        let none = items.all(|(_, i)| without(i.status));
        none.then(|| format!("step {} gave no output", step.id))
    }

    fn failed_look(&self, plan: &Plan) -> Option<String> {
        plan.each()
            .filter(|(s, _)| s.on_failure != OnFailure::Continue)
            .find_map(|(s, _)| {
                let (id, item) = self.items_of(&s.id).find(|(_, i)| i.status == ItemStatus::Failed)?;
                Some(format!(
                    "step {id} failed: {}",
                    item.reason.as_deref().unwrap_or("no reason given")
                ))
            })
    }

    fn due_mutating_look(&self, plan: &Plan, due: &mut Due) -> bool {
        let mut seen = true;
        for (step, facts) in plan.each().filter(|(_, f)| f.mutating) {
            if !self.expanded.contains_key(&step.id) {
                seen = false;
                self.due_expand(plan, step, facts, due);
                continue;
            }
            for (id, item) in self.items_of(&step.id) {
                if item.status == ItemStatus::Waiting && item.way_back.is_none() {
                    seen = false;
                    // What an earlier step will do decides whether this one can count as done already.
                    if self.earlier_changes(plan, facts, item).is_some() {
                        due.work.push(Work::Look { item: id.clone() });
                    }
                }
            }
        }
        seen
    }

    /// Whether steps before an item's will change what it acts on. None: they were not all looked at yet.
    pub(crate) fn earlier_changes(&self, plan: &Plan, facts: &StepFacts, item: &ItemState) -> Option<bool> {
        let mut changed = false;
        for id in plan.ancestors(facts) {
            let Some((step, _)) = plan.step(&id).filter(|(_, f)| f.mutating) else {
                continue;
            };
            if !self.expanded.contains_key(&step.id) {
                return None;
            }
            for (_, earlier) in self.items_of(&step.id).filter(|(_, e)| super::overlap(item, e)) {
                match earlier.status {
                    ItemStatus::Satisfied | ItemStatus::Skipped => {}
                    ItemStatus::Waiting if earlier.way_back.is_none() => return None,
                    _ => changed = true,
                }
            }
        }
        Some(changed)
    }

    fn due_pre_checks(&self, plan: &Plan, due: &mut Due) -> bool {
        let mut done = true;
        for index in 0..plan.pre_checks.len() as u32 {
            let check = CheckId::Pre { index };
            match self.verdict_of(&check) {
                None => {
                    done = false;
                    due.work.push(Work::Check {
                        check,
                        purpose: CheckPurpose::Verdict,
                    });
                }
                Some(CheckVerdict::Held | CheckVerdict::Recorded) => {}
                Some(verdict) => {
                    let what = if verdict == CheckVerdict::Missed {
                        "does not hold"
                    } else {
                        "cannot be read"
                    };
                    let why = format!(
                        "pre-check {} ({}) {what}",
                        index + 1,
                        plan.pre_checks[index as usize].tool
                    );
                    due.record.push(Event::RollbackStarted { why });
                }
            }
        }
        done
    }

    pub(super) fn verdict_of(&self, check: &CheckId) -> Option<CheckVerdict> {
        self.checks
            .get(&(check.clone(), CheckPurpose::Verdict))
            .map(|r| r.verdict)
    }
}
