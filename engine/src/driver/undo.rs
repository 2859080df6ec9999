//! The plan of an intent that takes another one back, read from that intent's ledger: the same steps and items, held to
//! the contracts and pins that were approved then, each with the state before, what the call left and its way back.
//! Nothing is believed of the present: the look compares each target with what the ledger says.

use super::act::UNREAD;
use super::facts::Facts;
use super::job::ItemJob;
use super::{Deps, DriveError, Driver};
use crate::ids::{IntentId, ItemId, StepId};
use crate::intent::effects::end_name;
use crate::intent::event::{Event, ExpandedItem, PlanSource, ProbePurpose, Reading, UndoCall, Undoes, WayBack};
use crate::intent::item::{ItemState, ItemStatus};
use crate::intent::resolutions::Obstacle;
use crate::intent::state::{Accepted, IntentState};
use crate::journal::Journal;
use crate::payload::Payload;
use crate::plan::Plan;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The facts under which an intent's undos are found: `undo/INTENT/UNDO`.
const UNDOS: &str = "undo";

/// The intents that were made to take this one back, oldest first.
pub async fn undos_of(journal: &dyn Journal, of: IntentId) -> Result<Vec<IntentId>, crate::journal::Error> {
    let facts = journal.facts(&format!("{UNDOS}/{of}/")).await?;
    Ok(facts
        .iter()
        .filter_map(|(key, _)| key.rsplit('/').next()?.parse().ok())
        .collect())
}

/// Whether an item left something to take back: also what landed after it was taken for taken back with nothing sent for it.
/// The intent's own way back is over then, so that this is for another one alone.
fn is_left(item: &ItemState) -> bool {
    let passed_over = item.status == ItemStatus::Undone && item.undo.is_none();
    item.must_be_undone() || (passed_over && item.contradiction.is_some())
}

/// What an intent left that can be looked at to be taken back. An error says why there is nothing.
pub(crate) struct Leftovers {
    pub(crate) state: IntentState,
    /// Items that an earlier undo has taken back, and which undo.
    taken: Vec<(ItemId, IntentId)>,
}

impl Leftovers {
    /// Reads the ledger of the intent that is to be taken back, and of its undos so far. `but`: the undo that asks.
    pub(crate) async fn read(journal: &dyn Journal, of: IntentId, but: Option<IntentId>) -> Result<Self, DriveError> {
        let (state, _, _) = super::load(journal, of).await?;
        let mut taken = Vec::new();
        for undo in undos_of(journal, of).await? {
            if Some(undo) == but {
                continue;
            }
            let (undo_state, _, _) = super::load(journal, undo).await?;
            let undone = undo_state.items.iter().filter(|(_, i)| i.status == ItemStatus::Undone);
            taken.extend(undone.map(|(id, _)| (id.clone(), undo)));
        }
        Ok(Self { state, taken })
    }

    /// Why it cannot be taken back by an intent of its own.
    pub(crate) fn refusal(&self) -> Option<String> {
        let of = self.state.id;
        if self.state.request.undo_of.is_some() {
            return Some(format!(
                "intent {of} is an undo itself: ask for the change again instead"
            ));
        }
        if self.state.ended.is_none() && !self.state.is_stuck_going_back() {
            return Some(format!(
                "intent {of} goes on ({}): cancel it, which takes back what it did",
                self.state.api_state()
            ));
        }
        let mut left = self.state.items.iter().filter(|(_, i)| is_left(i)).peekable();
        if left.peek().is_none() {
            let end = self.state.ended.as_ref().map_or("open", |(end, ..)| end_name(*end));
            return Some(format!("intent {of} ({end}) left nothing that could be taken back"));
        }
        let by = left.map(|(id, _)| self.taken_by(id)).collect::<Option<BTreeSet<_>>>()?;
        let by: Vec<String> = by.iter().map(ToString::to_string).collect();
        Some(format!("intent {of} is undone already, by intent {}", by.join(", ")))
    }

