//! The fold: an intent's state from its entries. Pure: no clock, no await, no store. Live run, restart and replay share it.

mod accepted;
mod back;
mod commands;
mod earlier;
mod item;
pub mod lease;
mod locks;
mod pairs;
mod questions;
mod settlement;
mod time;
mod waits;
mod words;

pub use accepted::Accepted;
pub use commands::RefusedCommand;
pub use earlier::Earlier;
pub use item::item_of;
pub use waits::Wait;

use super::item::ItemState;
use crate::actor::Actor;
use crate::canonical::Digest;
use crate::contract::Contract;
use crate::ids::{IntentId, ItemId, StepId};
use crate::intent::event::{
    Awaited, Beside, CheckId, CheckPurpose, CheckReading, CheckVerdict, Decision, End, Event, ExpandedItem, RuleApplied,
};
use crate::intent::heard::Heard;
use crate::intent::proof::Word;
use crate::intent::question::OwnQuestion;
use crate::intent::{Mode, Request};
use crate::journal::{Entry, Epoch, Seq};
use crate::payload::Payload;
use crate::target::Target;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes whenever the fold gives another state for the same entries: checkpoints of another version are ignored.
pub const FOLD_VERSION: u32 = 15;

/// Where payloads that do not stand in their entry are found.
pub trait Blobs {
    fn bytes(&self, digest: &Digest) -> Option<Vec<u8>>;
}

/// A source that has none: every payload stands in its entry.
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn bytes(&self, _: &Digest) -> Option<Vec<u8>> {
        None
    }
}

/// An event that cannot follow the entries before it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("entry {seq}: {event} cannot follow here: {why}")]
pub struct IllegalEvent {
    pub seq: Seq,
    pub event: &'static str,
    pub why: String,
}

/// What policy said of the expanded plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub decision: Decision,
    pub rules: Vec<RuleApplied>,
    pub digest: Digest,
    /// Open intents on the same targets, as they stood then.
    pub beside: Vec<Beside>,
}

/// An approval that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    pub id: String,
    pub digest: Digest,
    pub requested_ms: i64,
    pub expires_ms: i64,
    pub given_by: Option<Actor>,
    pub comment: Option<String>,
}

/// Why there is no way forward any more, and which end that makes when nothing was sent and when all was taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackOut {
    pub reason: String,
    pub nothing_sent: End,
    pub taken_back: End,
}

/// A step's waves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Waves {
    /// The wave that is going on or was the last.
    pub current: u32,
    pub started: bool,
    pub judged: Option<bool>,
}

/// An intent, as its entries say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IntentState {
    pub id: IntentId,
    pub seq: Seq,
    pub request: Request,
    pub received_ms: i64,
    pub updated_ms: i64,
    pub epoch: Epoch,
    pub claimed_ms: i64,
    pub revision: u32,
    /// The revisions that failed and were taken back, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    pub accepted: Option<Accepted>,
    pub expanded: BTreeMap<StepId, Vec<ItemId>>,
    pub items: BTreeMap<ItemId, ItemState>,
    #[serde(with = "pairs")]
    pub checks: BTreeMap<(CheckId, CheckPurpose), CheckReading>,
    pub judged: Option<Judged>,
    pub applied: bool,
    pub approval: Option<Approval>,
    /// The words as they were heard, once they were read back to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<OwnQuestion>,
    /// What the words mean, where a person was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<OwnQuestion>,
    pub locked: Vec<Target>,
    /// Targets whose lock a person took away: to be had again before anything is written there.
    pub taken_away: Vec<Target>,
    /// The intent that took over what this one could not take back.
    pub handed_to: Option<IntentId>,
    pub waiting_for: Option<(Vec<Target>, Vec<String>)>,
    pub waves: BTreeMap<StepId, Waves>,
    pub paused: Option<String>,
    pub back_out: Option<BackOut>,
    pub rollback: Option<String>,
    pub stuck: BTreeMap<String, String>,
    pub ended: Option<(End, String, bool)>,
    /// What is tried again, and when.
    #[serde(with = "pairs")]
    pub waits: BTreeMap<Awaited, Wait>,
    /// How often something was tried again on the way forward.
    pub retries: u32,
    /// The last commands of which nothing came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedCommand>,
    /// How often the look was begun for this plan.
    pub looks: u32,
    pub tokens: (u64, u64),
    /// Of its models, in the unit of their prices.
    #[serde(default)]
    pub cost: f64,
    pub calls_sent: u64,
    pub report: Option<Payload>,
}

