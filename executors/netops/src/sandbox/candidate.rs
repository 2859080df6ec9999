//! The candidate configuration of a Junos-like device: edited apart from the running one, put into force as a whole,
//! and taken back by the device itself when a confirmed commit is not confirmed in time. Pure.

use std::collections::VecDeque;

use super::model::Config;
use super::statements::{self, Statements};

/// Commits that the device remembers.
const HISTORY: usize = 50;

/// One configuration that was put into force.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) user: String,
    pub(crate) via: &'static str,
    pub(crate) comment: Option<String>,
    /// Taken back after so many minutes unless confirmed.
    pub(crate) minutes: Option<u32>,
    pub(crate) config: Config,
}

/// A commit that is waiting to be confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// On the sandbox's clock.
    pub(crate) deadline_ms: u64,
    /// The last confirmed configuration.
    pub(crate) back_to: Config,
}

/// Who has the candidate alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) session: u64,
    pub(crate) user: String,
    pub(crate) peer: String,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
}

/// The candidate and all that was ever committed, newest first.
#[derive(Debug, Default)]
pub(crate) struct Database {
    /// None while nobody has edited it.
    edited: Option<Statements>,
    pub(crate) lock: Option<Lock>,
    pub(crate) history: VecDeque<Commit>,
    pub(crate) pending: Option<Pending>,
}

impl Database {
    /// A device that has been in this state since it was set up.
    pub(crate) fn new(config: &Config, at: u64) -> Self {
        let mut database = Self::default();
        database.remember(Commit {
            at,
            user: "root".to_owned(),
            via: "other",
            comment: None,
            minutes: None,
            config: config.clone(),
        });
        database
    }

    /// The candidate as it stands over this running configuration.
    pub(crate) fn candidate(&self, running: &Config) -> Statements {
        self.edited.clone().unwrap_or_else(|| statements::of(running))
    }

    /// For editing.
    pub(crate) fn candidate_mut(&mut self, running: &Config) -> &mut Statements {
        self.edited.get_or_insert_with(|| statements::of(running))
    }

    /// Whether the candidate differs from the running configuration.
    pub(crate) fn is_dirty(&self, running: &Config) -> bool {
        self.edited
            .as_ref()
            .is_some_and(|edited| *edited != statements::of(running))
    }

    /// Forgets what was edited.
    pub(crate) fn discard(&mut self) {
        self.edited = None;
    }

    /// Puts the configuration of an earlier commit into the candidate; false if there is none of that number.
    pub(crate) fn roll_back(&mut self, number: usize) -> bool {
        match self.history.get(number) {
            Some(commit) => {
                self.edited = Some(statements::of(&commit.config));
                true
            }
            None => false,
        }
    }

    /// Notes a commit over `running`. One that is to be confirmed starts (or starts anew) the time, any other ends it.
    pub(crate) fn commit(&mut self, commit: Commit, running: &Config, deadline_ms: Option<u64>) {
        self.pending = match (commit.minutes, deadline_ms) {
            (Some(_), Some(deadline_ms)) => {
                // An extension goes back to what was confirmed last, not to what is waiting.
                let back_to = self
                    .pending
                    .take()
                    .map_or_else(|| running.clone(), |pending| pending.back_to);
                Some(Pending { deadline_ms, back_to })
            }
            _ => None,
        };
        self.edited = None;
        self.remember(commit);
    }

    /// The configuration to go back to, if the time to confirm is over; noted as a commit of the device's own.
    pub(crate) fn expire(&mut self, now_ms: u64, at: u64) -> Option<Config> {
        let pending = self.pending.take_if(|pending| pending.deadline_ms <= now_ms)?;
        self.remember(Commit {
            at,
            user: "root".to_owned(),
            via: "other",
            comment: None,
            minutes: None,
            config: pending.back_to.clone(),
        });
        Some(pending.back_to)
    }

    /// A session is gone: its lock too, and what it edited under it.
    pub(crate) fn release(&mut self, session: u64) {
        if self.lock.take_if(|lock| lock.session == session).is_some() {
            self.discard();
        }
    }

    fn remember(&mut self, commit: Commit) {
        self.history.push_front(commit);
        self.history.truncate(HISTORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::model::Dialect;

    fn commit(name: &str, minutes: Option<u32>) -> Commit {
        Commit {
            at: 0,
            user: "u".to_owned(),
            via: "cli",
            comment: None,
            minutes,
            config: Config::new(Dialect::Junos, name),
        }
    }

    #[test]
    fn what_is_not_confirmed_goes_back_to_what_was_confirmed_last() {
        let start = Config::new(Dialect::Junos, "a");
        let mut database = Database::new(&start, 0);
        database.commit(commit("b", Some(1)), &start, Some(100));
        database.commit(commit("b", Some(1)), &Config::new(Dialect::Junos, "b"), Some(200));
        assert_eq!(database.expire(150, 0), None, "extended");
        assert_eq!(database.expire(200, 0).unwrap().hostname, "a");
        assert_eq!(database.expire(300, 0), None);
        assert_eq!(database.history.len(), 4);
    }

    #[test]
    fn a_plain_commit_confirms_and_a_session_that_goes_takes_its_edits_along() {
        let start = Config::new(Dialect::Junos, "a");
        let mut database = Database::new(&start, 0);
        database.commit(commit("b", Some(1)), &start, Some(100));
        database.commit(commit("b", None), &start, None);
        assert_eq!(database.expire(1_000, 0), None);
        let lock = Lock {
            session: 3,
            user: "u".to_owned(),
            peer: String::new(),
            since: 0,
        };
        database.lock = Some(lock);
        database.candidate_mut(&start).clear();
        database.release(4);
        assert!(database.is_dirty(&start));
        database.release(3);
        assert!(!database.is_dirty(&start) && database.lock.is_none());
    }
}
