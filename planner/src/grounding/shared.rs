//! What an intent says once is the value of one argument, in all steps together: a number that is a cost in one step
//! is no MTU in another. The names of things are said once and used by many.

use super::bound::{Given, Kind};
use super::form::Form;
use super::places::times;
use super::reads::is_of_a_network;
use super::spoken::subject;
use super::{Ground, swallowing, tool_of};
use flyball_engine::fault::{Fault, escape_pointer};
use flyball_engine::ports::PlanningContext;
use flyball_engine::tool::ToolName;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The steps of one tool.
struct Calls<'s> {
    form: Form<'s>,
    steps: Vec<(usize, &'s Map<String, Value>)>,
}

impl Ground {
    /// The values that several mutating steps take from one place.
    pub(super) fn shared<'s>(
        &self,
        steps: impl Iterator<Item = (usize, &'s Value)>,
        context: &'s PlanningContext,
    ) -> Vec<Fault> {
        let mut tools: BTreeMap<ToolName, Calls<'s>> = BTreeMap::new();
        for (at, step) in steps {
            if let (Some(tool), Some(args)) = (tool_of(step), step.get("args").and_then(Value::as_object)) {
                let schema = context.catalogue.get(&tool).map(|tool| &tool.spec.input_schema);
                let form = || schema.map_or_else(Form::unknown, Form::of);
                let calls = tools.entry(tool).or_insert_with(|| Calls {
                    form: form(),
                    steps: Vec::new(),
                });
                calls.steps.push((at, args));
            }
        }
        let several = tools.values().filter(|calls| calls.steps.len() > 1);
        several
            .flat_map(|calls| self.of_one_tool(calls).into_iter().chain(self.set_back(calls)))
            .collect()
    }

    /// What calls of one tool take together, as if they were one.
    fn of_one_tool(&self, calls: &Calls<'_>) -> Vec<Fault> {
        let mut together: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for (name, value) in calls.steps.iter().flat_map(|(_, args)| args.iter()) {
            let claimed = !calls.form.property(name).says(value);
            let values = match value {
                Value::Array(items) => items.as_slice(),
                other => std::slice::from_ref(other),
            };
            together
                .entry(name)
                .or_default()
                .extend(values.iter().filter(|_| claimed));
        }
        let distinct = |mut values: Vec<&Value>| {
            let mut seen = BTreeSet::new();
            values.retain(|value| seen.insert(value.to_string()));
            Value::from_iter(values.into_iter().cloned())
        };
        let together = together
            .into_iter()
            .map(|(name, values)| (name.to_owned(), distinct(values)));
        let together: Map<String, Value> = together.collect();
        let last = |name: &str| calls.steps.iter().rfind(|(_, args)| args.contains_key(name));
        let fault = |(long, short): (&str, &str)| {
            let at = last(long)?.0;
            Some(swallowing(
                format!("/plan/steps/{at}/args/{}", escape_pointer(long)),
                short,
            ))
        };
        self.swallowed(&together).into_iter().filter_map(fault).collect()
    }

    /// The schema's own values, nowhere said, for what another call sets on the same thing.
    fn set_back(&self, calls: &Calls<'_>) -> Vec<Fault> {
        let thing = |args: &Map<String, Value>| -> String {
            let names = args.iter().filter(|(name, _)| is_of_a_network(name));
            names.map(|(name, value)| format!("{name}={value} ")).collect()
        };
        let mut claimed = BTreeSet::new();
        let mut defaults = Vec::new();
        for (at, args) in &calls.steps {
            let thing = thing(args);
            for (name, value) in args.iter().filter(|(name, _)| !is_of_a_network(name)) {
                match calls.form.property(name).says(value) {
                    true if !self.has(value) => defaults.push((*at, thing.clone(), name)),
                    true => {}
                    false => drop(claimed.insert((thing.clone(), name))),
                }
            }
        }
        let set = defaults
            .into_iter()
            .filter(|(_, thing, name)| claimed.contains(&(thing.clone(), *name)));
        set.map(|(at, _, name)| {
            let pointer = format!("/plan/steps/{at}/args/{}", escape_pointer(name));
            let message = format!("another step sets `{name}` of the same thing, and the intent does not say this");
            Fault::new(pointer, "ground.literal", message).suggest("leave it out")
        })
        .collect()
    }

    /// Numbers and plain words that steps of different tools take from one place, each for something else.
    pub(super) fn shared_by_tools(&self, given: &[(Option<ToolName>, Given)]) -> Vec<Fault> {
        let mut taken: BTreeMap<String, Vec<&(Option<ToolName>, Given)>> = BTreeMap::new();
        let plain = |given: &Given| match given.kind {
            Some(Kind::Number) => true,
            None => given
                .words
                .iter()
                .all(|word| word.lower.chars().all(char::is_alphabetic)),
            _ => false,
        };
        for one in given.iter().filter(|(_, given)| plain(given)) {
            let words: Vec<&str> = one.1.words.iter().map(|word| word.lower.as_str()).collect();
            taken.entry(words.join(" ")).or_default().push(one);
        }
        let mut faults = Vec::new();
        for all in taken.into_values() {
            let tools: BTreeSet<&Option<ToolName>> = all.iter().map(|(tool, _)| tool).collect();
            let subjects: BTreeSet<String> = all.iter().map(|(_, given)| subject(&given.name)).collect();
            let (first, last) = (&all[0].1, &all[all.len() - 1].1);
            if tools.len() > 1 && subjects.len() > times(&self.words, &last.words) {
                faults.push(swallowing(last.pointer.clone(), &first.name));
            }
        }
        faults
    }
}
