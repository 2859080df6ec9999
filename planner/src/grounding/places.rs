//! Each value has a place of its own in the intent: what stands there once is the value of one argument.

use super::{Ground, same, spoken, unquoted};
use crate::words::Word;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A value with the argument that takes it.
struct Taken<'v> {
    name: &'v str,
    words: Vec<Word>,
}

impl Ground {
    /// Of several values those that take in another one, with it: `change the text of eth1` is no text beside `eth1` when the
    /// intent says `eth1` only there, and an area is not 100 because the process is. Two that the intent speaks of in one
    /// breath ("as NTP and syslog server") may share.
    pub(crate) fn swallowed<'v>(&self, values: &'v Map<String, Value>) -> Vec<(&'v str, &'v str)> {
        let taken: Vec<Taken> = values
            .iter()
            .flat_map(|(name, value)| texts_in(value).map(move |text| (name.as_str(), unquoted(&text))))
            .map(|(name, words)| Taken { name, words })
            .filter(|taken| !taken.words.is_empty())
            .collect();
        let mut found = Vec::new();
        for (at, inner) in taken.iter().enumerate() {
            let others = taken.iter().enumerate().filter(|(_, other)| other.name != inner.name);
            // An equal value takes its place in the order of the arguments.
            let longer = others.clone().filter(|(_, o)| o.words.len() > inner.words.len());
            let equal = others.filter(|(n, o)| *n < at && is_same(&o.words, &inner.words));
            let sharing: Vec<&Taken> = equal
                .map(|(_, other)| other)
                .filter(|other| !self.says_of_both(other.name, inner.name, values))
                .collect();
            let longer: Vec<(&Taken, usize)> = longer
                .map(|(_, other)| (other, times(&other.words, &inner.words)))
                .filter(|(_, within)| *within > 0)
                .collect();
            let used = distinct(&sharing) + longer.iter().map(|(_, within)| within).sum::<usize>();
            if used == 0 || times(&self.words, &inner.words) > used {
                continue;
            }
            found.extend(longer.iter().map(|(other, _)| (other.name, inner.name)));
            found.extend(sharing.first().map(|other| (inner.name, other.name)));
        }
        found.dedup();
        found
    }

    /// Whether the intent speaks of two arguments together.
    fn says_of_both(&self, a: &str, b: &str, values: &Map<String, Value>) -> bool {
        let known = spoken::known(values.keys().map(String::as_str), &[], BTreeSet::new());
        let places = |name: &str| {
            let names = spoken::names_of(name, values.keys().map(String::as_str));
            let places = names.into_iter().flat_map(|name| self.mentions.places(&name, &known));
            places.collect::<Vec<usize>>()
        };
        let (a, b) = (places(a), places(b));
        a.iter().any(|a| b.iter().any(|b| self.mentions.joins(*a, *b)))
    }
}

/// How many arguments these are of.
fn distinct(taken: &[&Taken]) -> usize {
    let mut names: Vec<&str> = taken.iter().map(|taken| taken.name).collect();
    names.dedup();
    names.len()
}

fn is_same(a: &[Word], b: &[Word]) -> bool {
    a.len() == b.len() && (times(a, b) > 0 || times(b, a) > 0)
}

/// The texts and numbers of a value, entries of a list each by itself; expressions are neither.
fn texts_in(value: &Value) -> impl Iterator<Item = String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    items.iter().filter_map(|item| match item {
        Value::String(text) if !text.contains("${") => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// How often these words stand in a row.
pub(super) fn times(text: &[Word], wanted: &[Word]) -> usize {
    let is_it = |said: &&[Word]| said.iter().zip(wanted).all(|(s, w)| same(s, w));
    text.windows(wanted.len().max(1)).filter(is_it).count()
}
