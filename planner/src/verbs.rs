//! What kinds of change a text asks for. Errs on the side of none: a write that nobody asked for is the failure to avoid;
//! a request that is not understood only gets a question.

mod vocabulary;
mod without;

pub(crate) use without::main_verb;

use crate::forbidden_lists::folded;
use crate::left_alone::left_alone;
use crate::words::{Word, words};
use std::collections::BTreeSet;
use vocabulary::{BEFORE_NOUNS, BESIDE, CHANGE, CHANGE_AT_FIRST, JOINERS, READ, REMOVE, RESTART};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    /// Put something in place, or make it different.
    Change,
    /// Take something away or out of service.
    Remove,
    /// Interrupt something to begin anew.
    Restart,
}

pub(crate) fn of_word(word: &str) -> Vec<Verb> {
    let lists = [(CHANGE, Verb::Change), (REMOVE, Verb::Remove), (RESTART, Verb::Restart)];
    lists
        .into_iter()
        .filter(|(list, _)| list.contains(&word))
        .map(|(_, verb)| verb)
        .collect()
}

/// Whether a word is one of those that ask, to look or to change.
pub(crate) fn is_verb(word: &str) -> bool {
    READ.contains(&word) || CHANGE_AT_FIRST.contains(&word) || !of_word(word).is_empty()
}

/// Whether a word may ask to look, though it may ask for something else as well.
pub(crate) fn may_look(word: &str) -> bool {
    READ.contains(&word)
}

/// Whether a word is one of those that ask to look, and nothing else.
pub(crate) fn looks(word: &str) -> bool {
    READ.contains(&word) && !CHANGE_AT_FIRST.contains(&word) && of_word(word).is_empty()
}

/// What a text asks for; nothing, if it only wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AskedFor {
    /// The kinds of change, one for each time that it says so.
    pub(crate) changes: Vec<Verb>,
    /// For each thing to do beside the network: the words by which a tool that does it is called.
    pub(crate) beside: Vec<&'static [&'static str]>,
}

/// What a text asks for.
pub(crate) fn asked_for(text: &str) -> AskedFor {
    let mut asked = AskedFor::default();
    // A look goes on over commas and "and" until a clause begins with a verb of change.
    let mut looking = false;
    for sentence in sentences(&folded(text)).filter(|sentence| !is_question(sentence)) {
        let words = words(sentence);
        let left = words.iter().zip(left_alone(&words)).filter(|(_, left)| *left);
        let left: BTreeSet<usize> = left.map(|(word, _)| word.start).collect();
        if only_plans(&words, &left) {
            continue;
        }
        for clause in clauses(&words) {
            in_clause(&clause, &left, &mut looking, &mut asked);
        }
    }
    asked
}

/// Whether a sentence says that nothing of it is to be done now: "but don't apply it".
fn only_plans(words: &[Word], left: &BTreeSet<usize>) -> bool {
    let applies = |word: &Word| ["apply", "execute"].contains(&word.lower.as_str()) && left.contains(&word.start);
    let points = |word: &Word| ["it", "this", "that", "anything", "them"].contains(&word.lower.as_str());
    words.windows(2).any(|pair| applies(&pair[0]) && points(&pair[1]))
}

/// Words of what was, may be or is only thought of, and of what is left.
const THOUGHT: &[&str] = &[
    "whether",
    "wonder",
    "wondering",
    "alone",
    "how",
    "might",
    "yesterday",
    "simulate",
    "hypothetically",
    "estimate",
    "nobody",
    "anyone",
];

/// `left`: where the words begin of what is not to be done.
fn in_clause(clause: &[Word], left: &BTreeSet<usize>, looking: &mut bool, asked: &mut AskedFor) {
    let mut said = clause.iter().filter(|word| !word.is_filler());
    let at_first = said.next();
    let first = at_first.map_or("", |word| word.lower.as_str());
    let for_us = said
        .next()
        .is_some_and(|word| matches!(word.lower.as_str(), "me" | "us"));
    let begins = clause.len() > 1 && !for_us && !clause[0].quoted;
    let change_at_first = begins && CHANGE_AT_FIRST.contains(&first);
    let beside = BESIDE.iter().find(|(words, _)| begins && words.contains(&first));
    let gets = first == "get"
        && clause
            .iter()
            .any(|word| ["shut", "up", "down"].contains(&word.lower.as_str()));
    if READ.contains(&first) && !change_at_first && !gets {
        *looking = true;
    } else if change_at_first || gets || beside.is_some() || (clause.len() > 1 && !of_word(first).is_empty()) {
        *looking = false;
    }
    let thought = |word: &Word| THOUGHT.contains(&word.lower.as_str());
    let dry = clause
        .windows(2)
        .any(|pair| pair[0].lower == "dry" && pair[1].lower == "run");
    if *looking || dry || clause.iter().any(|word| !word.quoted && thought(word)) {
        return;
    }
    asked.beside.extend(beside.map(|(_, tools)| *tools));
    if change_at_first && at_first.is_some_and(|word| !left.contains(&word.start)) {
        asked.changes.push(Verb::Change);
    }
    asked.changes.extend(of_clause(clause, left));
}