impl IntentState {
    /// The state after an intent's first entry, which must say what was received.
    pub fn begin(id: IntentId, entry: &Entry) -> Result<Self, IllegalEvent> {
        let Event::IntentReceived { request } = &entry.event else {
            return Err(IllegalEvent {
                seq: entry.seq,
                event: entry.event.name(),
                why: "no intent was received".into(),
            });
        };
        Ok(Self {
            id,
            seq: entry.seq,
            applied: request.mode == Mode::Apply,
            request: (**request).clone(),
            received_ms: entry.at,
            updated_ms: entry.at,
            epoch: entry.epoch,
            claimed_ms: entry.at,
            revision: 0,
            earlier: Vec::new(),
            accepted: None,
            expanded: BTreeMap::new(),
            items: BTreeMap::new(),
            checks: BTreeMap::new(),
            judged: None,
            approval: None,
            words: None,
            meaning: None,
            locked: Vec::new(),
            taken_away: Vec::new(),
            handed_to: None,
            waiting_for: None,
            waves: BTreeMap::new(),
            paused: None,
            back_out: None,
            rollback: None,
            stuck: BTreeMap::new(),
            ended: None,
            waits: BTreeMap::new(),
            retries: 0,
            refused: Vec::new(),
            looks: 0,
            tokens: request.heard.as_ref().map_or((0, 0), Heard::tokens),
            cost: request.heard.as_ref().map_or(0.0, |heard| heard.cost),
            calls_sent: 0,
            report: None,
        })
    }

    /// Folds one more entry in. An illegal one leaves the state as it was.
    pub fn apply(&mut self, entry: &Entry, blobs: &dyn Blobs) -> Result<(), IllegalEvent> {
        let illegal = |why: String| IllegalEvent {
            seq: entry.seq,
            event: entry.event.name(),
            why,
        };
        if entry.seq != self.seq + 1 {
            return Err(illegal(format!("the entry before is {}", self.seq)));
        }
        if self.ended.is_some() && !may_follow_the_end(&entry.event) {
            return Err(illegal("the intent has ended".into()));
        }
        self.fold(entry, blobs).map_err(illegal)?;
        self.seq = entry.seq;
        self.updated_ms = entry.at;
        Ok(())
    }

    fn fold(&mut self, entry: &Entry, blobs: &dyn Blobs) -> Result<(), String> {
        let at = entry.at;
        match &entry.event {
            Event::IntentReceived { .. } => return Err("it was received before".into()),
            Event::Claimed { epoch, .. } => self.claimed(*epoch, at),
            Event::ModelAnswered {
                input_tokens,
                output_tokens,
                cost,
                ..
            } => {
                self.tokens.0 += input_tokens;
                self.tokens.1 += output_tokens;
                self.cost += cost;
            }
            Event::PlanningStarted { revision } => self.revision = *revision,
            Event::PlanRefused { reason, .. } => self.plan_refused(reason),
            Event::PlanAccepted { .. } => {
                self.accepted = Some(Accepted::read(&entry.event, blobs)?);
                self.look_again();
            }
            Event::StepExpanded { step, items } => self.step_expanded(step, items)?,
            Event::PlanStale { replan, .. } => {
                if *replan {
                    self.accepted = None;
                }
                self.look_again();
            }
            Event::ChecksTaken { readings } => {
                for r in readings {
                    self.checks.insert((r.check.clone(), r.purpose), r.clone());
                    lease::follow_check(&mut self.items, r);
                    self.taken(r);
                }
            }
            Event::WaveStarted { step, wave } => {
                let (current, started) = (*wave, true);
                let judged = None;
                let waves = Waves {
                    current,
                    started,
                    judged,
                };
                self.waves.insert(step.clone(), waves);
            }
            Event::WaveJudged { step, passed, .. } => self.wave(step)?.judged = Some(*passed),
            Event::Summarised { report } => self.report = Some(report.clone()),
            Event::IntentEnded { end, reason, partial } => self.ended = Some((*end, reason.clone(), *partial)),
            Event::ReplanDecided { why, .. } => self.plan_anew(why),
            event if self.is_of_earlier(event) => {}
            Event::CallRetryScheduled { .. } => self.fold_retry(entry)?,
            Event::CommandRefused { .. } => self.command_refused(entry),
            event if item_of(event).is_some() => self.fold_item(entry)?,
            event => self.fold_decision(event, at),
        }
        Ok(())
    }

