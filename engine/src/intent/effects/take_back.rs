//! Taking back, as a DAG over the calls that were sent: what was done last on a target comes first there, a step waits
//! for the steps that were built on it, a wave for the wave after it. What has no such order goes side by side.
//!
//! No order is kept in the journal: it follows from the entries that started the calls, so a restart finds the same.

use super::{Due, WRITES_AT_ONCE, Work};
use crate::ids::{ItemId, Phase, StepId};
use crate::intent::event::Event;
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::IntentState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a later item means for the earlier ones on its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Later {
    /// Still to be taken back, out, or in doubt: they wait.
    Pending,
    /// Not clean, so that only a person can say what is left of it: they are blocked.
    Unclean,
}

impl IntentState {
    /// Starts every undo whose turn it is. True: nothing is left to be taken back, and nothing is out.
    pub(super) fn due_take_back(&self, now: i64, due: &mut Due) -> bool {
        let mut latest_first: Vec<(&ItemId, &ItemState)> = self.items.iter().filter(|(_, i)| concerns(i)).collect();
        latest_first.sort_by_key(|(_, i)| Reverse(i.sent_at));
        let steps = self.steps_to_wait_for(&latest_first);
        let mut later = LaterItems::default();
        for (id, item) in &latest_first {
            let standing = match item.status {
                ItemStatus::UndoFailed | ItemStatus::UndoConflict => {
                    self.report_unclean(id, item, due);
                    Later::Unclean
                }
                _ if item.status.is_open() => Later::Pending,
                _ if self.due_left_alone(id, item, due) => Later::Unclean,
                _ => match later.before(item) {
                    Some((by, Later::Unclean)) => {
                        // Blocked stays blocked until what blocks it is clean; others go on.
                        if item.status != ItemStatus::Blocked {
                            let (item, by) = ((*id).clone(), by.clone());
                            due.record.push(Event::UndoBlocked { item, by });
                        }
                        Later::Unclean
                    }
                    Some((_, Later::Pending)) => Later::Pending,
                    None => {
                        if !steps.must_wait(id, item) {
                            self.due_undo(id, item, now, due);
                        }
                        Later::Pending
                    }
                },
            };
            later.push(id, item, standing);
        }
        latest_first.is_empty()
    }

    /// The steps and waves that others wait for: those with something left that goes on without a person.
    fn steps_to_wait_for(&self, items: &[(&ItemId, &ItemState)]) -> Unfinished {
        let mut unfinished = Unfinished::default();
        for (id, item) in items.iter().filter(|(_, i)| goes_on(i)) {
            let wave = unfinished.wave.entry(id.step.clone()).or_default();
            *wave = item.expanded.wave.max(*wave);
        }
        let Some(accepted) = &self.accepted else {
            return unfinished;
        };
        let leaves_first: Vec<_> = accepted.plan.each().collect();
        for (step, facts) in leaves_first.into_iter().rev() {
            if unfinished.wave.contains_key(&step.id) || unfinished.waits.contains(&step.id) {
                unfinished.waits.extend(facts.after.iter().cloned());
            }
        }
        unfinished
    }

    fn due_undo(&self, id: &ItemId, item: &ItemState, now: i64, due: &mut Due) {
        if item.contradiction.is_some() || item.is_unread() {
            return;
        }
        // Reported, and not decided yet: a person looks at it.
        if item.reported && self.stuck.contains_key(&id.to_string()) {
            return;
        }
        if self.waits_for_lease(item, now, due) {
            return;
        }
        if item.hot_until_ms > now && item.hot_until_ms < i64::MAX {
            due.wake(item.hot_until_ms);
            return;
        }
        if let Some(until) = self.heat_around(id, item, now) {
            if until < i64::MAX {
                due.wake(until);
            }
            return;
        }
        if self.lost_its_lock(item) {
            return self.due_relock(due);
        }
        let out = self.items.values().filter(|i| i.mutating && i.status.is_open()).count();
        let planned = due.work.iter().filter(|w| matches!(w, Work::Undo { .. })).count();
        if out + planned < WRITES_AT_ONCE {
            due.work.push(Work::Undo { item: id.clone() });
        }
    }

