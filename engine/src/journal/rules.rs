//! The rules that every store judges a write by, so that no two stores can differ in them: whose write it is, whether
//! it continues the stream, whether its locks are free, and which rows a filter admits.

use super::{Commit, Epoch, Error, Filter, Head, IntentRow, Lock, LockChange, Seq, verify_chain};
use crate::ids::IntentId;
use crate::target::Target;
use std::collections::BTreeMap;

/// Judges a commit against the intent's owner and head, and says which head it leads to. Fencing comes first: an engine
/// that lost the intent must learn that, not that it should reload.
pub fn admit(
    intent: IntentId,
    owner: Epoch,
    head: &Head,
    epoch: Epoch,
    expected: Seq,
    commit: &Commit,
) -> Result<Head, Error> {
    if epoch != owner {
        return Err(Error::Fenced { epoch: owner });
    }
    if expected != head.seq {
        return Err(Error::Stale {
            expected,
            found: head.seq,
        });
    }
    verify_chain(intent, head, &commit.entries)
}

/// When a commit took place, by its own entries: Unix milliseconds.
pub fn commit_time(commit: &Commit) -> i64 {
    let entry = commit.entries.last().map(|e| e.entry.at);
    entry.or(commit.row.as_ref().map(|r| r.updated_ms)).unwrap_or(0)
}

/// Whether an intent with this row goes on. A stream without a row has not ended.
pub fn is_open(row: Option<&IntentRow>) -> bool {
    row.is_none_or(|r| r.end.is_none())
}

/// Whether an equal request joins an intent with this row: only while it goes forward.
pub fn is_joinable(row: Option<&IntentRow>) -> bool {
    is_open(row) && row.is_none_or(|r| !r.going_back)
}

impl Filter {
    /// Whether a row is one of those asked for; `after` and `limit` are the store's business.
    pub fn admits(&self, row: &IntentRow) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        same(&self.state, &row.state)
            && same(&self.origin, &row.origin)
            && !(self.open && row.end.is_some())
            && self.target.as_deref().is_none_or(|t| touches(row, t))
    }

    /// How many rows at most; a limit of 0 means all.
    pub fn at_most(&self) -> usize {
        if self.limit == 0 { usize::MAX } else { self.limit }
    }
}

fn touches(row: &IntentRow, target: &str) -> bool {
    Target::parse(target).is_ok_and(|t| row.targets.iter().any(|r| r.conflicts_with(&t)))
}

/// All locks, by target. Finding a conflict costs a few look-ups, however many locks there are: a commit may acquire
/// ten thousand targets while the store's one writer waits for it.
#[derive(Debug, Clone, Default)]
pub struct LockTable {
    locks: BTreeMap<String, Lock>,
}

impl LockTable {
    /// Takes over locks that were granted before, without judging them.
    pub fn restore(locks: impl IntoIterator<Item = Lock>) -> Self {
        let locks = locks.into_iter().map(|l| (l.target.as_str().to_owned(), l)).collect();
        Self { locks }
    }

    /// Whether all that is to be acquired is free or the intent's own.
    pub fn check(&self, intent: IntentId, changes: &[LockChange]) -> Result<(), Error> {
        let wanted = changes.iter().filter_map(|c| match c {
            LockChange::Acquire(targets) => Some(targets),
            LockChange::Release(_) | LockChange::HandOver { .. } => None,
        });
        match wanted.flatten().find_map(|t| self.conflict(intent, t)) {
            Some(lock) => Err(Error::Locked(lock.clone())),
            None => Ok(()),
        }
    }

    /// Another intent's lock on the target, on what it lies in, or on what lies in it.
    fn conflict(&self, intent: IntentId, target: &Target) -> Option<&Lock> {
        let text = target.as_str();
        let above = text
            .match_indices('/')
            .filter_map(|(at, _)| self.locks.get(&text[..at]));
        let below_from = format!("{text}/");
        let below = self
            .locks
            .range(below_from.clone()..)
            .take_while(|(name, _)| name.starts_with(&below_from))
            .map(|(_, lock)| lock);
        // Names hold slashes themselves (`Gi0/1`), so a prefix is only a candidate.
        above
            .chain(self.locks.get(text))
            .chain(below)
            .find(|lock| lock.intent != intent && lock.target.conflicts_with(target))
    }

