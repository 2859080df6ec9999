//! A runbook's phrase, and whether a text says it. Deterministic: no scores, no guesses; a text either says all of a
//! phrase and nothing else, or it does not.

use super::order::orders;
use crate::verbs::of_word;
use crate::words::{Word, singular, words};
use std::collections::BTreeMap;

/// A word of a phrase, or a place for a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// In lower case and singular.
    Word(String),
    Slot(String),
}

/// How many words a slot may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// From one to this many.
    Words(usize),
    /// As many as it takes; articles belong to it.
    Free,
}

/// A phrase as a file has it, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Phrase {
    pub(crate) written: String,
    /// As written, then the other orders in which its parts may be said.
    orders: Vec<Order>,
}

/// The parts in one order.
#[derive(Debug, Clone)]
struct Order {
    parts: Vec<Part>,
    /// Per part: other words that may stand for this part and some that follow it.
    alternatives: Vec<Vec<Alternative>>,
}

#[derive(Debug, Clone)]
struct Alternative {
    /// How many parts it stands for.
    parts: usize,
    words: Vec<String>,
}

/// Words that may stand for other words: what the phrase says → what a text may say instead.
pub(crate) type Synonyms = BTreeMap<String, Vec<String>>;

/// What a text puts into the slots, as written there.
pub(crate) type Slots = BTreeMap<String, String>;

/// One way in which a text says a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) slots: Slots,
    /// The parts stand as the phrase has them.
    pub(crate) as_written: bool,
}

/// Readings of one text beyond this many are as ambiguous as this many.
const MOST_READINGS: usize = 16;
/// Longer texts are no phrases.
const LONGEST_TEXT: usize = 200;

impl Phrase {
    /// Takes a phrase apart. The error is a sentence for the one who wrote it.
    pub(crate) fn parse(written: &str, synonyms: &Synonyms) -> Result<Self, String> {
        let mut parts = Vec::new();
        for piece in written.split_whitespace() {
            parts.extend(parse_piece(piece)?);
        }
        if !parts.iter().any(|part| matches!(part, Part::Word(_))) {
            return Err("a phrase needs at least one word of its own".into());
        }
        let order = |parts: Vec<Part>| Order {
            alternatives: (0..parts.len())
                .map(|at| alternatives(&parts[at..], synonyms))
                .collect(),
            parts,
        };
        Ok(Self {
            written: written.to_owned(),
            orders: orders(&parts).into_iter().map(order).collect(),
        })
    }

    fn parts(&self) -> &[Part] {
        self.orders.first().map_or(&[], |order| &order.parts)
    }

    /// The names of the slots, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|part| match part {
            Part::Slot(name) => Some(name.as_str()),
            Part::Word(_) => None,
        })
    }

    /// The phrase's own words, singular and in lower case.
    pub(crate) fn own_words(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|part| match part {
            Part::Word(word) => Some(word.as_str()),
            Part::Slot(_) => None,
        })
    }

    /// Every way in which the text says this phrase and nothing else.
    pub(crate) fn readings(&self, text: &str, width: impl Fn(&str) -> Width) -> Vec<Said> {
        let words = words(text);
        let mut readings: Vec<Said> = Vec::new();
        if words.len() > LONGEST_TEXT {
            return readings;
        }
        for (i, order) in self.orders.iter().enumerate() {
            let mut walk = Walk {
                order,
                text,
                words: &words,
                width: &width,
                slots: Slots::new(),
                found: Vec::new(),
            };
            walk.step(0, 0);
            for slots in walk.found {
                if !readings.iter().any(|said| said.slots == slots) {
                    let as_written = i == 0;
                    readings.push(Said { slots, as_written });
                }
            }
        }
        readings
    }
}

fn parse_piece(piece: &str) -> Result<Vec<Part>, String> {
    let trimmed = piece.trim_end_matches([',', '.', '?', '!', ':']);
    if let Some(name) = trimmed.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        let good = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        return match good {
            true => Ok(vec![Part::Slot(name.to_owned())]),
            false => Err(format!("{{{name}}} is no slot: a slot's name is [a-z][a-z0-9_]*")),
        };
    }
    if piece.contains(['{', '}']) {
        return Err(format!("{piece:?}: a slot stands alone between spaces"));
    }
    let own = words(piece).into_iter().filter(|word| !word.is_filler());
    Ok(own.map(|word| Part::Word(word.stem())).collect())
}