/// A text's sentences with what ends them. A full stop within a name or an address ends none.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = |(at, c): (usize, char)| {
        let after = text[at + c.len_utf8()..].chars().next();
        let end = matches!(c, '.' | '!' | '?') && after.is_none_or(char::is_whitespace);
        (end || c == '\n').then_some(at + c.len_utf8())
    };
    let mut from = 0;
    let ends: Vec<usize> = text.char_indices().filter_map(ends).chain([text.len()]).collect();
    ends.into_iter().map(move |end| {
        let sentence = &text[from..end];
        from = end;
        sentence
    })
}

/// Whether a sentence wants to know, and not to have done what it names: "could you shut eth1?" does want that.
fn is_question(sentence: &str) -> bool {
    let words = words(sentence);
    let word = |at: usize| words.get(at).map_or("", |word: &Word| word.lower.as_str());
    let polite = matches!(word(0), "can" | "could" | "would" | "will" | "may" | "shall")
        && matches!(word(1), "you" | "we" | "i" | "somebody" | "someone");
    let please = words.iter().any(|word| word.lower == "please");
    let wonders = matches!(word(0), "would" | "should" | "is") && word(1) == "it";
    (sentence.trim_end().ends_with('?') && !polite && !please) || wonders
}

/// A text's words, parted where a clause ends or another is joined to it.
pub(crate) fn clauses(words: &[Word]) -> Vec<Vec<Word>> {
    let mut clauses = vec![Vec::new()];
    for word in words {
        if JOINERS.contains(&word.lower.as_str()) && !word.quoted {
            clauses.push(Vec::new());
            continue;
        }
        let ends = word.clause_ends;
        if let Some(clause) = clauses.last_mut() {
            clause.push(word.clone());
        }
        if ends {
            clauses.push(Vec::new());
        }
    }
    clauses.retain(|clause| !clause.is_empty());
    clauses
}

fn of_clause(clause: &[Word], left: &BTreeSet<usize>) -> Vec<Verb> {
    let mut verbs = Vec::new();
    let off = |w: &Word| !w.quoted && matches!(w.lower.as_str(), "off" | "down" | "out" | "away" | "offline");
    let off = clause.iter().rposition(off);
    for (at, word) in clause.iter().enumerate() {
        let before = |n: usize| at.checked_sub(n).map_or("", |at| clause[at].lower.as_str());
        let told = before(1) == "to" && ["was", "were"].contains(&before(2));
        if word.quoted || told || BEFORE_NOUNS.contains(&before(1)) || left.contains(&word.start) {
            continue;
        }
        let off = off.is_some_and(|off| off > at);
        match word.lower.as_str() {
            "turn" | "take" if off => verbs.push(Verb::Remove),
            "take" => {}
            "turn" => verbs.push(Verb::Change),
            "bring" | "set" | "put" | "get" if off => verbs.extend([Verb::Change, Verb::Remove]),
            other => verbs.extend(of_word(other)),
        }
    }
    verbs
}

/// The kind of change that a tool's name promises; none if the name does not tell, and any kind will do.
pub(crate) fn needed_by(tool: &str) -> Option<Verb> {
    const REMOVING: &[&str] = &[
        "remove", "delete", "erase", "clear", "undo", "disable", "shut", "shutdown", "unset", "drop", "withdraw",
    ];
    const MAKING: &[&str] = &["configure", "add", "create", "enable", "install", "provision", "deploy"];
    let parts: Vec<String> = tool
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .collect();
    let has = |list: &[&str]| parts.iter().any(|part| list.contains(&part.as_str()));
    // A batch of anything is whatever its lines say, and those are held to the text one by one.
    if has(&["batch"]) {
        None
    } else if has(RESTART) {
        Some(Verb::Restart)
    } else if has(REMOVING) {
        Some(Verb::Remove)
    } else {
        has(MAKING).then_some(Verb::Change)
    }
}

/// The kinds of change that single words stand for, wherever they are.
pub(crate) fn in_words<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<Verb> {
    words.flat_map(of_word).collect()
}

#[cfg(test)]
mod tests;
