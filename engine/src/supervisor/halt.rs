//! The brake: who halted, who lifted it, and when. Each halt is a record that stays, in force until it names who lifted it.

use super::Supervisor;
use crate::actor::Actor;
use crate::journal;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::sync::watch;

/// Under which the records stand: `halt/{milliseconds}-{id}`, so that they read in the order of time.
const PREFIX: &str = "halt";

/// A halt, in force or past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Halt {
    pub by: Actor,
    /// Unix milliseconds.
    pub at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// Who lifted a halt, and when (Unix milliseconds).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    pub by: Actor,
    pub at_ms: i64,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "halted by {}", self.by)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Supervisor {
    /// From here on nothing that changes the world is sent, until [`Self::unhalt`]. Kept over restarts.
    pub async fn halt(&self, by: &Actor, reason: Option<&str>) -> Result<(), journal::Error> {
        let halt = Halt {
            by: by.clone(),
            at_ms: self.deps.clock.now_ms(),
            reason: reason.map(str::to_owned),
            lifted: None,
        };
        // The brake comes first: it holds even if it cannot be written down.
        self.halted.send_replace(Some(halt.clone()));
        let _in_turn = self.braking.lock().await;
        // Whoever lifted the brake meanwhile did not know of this.
        self.halted.send_replace(Some(halt.clone()));
        let key = format!("{PREFIX}/{:016}-{}", halt.at_ms, uuid::Uuid::now_v7());
        self.keep(&key, &halt).await?;
        self.recorded_halt.send_replace(Some(halt));
        Ok(())
    }

    /// Lifts every halt in force. First the record says so, then the brake is off.
    pub async fn unhalt(&self, by: &Actor) -> Result<(), journal::Error> {
        let lifted = Lifted {
            by: by.clone(),
            at_ms: self.deps.clock.now_ms(),
        };
        let _in_turn = self.braking.lock().await;
        for (key, mut halt) in self.records().await? {
            if halt.lifted.is_none() {
                halt.lifted = Some(lifted.clone());
                self.keep(&key, &halt).await?;
            }
        }
        self.halted.send_replace(None);
        self.recorded_halt.send_replace(None);
        Ok(())
    }

    /// The halt in force, if there is one: the last of them.
    pub fn halted(&self) -> Option<Halt> {
        self.halted.borrow().clone()
    }

    /// Whether a halt in force, if there is one, is on record, so that it outlives this engine.
    pub fn is_halt_recorded(&self) -> bool {
        self.halted.borrow().is_none() || self.recorded_halt.borrow().is_some()
    }

    /// Tells of each halt, once it is on record, and of its end.
    pub fn watch_halt(&self) -> watch::Receiver<Option<Halt>> {
        self.recorded_halt.subscribe()
    }

    /// Every halt there was, the first one first.
    pub async fn halts(&self) -> Result<Vec<Halt>, journal::Error> {
        Ok(self.records().await?.into_iter().map(|(_, halt)| halt).collect())
    }

    /// At boot: a halt that was in force still is.
    pub(super) async fn find_halt(&self) -> Result<(), journal::Error> {
        let records = self.records().await?;
        let open = records
            .into_iter()
            .rev()
            .map(|(_, halt)| halt)
            .find(|h| h.lifted.is_none());
        if open.is_some() {
            self.halted.send_replace(open.clone());
            self.recorded_halt.send_replace(open);
        }
        Ok(())
    }

    async fn records(&self) -> Result<Vec<(String, Halt)>, journal::Error> {
        let mut records = Vec::new();
        for (key, value) in self.deps.journal.facts(PREFIX).await? {
            // A brake that cannot be read is no reason to drive on.
            let halt = serde_json::from_value(value)
                .map_err(|_| journal::Error::Unwritable(format!("fact {key} is no record of a halt")))?;
            records.push((key, halt));
        }
        records.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(records)
    }

    async fn keep(&self, key: &str, halt: &Halt) -> Result<(), journal::Error> {
        let value = serde_json::to_value(halt).expect("a halt serialises");
        self.deps.journal.put_fact(key, value).await
    }
}
