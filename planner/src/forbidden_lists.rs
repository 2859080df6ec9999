//! Lists over several lines of what is not to be done: "don't touch:" speaks of each of the lines below it. They are
//! read as one sentence, in which each goes on with `nor`.

use crate::negation;
use crate::speech::plainly;
use crate::verbs::is_verb;
use crate::words::words;
use std::borrow::Cow;

/// How the items of a list are told from what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    /// A mark stands before each.
    Marked,
    /// Nothing does; an empty line ends it.
    Plain,
    /// Nothing does, and each is a name.
    Names,
}

/// A text in which what is listed as not to be done stands in the sentence that says so.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return plainly(text);
    }
    let text = joined(&plainly(text));
    let mut folded = String::with_capacity(text.len());
    let mut list = None;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let (item, marked) = listed(line);
        list = match list {
            Some(_) if item.is_empty() && folded.ends_with(':') => list,
            Some(_) if item.is_empty() => None,
            Some(List::Marked) if !marked => None,
            Some(List::Names) if !is_name(item) => None,
            Some(List::Names) => list,
            Some(_) if marked => Some(List::Marked),
            Some(_) => Some(List::Plain),
            None => None,
        };
        if list.is_some() {
            folded.push_str(&negated(item));
        } else {
            if !folded.is_empty() && !folded.ends_with('\n') {
                folded.push('\n');
            }
            folded.push_str(line);
        }
        let next = lines.peek().map(|next| listed(next));
        let below = next.is_some_and(|(_, next)| next);
        let begun = list
            .is_none()
            .then(|| begins(line, below && !marked, next.map_or("", |(item, _)| item)));
        if let Some(begun) = begun.flatten() {
            folded.truncate(folded.trim_end().len());
            list = Some(begun);
        }
    }
    Cow::Owned(folded)
}

/// A text in which a sentence that goes on in the next line stands in one.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let first = line.split_whitespace().next().map(str::to_lowercase);
        let goes_on = first.as_deref().map(|first| ["and", "or", "nor"].contains(&first));
        if joined.ends_with('\n') && goes_on.is_some_and(|goes_on| goes_on || joined.trim_end().ends_with(',')) {
            joined.truncate(joined.trim_end().len());
            joined.push(' ');
        }
        joined.push_str(line);
    }
    joined
}

/// What a line lists, and whether a mark of a list stands before it.
fn listed(line: &str) -> (&str, bool) {
    let line = line.trim();
    let numbered = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match numbered.strip_prefix(['.', ')']) {
        Some(rest) if numbered.len() < line.len() && rest.starts_with(char::is_whitespace) => Some(rest),
        _ => line.strip_prefix(['-', '*', '•', '–', '+']),
    };
    (rest.unwrap_or(line).trim(), rest.is_some())
}

/// The list of what is not to be done that begins below a line. `above`: it stands right above a marked item.
fn begins(line: &str, above: bool, next: &str) -> Option<List> {
    let line = line.trim_end();
    let sentence = line.rsplit(['.', '!', '?', ';']).next().unwrap_or(line);
    let list = if line.ends_with(':') || (above && !sentence.is_empty()) {
        List::Plain
    } else if sentence.contains(':') && is_name(next) {
        List::Names
    } else {
        return None;
    };
    negation::forbids(&words(sentence)).then_some(list)
}

/// Whether a line is the name of a thing and nothing else.
fn is_name(line: &str) -> bool {
    let words = words(line);
    (1..=2).contains(&words.len()) && words.iter().all(|word| !word.quoted && !is_verb(&word.lower))
}

/// An item, all of which is not to be done.
fn negated(item: &str) -> String {
    let mut text = String::new();
    for word in words(item) {
        let joins = ["and", "then", "but", "also", "or"].contains(&word.lower.as_str());
        match (word.quoted, joins) {
            (true, _) => text.push_str(&format!(" \"{}\"", word.raw)),
            (false, true) => text.push_str(" nor"),
            (false, false) => text.push_str(&format!(" nor {}", word.raw)),
        }
    }
    text
}
