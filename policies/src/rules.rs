//! The engine's own rules, which no policy file can lift, and how rules come to stand in the record.

use crate::cedar::Answer;
use crate::library::{Library, OWN_PREFIX, PolicyInfo};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::ItemId;
use flyball_engine::intent::event::RuleApplied;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub(crate) const WRITES_OFF: &str = "flyball.writes_off";
pub(crate) const UNKNOWN: &str = "flyball.unknown_principal";
pub(crate) const PEOPLE_ONLY: &str = "flyball.people_only";
pub(crate) const NO_PERMIT: &str = "flyball.no_permit";
pub(crate) const NEEDS_PERSON: &str = "flyball.needs_person";
pub(crate) const UNDECIDABLE: &str = "flyball.undecidable";
pub(crate) const NOTHING_TO_DO: &str = "flyball.nothing_to_judge";

/// All of them, with what they say in general.
const OWN: [(&str, &str); 7] = [
    (WRITES_OFF, "while `writes` is off no call may change anything"),
    (UNKNOWN, "whom the settings do not name may do nothing"),
    (PEOPLE_ONLY, "only people approve, settle and sign tools off"),
    (NO_PERMIT, "what no policy permits is refused"),
    (
        NEEDS_PERSON,
        "a change that no policy lets run unattended needs a person's approval",
    ),
    (UNDECIDABLE, "a question that policy cannot decide is refused"),
    (NOTHING_TO_DO, "a plan that calls nothing runs"),
];

/// The own rules as [`crate::Policies::explain`] lists them.
pub(crate) fn own_rules() -> impl Iterator<Item = PolicyInfo> {
    OWN.into_iter().map(|(id, reason)| PolicyInfo {
        id: id.to_owned(),
        effect: if id == NOTHING_TO_DO { "permit" } else { "forbid" }.to_owned(),
        reason: reason.to_owned(),
        file: "built in".to_owned(),
        line: 0,
        text: String::new(),
    })
}

/// A rule as it goes into the record.
pub(crate) fn rule(id: &str, reason: impl Into<String>, item: Option<&ItemId>) -> RuleApplied {
    RuleApplied {
        rule: id.to_owned(),
        reason: reason.into(),
        item: item.cloned(),
    }
}

/// What the policies that determined an answer say. Empty if none did.
pub(crate) fn named(library: &Library, answer: &Answer, item: Option<&ItemId>) -> Vec<RuleApplied> {
    let told = |id: &String| library.infos.get(id).map(|info| rule(id, &info.reason, item));
    answer.by.iter().filter_map(told).collect()
}

/// Why something is denied: the policies that forbid it, else why it could not be decided, else `otherwise`.
pub(crate) fn denied(
    library: &Library,
    answer: &Answer,
    item: Option<&ItemId>,
    otherwise: impl FnOnce() -> RuleApplied,
) -> Vec<RuleApplied> {
    if let Some(why) = &answer.trouble {
        return vec![rule(UNDECIDABLE, format!("policy cannot decide this: {why}"), item)];
    }
    let rules = named(library, answer, item);
    if rules.is_empty() { vec![otherwise()] } else { rules }
}

/// The digest over the texts of these rules; an own rule counts by its name.
pub(crate) fn digest(library: &Library, ids: &BTreeSet<String>) -> Digest {
    let text = |id: &String| library.infos.get(id).map_or_else(String::new, |info| info.text.clone());
    let texts: Map<String, Value> = ids.iter().map(|id| (id.clone(), Value::String(text(id)))).collect();
    debug_assert!(
        ids.iter()
            .all(|id| id.starts_with(OWN_PREFIX) || library.infos.contains_key(id))
    );
    Digest::of_value(&Value::Object(texts))
}

/// How many items one rule may name in one verdict.
const ITEMS_NAMED: usize = 64;

/// Keeps a verdict over thousands of items readable and its entry small: of a rule with the same reason the first items
/// are named, and the last of those says how many more there are.
pub(crate) fn abridged(rules: Vec<RuleApplied>) -> Vec<RuleApplied> {
    let mut counts: std::collections::HashMap<(String, String), (usize, usize)> = std::collections::HashMap::new();
    let mut kept: Vec<RuleApplied> = Vec::new();
    for rule in rules {
        let key = (rule.rule.clone(), rule.reason.clone());
        let (seen, last) = counts.entry(key).or_default();
        *seen += 1;
        if *seen <= ITEMS_NAMED {
            *last = kept.len();
            kept.push(rule);
        }
    }
    for (seen, last) in counts.into_values().filter(|(seen, _)| *seen > ITEMS_NAMED) {
        let more = seen - ITEMS_NAMED;
        kept[last].reason.push_str(&format!(" (and so for {more} more items)"));
    }
    kept
}