    fn fold_decision(&mut self, event: &Event, at: i64) {
        match event {
            Event::PlanJudged {
                decision,
                rules,
                digest,
                beside,
            } => {
                self.judged = Some(Judged {
                    decision: *decision,
                    rules: rules.clone(),
                    digest: digest.clone(),
                    beside: beside.clone(),
                });
                self.replan_refused();
            }
            Event::ApprovalRequested {
                approval,
                digest,
                expires_ms,
            } => {
                let (id, digest) = (approval.clone(), digest.clone());
                let (expires_ms, requested_ms) = (*expires_ms, at);
                self.approval = Some(Approval {
                    id,
                    digest,
                    requested_ms,
                    expires_ms,
                    given_by: None,
                    comment: None,
                });
            }
            Event::ApprovalGiven { by, comment, .. } => {
                if let Some(a) = &mut self.approval {
                    a.given_by = Some(by.clone());
                    a.comment.clone_from(comment);
                }
            }
            Event::ApprovalDenied { by, comment, .. } => {
                let why = comment.as_deref().map(|c| format!(": {c}")).unwrap_or_default();
                self.back_out(&format!("denied by {by}{why}"), End::Refused, End::RolledBack);
            }
            Event::ApprovalExpired { .. } => self.back_out("nobody approved in time", End::Refused, End::RolledBack),
            Event::TargetsLocked { targets } => self.targets_locked(targets),
            Event::TargetsWaiting { targets, holders } => {
                self.waiting_for = Some((targets.clone(), holders.clone()));
            }
            Event::TargetsReleased { targets, by, to, .. } => self.targets_released(targets, by.as_ref(), *to),
            event => self.fold_steering(event, at),
        }
    }

    /// What people and clocks say about where the intent goes.
    fn fold_steering(&mut self, event: &Event, at: i64) {
        match event {
            Event::RollbackStarted { why } => self.goes_back(why),
            Event::ApplyRequested { .. } => self.applied = true,
            Event::PauseRequested { by, reason } => {
                let why = reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
                self.paused = Some(format!("paused by {by}{why}"));
            }
            Event::Resumed { .. } => {
                self.paused = None;
                self.stuck.remove("intent");
                self.seen_by_a_person();
                // What could not be read is read again.
                self.checks
                    .retain(|_, reading| reading.verdict != CheckVerdict::Unreadable);
            }
            Event::CancelRequested { by, reason } => {
                let why = reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
                self.back_out(&format!("cancelled by {by}{why}"), End::Cancelled, End::Cancelled);
            }
            Event::DeadlinePassed { which } => self.deadline_passed(*which),
            Event::Stuck { why, item, .. } => {
                let about = item.as_ref().map_or_else(|| "intent".to_owned(), ToString::to_string);
                self.stuck.insert(about, why.clone());
                if let Some(item) = item.as_ref().and_then(|i| self.items.get_mut(i)) {
                    item.reported = true;
                }
            }
            event => self.fold_question(event, at),
        }
    }

