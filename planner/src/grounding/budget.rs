//! How much an intent allows to change: what it names, as often as it asks, and nothing without a way back that it does
//! not call by its name. Generous by count: it stops the plan that does one thing too many, not the clever one.

use super::reads::is_of_a_network;
use super::spoken::texts;
use super::{Ground, tool_of};
use crate::retrieve::stem;
use crate::words::{Word, singular};
use flyball_engine::contract::EffectClass;
use flyball_engine::fault::Fault;
use flyball_engine::ports::PlanningContext;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Words that speak of more than one thing.
const GROUP: &[&str] = &[
    "all",
    "every",
    "each",
    "both",
    "everything",
    "everywhere",
    "any",
    "whole",
    "entire",
];
/// Things of which an intent may name many, in the singular.
const THINGS: &[&str] = &[
    "device",
    "switch",
    "router",
    "node",
    "host",
    "firewall",
    "box",
    "interface",
    "port",
    "link",
    "core",
    "edge",
    "leaf",
    "spine",
    "pod",
    "server",
    "site",
    "config",
    "configuration",
    "file",
    "member",
    "neighbor",
    "machine",
    "gateway",
];

impl Ground {
    /// Whether the text speaks of a group of things.
    pub(crate) fn names_a_group(&self) -> bool {
        let plural = |word: &Word| {
            let one = singular(&word.lower);
            one != word.lower && THINGS.contains(&one.as_str())
        };
        self.words
            .iter()
            .any(|word| GROUP.contains(&word.lower.as_str()) || plural(word))
    }

    /// The things that the text names one by one: whatever has a digit in it, and where it names several
    /// what the draft takes for one of the network.
    fn named_things<'s>(&self, steps: impl Iterator<Item = &'s Value>) -> usize {
        let args = steps.filter_map(|step| step.get("args")?.as_object()).flatten();
        let given = args
            .filter(|(name, _)| is_of_a_network(name))
            .flat_map(|(_, value)| texts(value));
        let given = given
            .map(|word| word.lower)
            .filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        let given: BTreeSet<String> = given.collect();
        let named = self.words.iter().map(|word| word.lower.as_str());
        let named =
            named.filter(|word| word.contains(char::is_alphabetic) && word.contains(|c: char| c.is_ascii_digit()));
        let listed = self.words.iter().map(|word| word.lower.as_str());
        let listed: BTreeSet<&str> = listed.filter(|word| given.contains(*word)).collect();
        let listed = listed.iter().copied().filter(|_| listed.len() > 1);
        named.chain(listed).collect::<BTreeSet<&str>>().len()
    }

    /// What of a draft goes beyond what the text asks for, by count and by effect.
    pub(super) fn over_budget(&self, steps: &[&Value], mutating: &[bool], context: &PlanningContext) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let changing = || steps.iter().enumerate().filter(|(at, _)| mutating[*at]);
        for (at, step) in changing() {
            let pointer = format!("/plan/steps/{at}");
            faults.extend(self.list_fault(&pointer, step));
            faults.extend(self.effect_fault(&pointer, step, context));
            let call = format!("{} {} {}", step["tool"], step["for_each"], step["args"]);
            if let Some(first) = seen.insert(call, at) {
                let message = format!("this is the same change as that of step {first}");
                faults.push(Fault::new(pointer, "ground.count", message).suggest("leave one of them out"));
            }
        }
        let times = self.asked.changes.len() + self.asked.beside.len();
        let most = times.max(1) * (self.named_things(changing().map(|(_, step)| *step)) + 1);
        let count = changing().count();
        if count > most && self.asks_for_change() {
            let message = format!("the plan makes {count} changes, and the intent speaks of {most} at most");
            let fault = Fault::new("/plan/steps", "ground.count", message);
            faults.push(fault.suggest("leave out what the intent does not ask for"));
        }
        faults
    }

    /// A change of a list needs an intent that speaks of several things.
    fn list_fault(&self, pointer: &str, step: &Value) -> Option<Fault> {
        step.get("for_each")?;
        let several = self.names_a_group() || self.named_things(std::iter::once(step)) > 1;
        let message = "this changes each element of a list, and the intent speaks of one thing only";
        let fault = Fault::new(format!("{pointer}/for_each"), "ground.count", message);
        (!several).then(|| fault.suggest("name the one thing in the arguments"))
    }

    /// What cannot be taken back is done only if the intent calls it by a word of its name.
    fn effect_fault(&self, pointer: &str, step: &Value, context: &PlanningContext) -> Option<Fault> {
        let tool = tool_of(step)?;
        if context.contracts.of(&tool).effect != EffectClass::Irreversible || !self.backs(&tool) {
            return None;
        }
        let said: BTreeSet<String> = self.words.iter().map(|word| stem(&word.lower)).collect();
        let mut name = tool.tool().split(|c: char| !c.is_alphanumeric());
        let named = name.any(|part| !part.is_empty() && said.contains(&stem(&part.to_lowercase())));
        let message = format!("nothing takes `{tool}` back, and the intent does not call it by its name");
        let fault = Fault::new(format!("{pointer}/tool"), "ground.effect", message);
        (!named).then(|| fault.suggest("use a tool that has a way back, or say what is missing in `cannot`"))
    }
}
