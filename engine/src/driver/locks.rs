//! Locks: taken all at once or not at all, released with the end, taken away by a person, handed over to the intent that
//! takes this one back.

use super::facts::Facts;
use super::inbox::Unfit;
use super::undo::Leftovers;
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
        let ask_again = self.ask_again_ms.is_some_and(|at| at <= self.deps.clock.now_ms());
        if self.lock_blocked && !ask_again {
            return Ok(false);
        }
        self.ask_again_ms = None;
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
            if self.ask_for_locks(lock.intent).await? {
                return Ok(true);
            }
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

    /// The intent that this one takes back holds the locks still: if it is stuck going back, it is asked for them. What it
    /// cannot give, or not yet, it is asked for again when it has changed, or its targets have cooled. True: it has left
    /// more than this one was planned for, so the plan is made again.
    async fn ask_for_locks(&mut self, holder: IntentId) -> Result<bool, DriveError> {
        let (to, now) = (self.ledger.id, self.deps.clock.now_ms());
        let left = Leftovers::read(self.deps.journal.as_ref(), holder, Some(to)).await?;
        // One id for each time that it is stuck anew, so that asking twice is harmless.
        let command = Command {
            id: format!("hand-over-{to}-{}", left.state.seq),
            by: self.ledger.state.request.origin.actor.clone(),
            at_ms: now,
            what: What::HandOver { to },
        };
        // What would only be refused is not asked: the refusal is an entry, and would be the next change to ask after.
        match super::inbox::fits_when(&left.state, &command, now) {
            Err(Unfit::NotYet { until_ms, .. }) => self.ask_again_ms = Some(until_ms),
            Err(Unfit::Never(_)) => {}
            Ok(()) => {
                let items = left.missing_in(&self.ledger.state);
                if !items.is_empty() {
                    let why = format!("intent {holder} has left more than was known when this was planned");
                    let replan = true;
                    self.record(Facts::of(Event::PlanStale { items, why, replan })).await?;
                    return Ok(true);
                }
                self.deps.journal.post(holder, command).await?;
            }
        }
        Ok(false)
    }

    /// The changes of locks that go with these facts; an end, a stale plan and a new one release all that is held.
    pub(super) fn released_with(&self, facts: &mut Facts) -> Vec<LockChange> {
        let mut changes: Vec<LockChange> = facts.events.iter().filter_map(change).collect();
        let state = &self.ledger.state;
        let ends = facts.events.iter().any(|e| matches!(e, Event::IntentEnded { .. }));
        let anew = |e: &Event| matches!(e, Event::PlanStale { .. } | Event::ReplanDecided { .. });
        let stale = facts.events.iter().any(anew);
        if !ends && !stale {
            return changes;
        }
        if !state.locked.is_empty() {
            let reason = if ends {
                "the intent ends"
            } else {
                "the plan is made anew"
            };
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
    let on_it = |item: &ItemState| item.expanded.targets.iter().any(|t| t.conflicts_with(target));
    at_work(state, now, on_it)
}

/// Why what some items touch is not anybody else's yet.
fn at_work(state: &IntentState, now: i64, which: impl Fn(&ItemState) -> bool) -> Result<(), Unfit> {
    let there = || state.items.iter().filter(|(_, item)| item.mutating && which(item));
    let says = |id: &ItemId, item: &ItemState, what: &str| format!("{id} is {}: {what}", item.status.api_name());
    if let Some((id, item)) = there().find(|(_, item)| item.status.is_open()) {
        return Err(says(id, item, "a call may still land; settle it first").into());
    }
    if let Some((id, item)) = there().find(|(_, item)| item.lease.as_ref().is_some_and(|l| l.is_open())) {
        let what = "the device waits for it to be confirmed or taken back: cancel the intent, or wait";
        return Err(says(id, item, what).into());
    }
    match there().max_by_key(|(_, item)| item.hot_until()) {
        Some((id, item)) if item.hot_until() > now => Err(Unfit::NotYet {
            until_ms: item.hot_until(),
            why: says(id, item, "a call that was given up may still land"),
        }),
        _ => Ok(()),
    }
}

/// Gives all locks to the intent that takes this one back.
pub(super) fn hand_over(
    state: &IntentState,
    to: IntentId,
    by: Actor,
    now: i64,
    facts: &mut Facts,
) -> Result<(), Unfit> {
    if !state.is_stuck_going_back() {
        return Err("it is not stuck going back, so its locks stay its own".into());
    }
    // All of them, for what is not handed over is released with the end.
    at_work(state, now, |_| true)?;
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
