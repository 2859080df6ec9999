//! Which words of a sentence are of what is to stay as it is, and which of them say so of a thing itself. Errs towards
//! more: a value that is refused gets a question.

use crate::negation::{is_general, is_of_change, leaves, negates, stays};
use crate::verbs::{is_verb, looks, main_verb};
use crate::words::{Word, keywords};

/// How a word stands to what is to stay as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// It is of what is to stay.
    pub(crate) left: bool,
    /// And nothing but the thing itself is: "not on r2", and not "don't touch the label of eth1 on r2".
    pub(crate) itself: bool,
}

/// Words that say when or who, and not what.
const SMALL: &[&str] = &[
    "on",
    "in",
    "at",
    "of",
    "from",
    "to",
    "with",
    "for",
    "by",
    "and",
    "or",
    "nor",
    "it",
    "its",
    "them",
    "they",
    "this",
    "that",
    "these",
    "those",
    "any",
    "all",
    "both",
    "either",
    "must",
    "shall",
    "should",
    "may",
    "can",
    "could",
    "will",
    "would",
    "is",
    "are",
    "was",
    "be",
    "being",
    "been",
    "do",
    "does",
    "did",
    "so",
    "though",
    "however",
    "please",
    "as",
    "there",
    "here",
    "you",
    "we",
    "i",
    "anybody",
    "anyone",
    "us",
    "me",
    "let",
    "ever",
    "under",
    "circumstances",
    "way",
    "up",
    "running",
    "only",
    "just",
    "well",
    "too",
    "also",
    "still",
    "now",
    "auf",
    "von",
    "an",
    "aber",
    "want",
    "attempt",
    "following",
    "thing",
    "else",
    "need",
    "needed",
    "get",
    "happens",
    "whatever",
];

/// How far a word is looked for.
const NEAR: usize = 64;

/// How the words of a sentence stand to what is to stay as it is. `asked`: whether a verb is one of what is asked for.
pub(crate) fn of_sentence(words: &[Word], asked: &dyn Fn(&str) -> bool) -> Vec<Left> {
    let left = left_alone(words);
    let mut all: Vec<Left> = left
        .iter()
        .map(|left| Left {
            left: *left,
            itself: false,
        })
        .collect();
    let mut from = 0;
    while from < words.len() {
        let to = (from..words.len()).find(|at| !left[*at]).unwrap_or(words.len());
        if to > from && is_of_things(&words[from..to], asked) {
            all[from..to].iter_mut().for_each(|left| left.itself = true);
        }
        from = to.max(from) + 1;
    }
    all
}

/// Whether words say of things that they stay, and not of what these have.
fn is_of_things(words: &[Word], asked: &dyn Fn(&str) -> bool) -> bool {
    let small = |at: usize| {
        let word = words[at].lower.as_str();
        let said = word.trim_end_matches("n't").trim_end_matches("n’t");
        let verb = is_general(said) || (is_of_change(said) && asked(said));
        words[at].is_filler() || SMALL.contains(&word) || negates(word) || verb || leaves(words, at) || stays(words, at)
    };
    let general = |at: usize| {
        keywords(&words[at].lower)
            .iter()
            .all(|word| word == "device" || word == "limit")
    };
    let things: Vec<usize> = (0..words.len()).filter(|at| !small(*at) && !general(*at)).collect();
    let listed = |pair: &[usize]| {
        let between = &words[pair[0] + 1..pair[1]];
        let joins = |word: &Word| ["and", "or", "nor", "not"].contains(&word.lower.as_str());
        words[pair[0]].clause_ends || between.iter().any(joins)
    };
    things.windows(2).all(listed)
}

/// Which words of a sentence are of what is to stay as it is.
pub(crate) fn left_alone(words: &[Word]) -> Vec<bool> {
    let mut left = vec![false; words.len()];
    let mut leaving: Option<usize> = None;
    let main = main_verb(words);
    for at in 0..words.len() {
        let headed = || leaving.is_some_and(|from| at > from && words[at - 1].colon && !is_whole(&words[from..at]));
        if (main == Some(at) && !headed()) || leaving.is_some_and(|from| goes_on(words, from, at)) {
            leaving = None;
        }
        if !words[at].quoted && leaves(words, at) {
            match said_of(words, at) {
                Said::Statement => {}
                Said::Subject(from) => {
                    left[from..at].fill(true);
                    leaving = leaving.or(Some(at));
                }
                Said::Order => leaving = leaving.or(Some(at)),
            }
        }
        left[at] |= leaving.is_some();
        if !words[at].quoted && stays(words, at) {
            let from = subject(words, at);
            left[from..at].fill(true);
        }
    }
    point_back(words, &mut left);
    left
}

