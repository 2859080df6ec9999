//! What an intent says of things that it names is not said of a group: "remove OSPF from r1 and check all core switches"
//! takes OSPF from no core switch.

use super::{GENERAL, Given, Kind, Stretch, Stretches};
use crate::verbs::looks;
use crate::words::{Word, keywords, singular};
use flyball_engine::fault::Fault;
use serde_json::Value;
use std::collections::BTreeSet;

/// Words for more than what is named.
const GROUP: &[&str] = &[
    "all",
    "every",
    "each",
    "any",
    "group",
    "fleet",
    "everywhere",
    "everything",
];
/// Words after which a group is that of the others.
const OTHERS: &[&str] = &["other", "others", "rest", "remaining"];

/// A step for each of a list of devices, where the intent names one by one on which of them it is to be done.
pub(super) fn widened(
    at: usize,
    step: &Value,
    given: &[Vec<Given>],
    places: Option<&BTreeSet<usize>>,
    stretches: &Stretches<'_>,
) -> Option<Fault> {
    let items = step.get("for_each").and_then(Value::as_str)?;
    let named = given.iter().flatten().any(|value| value.kind == Some(Kind::Device));
    let places = places.filter(|_| !named && items.contains("${"))?;
    let stretches = places.iter().map(|at| &stretches.all[*at]);
    let mut stretches = stretches.filter(|stretch| !stretch.looks()).peekable();
    let names_each = |stretch: &Stretch<'_>| stretch.has(Kind::Device) && !stretch.is_of_a_group();
    if stretches.peek().is_none() || !stretches.all(names_each) {
        return None;
    }
    let message = "the intent names the devices for this, and speaks of a group elsewhere";
    let hint = "do it on the devices that the intent names for it, or say in `cannot` what is not clear";
    let fault = Fault::new(format!("/plan/steps/{at}/for_each"), "ground.wider", message);
    Some(fault.suggest(hint))
}

impl Stretch<'_> {
    /// Whether it asks to look, and for nothing else.
    fn looks(&self) -> bool {
        let plain = || self.words.iter().filter(|(word, _)| !word.quoted);
        plain().any(|(word, _)| looks(&word.lower)) && !self.acts()
    }

    fn is_of_a_group(&self) -> bool {
        let plain: Vec<&Word> = self
            .words
            .iter()
            .map(|(word, _)| *word)
            .filter(|word| !word.quoted)
            .collect();
        let is = |at: usize, list: &[&str]| list.contains(&plain[at].lower.as_str());
        let role = |word: &str| GENERAL.contains(&singular(word).as_str());
        let many = |word: &str| {
            let plural = singular(word) != word || word == "leaves";
            plural && (role(word) || word == "leaves" || keywords(word).iter().any(|word| word == "device"))
        };
        // Of the others something else is said: "on r1. All other routers are fine".
        let of_others = |at: usize| {
            let near = at.saturating_sub(3)..(at + 3).min(plain.len());
            let apart = plain[at.saturating_sub(4)..at].iter().any(|word| word.clause_ends);
            apart && near.into_iter().any(|near| is(near, OTHERS))
        };
        (0..plain.len()).any(|at| (is(at, GROUP) || many(&plain[at].lower)) && !of_others(at))
    }
}
