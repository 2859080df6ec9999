//! Expanding a step into its items: one, one per element of its list, one per element of a fleet tool's argument.

use super::facts::Facts;
use crate::binding;
use crate::contract::apply;
use crate::contract::{Contract, Contracts};
use crate::expr::{Bindings, Expr, Root, Scope};
use crate::intent::event::{Event, ExpandedItem};
use crate::plan::{Step, StepFacts, WaveSize};
use crate::ports::Inventory;
use crate::target::Target;
use crate::tool::ToolName;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The waves of a mutating list of calls when the plan names none: one, a quarter, the rest.
const DEFAULT_WAVES: [WaveSize; 3] = [WaveSize::Count(1), WaveSize::Percent(25), WaveSize::Percent(100)];

/// A step with what is known around it.
struct Expansion<'a> {
    step: &'a Step,
    facts: &'a StepFacts,
    contract: Contract,
    inventory: &'a dyn Inventory,
}

/// Why a step cannot run, and the rule that says so.
pub(super) struct NotExpanded {
    pub(super) rule: &'static str,
    pub(super) why: String,
}

impl From<String> for NotExpanded {
    fn from(why: String) -> Self {
        Self {
            rule: "plan.expand",
            why,
        }
    }
}

/// Expands a step into its items. `platforms`: what the plan is for; empty: anything.
pub(super) fn expand(
    step: &Step,
    facts: &StepFacts,
    contracts: &Contracts,
    inventory: &dyn Inventory,
    scope: &Bindings,
    platforms: &[String],
) -> Result<Facts, NotExpanded> {
    let elements = match &step.for_each {
        None => vec![None],
        Some(list) => {
            let list = binding::resolve_list(list, scope).map_err(|e| e.to_string())?;
            list.into_iter().map(Some).collect()
        }
    };
    let expansion = Expansion {
        step,
        facts,
        contract: contracts.of(&step.tool),
        inventory,
    };
    let (mut out, mut items, mut groups) = (Facts::default(), Vec::new(), Vec::new());
    for element in elements {
        let index = items.len();
        let group = element
            .as_ref()
            .and_then(|e| e.get("redundancy_group")?.as_str().map(str::to_owned));
        expansion.items_of(scope, index, element, &mut items, &mut out)?;
        groups.resize(items.len(), group);
    }
    if facts.mutating {
        for (item, group) in items.iter().zip(&mut groups) {
            let known = || item.targets.iter().find_map(|t| inventory.redundancy_group(t));
            *group = group.take().or_else(known);
        }
        assign_waves(step, &groups, &mut items);
        for_its_platforms(platforms, &items, inventory)?;
    }
    out.push(Event::StepExpanded {
        step: step.id.clone(),
        items,
    });
    Ok(out)
}

/// Refuses to change devices of platforms that the plan was not written for, naming all of them.
fn for_its_platforms(
    platforms: &[String],
    items: &[ExpandedItem],
    inventory: &dyn Inventory,
) -> Result<(), NotExpanded> {
    let targets: BTreeSet<&Target> = items
        .iter()
        .filter(|item| item.skipped.is_none())
        .flat_map(|item| &item.targets)
        .collect();
    let strange = targets.into_iter().filter_map(|target| {
        let platform = inventory.platform(target)?;
        (!platforms.contains(&platform)).then(|| format!("{target} is {platform}"))
    });
    let strange: Vec<String> = strange.collect();
    match platforms.is_empty() || strange.is_empty() {
        true => Ok(()),
        false => Err(NotExpanded {
            rule: "plan.platforms",
            why: format!("the plan is for {} only: {}", platforms.join(", "), strange.join(", ")),
        }),
    }
}

impl Expansion<'_> {
    /// The items of one element of `for_each`, or of the step itself.
    fn items_of(
        &self,
        scope: &Bindings,
        index: usize,
        element: Option<Value>,
        items: &mut Vec<ExpandedItem>,
        out: &mut Facts,
    ) -> Result<(), String> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let each = element.as_ref().map(|_| number(index));
        let (scope, names) = item_scope(scope, each, element.clone());
        let skipped = self.skipped(&scope, names)?;
        let (args, complete) = resolve_args(&self.step.args, &scope, names, self.facts)?;
        let units = match (&self.facts.split_by, &skipped) {
            (Some(argument), None) => split(argument, &args)?.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        let element = element.map(|e| out.payload(e, false));
        for unit in units {
            let args = narrowed(self.facts, args.clone(), unit.as_ref());
            let targets = match (self.facts.mutating, &skipped) {
                (true, None) => targets(self.inventory, &self.step.tool, &self.contract, &args)?,
                _ => Vec::new(),
            };
            let fans_out = self.step.fans_out(self.facts);
            items.push(ExpandedItem {
                index: fans_out.then(|| number(items.len())),
                element: element.clone(),
                only: unit.map(|unit| out.payload(unit, false)),
                args: complete.then(|| out.payload(Value::Object(args), false)),
                targets,
                wave: 0,
                skipped: skipped.clone(),
                undoes: None,
            });
        }
        Ok(())
    }

    /// Why the item is not to run.
    fn skipped(&self, scope: &Bindings, names: Scope) -> Result<Option<String>, String> {
        let Some(when) = &self.step.when else {
            return Ok(None);
        };
        let expr = Expr::compile(when, names).map_err(|f| f.message)?;
        let runs = expr
            .eval_bool(scope)
            .map_err(|e| format!("`when` has no result: {e}"))?;
        Ok((!runs).then(|| format!("`when` is false: {when}")))
    }
}