    /// Makes the changes, which [`Self::check`] has passed. Returns the locks granted and the targets freed. A lock that
    /// the intent already has keeps its time; one that it does not hold is not released.
    pub fn apply(&mut self, intent: IntentId, changes: &[LockChange], at_ms: i64) -> (Vec<Lock>, Vec<Target>) {
        let (mut granted, mut freed) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                LockChange::Acquire(targets) => {
                    for target in targets {
                        granted.extend(self.grant(intent, target, at_ms));
                    }
                }
                LockChange::HandOver { targets, to } => {
                    for target in targets
                        .iter()
                        .filter(|t| self.holder(t) == Some(intent))
                        .collect::<Vec<_>>()
                    {
                        self.locks.remove(target.as_str());
                        granted.retain(|l: &Lock| l.target != *target);
                        granted.extend(self.grant(*to, target, at_ms));
                    }
                }
                LockChange::Release(targets) => {
                    for target in targets {
                        if self.holder(target) == Some(intent) {
                            self.locks.remove(target.as_str());
                            granted.retain(|l: &Lock| l.target != *target);
                            freed.push(target.clone());
                        }
                    }
                }
            }
        }
        freed.retain(|t| self.holder(t).is_none());
        (granted, freed)
    }

    fn grant(&mut self, intent: IntentId, target: &Target, since_ms: i64) -> Option<Lock> {
        if self.holder(target).is_some() {
            return None;
        }
        let lock = Lock {
            target: target.clone(),
            intent,
            since_ms,
        };
        self.locks.insert(target.as_str().to_owned(), lock.clone());
        Some(lock)
    }

    fn holder(&self, target: &Target) -> Option<IntentId> {
        self.locks.get(target.as_str()).map(|l| l.intent)
    }

    /// All locks, by target.
    pub fn all(&self) -> Vec<Lock> {
        self.locks.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(names: &[&str]) -> Vec<Target> {
        names.iter().map(|n| Target::parse(n).unwrap()).collect()
    }

    #[test]
    fn a_slash_inside_a_name_does_not_make_a_conflict_and_a_segment_does() {
        let (a, b) = (IntentId::fresh(), IntentId::fresh());
        let mut table = LockTable::default();
        table.apply(
            a,
            &[LockChange::Acquire(targets(&["device:x/interface:Gi0", "device:y"]))],
            1,
        );
        let wants = |name: &str| table.check(b, &[LockChange::Acquire(targets(&[name]))]).is_ok();
        assert!(wants("device:x/interface:Gi0/1") && wants("device:xy") && wants("device:z"));
        assert!(!wants("device:x") && !wants("device:y/interface:Gi0/1/unit:3") && !wants("device:x/interface:Gi0"));
        assert!(!wants("device:x/interface:Gi0/unit:3"));
    }

    #[test]
    fn a_target_released_and_acquired_in_one_commit_stays_held() {
        let a = IntentId::fresh();
        let mut table = LockTable::default();
        let t = targets(&["device:x"]);
        table.apply(a, &[LockChange::Acquire(t.clone())], 1);
        let both = [LockChange::Release(t.clone()), LockChange::Acquire(t.clone())];
        let (granted, freed) = table.apply(a, &both, 2);
        assert_eq!((granted.len(), freed.len()), (1, 0));
        let (granted, freed) = table.apply(a, &[LockChange::Acquire(t.clone()), LockChange::Release(t)], 3);
        assert_eq!((granted.len(), freed.len()), (0, 1));
        assert!(table.all().is_empty());
    }

    #[test]
    fn only_what_an_intent_holds_can_be_handed_over_and_it_is_never_free_in_between() {
        let (a, b, c) = (IntentId::fresh(), IntentId::fresh(), IntentId::fresh());
        let mut table = LockTable::default();
        table.apply(a, &[LockChange::Acquire(targets(&["device:x"]))], 1);
        let over = |to| LockChange::HandOver {
            targets: targets(&["device:x", "device:y"]),
            to,
        };
        assert_eq!(table.apply(c, &[over(b)], 2), (Vec::new(), Vec::new()));
        let (granted, freed) = table.apply(a, &[over(b)], 3);
        assert_eq!((granted.len(), granted[0].intent, freed.len()), (1, b, 0));
        assert_eq!(table.all(), granted);
        assert!(table.check(c, &[LockChange::Acquire(targets(&["device:x"]))]).is_err());
    }

    #[test]
    fn ten_thousand_targets_are_judged_without_comparing_each_with_each() {
        let (a, b) = (IntentId::fresh(), IntentId::fresh());
        let many = |site: &str| -> Vec<Target> {
            (0..10_000)
                .map(|n| Target::parse(&format!("device:{site}-{n}")).unwrap())
                .collect()
        };
        let mut table = LockTable::default();
        table.apply(a, &[LockChange::Acquire(many("bj"))], 1);
        assert!(table.check(b, &[LockChange::Acquire(many("sh"))]).is_ok());
        assert!(matches!(
            table.check(b, &[LockChange::Acquire(many("bj"))]),
            Err(Error::Locked(_))
        ));
    }
}
