//! What a piece of work needs to know before it starts: taken out of the state, so that the work can run beside the driver.

use super::job::ItemJob;
use super::look::Looking;
use super::{Deps, DriveError, Driver, expand};
use crate::contract::apply::Known;
use crate::contract::{Contract, Contracts};
use crate::ids::{CallId, ItemId, Phase};
use crate::intent::item::{CallState, ItemState};
use crate::plan::OnFailure;
use crate::target::Target;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Driver {
    /// What an item's calls need.
    pub(super) async fn item_job(&mut self, id: &ItemId) -> Result<ItemJob, DriveError> {
        let accepted = self
            .ledger
            .state
            .accepted
            .clone()
            .expect("only an accepted plan has items");
        let (step, _) = accepted.plan.step(&id.step).expect("an item's step is in the plan");
        let (contracts, tool): (Arc<Contracts>, _) = (accepted.contracts.clone(), step.tool.clone());
        let contract: Contract = contracts.of(&tool);
        let pin = accepted.pins.get(&tool).cloned();
        let state = self.item(id).clone();
        let args = match &state.expanded.args {
            Some(payload) => self.value(payload).await?,
            None => None,
        };
        let args = match args {
            Some(Value::Object(args)) => args,
            _ => Map::new(),
        };
        let before = self.optional(state.before.and_then(|r| r.state)).await?;
        let after = self.optional(state.after.and_then(|r| r.state)).await?;
        let preview = self.optional(state.preview).await?;
        let output = match &contract.holds {
            Some(holds) if holds.contains("output") => state.output,
            _ => None,
        };
        let output = self.optional(output).await?;
        let known = Known {
            args,
            output,
            before,
            after,
            preview,
            lease: self.lease_terms(id),
        };
        let (deps, intent): (Arc<Deps>, _) = (self.deps.clone(), self.ledger.id);
        let unproven = [Phase::Do, Phase::Undo, Phase::Prepare, Phase::Confirm];
        let unproven = unproven.into_iter().filter(|p| self.item(id).unproven(*p)).collect();
        let patience = self.patience.clone().unwrap_or_else(|| self.no_patience());
        Ok(ItemJob {
            patience,
            unproven,
            rounds: state.asked.as_ref().map_or(0, |a| a.round),
            deps,
            intent,
            item: id.clone(),
            tool,
            contract,
            contracts,
            pin,
            unchecked: false,
            known,
        })
    }

    /// The job with all arguments resolved, or why they cannot be.
    pub(super) async fn resolved_job(&mut self, id: &ItemId) -> Result<Result<ItemJob, String>, DriveError> {
        let mut job = self.item_job(id).await?;
        if self.item(id).expanded.args.is_none() {
            let (step, facts) = self
                .step_of(id)
                .map(|(s, f)| (s.clone(), f.clone()))
                .expect("an item's step is in the plan");
            let scope = self.scope(&facts.binds).await?;
            let element = self.optional(self.item(id).expanded.element.clone()).await?;
            let (scope, names) = expand::item_scope(&scope, id.index, element.map(|e| (*e).clone()));
            match crate::binding::resolve(&step.args, names, &scope) {
                Ok(Value::Object(args)) => {
                    let unit = self.optional(self.item(id).expanded.only.clone()).await?;
                    job.known.args = expand::narrowed(&facts, args, unit.as_deref());
                }
                Ok(_) => return Ok(Err("its arguments are no object".to_owned())),
                Err(e) => return Ok(Err(format!("its arguments cannot be resolved: {e}"))),
            }
        }
        Ok(Ok(job))
    }

    /// The job with all arguments resolved and valid, or why it cannot be sent.
    pub(super) async fn sendable_job(&mut self, id: &ItemId) -> Result<Result<ItemJob, String>, DriveError> {
        let job = match self.resolved_job(id).await? {
            Ok(job) => job,
            Err(why) => return Ok(Err(why)),
        };
        if self.item(id).expanded.args.is_none() {
            let inventory = self.deps.inventory.as_ref();
            let targets = expand::targets(inventory, &job.tool, &job.contract, &job.known.args);
            let looked_at = &self.item(id).expanded.targets;
            if !targets.is_ok_and(|targets| are_same(&targets, looked_at)) {
                return Ok(Err("its targets are not those that were looked at".to_owned()));
            }
        }
        if let Some(why) = crate::contract::apply::refused(&job.contract, &job.known.args) {
            return Ok(Err(why));
        }
        // A server that was not to be had since the start says nothing of its tools: whether it can be had shows when it is
        // asked for, and its tools are looked at then.
        if !self.deps.executor.has_listed(job.tool.server()) {
            return Ok(Ok(ItemJob { unchecked: true, ..job }));
        }
        let faults = argument_faults(&job);
        Ok(faults.map(|()| job))
    }

    /// What the plan says of an item's look.
    pub(super) fn looking(&self, id: &ItemId) -> Looking {
        let step = self.step_of(id).map(|(step, _)| step);
        Looking {
            first: id.index.unwrap_or(0) == 0,
            follows: self.follows_a_change(id),
            may_fail: step.is_some_and(|s| s.on_failure == OnFailure::Continue),
        }
    }

    /// Whether a step before the item's own will change what it acts on.
    pub(super) fn follows_a_change(&self, id: &ItemId) -> bool {
        let Some(accepted) = &self.ledger.state.accepted else {
            return false;
        };
        let Some((_, facts)) = accepted.plan.step(&id.step) else {
            return false;
        };
        self.ledger
            .state
            .earlier_changes(&accepted.plan, facts, self.item(id))
            .unwrap_or(true)
    }

    /// Whether another call of this intent has changed what the item acts on since it was last read, so that this reading
    /// says nothing any more. Not asked again once a call of its own may have landed: its change would pass for the state
    /// before.
    pub(super) fn was_changed_since(&self, id: &ItemId) -> bool {
        let item = self.item(id);
        let read = item.refreshed.unwrap_or_default();
        let sent_since = |o: &ItemState| o.mutating && o.sent_at.is_some_and(|at| at > read);
        let touched = [Phase::Prepare, Phase::Do].into_iter().any(|p| item.unproven(p));
        let mut others = self.ledger.state.items.iter().filter(|(other, _)| *other != id);
        item.probed && !touched && others.any(|(_, o)| sent_since(o) && crate::intent::effects::overlap(item, o))
    }

    /// The base that a writing tool must find: that of the approved preview, or the one read after an earlier call of this
    /// intent on the same device.
    pub(super) fn expected_base(&self, id: &ItemId) -> Option<String> {
        let item = self.item(id);
        let devices: Vec<&str> = item.expanded.targets.iter().filter_map(|t| t.device()).collect();
        let earlier = self.ledger.state.items.iter().filter(|(other, o)| {
            *other != id
                && o.sent_at.is_some()
                && o.expanded
                    .targets
                    .iter()
                    .any(|t| t.device().is_some_and(|d| devices.contains(&d)))
        });
        let latest = earlier.max_by_key(|(_, o)| o.sent_at);
        match latest {
            Some((_, other)) => other.after.as_ref().and_then(|r| r.base.clone()),
            None => item.preview_base.clone(),
        }
    }

    pub(super) fn next_attempt(&self, item: &ItemId, call: &CallId) -> u32 {
        self.item(item)
            .call_of(call.phase)
            .filter(|c: &&CallState| c.id == *call)
            .map_or(1, |c| c.attempt + 1)
    }
}