/// The elements of the argument by which a fleet tool is split, each once. Without the argument such tools take all
/// devices there are, so that is refused.
fn split(argument: &str, args: &Map<String, Value>) -> Result<Vec<Value>, String> {
    let list = args.get(argument).and_then(Value::as_array);
    let list = list
        .ok_or_else(|| format!("the argument {argument:?}, by which the contract splits the call, must be a list"))?;
    let mut units: Vec<Value> = Vec::with_capacity(list.len());
    for unit in list {
        if !units.contains(unit) {
            units.push(unit.clone());
        }
    }
    Ok(units)
}

/// The arguments of one unit of a split call.
pub(super) fn narrowed(facts: &StepFacts, mut args: Map<String, Value>, unit: Option<&Value>) -> Map<String, Value> {
    if let (Some(argument), Some(unit)) = (&facts.split_by, unit) {
        args.insert(argument.clone(), Value::Array(vec![unit.clone()]));
    }
    args
}

/// The canonical targets of a call, each once; of a link's ends the one that the call names stands before the other, since
/// people are shown the change under the first. An error must refuse the call.
pub(super) fn targets(
    inventory: &dyn Inventory,
    tool: &ToolName,
    contract: &Contract,
    args: &Map<String, Value>,
) -> Result<Vec<Target>, String> {
    let named = apply::targets(tool, contract, args)?;
    let mut seen = BTreeSet::new();
    let canonical = named.into_iter().flat_map(|t| inventory.canonical(t));
    Ok(canonical.filter(|target| seen.insert(target.clone())).collect())
}

/// The scope of one item, and the names that are in it.
pub(super) fn item_scope(scope: &Bindings, index: Option<u32>, element: Option<Value>) -> (Bindings, Scope) {
    match (index, element) {
        (Some(index), Some(element)) => (
            scope
                .clone()
                .with(Root::Item, element)
                .with(Root::Index, Value::from(index)),
            Scope::ITEM,
        ),
        _ => (scope.clone(), Scope::STEP),
    }
}

/// The arguments, and whether all of them could be resolved. Only a step that binds to a change may have open ones: they
/// are left out here and resolved just before sending.
fn resolve_args(
    args: &Value,
    scope: &Bindings,
    names: Scope,
    facts: &StepFacts,
) -> Result<(Map<String, Value>, bool), String> {
    let object = args.as_object().cloned().unwrap_or_default();
    let mut resolved = Map::new();
    let mut complete = true;
    for (name, value) in object {
        match binding::resolve(&value, names, scope) {
            Ok(value) => {
                resolved.insert(name, value);
            }
            Err(_) if facts.mutating && !facts.binds.is_empty() => complete = false,
            Err(e) => return Err(format!("argument {name:?}: {e}")),
        }
    }
    Ok((resolved, complete))
}

/// Batches of growing size; a second member of a redundancy group moves to the next wave, adding waves where needed.
fn assign_waves(step: &Step, groups: &[Option<String>], items: &mut [ExpandedItem]) {
    let sizes: &[WaveSize] = if step.waves.is_empty() {
        &DEFAULT_WAVES
    } else {
        &step.waves
    };
    let mut waiting: Vec<usize> = (0..items.len()).filter(|i| items[*i].skipped.is_none()).collect();
    let total = waiting.len();
    let mut wave = 0u32;
    while !waiting.is_empty() {
        let size = sizes.get(wave as usize).or(sizes.last()).map_or(total, |s| s.of(total));
        let mut busy: BTreeSet<&str> = BTreeSet::new();
        let mut taken = 0;
        waiting.retain(|i| {
            let group = groups[*i].as_deref();
            if taken >= size || group.is_some_and(|g| busy.contains(g)) {
                return true;
            }
            taken += 1;
            items[*i].wave = wave;
            busy.extend(group);
            false
        });
        wave += 1;
    }
}
