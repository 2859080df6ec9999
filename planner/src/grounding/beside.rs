//! What an intent names only to say where another thing is, or what else is the case: "the link to r2", "so that r2
//! takes over". It is no thing to be changed, where another one is named to be.

use crate::words::Word;
use std::collections::BTreeSet;

/// Words before a thing that is only compared with, or is at the other end.
const BEFORE: &[&[&str]] = &[
    &["towards"],
    &["toward"],
    &["facing"],
    &["unlike"],
    &["like", "on"],
    &["as", "on"],
    &["as", "in"],
    &["link", "to"],
    &["link", "with"],
    &["connection", "to"],
    &["connected", "to"],
    &["uplink", "to"],
    &["peering", "with"],
    &["neighbor", "of"],
    &["like", "we", "did", "on"],
];
/// Words before what else is the case.
const WHEN: &[&str] = &[
    "before", "after", "until", "once", "because", "since", "that", "where", "while",
];
/// What is the case, and not to be done.
const BEING: &[&str] = &[
    "is", "was", "are", "were", "has", "had", "takes", "took", "carries", "goes", "comes", "uses",
];

/// The places of what is only named beside other things.
pub(super) fn of(words: &[Word]) -> BTreeSet<usize> {
    (0..words.len()).filter_map(|at| from(words, at)).collect()
}

fn from(words: &[Word], at: usize) -> Option<usize> {
    let is = |at: usize, list: &[&str]| {
        words
            .get(at)
            .is_some_and(|w| !w.quoted && list.contains(&w.lower.as_str()))
    };
    let row = BEFORE
        .iter()
        .find(|row| (0..row.len()).all(|n| is(at + n, &row[n..=n])));
    let begins = at == 0 || words[at - 1].clause_ends || is(at - 1, WHEN);
    let told = begins && is(at + 1, BEING) && !is(at + 2, &["not", "to"]);
    let same = is(at, &["same"]).then(|| (at + 1..words.len().min(at + 5)).find(|n| is(*n, &["as"])));
    let filled = |at: usize| (at..words.len()).find(|n| !words[*n].is_filler());
    match (row, same.flatten()) {
        (Some(row), _) => filled(at + row.len()),
        (None, Some(n)) => filled(n + 1),
        _ => told.then_some(at),
    }
}