/// Whether these are the same targets, in whatever order: that of a link's ends is how they are shown, and another version of
/// the engine may have it otherwise.
fn are_same(now: &[Target], then: &[Target]) -> bool {
    let set = |targets: &[Target]| targets.iter().cloned().collect::<BTreeSet<Target>>();
    set(now) == set(then)
}

/// Why an item's tool cannot be called with its arguments, looked at once its server is there at last. Also the pins are
/// compared now, which could not be done before the start.
pub(super) fn misfit(job: &ItemJob) -> Option<String> {
    let known = job
        .deps
        .executor
        .catalogue()
        .get(&job.tool)
        .map(|tool| tool.spec.digest());
    if known.is_some() && job.pin.is_some() && known != job.pin {
        let tool = &job.tool;
        return Some(format!(
            "the definition of {tool} is not the one any more that the plan was accepted with"
        ));
    }
    argument_faults(job).err()
}

/// Why an item's arguments do not fit its tool as the server lists it now.
fn argument_faults(job: &ItemJob) -> Result<(), String> {
    let catalogue = job.deps.executor.catalogue();
    let Some(tool) = catalogue.get(&job.tool) else {
        return Err(format!("{} is not there any more", job.tool));
    };
    let faults = crate::plan::schema::argument_faults(&tool.spec, &Value::Object(job.known.args.clone()));
    match faults.first() {
        Some(fault) => Err(format!("its arguments do not fit the tool: {fault}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_link_in_another_order_are_the_same_targets() {
        let targets =
            |names: &[&str]| -> Vec<Target> { names.iter().map(|name| Target::parse(name).unwrap()).collect() };
        let planned = targets(&["link:r1/eth1", "link:r2/eth1"]);
        assert!(are_same(&targets(&["link:r2/eth1", "link:r1/eth1"]), &planned));
        assert!(!are_same(&targets(&["link:r2/eth1"]), &planned));
        assert!(!are_same(&targets(&["link:r2/eth1", "link:r3/eth1"]), &planned));
    }
}
