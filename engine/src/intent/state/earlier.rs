//! The part of the fold that is about planning anew: a revision that failed and was taken back makes room for the next.

use super::{Accepted, IntentState};
use crate::ids::{CallId, ItemId};
use crate::intent::event::{CheckId, CheckPurpose, CheckReading, Decision, End, Event};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::state::pairs;
use crate::target::Target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most plans that one intent may have, whatever a planner promises: each costs a look at the network, and a person's time.
const MOST_REVISIONS: usize = 6;

/// A revision that failed, with what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    pub revision: u32,
    /// Why it was given up.
    pub why: String,
    pub accepted: Option<Accepted>,
    pub items: BTreeMap<ItemId, ItemState>,
    #[serde(with = "pairs")]
    pub checks: BTreeMap<(CheckId, CheckPurpose), CheckReading>,
    /// What policy and people were asked about: later revisions stay within. None: it never came so far.
    pub judged: Option<Vec<Target>>,
}

impl IntentState {
    /// The revision is over; what it did is taken back, and nothing of it is open.
    pub(super) fn plan_anew(&mut self, why: &str) {
        let targets = |state: &Self| {
            let mutating = state.items.values().filter(|i| i.mutating);
            let mut all: Vec<Target> = mutating.flat_map(|i| i.expanded.targets.clone()).collect();
            all.sort();
            all.dedup();
            all
        };
        let earlier = Earlier {
            revision: self.revision,
            why: why.to_owned(),
            judged: self.judged.as_ref().map(|_| targets(self)),
            accepted: self.accepted.take(),
            items: std::mem::take(&mut self.items),
            checks: std::mem::take(&mut self.checks),
        };
        self.earlier.push(earlier);
        self.rollback = None;
        self.stuck.clear();
        self.look_again();
    }

    /// The targets that were judged before, in any revision. None: this is the first plan, or none came so far.
    pub fn judged_before(&self) -> Option<Vec<Target>> {
        let judged = self.earlier.iter().filter_map(|e| e.judged.as_ref());
        judged.fold(None, |all: Option<Vec<Target>>, more| {
            let mut all = all.unwrap_or_default();
            all.extend(more.iter().cloned());
            Some(all)
        })
    }

    /// Whether any revision sent a mutating call.
    pub fn ever_sent(&self) -> bool {
        self.anything_sent() || self.earlier_items().any(ItemState::was_sent)
    }

    /// Whether any revision sent a mutating call that is not proven to have had no effect.
    pub fn ever_changed(&self) -> bool {
        self.anything_changed() || self.earlier_items().any(|i| i.was_sent() && !i.is_harmless())
    }

    fn earlier_items(&self) -> impl Iterator<Item = &ItemState> {
        self.earlier.iter().flat_map(|e| e.items.values())
    }

    /// Whether another plan may be asked for once this one is taken back: somebody could make one, nobody said no, and
    /// everything is as it was before.
    pub(crate) fn may_plan_anew(&self) -> bool {
        let promised = self.accepted.as_ref().is_some_and(|a| a.replans > 0);
        let clean = |i: &ItemState| {
            i.status != ItemStatus::Accepted && i.contradiction.is_none() && !i.is_taken_over() && !i.is_unread()
        };
        promised
            && self.earlier.len() + 1 < MOST_REVISIONS
            && self.back_out.is_none()
            && self.handed_to.is_none()
            && self.request.undo_of.is_none()
            && self.taken_away.is_empty()
            && self.items.values().all(clean)
    }

    /// No plan: the first one is refused; where another was looked for, what failed stays failed.
    pub(super) fn plan_refused(&mut self, reason: &str) {
        match self.earlier.last() {
            None => self.back_out(reason, End::Refused, End::RolledBack),
            Some(earlier) => {
                let reason = format!("{}; no other plan: {reason}", earlier.why);
                self.back_out(&reason, End::Failed, End::RolledBack);
            }
        }
    }

    /// Policy refuses another plan: what failed stays failed.
    pub(super) fn replan_refused(&mut self) {
        let Some(judged) = &self.judged else { return };
        if self.earlier.is_empty() || judged.decision != Decision::Refuse {
            return;
        }
        let reasons: Vec<&str> = judged.rules.iter().map(|r| r.reason.as_str()).collect();
        let reason = format!("policy refuses the next plan: {}", reasons.join("; "));
        self.plan_refused(&reason);
    }

    /// An earlier revision's call, and how it stood when that revision was over.
    pub fn of_earlier(&self, call: &CallId) -> Option<(&Earlier, &ItemState)> {
        let earlier = self.earlier.iter().find(|e| e.revision == call.revision)?;
        Some((earlier, earlier.items.get(&call.item)?))
    }

    /// What is still heard of an earlier revision's call stays evidence: nothing of the present revision follows from it.
    pub(super) fn is_of_earlier(&self, event: &Event) -> bool {
        let (Event::LateAnswer { call, .. } | Event::SettlementContradicted { call, .. }) = event else {
            return false;
        };
        self.earlier.iter().any(|e| e.revision == call.revision)
    }
}
