//! Which decisions about an item a person has. What says so, and what offers the commands, goes by this alone.

use crate::ids::ItemId;
use crate::intent::event::{FaultEffect, Resolution, WayBack};
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::intent::state::IntentState;

/// What an undo met, as far as it makes a difference to what a person can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The contract has no probe.
    NoProbe,
    /// The state cannot be read at the moment.
    Unreadable,
    /// Nobody knows what the call had left.
    Unknown,
    /// Somebody else changed it.
    AnotherHand,
    /// There is no undo to be sent.
    NoWayBack,
}

impl Obstacle {
    /// What fits, in the order in which it is offered.
    pub fn fits(self) -> &'static [Resolution] {
        use Resolution::{Accept, Overwrite, Retry};
        match self {
            Self::NoProbe | Self::Unknown => &[Overwrite, Accept],
            Self::Unreadable => &[Retry, Accept],
            Self::AnotherHand => &[Retry, Overwrite, Accept],
            Self::NoWayBack => &[Accept],
        }
    }

    /// What a person is asked to do, with what each choice means.
    pub fn ask(self) -> String {
        let said = |resolution: &Resolution| match (resolution, self) {
            (Resolution::Overwrite, _) => "overwrite (send the undo all the same)",
            (Resolution::Accept, Self::NoWayBack) => "accept",
            (Resolution::Accept, _) => "accept (leave it as it is)",
            (Resolution::Retry, Self::Unreadable) => "retry (once it can be read)",
            (Resolution::Retry, _) => "retry",
        };
        let order = [Resolution::Overwrite, Resolution::Accept, Resolution::Retry];
        let fits: Vec<&str> = order.iter().filter(|r| self.fits().contains(r)).map(said).collect();
        format!("resolve with {}", in_words(&fits))
    }

    fn of(item: &ItemState) -> Self {
        let looked = || item.looked.as_ref().filter(|_| item.expanded.undoes.is_some());
        let found = item.found.as_ref().or_else(looked);
        match found {
            _ if !matches!(item.way_back, Some(WayBack::Call(_))) => Self::NoWayBack,
            _ if !item.probed => Self::NoProbe,
            // Not even read: its arguments are gone.
            None => Self::NoWayBack,
            Some(reading) if !reading.valid => Self::Unreadable,
            _ if item.after.is_none() => Self::Unknown,
            _ => Self::AnotherHand,
        }
    }
}

impl IntentState {
    /// What a person can decide about an item as it stands, in the order in which it is offered. None: it needs nobody.
    pub fn resolutions(&self, id: &ItemId) -> &'static [Resolution] {
        use Resolution::{Accept, Overwrite, Retry};
        let Some(item) = self.items.get(id) else { return &[] };
        match item.status {
            ItemStatus::UndoConflict => Obstacle::of(item).fits(),
            // Sent over another hand's change once, and in vain.
            ItemStatus::UndoFailed if item.overwrite => &[Retry, Overwrite, Accept],
            ItemStatus::UndoFailed => &[Retry, Accept],
            ItemStatus::Failed if self.may_be_sent_again(item) => &[Retry, Accept],
            ItemStatus::Blocked | ItemStatus::Failed => &[Accept],
            _ => &[],
        }
    }

    fn may_be_sent_again(&self, item: &ItemState) -> bool {
        let harmless =
            |c: &CallState| c.effect == Some(FaultEffect::None) && (c.settled.is_none() || c.fence.is_some());
        item.lease.is_none() && self.rollback.is_none() && item.call.as_ref().is_none_or(harmless)
    }
}

/// The words for a choice of these: `retry or accept`.
pub fn choice(fits: &[Resolution]) -> String {
    let words: Vec<&str> = fits.iter().map(|r| r.as_str()).collect();
    in_words(&words)
}

fn in_words(choices: &[&str]) -> String {
    match choices.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