    fn taken_by(&self, item: &ItemId) -> Option<IntentId> {
        self.taken.iter().find(|(id, _)| id == item).map(|(_, by)| *by)
    }

    /// What is to be taken back and does not stand in the plan of an undo: its outcome was open when that was made.
    pub(super) fn missing_in(&self, undo: &IntentState) -> Vec<ItemId> {
        let planned = |id: &ItemId| undo.items.get(id).is_some_and(|i| i.expanded.undoes.is_some());
        let left = self
            .state
            .items
            .iter()
            .filter(|(id, item)| self.stays(id, item).is_none());
        left.map(|(id, _)| id).filter(|id| !planned(id)).cloned().collect()
    }

    /// Why there is nothing to take back of one item. None: it is to be taken back.
    fn stays(&self, id: &ItemId, item: &ItemState) -> Option<String> {
        if let Some(by) = self.taken_by(id) {
            return Some(format!("it was taken back by intent {by}"));
        }
        (!is_left(item)).then(|| format!("there is nothing to take back: it is {}", item.status.api_name()))
    }
}

/// Makes the plan. The facts end with `PlanAccepted` or a final `PlanRefused`.
pub(super) async fn plan(deps: &Deps, intent: IntentId, of: IntentId, revision: u32) -> Facts {
    let mut facts = Facts::of(Event::PlanningStarted { revision });
    // Before anything is sent: from here on every later undo reads this one's ledger too.
    let named = deps
        .journal
        .put_fact(&format!("{UNDOS}/{of}/{intent}"), serde_json::Value::Null)
        .await;
    let read = match named {
        Ok(()) => Leftovers::read(deps.journal.as_ref(), of, Some(intent)).await,
        Err(error) => Err(error.into()),
    };
    let refused = |facts: &mut Facts, reason: String| {
        facts.push(Event::PlanRefused {
            revision,
            faults: Vec::new(),
            reason,
            final_: true,
        });
    };
    let leftovers = match read {
        Ok(leftovers) => leftovers,
        Err(error) => {
            refused(&mut facts, format!("the ledger of intent {of} cannot be read: {error}"));
            return facts;
        }
    };
    let accepted = leftovers.state.accepted.clone();
    let reason = leftovers.refusal().or_else(|| changed_pin(deps, &leftovers.state));
    match (reason, accepted) {
        (None, Some(accepted)) => accept(&mut facts, &accepted, &leftovers.state, revision),
        (reason, _) => refused(&mut facts, reason.unwrap_or_else(|| format!("intent {of} has no plan"))),
    }
    facts
}

/// The steps that may have something to take back, their order among each other kept.
fn accept(out: &mut Facts, accepted: &Accepted, state: &IntentState, revision: u32) {
    let plan = &accepted.plan;
    let kept: BTreeSet<&StepId> = plan
        .each()
        .filter(|(step, facts)| facts.mutating && state.items_of(&step.id).any(|(_, i)| is_left(i)))
        .map(|(step, _)| &step.id)
        .collect();
    let (mut steps, mut facts) = (Vec::new(), Vec::new());
    for (step, about) in plan.each().filter(|(s, _)| kept.contains(&s.id)) {
        let mut step = step.clone();
        (step.when, step.gate) = (None, None);
        let before = plan
            .ancestors(about)
            .into_iter()
            .filter(|id| kept.contains(id))
            .collect();
        let mut about = about.clone();
        (about.after, about.binds) = (before, Vec::new());
        steps.push(step);
        facts.push(about);
    }
    let back = Plan {
        summary: format!("take back: {}", plan.summary),
        pre_checks: Vec::new(),
        steps,
        post_checks: Vec::new(),
        platforms: Vec::new(),
        params: plan.params.clone(),
        alarm: serde_json::Value::Null,
        facts,
        places: Default::default(),
    };
    let plan = serde_json::to_value(&back).expect("a plan serialises");
    let contracts = serde_json::to_value(&*accepted.contracts).expect("contracts serialise");
    let event = Event::PlanAccepted {
        revision,
        digest: back.digest(),
        source: PlanSource::Operator,
        plan: out.payload(plan, false),
        contracts: out.payload(contracts, false),
        pins: accepted.pins.clone(),
        replans: 0,
    };
    out.push(event);
}

