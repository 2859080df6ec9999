//! The fold of leases. A lease is a change that a device keeps only until a timer of its own runs out, unless somebody
//! confirms it: the device takes back by itself what nobody stands up for.
//!
//! An item's status says what its `do` and its way back have come to; its lease stands beside it and says what the device
//! still waits for. `prepare`, `confirm`, `extend`, and the `cancel` that lets go of what was only prepared, are folded
//! here. The `cancel` of a pending change is an item's way back like an undo, and goes through [`ItemStatus::after`].

mod events;

pub(super) use events::{fold, follow};

use crate::contract::{Contract, EffectClass};
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::event::{CheckId, CheckReading, CheckVerdict};
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::intent::settlement::Loose;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the device holds for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing, or nothing any more.
    Free,
    /// Something that was made ready and changes nothing yet.
    Prepared,
    /// The change, until the timer runs out.
    Pending,
    /// The change, for good.
    Confirmed,
    /// Nothing: the timer ran out.
    Expired,
}

/// How a lease's call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStanding {
    Out,
    BackingOff,
    /// Confirmed, the device says; the read-back has still to agree.
    Answered,
    InDoubt,
    Done,
    Failed,
}

/// The latest call of one of a lease's phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaseCall {
    pub call: CallState,
    pub standing: CallStanding,
    /// When the next attempt is due, Unix milliseconds.
    pub retry_at_ms: Option<i64>,
}

/// A call of a lease that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseFault {
    pub at_ms: i64,
    pub fault: String,
}

/// A confirmable item's lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// From each `do` and `extend` on.
    pub seconds: u64,
    pub standing: Standing,
    /// Before this time the lease stands. Unix milliseconds.
    pub earliest_ms: i64,
    /// After this time it is gone; in between only the probe decides. `i64::MAX`: the call may not have landed yet.
    pub latest_ms: i64,
    pub calls: BTreeMap<Phase, LeaseCall>,
    pub faults: BTreeMap<Phase, LeaseFault>,
    /// How many extensions were begun. Each is a call of its own, not a repetition, so this is its generation.
    pub extensions: u32,
    /// The earliest end that was journaled as an extension.
    pub announced_ms: i64,
    /// When the change was last seen, and when it was last looked for.
    pub seen_ms: Option<i64>,
    pub looked_ms: Option<i64>,
    /// The post-checks hold: to be extended once more, so that all leases last until all are confirmed.
    pub to_margin: bool,
    /// A cancel was sent and did not bring the device back: the timer will.
    pub cancel_spent: bool,
    /// Calls of the lease that were given up and might still land, whatever was settled of them meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loose: Vec<Loose>,
}

impl Lease {
    pub(super) fn of(seconds: u64) -> Self {
        Self {
            seconds,
            standing: Standing::Free,
            earliest_ms: i64::MIN,
            latest_ms: i64::MIN,
            calls: BTreeMap::new(),
            faults: BTreeMap::new(),
            extensions: 0,
            announced_ms: i64::MIN,
            seen_ms: None,
            looked_ms: None,
            to_margin: false,
            cancel_spent: false,
            loose: Vec::new(),
        }
    }

    /// Before this time a call of the lease that was given up might still land. Unix milliseconds.
    pub fn hot_until_ms(&self) -> i64 {
        self.loose.iter().map(Loose::until_ms).max().unwrap_or(i64::MIN)
    }

    fn loosen(&mut self, call: &CallId, attempt: u32, since_ms: i64, bound_ms: i64) {
        self.loose.retain(|l| l.until_ms() > since_ms);
        self.loose.push(Loose {
            call: call.clone(),
            attempt,
            since_ms,
            bound_ms,
        });
    }

    /// Whether the device holds something on our account, or a call about that is out or in doubt.
    pub fn is_open(&self) -> bool {
        let out = |c: &LeaseCall| matches!(c.standing, CallStanding::Out | CallStanding::Answered);
        let let_go = matches!(
            self.stands(Phase::Cancel),
            Some(CallStanding::Done | CallStanding::Failed | CallStanding::InDoubt)
        );
        let held = match self.standing {
            Standing::Pending => true,
            // Whether it was let go of cannot be known better than this.
            Standing::Prepared => !let_go && !self.faults.contains_key(&Phase::Cancel),
            Standing::Free | Standing::Confirmed | Standing::Expired => false,
        };
        held || self.doubtful().is_some() || self.calls.values().any(out)
    }

    /// The lease's length in milliseconds.
    pub fn length_ms(&self) -> i64 {
        i64::try_from(self.seconds.saturating_mul(1000)).unwrap_or(i64::MAX / 4)
    }

    /// How a phase's latest call stands.
    pub fn stands(&self, phase: Phase) -> Option<CallStanding> {
        self.calls.get(&phase).map(|c| c.standing)
    }

    /// The generation of a phase's next call.
    pub(in crate::intent) fn generation(&self, phase: Phase) -> u32 {
        let again = self.stands(phase) == Some(CallStanding::BackingOff);
        match phase {
            Phase::Extend => self.extensions - u32::from(again && self.extensions > 0),
            _ => 0,
        }
    }

