//! What an intent excepts from a group is left out of it: "on all core switches except bj-core-2".

use super::expression::{Piece, found, pieces};
use super::mention::has_digit;
use super::reads::{is_of_a_network, is_of_devices};
use super::{Ground, tool_of};
use crate::retrieve::{is_device, is_interface};
use crate::words::Word;
use flyball_engine::fault::Fault;
use serde_json::Value;
use std::collections::BTreeSet;

impl Ground {
    /// The changes of a whole group that do not leave out what the text excepts from it.
    pub(super) fn unexcepted(&self, at: usize, step: &Value, devices: &BTreeSet<String>) -> Vec<Fault> {
        let Some(items) = step.get("for_each").filter(|items| is_bound(items)) else {
            return Vec::new();
        };
        let out = left_out(items.as_str().unwrap_or_default(), step);
        let args = step.get("args").and_then(Value::as_object).into_iter().flatten();
        let of_interfaces = args
            .filter(|(name, value)| is_of_a_network(name) && !is_of_devices(name) && is_bound(value))
            .count()
            > 0;
        let device = |word: &Word| devices.contains(&word.lower) || (has_digit(word) && is_device(&word.lower));
        let excepted = self.mentions.left_themselves(&|word| match is_interface(&word.lower) {
            true => of_interfaces,
            false => device(word),
        });
        let missing = excepted.into_iter().filter(|name| !out.contains(name));
        let fault = |name: String| {
            let tool = tool_of(step).map(|tool| tool.to_string()).unwrap_or_default();
            let message = format!("the intent excepts {name:?}, and `{tool}` does not leave it out of the list");
            let hint = format!("leave it out: .filter(d, d.name != '{name}')");
            Fault::new(format!("/plan/steps/{at}/for_each"), "ground.left", message).suggest(hint)
        };
        missing.map(fault).collect()
    }
}

impl Ground {
    /// The changes of a whole group that is wider than the one of the intent: "in Beijing", and no list says so.
    pub(super) fn wider(&self, steps: &[&Value], mutating: &[bool]) -> Vec<Fault> {
        let group = |at: &usize| mutating[*at] && steps[*at].get("for_each").is_some_and(is_bound);
        let said = steps
            .iter()
            .map(|step| step.to_string().to_lowercase())
            .collect::<String>();
        let missing = self.mentions.choices();
        let missing: Vec<String> = missing
            .into_iter()
            .filter(|choice| !said.contains(choice.as_str()))
            .collect();
        let fault = |at: usize| {
            let choice = missing.first()?;
            let message = format!("the intent says {choice:?}, and the list is not held to that");
            let hint = "choose by all that the intent says, or say in `cannot` what cannot be chosen";
            Some(Fault::new(format!("/plan/steps/{at}/for_each"), "ground.wider", message).suggest(hint))
        };
        (0..steps.len()).filter(group).filter_map(fault).collect()
    }
}

fn is_bound(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("${"))
}

/// What the expressions of a step leave out, in lower case.
fn left_out(text: &str, step: &Value) -> BTreeSet<String> {
    let when = step.get("when").and_then(Value::as_str).map(str::to_owned);
    let sources = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Expression(source) => Some(source),
        Piece::Text(_) => None,
    });
    let literals = sources.chain(when).flat_map(|source| found(&source));
    let out = literals.filter(|literal| literal.excluded);
    out.map(|literal| literal.text.to_lowercase()).collect()
}