/// A tool whose definition is not the approved one any more: what it would do now nobody has read.
fn changed_pin(deps: &Deps, state: &IntentState) -> Option<String> {
    let accepted = state.accepted.as_ref()?;
    let catalogue = deps.executor.catalogue();
    let ways_back = state
        .items
        .values()
        .filter(|i| is_left(i))
        .filter_map(|i| match &i.way_back {
            Some(WayBack::Call(undo)) => Some(&undo.tool),
            _ => None,
        });
    let tools: BTreeSet<_> = ways_back.collect();
    let changed = tools.into_iter().find(|tool| {
        let (pinned, known) = (accepted.pins.get(*tool), catalogue.get(tool));
        // A server that is not to be had now says nothing of its tools: they are compared before the first call.
        let gone = known.is_none() && deps.executor.has_listed(tool.server());
        pinned.is_some_and(|pin| gone || known.is_some_and(|t| t.spec.digest() != *pin))
    })?;
    Some(format!(
        "{changed} is not the tool any more that was approved then: undo it by hand"
    ))
}

impl Driver {
    /// The items of all steps, with what the earlier intent's ledger says of them.
    pub(super) async fn expand_undo(&mut self, of: IntentId) -> Result<Facts, DriveError> {
        let mut facts = Facts::default();
        let journal = self.deps.journal.clone();
        let leftovers = Leftovers::read(journal.as_ref(), of, Some(self.ledger.id)).await?;
        let plan = self.ledger.state.accepted.as_ref().map(|a| a.plan.clone());
        let plan = plan.expect("only an accepted plan has steps");
        for step in plan
            .steps
            .iter()
            .filter(|s| !self.ledger.state.expanded.contains_key(&s.id))
        {
            let mut items = Vec::new();
            for (id, item) in leftovers.state.items_of(&step.id) {
                items.push(copied(journal.as_ref(), of, &leftovers, id, item, &mut facts).await?);
            }
            facts.push(Event::StepExpanded {
                step: step.id.clone(),
                items,
            });
        }
        Ok(facts)
    }
}

async fn copied(
    journal: &dyn Journal,
    of: IntentId,
    leftovers: &Leftovers,
    id: &ItemId,
    item: &ItemState,
    facts: &mut Facts,
) -> Result<ExpandedItem, DriveError> {
    let mut copy = Copy { journal, of, facts };
    let mut expanded = ExpandedItem {
        element: copy.payload(item.expanded.element.as_ref()).await?,
        only: copy.payload(item.expanded.only.as_ref()).await?,
        args: copy.payload(item.expanded.args.as_ref()).await?,
        skipped: leftovers.stays(id, item),
        undoes: None,
        ..item.expanded.clone()
    };
    if expanded.skipped.is_some() {
        expanded.targets.clear();
        return Ok(expanded);
    }
    let way_back = match &item.way_back {
        Some(WayBack::Call(undo)) => match copy.payload(Some(&undo.args)).await? {
            Some(args) => WayBack::Call(UndoCall {
                tool: undo.tool.clone(),
                args,
            }),
            None => gone("the arguments of the undo are gone (shredded)"),
        },
        Some(none) => none.clone(),
        None => gone("no way back was found at the look"),
    };
    if let WayBack::Irreversible { why } = &way_back {
        // Named before approval, and left alone: it must not keep what can be taken back from being so.
        expanded.skipped = Some(format!("it stays as it is, since it has no way back: {why}"));
    }
    expanded.undoes = Some(Box::new(Undoes {
        sent_at: item.sent_at.unwrap_or_default(),
        before: copy.reading(item.before.as_ref()).await?,
        after: copy.reading(item.after.as_ref()).await?,
        preview: copy.payload(item.preview.as_ref()).await?,
        way_back,
    }));
    Ok(expanded)
}

