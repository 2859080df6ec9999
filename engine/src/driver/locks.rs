//! Locks: taken all at once or not at all, released with the end, taken away by a person, handed over to the intent that
//! takes this one back.

use super::facts::Facts;
use super::inbox::Unfit;
use super::{DriveError, Driver};
use crate::actor::Actor;
use crate::ids::{IntentId, ItemId};
use crate::intent::command::{Command, What};
use crate::intent::event::Event;
use crate::intent::item::ItemState;
use crate::intent::state::IntentState;
use crate::journal::{Lock, LockChange};
use crate::target::Target;
use tokio::sync::watch;

impl Driver {
    /// Takes the locks, or says who holds one of them. True: the state changed.
    pub(super) async fn lock(&mut self) -> Result<bool, DriveError> {
        if self.lock_blocked {
            return Ok(false);
        }
        if self.ledger.state.taken_away.is_empty()
            && let Some(stale) = self.rules_moved().await?
        {
            self.record(Facts::of(stale)).await?;
            return Ok(true);
        }
        let state = &self.ledger.state;
        let targets = if state.taken_away.is_empty() {
            super::ledger::targets(state)
        } else {
            state.taken_away.clone()
        };
        let Some(lock) = self.ledger.lock(targets.clone()).await? else {
            return Ok(true);
        };
        self.lock_blocked = true;
        self.holder = None;
        if Some(lock.intent) == self.ledger.state.request.undo_of {
            // Before it is looked at, so that no change of it is missed.
            self.holder = Some(self.deps.journal.watch(lock.intent));
            self.ask_for_locks(lock.intent).await?;
        }
        let holders = vec![held_by(&lock)];
        let waiting = Some((targets.clone(), holders.clone()));
        if self.ledger.state.waiting_for != waiting {
            self.record(Facts::of(Event::TargetsWaiting { targets, holders }))
                .await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The intent that this one takes back holds the locks still: if it is stuck going back, it is asked for them. If it
    /// is not, or not yet, it is looked at again when it has changed.
    async fn ask_for_locks(&mut self, holder: IntentId) -> Result<(), DriveError> {
        let (state, head, _) = super::load(self.deps.journal.as_ref(), holder).await?;
        let (to, now) = (self.ledger.id, self.deps.clock.now_ms());
        // One id for each time that it is stuck anew, so that asking twice is harmless.
        let command = Command {
            id: format!("hand-over-{to}-{}", head.seq),
            by: self.ledger.state.request.origin.actor.clone(),
            at_ms: now,
            what: What::HandOver { to },
        };
        // What would only be refused is not asked: the refusal is an entry, and would be the next change to ask after.
        if super::inbox::fits(&state, &command, now).is_ok() {
            self.deps.journal.post(holder, command).await?;
        }
        Ok(())
    }

    /// The changes of locks that go with these facts; an end and a stale plan release all that is held.
    pub(super) fn released_with(&self, facts: &mut Facts) -> Vec<LockChange> {
        let mut changes: Vec<LockChange> = facts.events.iter().filter_map(change).collect();
        let state = &self.ledger.state;
        let ends = facts.events.iter().any(|e| matches!(e, Event::IntentEnded { .. }));
        let stale = facts.events.iter().any(|e| matches!(e, Event::PlanStale { .. }));
        if !ends && !stale {
            return changes;
        }
        if !state.locked.is_empty() {
            let reason = if ends { "the intent ends" } else { "the plan is stale" };
            let release = Event::TargetsReleased {
                targets: state.locked.clone(),
                reason: reason.into(),
                by: None,
                to: None,
            };
            facts.events.insert(facts.events.len() - usize::from(ends), release);
        }
        // Also what was handed to it and never taken up.
        let mut all = super::ledger::targets(state);
        all.extend(state.locked.iter().cloned());
        if !all.is_empty() {
            changes.push(LockChange::Release(all));
        }
        changes
    }

    /// Lets go of what was handed to the intent after its end.
    pub(super) async fn release_leftovers(&mut self) -> Result<(), DriveError> {
        let id = self.ledger.id;
        let locks = self.deps.journal.locks().await?;
        let mine = locks.into_iter().filter(|l| l.intent == id).map(|l| l.target);
        let targets: Vec<Target> = mine.collect();
        if targets.is_empty() {
            return Ok(());
        }
        let reason = "the intent has ended".to_owned();
        let (by, to) = (None, None);
        let release = Event::TargetsReleased {
            targets: targets.clone(),
            reason,
            by,
            to,
        };
        self.ledger.record(Facts::of(release), &Actor::engine())?;
        self.ledger.flush(vec![LockChange::Release(targets)]).await?;
        self.signals.lock_released.send_modify(|n| *n += 1);
        Ok(())
    }
}

/// Waits for the holder's next change; for ever, where there is none.
pub(super) async fn changed(holder: &mut Option<watch::Receiver<u64>>) {
    let changed = match holder {
        Some(changes) => changes.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

/// What a person's release and a hand-over do to the locks.
fn change(event: &Event) -> Option<LockChange> {
    match event {
        Event::TargetsReleased {
            targets, to: Some(to), ..
        } => Some(LockChange::HandOver {
            targets: targets.clone(),
            to: *to,
        }),
        Event::TargetsReleased { targets, .. } => Some(LockChange::Release(targets.clone())),
        _ => None,
    }
}

fn held_by(lock: &Lock) -> String {
    format!("{} is held by intent {}", lock.target, lock.intent)
}

/// A person takes a lock away.
pub(super) fn release(state: &IntentState, command: &Command, now: i64, facts: &mut Facts) -> Result<(), Unfit> {
    let What::ReleaseLock { target, reason } = &command.what else {
        return Err("no release".into());
    };
    let held = state.locked.iter().find(|t| t.as_str() == target);
    let held = held.ok_or_else(|| format!("it holds no lock on {target}"))?;
    if state.stuck.is_empty() && state.waiting_for.is_none() {
        return Err("locks are released by a person only while the intent is stuck".into());
    }
    may_still_land(state, held, now)?;
    facts.push(Event::TargetsReleased {
        targets: vec![held.clone()],
        reason: reason.clone(),
        by: Some(command.by.clone()),
        to: None,
    });
    Ok(())
}

/// A target where a call may still land is not anybody else's yet.
fn may_still_land(state: &IntentState, target: &Target, now: i64) -> Result<(), Unfit> {
    let on_it = |item: &&ItemState| item.mutating && item.expanded.targets.iter().any(|t| t.conflicts_with(target));
    let there = || state.items.iter().filter(|(_, item)| on_it(item));
    let why = |(id, item): (&ItemId, &ItemState)| {
        let stands = item.status.api_name();
        format!("{id} is {stands}: a call may still land on {target}; settle it first")
    };
    if let Some(open) = there().find(|(_, item)| item.status.is_open()) {
        return Err(why(open).into());
    }
    match there().max_by_key(|(_, item)| item.hot_until_ms) {
        Some((id, item)) if item.hot_until_ms > now => Err(Unfit::NotYet {
            until_ms: item.hot_until_ms,
            why: why((id, item)),
        }),
        _ => Ok(()),
    }
}

/// Gives all locks to the intent that takes this one back.
pub(super) fn hand_over(state: &IntentState, to: IntentId, by: Actor, facts: &mut Facts) -> Result<(), String> {
    if !state.is_stuck_going_back() {
        return Err("it is not stuck going back, so its locks stay its own".into());
    }
    if let Some((id, _)) = state.items.iter().find(|(_, i)| i.mutating && i.status.is_open()) {
        return Err(format!("{id} is out or in doubt: settle it first"));
    }
    // What is clean again is released with the end; only what is left goes to the other.
    let left: Vec<_> = state.items.values().filter(|i| i.must_be_undone()).collect();
    let theirs = |t: &&Target| {
        left.iter()
            .any(|i| i.expanded.targets.iter().any(|x| x.conflicts_with(t)))
    };
    facts.push(Event::TargetsReleased {
        targets: state.locked.iter().filter(theirs).cloned().collect(),
        reason: format!("taken over by intent {to}"),
        by: Some(by),
        to: Some(to),
    });
    Ok(())
}