    /// The call whose outcome is not known and is to be settled. An extension in doubt needs no settlement: it leaves the
    /// earliest end where it was and moves the latest to where it might be, and the next one, or the probe, decides.
    pub fn doubtful(&self) -> Option<&CallState> {
        let settled = [Phase::Prepare, Phase::Confirm];
        let open = self
            .calls
            .iter()
            .find(|(p, c)| settled.contains(p) && c.standing == CallStanding::InDoubt);
        open.map(|(_, c)| &c.call)
    }

    /// What the standing was before a `do` that had no effect.
    fn without_effect(&self) -> Standing {
        match self.stands(Phase::Prepare) {
            Some(CallStanding::Done) => Standing::Prepared,
            _ => Standing::Free,
        }
    }

    /// Another engine claims the intent at `at`: nobody waits for what is still out, and times are taken over into its
    /// count. `last`: of the last entry before.
    ///
    /// How long nobody was there is not known for sure, because a clock may have been set meanwhile. So the lease may be
    /// gone already, and the probe decides; but it lasts no longer than what was left of it when it was last heard of.
    pub(super) fn claimed(&mut self, last: i64, at: i64) {
        let left = |until: i64| at.saturating_add(until.saturating_sub(last).max(0));
        self.earliest_ms = self.earliest_ms.min(at);
        self.announced_ms = self.announced_ms.min(at);
        if self.latest_ms != i64::MAX {
            self.latest_ms = left(self.latest_ms);
        }
        (self.seen_ms, self.looked_ms) = (None, None);
        for fault in self.faults.values_mut() {
            fault.at_ms = fault.at_ms.min(at);
        }
        self.loose.retain(|l| l.until_ms() > last);
        for loose in &mut self.loose {
            loose.since_ms = at.saturating_add(loose.since_ms.saturating_sub(last).max(0));
        }
        for call in self.calls.values_mut() {
            call.call.orphaned |= call.standing == CallStanding::Out;
            call.retry_at_ms = call.retry_at_ms.map(|until| until.min(left(until)));
            call.call.reanchor(last, at);
        }
    }

    /// An extension may have landed, by this time at the latest.
    fn may_last_from(&mut self, landed_by_ms: i64) {
        self.latest_ms = self.latest_ms.max(landed_by_ms.saturating_add(self.length_ms()));
    }

    fn lasts_from(&mut self, started_ms: i64, landed_by_ms: i64) {
        self.earliest_ms = started_ms.saturating_add(self.length_ms());
        self.latest_ms = landed_by_ms.saturating_add(self.length_ms());
        self.to_margin = false;
    }
}

impl ItemState {
    /// Whether a call of this item belongs to the lease alone and leaves the item's status where it is.
    fn is_of_the_lease(&self, call: &CallId) -> bool {
        let Some(lease) = &self.lease else { return false };
        match call.phase {
            Phase::Prepare | Phase::Confirm | Phase::Extend => true,
            Phase::Cancel => lease.standing != Standing::Pending,
            Phase::Do | Phase::Undo => false,
        }
    }

    /// Before this time a call that was given up might still land, one of its lease included. Unix milliseconds.
    pub fn hot_until(&self) -> i64 {
        let lease = self.lease.as_ref().map_or(i64::MIN, |l| l.hot_until_ms());
        self.hot_until_ms.max(lease)
    }

    /// Whether the device may still hold the change on a timer.
    pub fn is_pending(&self) -> bool {
        self.lease.as_ref().is_some_and(|l| l.standing == Standing::Pending)
    }

    /// Whether this very call is in doubt.
    pub fn is_in_doubt(&self, call: &CallId) -> bool {
        // A call that was settled a moment ago remembers its doubt.
        let own = self.status.is_doubt() && self.open_call().is_some_and(|c| c.id == *call);
        let of_lease = self.lease.as_ref().and_then(|l| l.calls.get(&call.phase));
        own || of_lease.is_some_and(|c| c.call.id == *call && c.standing == CallStanding::InDoubt)
    }

    /// The phase of the call whose outcome only evidence can tell.
    pub fn doubtful_phase(&self) -> Option<Phase> {
        match self.status {
            ItemStatus::InDoubt | ItemStatus::UndoInDoubt => self.open_call().map(|c| c.id.phase),
            _ => self.lease.as_ref().and_then(|l| l.doubtful()).map(|c| c.id.phase),
        }
    }
}

/// The lease of an item whose tool has this contract: none unless it is confirmable.
pub(super) fn of(contract: &Contract) -> Option<Box<Lease>> {
    let confirmable = contract.effect == EffectClass::Confirmable;
    confirmable.then(|| Box::new(Lease::of(contract.lease().0.div_ceil(1000))))
}

/// A post-check that holds calls for a margin in which all leases can be confirmed.
pub(super) fn follow_check(items: &mut BTreeMap<ItemId, ItemState>, reading: &CheckReading) {
    if matches!(reading.check, CheckId::Post { .. }) && reading.verdict == CheckVerdict::Held {
        for lease in items.values_mut().filter_map(|i| i.lease.as_mut()) {
            lease.to_margin = true;
        }
    }
}
