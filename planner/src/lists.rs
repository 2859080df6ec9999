//! Lists over several lines of what is not to be done: "don't touch:" speaks of each of the lines below it. They are
//! read as one sentence, in which each goes on with `nor`.

use crate::verbs::negates;
use crate::words::words;
use std::borrow::Cow;

/// Words that say, as a negation does, that nothing is to be done with what is listed below.
const STAYING: &[&str] = &[
    "leave",
    "leaves",
    "keep",
    "keeps",
    "except",
    "excluding",
    "ignore",
    "skip",
    "spare",
    "stay",
    "stays",
    "remain",
    "remains",
    "alone",
    "untouched",
    "unchanged",
    "excluded",
    "exempt",
    "forbidden",
];

/// A text in which what is listed as not to be done stands in the sentence that says so.
pub(crate) fn folded(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    let mut list = None;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let (item, marked) = listed(line);
        list = match list {
            Some(_) if item.is_empty() && folded.ends_with(':') => list,
            Some(_) if item.is_empty() => None,
            Some(true) if !marked => None,
            Some(_) => Some(marked),
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
        let below = lines.peek().is_some_and(|next| listed(next).1);
        if list.is_none() && forbids(line, below && !marked) {
            folded.truncate(folded.trim_end().len());
            list = Some(false);
        }
    }
    Cow::Owned(folded)
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

/// Whether a line begins a list of what is not to be done. `above`: it stands right above an item.
fn forbids(line: &str, above: bool) -> bool {
    let line = line.trim_end();
    let sentence = line.rsplit(['.', '!', '?', ';']).next().unwrap_or(line);
    let says_so = |word: &str| negates(word) || STAYING.contains(&word);
    let goes_on = line.ends_with(':') || (above && !sentence.is_empty());
    goes_on && words(sentence).iter().any(|word| !word.quoted && says_so(&word.lower))
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
