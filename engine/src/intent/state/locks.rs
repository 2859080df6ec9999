//! The part of the fold that is about locks: which targets the intent holds, and which were taken away from it.

use super::IntentState;
use crate::actor::Actor;
use crate::ids::IntentId;
use crate::intent::item::ItemState;
use crate::target::Target;

impl IntentState {
    pub(super) fn targets_locked(&mut self, targets: &[Target]) {
        self.locked.extend(targets.iter().cloned());
        self.locked.sort();
        self.locked.dedup();
        self.taken_away.retain(|t| !targets.contains(t));
        self.waiting_for = None;
    }

    /// `by`: the person who took them away; none where the engine is done with them. `to`: the intent that has them now.
    pub(super) fn targets_released(&mut self, targets: &[Target], by: Option<&Actor>, to: Option<IntentId>) {
        self.locked.retain(|t| !targets.contains(t));
        if by.is_some() {
            self.taken_away.extend(targets.iter().cloned());
        }
        self.handed_to = to.or(self.handed_to);
    }

    /// Whether a person took away the lock under which this item would be written: it must be had again first.
    pub fn lost_its_lock(&self, item: &ItemState) -> bool {
        let targets = &item.expanded.targets;
        self.taken_away
            .iter()
            .any(|lost| targets.iter().any(|t| t.conflicts_with(lost)))
    }
}
