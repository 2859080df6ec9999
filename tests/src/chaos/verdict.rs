//! What must hold at the end of a run, whatever happened in it.

use super::{DEVICES, Run, changes_of, devices_of};
use crate::clock::PausedClock;
use crate::history::{Hand, Write};
use flyball_engine::ids::{IntentId, ItemId};
use flyball_engine::intent::event::{End, Event, ProbePurpose, Resolution};
use flyball_engine::intent::item::{ItemState, ItemStatus};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::StoredEntry;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Tools that may be called again while it is not known what came of the first time.
const REPEATABLE: [&str; 2] = ["set_again", "set_patient"];

impl Run {
    pub(super) async fn judge(&self) -> Result<(), String> {
        let world = &self.engine.world;
        let executed = world.executed_calls();
        let repeatable = |words: &str| REPEATABLE.iter().any(|tool| words.starts_with(tool));
        let mut times = BTreeMap::new();
        for (key, words) in executed.iter().filter(|(_, words)| !repeatable(words)) {
            let times: &mut usize = times.entry(key).or_default();
            *times += 1;
            if *times > 1 + self.orders(key) {
                return Err(format!("executed twice under one key: {words}"));
            }
        }
        let mut started = BTreeSet::new();
        for (intent, _) in self.all() {
            self.engine.assert_replays(intent).await;
            started.extend(self.engine.events(intent).into_iter().filter_map(|event| match event {
                Event::CallStarted { key, .. } => Some(key.to_string()),
                _ => None,
            }));
        }
        if let Some((_, words)) = executed.iter().find(|(key, _)| !started.contains(key)) {
            return Err(format!("executed without an entry: {words}"));
        }
        if let Some(overlap) = world.overlap() {
            return Err(format!(
                "a call was sent to a device on which another could still land: {overlap}"
            ));
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
        if world.executed_calls().len() != executed.len() {
            return Err("a call landed after the end".into());
        }
        for (device, value) in &self.edits {
            if world.value(device, "foreign").as_ref() != Some(value) {
                return Err(format!("somebody else's edit of {device} is gone"));
            }
        }
        self.overwritten()?;
        self.values().await
    }

    /// How often a person had an undo sent once more, knowing what came of it, between its first start and its last.
    fn orders(&self, under: &str) -> usize {
        let of_one = |intent| {
            let events = self.engine.events(intent);
            let mut starts = events.iter().enumerate().filter_map(|(at, event)| match event {
                Event::CallStarted { call, key, .. } if key.to_string() == under => Some((at, call.item.clone())),
                _ => None,
            });
            let (first, item) = starts.next()?;
            let (last, _) = starts.next_back()?;
            let ordered = events[first..last]
                .iter()
                .filter(|event| matches!(event, Event::Resolved { item: of, .. } if *of == item));
            Some(ordered.count())
        };
        self.all()
            .into_iter()
            .find_map(|(intent, _)| of_one(intent))
            .unwrap_or_default()
    }

    /// No undo went over somebody else's edit that it could have seen, unless a person had said so.
    fn overwritten(&self) -> Result<(), String> {
        let streams: Vec<_> = self
            .all()
            .iter()
            .map(|(i, _)| self.engine.journal.entries(*i))
            .collect();
        for (_, key) in self.script.plans.iter().flat_map(changes_of) {
            for device in DEVICES {
                let writes = self.engine.world.history(device, key);
                for pair in writes.windows(2) {
                    let [
                        edit,
                        Write {
                            by: Hand::Call { under, undo: true },
                            ..
                        },
                    ] = pair
                    else {
                        continue;
                    };
                    if edit.by == Hand::Foreign && !self.may_overwrite(&streams, edit, under) {
                        return Err(format!("an undo went over somebody else's edit of {device} {key}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn may_overwrite(&self, streams: &[Vec<StoredEntry>], edit: &Write, under: &str) -> bool {
        let started = streams.iter().find_map(|entries| {
            entries
                .iter()
                .enumerate()
                .find_map(|(at, stored)| match &stored.entry.event {
                    Event::CallStarted { call, key, .. } if key.to_string() == under => {
                        Some((&entries[..at], &call.item))
                    }
                    _ => None,
                })
        });
        let Some((earlier, undone)) = started else { return false };
        let said = earlier.iter().any(|stored| {
            matches!(&stored.entry.event, Event::Resolved { item, resolution: Resolution::Overwrite, .. } if item == undone)
        });
        let looked = earlier.iter().rev().find_map(|stored| match &stored.entry.event {
            Event::ProbeTaken {
                item,
                purpose: ProbePurpose::BeforeUndo,
                ..
            } if item == undone => Some(stored.entry.at),
            _ => None,
        });
        let edited = edit.at.duration_since(self.started).as_millis() as i64 + PausedClock::START_MS;
        said || looked.is_some_and(|looked| looked <= edited)
    }

    /// Each value is as the intent's end says: as it asked, or with nothing left of it.
    async fn values(&self) -> Result<(), String> {
        let mut undos = Vec::new();
        for (undo, of) in &self.undos {
            undos.push((self.state(*undo).await?, *of));
        }
        for (n, intent) in self.intents.iter().enumerate() {
            let state = self.state(*intent).await?;
            let (end, why, _) = state.ended.clone().ok_or("not ended")?;
            let fulfilled = end == End::Fulfilled;
            if fulfilled && self.script.failing_check {
                return Err("fulfilled although a check fails".into());
            }
            for (step, key) in changes_of(&self.script.plans[n]) {
                for device in devices_of(step) {
                    let found = item_on(&state, step, device);
                    let name = found.map(|(id, _)| id.to_string()).unwrap_or_default();
                    if self.people.excused.contains(&(n, name)) {
                        continue;
                    }
                    let taken_back = |(id, _): &(&ItemId, &ItemState)| {
                        let of_this = undos.iter().filter(|(_, of)| *of == n);
                        let mut same = of_this.filter_map(|(undo, _)| undo.items.get(*id));
                        same.any(|i| i.status == ItemStatus::Undone)
                    };
                    let done = |(_, i): &(&ItemId, &ItemState)| {
                        matches!(i.status, ItemStatus::Succeeded | ItemStatus::Satisfied)
                    };
                    let stands = fulfilled && found.is_some_and(|f| done(&f) && !taken_back(&f));
                    self.value(device, key, &step["args"]["value"], stands)
                        .map_err(|what| format!("{end:?} ({why}), but {what}"))?;
                }
            }
        }
        Ok(())
    }

    async fn state(&self, intent: IntentId) -> Result<IntentState, String> {
        self.engine.supervisor.state(intent).await.map_err(|e| e.to_string())
    }

    /// What may be there: somebody else's edit, and what was asked for if it `stands`, what was before if not.
    fn value(&self, device: &str, key: &str, asked: &Value, stands: bool) -> Result<(), String> {
        let writes = self.engine.world.history(device, key);
        let done = writes
            .iter()
            .rposition(|w| matches!(w.by, Hand::Call { undo: false, .. }));
        let since = if stands { done.unwrap_or(0) } else { 0 };
        let foreign = writes[since.min(writes.len())..]
            .iter()
            .filter(|w| w.by == Hand::Foreign);
        let mut foreign = foreign.filter_map(|w| w.value.as_ref());
        let found = self.engine.world.value(device, key);
        let wanted = if stands {
            Some(asked)
        } else {
            self.before[device].get(key)
        };
        if found.as_ref() == wanted || found.as_ref().is_some_and(|f| foreign.any(|theirs| theirs == f)) {
            return Ok(());
        }
        Err(format!("{device} {key} is {found:?}, not {wanted:?}"))
    }
}

/// The item of a step that changes a device.
fn item_on<'a>(state: &'a IntentState, step: &Value, device: &str) -> Option<(&'a ItemId, &'a ItemState)> {
    let target = format!("device:{device}");
    let mut items = state.items.iter().filter(|(id, _)| step["id"] == id.step.to_string());
    items.find(|(_, i)| i.expanded.targets.iter().any(|t| t.as_str() == target))
}
