//! The people on duty: they look at the device and tell the truth, but not all of them can wait, and they decide now this
//! way, now that.

use super::Run;
use crate::engine::Engine;
use flyball_engine::ids::{IntentId, ItemId, Phase};
use flyball_engine::intent::command::What;
use flyball_engine::intent::event::{Resolution, Settlement};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often one item is decided about before it is accepted as it stands.
const PATIENCE: u32 = 4;

pub(super) struct People {
    rng: StdRng,
    /// Items of the script's intents that a person said may stay as they are, or was in a hurry about: what they show is
    /// that person's.
    pub(super) excused: BTreeSet<(usize, String)>,
    decided: BTreeMap<(IntentId, String), u32>,
}

impl People {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed ^ 0x5eed),
            excused: BTreeSet::new(),
            decided: BTreeMap::new(),
        }
    }

    fn resolution(&mut self, intent: IntentId, item: &str) -> Resolution {
        let times = self.decided.entry((intent, item.to_owned())).or_default();
        *times += 1;
        match self.rng.random_range(0..4) {
            _ if *times > PATIENCE => Resolution::Accept,
            0 => Resolution::Accept,
            1 => Resolution::Retry,
            _ => Resolution::Overwrite,
        }
    }
}

impl Run {
    /// Helps until every intent has ended.
    pub(super) async fn help(&mut self) -> Result<(), String> {
        for _ in 0..200 {
            let mut open = false;
            for (intent, of) in self.all() {
                let state = self.engine.supervisor.state(intent).await.map_err(|e| e.to_string())?;
                if state.ended.is_none() {
                    open = true;
                    self.decide(intent, of, &state).await;
                }
            }
            if !open {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        Err("an intent neither ends nor says what it waits for".into())
    }

    /// Settles every doubt at once, although the call may land yet.
    pub(super) async fn force(&mut self, intent: IntentId, of: usize) {
        let Ok(state) = self.engine.supervisor.state(intent).await else {
            return;
        };
        for (id, item) in &state.items {
            if matches!(item.status, ItemStatus::InDoubt | ItemStatus::UndoInDoubt) {
                self.people.excused.insert((of, id.to_string()));
                let _ = self
                    .engine
                    .command(intent, truth(&self.engine, intent, id, item, true))
                    .await;
            }
        }
    }

    /// Approves what waits for approval, or denies it.
    pub(super) async fn approve(&mut self, intent: IntentId, run: bool) {
        let Ok(state) = self.engine.supervisor.state(intent).await else {
            return;
        };
        let Some(open) = state.approval.filter(|_| state.ended.is_none()) else {
            return;
        };
        let (approval, digest, comment) = (open.id, open.digest, None);
        let what = if run {
            What::Approve {
                approval,
                digest,
                comment,
                own: false,
            }
        } else {
            What::Deny { approval, comment }
        };
        // Given already, or void by now: refused, and that is not what this is about.
        let _ = self.engine.command(intent, what).await;
    }

    /// Has one of the script's intents taken back by another one, if that is possible.
    pub(super) async fn undo(&mut self, of: usize) {
        if let Ok(undo) = self.engine.undo("petra", self.intents[of]).await
            && !self.undos.iter().any(|(known, _)| *known == undo)
        {
            self.undos.push((undo, of));
        }
    }

    async fn decide(&mut self, intent: IntentId, of: usize, state: &IntentState) {
        if state.paused.is_some() || state.stuck.contains_key("intent") {
            let _ = self.engine.command(intent, What::Resume).await;
        }
        if state.api_state() == "awaiting_approval" {
            let run = self.people.rng.random_bool(0.85);
            self.approve(intent, run).await;
        }
        if state.stuck.is_empty() {
            return;
        }
        if state.is_stuck_going_back() && intent == self.intents[of] && self.people.rng.random_bool(0.15) {
            return self.undo(of).await;
        }
        for (id, item) in &state.items {
            let what = match item.status {
                ItemStatus::InDoubt | ItemStatus::UndoInDoubt => truth(&self.engine, intent, id, item, false),
                _ if item.contradiction.is_some() => truth(&self.engine, intent, id, item, false),
                ItemStatus::UndoConflict | ItemStatus::UndoFailed => {
                    let resolution = self.people.resolution(intent, &id.to_string());
                    if resolution == Resolution::Accept {
                        self.people.excused.insert((of, id.to_string()));
                    }
                    What::Resolve {
                        item: id.clone(),
                        resolution,
                        comment: Some("looked at the device".to_owned()),
                    }
                }
                _ => continue,
            };
            let _ = self.engine.command(intent, what).await;
        }
    }
}

/// What the device shows of a call in doubt, or of one whose settlement was contradicted.
fn truth(engine: &Engine, intent: IntentId, id: &ItemId, item: &ItemState, force: bool) -> What {
    let contradicted = item.contradiction.as_ref().map(|c| c.phase);
    let phase = item.doubtful_phase().or(contradicted).unwrap_or(Phase::Do);
    let call = item.call_of(phase).expect("a doubt is about a call");
    let key = engine.key_of(intent, &call.id);
    let executed = engine.world.executed_calls();
    let done = executed.iter().any(|(executed, _)| *executed == key);
    let verdict = if done {
        Settlement::Applied
    } else {
        Settlement::NotApplied
    };
    What::Settle {
        item: id.clone(),
        verdict,
        force,
        comment: Some("looked at the device".to_owned()),
    }
}