    /// What a person took away is had again before anything is written there.
    pub(super) fn due_relock(&self, due: &mut Due) {
        if !due.work.contains(&Work::Lock) {
            due.work.push(Work::Lock);
        }
    }

    /// Until when a call of another item may still land where this item acts: forever, while its outcome is open.
    fn heat_around(&self, id: &ItemId, item: &ItemState, now: i64) -> Option<i64> {
        let others = self.items.iter().filter(|(other, _)| *other != id);
        others
            .filter(|(_, o)| o.mutating && (is_open(o) || o.hot_until() > now) && super::overlap(item, o))
            .map(|(_, o)| if is_open(o) { i64::MAX } else { o.hot_until() })
            .max()
    }

    pub(super) fn report_unclean(&self, id: &ItemId, item: &ItemState, due: &mut Due) {
        if !item.reported {
            let why = item.reason.clone();
            due.record.push(Event::Stuck {
                why: why.unwrap_or_else(|| "it could not be taken back".to_owned()),
                item: Some(id.clone()),
                phase: Some(Phase::Undo),
            });
        }
    }
}

/// Whether what became of an item's call is not known, contradicted, or still to be read.
fn is_open(item: &ItemState) -> bool {
    item.status.is_open() || item.contradiction.is_some() || item.is_unread()
}

/// Whether an item has a part in taking back: it must be undone, or its outcome is still open.
fn concerns(item: &ItemState) -> bool {
    item.must_be_undone() || (item.mutating && item.status.is_open())
}

/// Whether what is left of an item goes on by itself, so that what it was built on waits for it.
fn goes_on(item: &ItemState) -> bool {
    let for_a_person = matches!(
        item.status,
        ItemStatus::UndoFailed | ItemStatus::UndoConflict | ItemStatus::Blocked
    );
    let doubt_for_a_person = item.reported && item.status.is_open();
    !for_a_person && !doubt_for_a_person
}

/// Steps with something left to be taken back, and what waits for them.
#[derive(Default)]
struct Unfinished {
    /// The highest wave with something left, by step.
    wave: BTreeMap<StepId, u32>,
    /// Steps before these, however far.
    waits: BTreeSet<StepId>,
}

impl Unfinished {
    fn must_wait(&self, id: &ItemId, item: &ItemState) -> bool {
        let later_wave = self.wave.get(&id.step).is_some_and(|w| *w > item.expanded.wave);
        later_wave || self.waits.contains(&id.step)
    }
}

/// The items that were sent later and are not clean yet, by the first segment of their targets: only items that share
/// it can overlap, so that ten thousand devices are not compared each with each.
#[derive(Default)]
struct LaterItems<'a> {
    by_root: BTreeMap<&'a str, Vec<usize>>,
    /// Items whose targets nobody knows: they overlap with everything.
    anywhere: Vec<usize>,
    all: Vec<(&'a ItemId, &'a ItemState, Later)>,
}

impl<'a> LaterItems<'a> {
    fn push(&mut self, id: &'a ItemId, item: &'a ItemState, standing: Later) {
        let at = self.all.len();
        self.all.push((id, item, standing));
        let roots: BTreeSet<&str> = item.expanded.targets.iter().map(|t| t.root()).collect();
        if roots.is_empty() {
            self.anywhere.push(at);
        }
        for root in roots {
            self.by_root.entry(root).or_default().push(at);
        }
    }

    /// What an item has to reckon with on its targets; what is not clean counts before what is pending.
    fn before(&self, item: &ItemState) -> Option<(&'a ItemId, Later)> {
        let near: Vec<usize> = if item.expanded.targets.is_empty() {
            (0..self.all.len()).collect()
        } else {
            let roots = item.expanded.targets.iter().filter_map(|t| self.by_root.get(t.root()));
            roots.flatten().chain(&self.anywhere).copied().collect()
        };
        let overlapping = near.iter().map(|at| &self.all[*at]);
        overlapping
            .filter(|(_, other, _)| super::overlap(item, other))
            .map(|(id, _, standing)| (*id, *standing))
            .max_by_key(|(_, standing)| *standing == Later::Unclean)
    }
}
