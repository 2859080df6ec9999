//! What shows that a change is there, and whose word it is where nothing shows it.

use crate::actor::Actor;
use crate::ids::ItemId;
use crate::intent::event::{CheckId, CheckPurpose, CheckVerdict, Event, Resolution, SettledBy};
use crate::intent::item::{CallState, ItemState, ItemStatus};
use crate::intent::state::IntentState;
use crate::journal::Entry;
use serde::{Deserialize, Serialize};

/// What a person said of an item that needed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub resolution: Resolution,
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Where the item stood then.
    pub was: ItemStatus,
}

impl Word {
    /// The word that an entry holds, said of an item that stood there.
    pub(super) fn of(entry: &Entry, was: ItemStatus) -> Option<Box<Self>> {
        let Event::Resolved {
            resolution,
            by,
            comment,
            ..
        } = &entry.event
        else {
            return None;
        };
        Some(Box::new(Self {
            resolution: *resolution,
            by: by.clone(),
            comment: comment.clone(),
            was,
        }))
    }

    /// Whether it is about what was to be taken back, and not about the way forward.
    pub fn is_of_the_way_back(&self) -> bool {
        self.was != ItemStatus::Failed
    }
}

impl ItemState {
    /// Whether this intent itself sent a call that may change the world here.
    pub fn was_sent(&self) -> bool {
        self.mutating
            && match self.expanded.undoes {
                Some(_) => self.undo.is_some(),
                None => self.sent_at.is_some(),
            }
    }

    /// The word by which a person took it as it stands.
    pub fn accepted_by(&self) -> Option<&Word> {
        let word = self.word.as_deref()?;
        (self.status == ItemStatus::Accepted && word.resolution == Resolution::Accept).then_some(word)
    }

    /// Whether a reading shows that the change is in place; none: nothing can tell, or a person took it as it stands.
    pub fn read_back(&self) -> Option<bool> {
        let reading = match self.status {
            ItemStatus::Satisfied => self.before.as_ref(),
            _ => self.after.as_ref(),
        };
        let holds = reading.filter(|r| r.valid).and_then(|r| r.holds);
        holds.filter(|holds| !*holds || self.status != ItemStatus::Accepted)
    }

    /// Whether what became of it is proven, by a reading or by the gate behind it; none: nothing can tell.
    pub fn proof(&self, gate: Option<CheckVerdict>) -> Option<bool> {
        match (gate, self.read_back()) {
            // The reading and what came later do not agree.
            _ if self.contradiction.is_some() => None,
            // What an undo has not taken back was read when another intent left it so, if ever.
            _ if self.expanded.undoes.is_some() && self.status != ItemStatus::Undone => None,
            (Some(CheckVerdict::Missed), _) => Some(false),
            // A taken-back item of a probed tool is only `undone` once the probe saw the state before.
            _ if self.status == ItemStatus::Undone && self.probed => Some(true),
            (_, read) if self.status == ItemStatus::Accepted => read,
            (Some(CheckVerdict::Held), read) => Some(read != Some(false)),
            (_, read) => read,
        }
    }

    /// Whether a person said what became of the call that this intent sent for it.
    fn is_settled_by_a_person(&self) -> bool {
        let sent = match self.expanded.undoes {
            Some(_) => self.undo.as_ref(),
            None => self.call.as_ref(),
        };
        let by = |call: &CallState| matches!(call.settled, Some((_, SettledBy::Person { .. })));
        sent.is_some_and(by)
    }
}

/// How many changes nothing shows, by whose word they stand.
#[derive(Default)]
struct Unproven {
    settled: usize,
    accepted: usize,
    missing: usize,
    nobodys: usize,
}

impl IntentState {
    /// That what was asked is done, and what shows it.
    pub(super) fn done(&self) -> String {
        let unproven = self.unproven();
        let told = [
            (unproven.settled, "settled by a person"),
            (unproven.accepted, "accepted by a person as it stands"),
            (unproven.missing, "not in place"),
            (unproven.nobodys, "unverified"),
        ];
        let told = told.iter().filter(|(n, _)| *n > 0);
        let told: Vec<String> = told
            .map(|(n, what)| match n {
                1 => format!("1 change {what}"),
                n => format!("{n} changes {what}"),
            })
            .collect();
        match told.is_empty() {
            true => "done and verified".to_owned(),
            false => format!("done; {}", told.join(", ")),
        }
    }

    fn unproven(&self) -> Unproven {
        let mut unproven = Unproven::default();
        for (id, item) in self.items.iter().filter(|(id, item)| self.is_a_change(id, item)) {
            let key = (CheckId::Gate { item: id.clone() }, CheckPurpose::Verdict);
            let gate = self.checks.get(&key).map(|reading| reading.verdict);
            match item.proof(gate) {
                Some(true) => {}
                _ if item.accepted_by().is_some() => unproven.accepted += 1,
                Some(false) => unproven.missing += 1,
                _ if item.is_settled_by_a_person() => unproven.settled += 1,
                _ => unproven.nobodys += 1,
            }
        }
        unproven
    }

    /// Saving is no change of its own: it is what makes the others last.
    fn is_a_change(&self, id: &ItemId, item: &ItemState) -> bool {
        let step = self.accepted.as_ref().and_then(|a| a.plan.step(&id.step));
        let saves = step.is_some_and(|(step, _)| step.tool.saves());
        let open = matches!(item.status, ItemStatus::Skipped | ItemStatus::Waiting);
        (item.was_sent() || item.accepted_by().is_some()) && !saves && !open
    }
}