fn gone(why: &str) -> WayBack {
    WayBack::Irreversible { why: why.to_owned() }
}

/// Takes payloads over from another intent's blobs; sealed ones are sealed anew.
struct Copy<'a> {
    journal: &'a dyn Journal,
    of: IntentId,
    facts: &'a mut Facts,
}

impl Copy<'_> {
    /// None: there is none, or it is gone.
    async fn payload(&mut self, payload: Option<&Payload>) -> Result<Option<Payload>, DriveError> {
        let Some(payload) = payload else { return Ok(None) };
        let bytes = match payload.blob() {
            Some(digest) => self.journal.blob(self.of, digest).await?,
            None => None,
        };
        let sealed = matches!(payload, Payload::Sealed { .. });
        let value = payload.value(bytes.as_deref());
        Ok(value.map(|v| self.facts.payload(v, sealed)))
    }

    async fn reading(&mut self, reading: Option<&Reading>) -> Result<Option<Reading>, DriveError> {
        let Some(reading) = reading else { return Ok(None) };
        let state = self.payload(reading.state.as_ref()).await?;
        Ok(Some(Reading {
            state,
            ..reading.clone()
        }))
    }
}

/// What an undo may overwrite that is not what our call left.
pub(super) enum MayOverwrite {
    Nothing,
    /// A person let it overwrite the state that the conflict showed. None: none was shown.
    Seen(Option<Arc<Value>>),
    /// A person said that the call was done in part, and what it left cannot be read.
    Anything,
}

impl MayOverwrite {
    pub(super) fn allows(&self, state: Option<&Value>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Seen(seen) => seen.is_some() && seen.as_deref() == state,
            Self::Anything => true,
        }
    }
}

/// Compares the present state with what the earlier intent left. `covered`: a later call on the same target goes back
/// first, so the present state cannot be what this one left. `anew`: not for the first time, since something had changed.
pub(super) async fn look(job: ItemJob, covered: bool, anew: bool) -> Facts {
    let mut facts = Facts::default();
    let conflict = |facts: &mut Facts, found: Option<Payload>, why: String| {
        let item = job.item.clone();
        facts.push(Event::UndoConflict { item, found, why });
    };
    if job.contract.probe.is_none() {
        let fits = Obstacle::NoProbe.ask();
        let why = format!(
            "there is no probe, so nothing shows whether somebody else changed it since: check it, then {fits}"
        );
        conflict(&mut facts, None, why);
        return facts;
    }
    let taken = job.probe_until(Duration::from_secs(2), |_| true).await;
    let known = &job.known;
    let as_left = taken.valid && known.after.is_some() && taken.state.as_ref() == known.after.as_deref();
    let as_before = taken.valid && known.before.is_some() && taken.state.as_ref() == known.before.as_deref();
    if !taken.valid {
        let why = taken
            .problem
            .clone()
            .unwrap_or_else(|| "the reading is not valid".to_owned());
        job.taken(&mut facts, ProbePurpose::Before, &taken, None);
        conflict(
            &mut facts,
            None,
            format!(
                "the state cannot be read, so nothing is taken back: {why}: {}",
                Obstacle::Unreadable.ask()
            ),
        );
    } else if covered {
        job.taken(&mut facts, ProbePurpose::Before, &taken, None);
    } else if as_before {
        job.taken(&mut facts, ProbePurpose::AfterUndo, &taken, Some(true));
    } else {
        job.taken(&mut facts, ProbePurpose::Before, &taken, Some(as_left));
        if !as_left {
            let found = taken.state.clone().map(|s| facts.payload(s, job.is_sealed()));
            let why = match known.after {
                Some(_) => format!("somebody else changed it since: {}", Obstacle::AnotherHand.ask()),
                None => format!("{UNREAD}: look at it, then {}", Obstacle::Unknown.ask()),
            };
            let why = match anew {
                true => format!("looked at anew, and a decision made before is void: {why}"),
                false => why,
            };
            conflict(&mut facts, found, why);
        }
    }
    facts
}