fn alternatives(parts: &[Part], synonyms: &Synonyms) -> Vec<Alternative> {
    let mut found = Vec::new();
    for (said, others) in synonyms {
        let said = stems(said);
        let fits = said.len() <= parts.len()
            && !said.is_empty()
            && said
                .iter()
                .zip(parts)
                .all(|(word, part)| matches!(part, Part::Word(own) if own == word));
        if fits {
            let of_other = |other: &String| Alternative {
                parts: said.len(),
                words: stems(other),
            };
            found.extend(others.iter().map(of_other).filter(|a| !a.words.is_empty()));
        }
    }
    found
}

/// The words of a text that mean something, singular and in lower case.
pub(crate) fn stems(text: &str) -> Vec<String> {
    let words = words(text);
    words.iter().filter(|word| !word.is_filler()).map(Word::stem).collect()
}

struct Walk<'a, W> {
    order: &'a Order,
    text: &'a str,
    words: &'a [Word],
    width: &'a W,
    slots: Slots,
    found: Vec<Slots>,
}

impl<W: Fn(&str) -> Width> Walk<'_, W> {
    fn step(&mut self, part: usize, word: usize) {
        if self.found.len() >= MOST_READINGS {
            return;
        }
        let next = self.skip_fillers(word);
        match self.order.parts.get(part) {
            None if next == self.words.len() => self.keep(),
            None => {}
            Some(Part::Word(own)) => self.word(own, part, next),
            Some(Part::Slot(name)) => match (self.width)(name) {
                Width::Words(most) => self.slot(name, part, next, most),
                Width::Free => self.slot(name, part, word, self.order_behind(word).saturating_sub(word)),
            },
        }
    }

    fn keep(&mut self) {
        if !self.found.contains(&self.slots) {
            self.found.push(self.slots.clone());
        }
    }

    fn word(&mut self, own: &str, part: usize, at: usize) {
        if self
            .words
            .get(at)
            .is_some_and(|word| !word.quoted && word.stem() == own)
        {
            self.step(part + 1, at + 1);
        }
        let order = self.order;
        for other in &order.alternatives[part] {
            if let Some(end) = self.says(&other.words, at) {
                self.step(part + other.parts, end);
            }
        }
    }

    fn says(&self, wanted: &[String], at: usize) -> Option<usize> {
        let mut at = at;
        for word in wanted {
            at = self.skip_fillers(at);
            let said = self.words.get(at)?;
            if said.quoted || said.stem() != *word {
                return None;
            }
            at += 1;
        }
        Some(at)
    }

    fn slot(&mut self, name: &str, part: usize, at: usize, most: usize) {
        let last = at.saturating_add(most).min(self.words.len());
        for end in at + 1..=last {
            let value = self.slice(at, end);
            let before = self.slots.insert(name.to_owned(), value);
            self.step(part + 1, end);
            match before {
                Some(value) => self.slots.insert(name.to_owned(), value),
                None => self.slots.remove(name),
            };
        }
    }

    /// Where what is to be done next begins behind a free text: "as uplink and drain r2" is no description.
    fn order_behind(&self, at: usize) -> usize {
        let joins = |word: &Word| !word.quoted && ["and", "then", "also"].contains(&word.lower.as_str());
        let orders = |word: &Word| !word.quoted && !of_word(&word.lower).is_empty();
        let next = |n: &usize| joins(&self.words[*n]) && *n + 2 < self.words.len() && orders(&self.words[*n + 1]);
        (at + 1..self.words.len()).find(next).unwrap_or(self.words.len())
    }

    fn slice(&self, at: usize, end: usize) -> String {
        self.text[self.words[at].start..self.words[end - 1].end].to_owned()
    }

    fn skip_fillers(&self, at: usize) -> usize {
        at + self.words[at.min(self.words.len())..]
            .iter()
            .take_while(|word| word.is_filler())
            .count()
    }
}

/// The value that a synonym stands for, if the text is one.
pub(crate) fn meant<'a>(text: &str, synonyms: &'a Synonyms) -> Option<&'a str> {
    let text = text.to_lowercase();
    let same = |other: &String| other.to_lowercase() == text || singular(&text) == other.to_lowercase();
    let found = synonyms.iter().find(|(_, others)| others.iter().any(same));
    found.map(|(value, _)| value.as_str())
}
