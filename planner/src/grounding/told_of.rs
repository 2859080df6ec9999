//! Values that an intent only tells of: what is there now, what it was, a number of a list or of a ticket. They are
//! not what is to be set.

use crate::verbs::of_word;
use crate::words::Word;
use std::collections::BTreeSet;

/// Words right before such a value, with one other between them at most.
const BEFORE: &[&str] = &[
    "was",
    "were",
    "currently",
    "default",
    "ticket",
    "incident",
    "most",
    "least",
    "formerly",
    "previously",
    "within",
];
/// Words right behind such a value.
const BEHIND: &[&str] = &["seconds", "second", "minutes", "minute", "hours", "hour", "days"];
/// How far the other end of "from 1 to 2" is looked for.
const NEAR: usize = 6;

/// The places of what a sentence only tells.
pub(super) fn of(words: &[Word]) -> BTreeSet<usize> {
    let plain = |at: usize| {
        words
            .get(at)
            .filter(|word| !word.quoted)
            .map_or("", |word| word.lower.as_str())
    };
    let is = |at: usize, list: &[&str]| list.contains(&plain(at));
    let near = |at: usize, list: &[&str]| (at + 1..=at + NEAR).any(|n| is(n, list));
    let changes = words
        .iter()
        .any(|word| !word.quoted && !of_word(&word.lower).is_empty());
    let told = |at: &usize| {
        let before = |n: usize, list: &[&str]| at.checked_sub(n).is_some_and(|at| is(at, list));
        let replaced = (1..=4).any(|n| before(n, &["replace"])) && near(*at, &["by", "with"]);
        let replaced = replaced && !(1..=4).any(|n| before(n, &["by", "with"]));
        let ranged = before(1, &["from", "by"]) && near(*at, &["to"]);
        let said = before(1, BEFORE) || (before(2, BEFORE) && before(1, &["of", "a", "only", "at"]));
        let is_so = before(1, &["is", "are"]) && (!changes || is(at + 1, &["now", "today", "currently"]));
        let clock = before(1, &["at"]) && *at == 1;
        let number = plain(*at).len() <= 2 && plain(*at).bytes().all(|c| c.is_ascii_digit());
        let listed = *at == 0 && number && (words.len() == 1 || !of_word(plain(1)).is_empty());
        replaced || ranged || said || is_so || clock || listed || is(at + 1, BEHIND)
    };
    let value = |at: &usize| words[*at].quoted || words[*at].lower.starts_with(|c: char| c.is_ascii_digit());
    (0..words.len()).filter(value).filter(told).collect()
}