/// Whether a sentence goes on here with what is to be done.
fn goes_on(words: &[Word], from: usize, at: usize) -> bool {
    let is = |at: usize, list: &[&str]| !words[at].quoted && list.contains(&words[at].lower.as_str());
    let said = |n: &usize| !words[*n].is_filler() && !is(*n, &["just", "only", "simply", "please", "now"]);
    let behind = (0..at).rev().take(8).find(said);
    let near = |before: usize| before < from + NEAR;
    let whole = |before: usize| words[before].colon && near(before) && is_whole(&words[from..=before]);
    let opens = behind
        .is_some_and(|before| words[before].clause_ends || whole(before) || is(before, &["and", "also", "so", "then"]));
    // A negation without anything behind it goes on over what is put in: "do not, under any circumstances, shut it".
    let ended = || words[from..at].iter().take(NEAR).position(|word| word.clause_ends);
    let open = || !is(at, &["but", "then"]) && ended().is_some_and(|n| negates(&words[from + n].lower));
    let value = words[at + 1..]
        .iter()
        .take(3)
        .any(|word| word.lower.starts_with(|c: char| c.is_ascii_digit()));
    let uses = is(at, &["use"]) && value && (opens || is(from, &["instead"]));
    let verb = opens && is_verb(&words[at].lower) && !words[at].quoted;
    (is(at, &["but", "then", "aber"]) || verb || uses) && !open()
}

/// Whether what stands before a colon is a sentence of its own, and no heading of what is not to be done.
fn is_whole(words: &[Word]) -> bool {
    let heads =
        |word: &Word| is_of_change(&word.lower) || ["following", "these", "this"].contains(&word.lower.as_str());
    let told = words
        .iter()
        .filter(|word| !word.is_filler() && !SMALL.contains(&word.lower.as_str()));
    told.count() > 1 && !words.iter().any(heads)
}

enum Said {
    /// It only says what is the case: "r1 is not reachable".
    Statement,
    /// It says so of what stands before it, from here on: "r2 must not be touched".
    Subject(usize),
    Order,
}

/// Of what a negation says something.
fn said_of(words: &[Word], at: usize) -> Said {
    const AIDS: &[&str] = &[
        "must", "shall", "should", "is", "are", "was", "were", "will", "may", "can", "could", "does", "do", "did",
        "has", "have", "need", "needs", "would",
    ];
    let word = words[at].lower.as_str();
    let joined = word.ends_with("n't") || word.ends_with("n’t") || word == "cannot";
    let aided = at > 0 && word == "not" && AIDS.contains(&words[at - 1].lower.as_str());
    let aid = match (joined, aided) {
        (true, _) => at,
        (_, true) => at - 1,
        _ => return Said::Order,
    };
    let from = subject(words, aid);
    let people = |word: &Word| ["you", "we", "i", "nobody", "please", "they"].contains(&word.lower.as_str());
    let mut named = words[from..aid].iter().filter(|word| !word.is_filler()).peekable();
    let last = aid.checked_sub(1).map_or("", |last| words[last].lower.as_str());
    let joined = ["and", "or", "but", "so", "then", "to", "please"].contains(&last);
    if joined || named.peek().is_none() || named.any(people) {
        return Said::Order;
    }
    let ends = |word: &Word| word.clause_ends || word.colon;
    let clause = words[at + 1..].iter().take(6);
    let mut clause = clause
        .scan(false, |ended, word| {
            (!std::mem::replace(ended, ends(word))).then_some(word)
        })
        .peekable();
    let need = ["doesn't", "don't", "doesn’t", "don’t", "not", "needn't"].contains(&word)
        && clause
            .peek()
            .is_some_and(|word| ["need", "require"].contains(&word.lower.as_str()));
    if need || clause.any(|word| !word.quoted && is_of_change(&word.lower)) {
        return Said::Subject(from);
    }
    let must = ["must", "shall", "should", "may"]
        .iter()
        .any(|must| words[aid].lower.starts_with(must));
    if must { Said::Order } else { Said::Statement }
}

/// Where the part of a sentence begins of which something is said here.
fn subject(words: &[Word], at: usize) -> usize {
    let parts = |n: &usize| {
        let word = words[*n].lower.as_str();
        let joins = ["but", "then", "while", "so", "that"].contains(&word) || (leaves(words, *n) && *n + 1 < at);
        words[*n].clause_ends || (!words[*n].quoted && (joins || is_verb(word)))
    };
    let near = at.saturating_sub(NEAR);
    (near..at).rfind(parts).map_or(near, |n| n + 1)
}

/// "Check r2, but do not change it": what is only looked at and then spoken of as `it` is left, too.
fn point_back(words: &[Word], left: &mut [bool]) {
    let points = |word: &Word| ["it", "them"].contains(&word.lower.as_str());
    for at in 1..words.len() {
        if left[at] && !left[at - 1] && words[at..].iter().take(5).any(points) {
            let begins = |n: &usize| *n == 0 || words[n - 1].clause_ends;
            let from = (0..at).rfind(begins).unwrap_or(0);
            let run = words[at..].iter().zip(left[at..].iter()).take_while(|(_, left)| **left);
            let digit = |word: &Word| word.lower.contains(|c: char| c.is_ascii_digit());
            let general =
                !run.clone().any(|(word, _)| digit(word)) && run.clone().any(|(word, _)| is_general(&word.lower));
            let first = words[from..at].iter().find(|word| !word.is_filler());
            if general && first.is_some_and(|word| looks(&word.lower)) {
                left[from..at].fill(true);
            }
        }
    }
}
