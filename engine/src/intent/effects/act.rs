//! Act: locks, the probes under the lock, waves with their gates, and the checks after.

use super::{Due, WRITES_AT_ONCE, Work};
use crate::ids::{ItemId, Phase};
use crate::intent::event::{CheckId, CheckPurpose, CheckVerdict, End, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::{IntentState, Waves};
use crate::plan::{Check, OnFailure, Plan, Step, StepFacts};

impl IntentState {
    pub(super) fn due_lock(&self, now: i64, due: &mut Due) {
        match self.request.window {
            Some(window) if now < window.from_ms => due.wake(window.from_ms),
            _ => due.work.push(Work::Lock),
        }
    }

    pub(super) fn due_act(&self, now: i64, due: &mut Due) {
        let Some(accepted) = &self.accepted else { return };
        let plan = accepted.plan.clone();
        if let Some(why) = self.failure(&plan) {
            due.record.push(Event::RollbackStarted { why });
            return;
        }
        if self.due_hold(&plan, due) {
            return;
        }
        if !self.due_confirmations(due) || !self.due_comparisons(&plan, due) {
            return;
        }
        for (step, facts) in plan.each().filter(|(_, f)| !f.look) {
            if facts.mutating {
                self.due_mutating_step(&plan, step, facts, now, due);
            } else {
                self.due_read_step(&plan, step, facts, due);
            }
        }
    }

    /// A failed item, or a gate that did not hold, of a step that asks for rollback.
    fn failure(&self, plan: &Plan) -> Option<String> {
        plan.each()
            .filter(|(s, _)| s.on_failure == OnFailure::Rollback)
            .find_map(|(s, _)| {
                if self.waves.get(&s.id).is_some_and(|w| w.judged == Some(false)) {
                    return Some(format!("the gate of step {} did not hold", s.id));
                }
                let (id, item) = self.items_of(&s.id).find(|(_, i)| i.status == ItemStatus::Failed)?;
                Some(format!(
                    "step {id} failed: {}",
                    item.reason.as_deref().unwrap_or("no reason given")
                ))
            })
            .or_else(|| self.lease_lost())
    }

    /// A failed item, or a gate that did not hold, of a step that asks to be held: a person decides. True: nothing goes on.
    fn due_hold(&self, plan: &Plan, due: &mut Due) -> bool {
        for step in plan.steps.iter().filter(|s| s.on_failure == OnFailure::Hold) {
            if let Some((id, item)) = self.items_of(&step.id).find(|(_, i)| i.status == ItemStatus::Failed) {
                if !item.reported {
                    let why = item.reason.clone().unwrap_or_else(|| "it failed".to_owned());
                    let item = Some(id.clone());
                    due.record.push(Event::Stuck { why, item, phase: None });
                }
                return true;
            }
            if self.waves.get(&step.id).is_some_and(|w| w.judged == Some(false)) {
                if !self.stuck.contains_key("intent") {
                    let why = format!(
                        "the gate of step {} did not hold: cancel to take everything back",
                        step.id
                    );
                    due.record.push(Event::Stuck {
                        why,
                        item: None,
                        phase: None,
                    });
                }
                return true;
            }
        }
        false
    }

    /// Each probe is taken again under the lock before anything is sent. True: all agree.
    fn due_confirmations(&self, due: &mut Due) -> bool {
        let unconfirmed = self.items.iter().filter(|(_, i)| {
            i.mutating && i.probed && !i.confirmed && i.status == ItemStatus::Waiting && i.generation == 0
        });
        let before = due.work.len();
        due.work
            .extend(unconfirmed.map(|(id, _)| Work::Confirm { item: id.clone() }));
        due.work.len() == before || self.anything_sent()
    }

    /// What gates and post-checks compare with is read before the first change. True: all is read.
    fn due_comparisons(&self, plan: &Plan, due: &mut Due) -> bool {
        if self.anything_sent() {
            return true;
        }
        let before = due.work.len();
        let mut want = |check: CheckId, definition: &Check| {
            let key = (check, CheckPurpose::Before);
            if definition.expect.contains("before") && !self.checks.contains_key(&key) {
                due.work.push(Work::Check {
                    check: key.0,
                    purpose: key.1,
                });
            }
        };
        for (index, check) in plan.post_checks.iter().enumerate() {
            want(CheckId::Post { index: index as u32 }, check);
        }
        for step in &plan.steps {
            let Some(gate) = &step.gate else { continue };
            for (item, _) in self.items_of(&step.id).filter(|(_, i)| i.status != ItemStatus::Skipped) {
                want(CheckId::Gate { item: item.clone() }, gate);
            }
        }
        due.work.len() == before
    }

    fn due_mutating_step(&self, plan: &Plan, step: &Step, facts: &StepFacts, now: i64, due: &mut Due) {
        if self.step_ended(step, facts) || !self.after_ended(plan, facts) {
            return;
        }
        if let Some(reason) = facts.binds.iter().find_map(|id| self.has_no_output(plan, id)) {
            let waiting = self.items_of(&step.id).filter(|(_, i)| i.status == ItemStatus::Waiting);
            due.record.extend(waiting.map(|(id, _)| Event::StepSkipped {
                item: id.clone(),
                reason: reason.clone(),
            }));
            return;
        }
        let Some(waves) = self.waves.get(&step.id) else {
            due.record.push(Event::WaveStarted {
                step: step.id.clone(),
                wave: 0,
            });
            return;
        };
        if waves.judged.is_some() {
            due.record.push(Event::WaveStarted {
                step: step.id.clone(),
                wave: waves.current + 1,
            });
            return;
        }
        if self.due_prepares(step, now, due) {
            self.due_wave(step, waves, now, due);
        }
    }

    fn due_wave(&self, step: &Step, waves: &Waves, now: i64, due: &mut Due) {
        let wave: Vec<(&ItemId, &ItemState)> = self
            .items_of(&step.id)
            .filter(|(_, i)| i.expanded.wave == waves.current)
            .collect();
        if wave.iter().all(|(_, i)| i.status.is_settled_forward()) {
            if step.gate.is_some() && wave.iter().any(|(id, i)| self.is_scorched(id, i, now)) {
                return;
            }
            self.due_gate(step, waves, &wave, due);
            return;
        }
        for (id, item) in wave {
            match item.status {
                ItemStatus::Waiting => self.due_send(id, item, now, due),
                // One that waits takes no place from those that could go.
                ItemStatus::BackingOff if self.backs_off(&self.next_call(id, Phase::Do), now, due) => {}
                ItemStatus::BackingOff => self.due_send(id, item, now, due),
                _ => {}
            }
        }
    }

    fn due_send(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        if self.due_taken_over(id, item, due) {
            return;
        }
        if self.lost_its_lock(item) {
            due.record.push(self.stays_unsent(id));
            return;
        }
        let out = self.items_of(&id.step).filter(|(_, i)| i.status.is_open()).count();
        let planned: Vec<&ItemId> = due.work.iter().filter_map(sent_item).collect();
        let beside = planned.iter().filter(|p| p.step == id.step).count();
        let clash = planned
            .iter()
            .filter_map(|p| self.items.get(*p))
            .any(|other| super::overlap(item, other));
        let prepared = item.lease.as_ref().map_or(i64::MIN, |l| l.hot_until_ms());
        if prepared > now || self.is_hot(id, item, now) {
            self.wake_when_it_cools(now, due);
        } else if self.is_unread_near(id, item) {
            // The reading that is due comes first.
        } else if out + beside < WRITES_AT_ONCE && !clash {
            due.work.push(Work::Send { item: id.clone() });
        }
    }

    fn due_gate(&self, step: &Step, waves: &Waves, wave: &[(&ItemId, &ItemState)], due: &mut Due) {
        let judged = |passed: bool, reason: Option<String>| Event::WaveJudged {
            step: step.id.clone(),
            wave: waves.current,
            passed,
            reason,
        };
        let Some(gate) = &step.gate else {
            due.record.push(judged(true, None));
            return;
        };
        let mut missed = Vec::new();
        let mut open = false;
        for (id, _) in wave
            .iter()
            .filter(|(_, i)| !matches!(i.status, ItemStatus::Skipped | ItemStatus::Failed))
        {
            let check = CheckId::Gate { item: (*id).clone() };
            match self.verdict_of(&check) {
                None => {
                    open = true;
                    due.work.push(Work::Check {
                        check,
                        purpose: CheckPurpose::Verdict,
                    });
                }
                Some(CheckVerdict::Held | CheckVerdict::Recorded) => {}
                Some(CheckVerdict::Missed) => missed.push(id.to_string()),
                Some(CheckVerdict::Unreadable) => {
                    open = true;
                    self.due_unreadable(&format!("the gate {} of {id}", gate.tool), due);
                }
            }
        }
        if !open {
            let reason = (!missed.is_empty()).then(|| format!("{} does not hold for {}", gate.tool, missed.join(", ")));
            due.record.push(judged(missed.is_empty(), reason));
        }
    }

    pub(super) fn due_verify(&self, now: i64, due: &mut Due) {
        let Some(accepted) = &self.accepted else { return };
        if let Some(why) = self.failure(&accepted.plan) {
            due.record.push(Event::RollbackStarted { why });
            return;
        }
        if self.due_hold(&accepted.plan, due) {
            return;
        }
        let hot = self.items.values().map(|i| i.hot_until_ms).max().unwrap_or(i64::MIN);
        if hot > now {
            due.wake(hot);
            return;
        }
        if self.items.values().any(ItemState::is_unread) || !self.due_comparisons(&accepted.plan, due) {
            return;
        }
        let mut open = false;
        for (index, definition) in accepted.plan.post_checks.iter().enumerate() {
            let check = CheckId::Post { index: index as u32 };
            match self.verdict_of(&check) {
                None => {
                    open = true;
                    due.work.push(Work::Check {
                        check,
                        purpose: CheckPurpose::Verdict,
                    });
                }
                Some(CheckVerdict::Held | CheckVerdict::Recorded) => {}
                Some(CheckVerdict::Missed) => {
                    let why = format!("post-check {} ({}) does not hold", index + 1, definition.tool);
                    due.record.push(Event::RollbackStarted { why });
                    return;
                }
                Some(CheckVerdict::Unreadable) => {
                    open = true;
                    self.due_unreadable(&format!("post-check {} ({})", index + 1, definition.tool), due);
                }
            }
        }
        if !open && self.due_confirms(now, due) {
            due.record.push(self.fulfilled());
        }
    }

    fn due_unreadable(&self, what: &str, due: &mut Due) {
        if !self.stuck.contains_key("intent") {
            let why = format!("{what} cannot be read: resume to read it again, or cancel to take everything back");
            due.record.push(Event::Stuck {
                why,
                item: None,
                phase: None,
            });
        }
    }

    fn fulfilled(&self) -> Event {
        let left = |i: &ItemState| i.status == ItemStatus::Failed || i.is_taken_over();
        let partial = self.items.values().any(left);
        let reason = if self.anything_sent() {
            self.done()
        } else if self.items.values().any(|i| i.mutating) {
            "everything was in place already: nothing was sent".to_owned()
        } else {
            "read".to_owned()
        };
        Event::IntentEnded {
            end: End::Fulfilled,
            reason,
            partial,
        }
    }
}

fn sent_item(work: &Work) -> Option<&ItemId> {
    match work {
        Work::Send { item } => Some(item),
        _ => None,
    }
}
