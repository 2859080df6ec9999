//! When processes were proven dead: `settle_after` of what was sent to them counts from there.

use flyball_engine::tool::Incarnation;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Lives that are remembered. A life that is forgotten counts as dead from the moment it is asked about.
const REMEMBERED: usize = 64;

/// The former lives of one server.
#[derive(Default)]
pub(crate) struct Deaths(Mutex<VecDeque<(Incarnation, Instant)>>);

impl Deaths {
    fn lives(&self) -> MutexGuard<'_, VecDeque<(Incarnation, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