    /// Forgets everything that was seen and decided since the plan was accepted.
    fn look_again(&mut self) {
        self.looks += 1;
        self.waits.clear();
        self.expanded.clear();
        self.items.clear();
        self.checks.clear();
        self.waves.clear();
        self.judged = None;
        self.approval = None;
        self.waiting_for = None;
        self.taken_away.clear();
    }

    fn step_expanded(&mut self, step: &StepId, items: &[ExpandedItem]) -> Result<(), String> {
        let accepted = self.accepted.as_ref().ok_or("no plan is accepted")?;
        let (definition, facts) = accepted.plan.step(step).ok_or_else(|| format!("no step {step}"))?;
        let probed = accepted.contracts.of(&definition.tool).probe.is_some() && facts.mutating;
        let mutating = facts.mutating;
        let lease = lease::of(&accepted.contracts.of(&definition.tool));
        let mut ids = Vec::with_capacity(items.len());
        for item in items {
            let id = ItemId {
                step: step.clone(),
                index: item.index,
            };
            let mut state = ItemState::new(item.clone(), mutating, probed);
            state.lease.clone_from(&lease);
            self.items.insert(id.clone(), state);
            ids.push(id);
        }
        self.expanded.insert(step.clone(), ids);
        Ok(())
    }

    fn wave(&mut self, step: &StepId) -> Result<&mut Waves, String> {
        self.waves
            .get_mut(step)
            .ok_or_else(|| format!("no wave of {step} was started"))
    }

    fn fold_item(&mut self, entry: &Entry) -> Result<(), String> {
        let id = item_of(&entry.event).expect("the caller asked");
        if let Event::StepSkipped { item, reason } = &entry.event
            && !self.items.contains_key(item)
        {
            self.skip_unexpanded(item, reason);
            return Ok(());
        }
        if let Some(why) = self.not_as_heard(&entry.event) {
            return Err(why);
        }
        let of_call = self.settle_after_of(&entry.event);
        let of_item = self.contract_of_item(id);
        let of_item = of_item.map_or(Contract::DEFAULT_SETTLE_AFTER, |c| c.settle_after()).0 as i64;
        let item = self.items.get_mut(id).ok_or_else(|| format!("no item {id}"))?;
        if !lease::fold(item, entry, of_item)? {
            let was = item.status;
            item.status = item
                .status_after(&entry.event)
                .ok_or_else(|| format!("{id} is {was:?}"))?;
            item.word = Word::of(entry, was).or_else(|| item.word.take());
            item::update_item(item, entry);
            settlement::update(item, was, entry, of_call);
            questions::update(item, was, entry);
            lease::follow(item, entry, of_item);
        }
        match &entry.event {
            Event::CallStarted { .. } => self.calls_sent += 1,
            Event::CallSettled { .. } | Event::Resolved { .. } => {
                let key = id.to_string();
                self.stuck.remove(&key);
            }
            _ => {}
        }
        self.come_through(&entry.event);
        Ok(())
    }

    fn skip_unexpanded(&mut self, item: &ItemId, reason: &str) {
        let expanded = ExpandedItem {
            index: item.index,
            element: None,
            only: None,
            args: None,
            targets: Vec::new(),
            wave: 0,
            skipped: Some(reason.to_owned()),
            undoes: None,
        };
        self.items.insert(item.clone(), ItemState::new(expanded, false, false));
        self.expanded.entry(item.step.clone()).or_default().push(item.clone());
    }

    /// The contract that an item's call is held to.
    pub fn contract_of_item(&self, item: &ItemId) -> Option<Contract> {
        let accepted = self.accepted.as_ref()?;
        let (step, _) = accepted.plan.step(&item.step)?;
        Some(accepted.contracts.of(&step.tool))
    }
}

/// What may still be written after the end: evidence, never a change.
fn may_follow_the_end(event: &Event) -> bool {
    matches!(
        event,
        Event::LateAnswer { .. }
            | Event::TaskNoted { .. }
            | Event::SettlementContradicted { .. }
            | Event::DriftFound { .. }
            | Event::Summarised { .. }
            | Event::Claimed { .. }
            | Event::CommandRefused { .. }
            | Event::TargetsReleased { .. }
    )
}
