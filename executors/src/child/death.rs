//! Which processes are proven dead, and since when: `settle_after` of what was sent to them counts from there.

use super::Child;
use flyball_engine::tool::Incarnation;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Lives that are remembered. A life that is forgotten counts as dead from the moment it is asked about.
const REMEMBERED: usize = 64;

/// The lives of one server.
#[derive(Default)]
pub(crate) struct Deaths {
    former: Mutex<VecDeque<(Incarnation, Instant)>>,
    /// Those that this engine has started and not seen to their end.
    watched: Mutex<Vec<(Incarnation, Child)>>,
}

impl Deaths {
    fn lives(&self) -> MutexGuard<'_, VecDeque<(Incarnation, Instant)>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A life has begun.
    pub(crate) fn watch(&self, life: Incarnation, child: Child) {
        self.living().push((life, child));
    }

    fn living(&self) -> MutexGuard<'_, Vec<(Incarnation, Child)>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|(_, child)| !child.is_proven_dead());
        watched
    }

    /// Whether this engine started it and has not yet seen the last of all that it started.
    pub(crate) fn is_watched(&self, life: &Incarnation) -> bool {
        self.living().iter().any(|(known, _)| known == life)
    }

    /// A life has just been proven dead.
    pub(crate) fn note(&self, life: Incarnation) {
        let mut lives = self.lives();
        if lives.len() == REMEMBERED {
            lives.pop_front();
        }
        lives.push_back((life, Instant::now()));
    }

    /// When a life was proven dead. None: it was not, or it is forgotten.
    pub(crate) fn when(&self, life: &Incarnation) -> Option<Instant> {
        self.lives().iter().find(|(known, _)| known == life).map(|(_, at)| *at)
    }
}
