//! Which words of an intent can speak of an argument: those outside quotes, parted where a name is (`NTP-server`), and none
//! of what is to stay as it is ("leave the NTP servers alone"). Knows no tool.

use super::places::times;
use super::{beside, told_of};
use super::{same, unquoted};
use crate::forbidden_lists::folded;
use crate::left_alone::{self, Left};
use crate::negation::is_of_change;
use crate::retrieve::{ROLES, stem};
use crate::verbs::{is_verb, looks};
use crate::words::{Word, keywords, words};
use std::collections::BTreeSet;

/// What parts a name.
const PARTING: [char; 3] = ['_', '-', '/'];
/// How many parts a name has at most.
const MOST_PARTS: usize = 16;
/// Words that join two things of which the same is said.
const JOINING: &[&str] = &["and", "both", "well", "plus", "also", "&", "+"];

/// How a text speaks of what is not to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It says that there is none.
    Missing,
    /// It says that what is there stays; more may be added.
    Kept,
}

/// The parts of an intent's words, in order.
pub(super) struct Mentions(Vec<Mention>);

/// What tells words that are joined (`NTP-server`) from the name of a thing (`ntp-gw`).
#[derive(Default)]
pub(super) struct Known {
    /// Names of things, in lower case.
    pub(super) things: BTreeSet<String>,
    /// Stems of what a tool's arguments are called.
    pub(super) words: BTreeSet<String>,
}

impl Known {
    fn is_thing(&self, word: &Word) -> bool {
        let joined = !word.quoted && word.lower.contains(['-', '_']) && !has_digit(word);
        let strange = || parts(word).iter().any(|part| !self.words.contains(&stem(part)));
        (word.lower.contains(PARTING) && self.things.contains(&word.lower)) || (joined && strange())
    }
}

struct Mention {
    /// The word that it is a part of.
    word: Word,
    /// Which word of the text that is.
    place: usize,
    stem: String,
    sentence: usize,
    counts: bool,
    /// Whether what it stands for is to stay as it is.
    left: Left,
    /// It only says where another thing is, or what else is the case.
    beside: bool,
    /// It is a value that is only told of.
    old: bool,
    /// And is spoken of all the same, if nothing else is: "r1 has no NTP server. Add 10.0.0.1".
    told: Option<Told>,
}

impl Mentions {
    pub(super) fn of(text: &str) -> Self {
        let mut mentions = Vec::new();
        let mut place = 0;
        let sentences = sentences(&folded(text));
        let asked = asked(&sentences);
        for (sentence, words) in sentences.into_iter().enumerate() {
            let (left, told) = (
                left_alone::of_sentence(&words, &|verb| asked.contains(verb)),
                told(&words),
            );
            let (beside, old) = (beside::of(&words), told_of::of(&words));
            for (at, ((word, left), told)) in words.into_iter().zip(left).zip(told).enumerate() {
                let counts = !word.quoted && !left.left;
                place += 1;
                mentions.extend(parts(&word).into_iter().map(|part| Mention {
                    word: word.clone(),
                    place,
                    stem: stem(&part),
                    sentence,
                    counts,
                    left,
                    beside: beside.contains(&at),
                    old: old.contains(&at),
                    told,
                }));
            }
        }
        Self(mentions)
    }

    /// The words that speak of something to be done.
    pub(super) fn meant(&self) -> impl Iterator<Item = &Word> {
        self.firsts().filter(|at| self.0[*at].counts).map(|at| &self.0[at].word)
    }

    /// The same, with what stands in quotes among them.
    pub(super) fn meant_or_quoted(&self) -> impl Iterator<Item = &Word> {
        let says = |mention: &Mention| mention.counts || (mention.word.quoted && !mention.left.left);
        self.firsts()
            .filter(move |at| says(&self.0[*at]))
            .map(|at| &self.0[at].word)
    }

    /// The words of what is to be done, without those that only tell of something.
    pub(super) fn to_be_used(&self) -> impl Iterator<Item = &Word> {
        let used = |mention: &Mention| mention.counts && !mention.old && !mention.beside && mention.told.is_none();
        self.firsts()
            .filter(move |at| used(&self.0[*at]))
            .map(|at| &self.0[at].word)
    }

    /// The words of what is to stay as it is.
    pub(super) fn to_stay(&self) -> impl Iterator<Item = &Word> {
        let left = |mention: &Mention| mention.left.left && !mention.word.quoted;
        self.firsts()
            .filter(move |at| left(&self.0[*at]))
            .map(|at| &self.0[at].word)
    }

    /// Where the words of a name stand beside each other, in any order and with one other among them at most. What is
    /// the name of a thing is no mention: a device may be called `log-server`.
    pub(super) fn places(&self, name: &[String], known: &Known) -> Vec<usize> {
        self.places_where(name, known, &|mention| mention.counts)
    }

    fn places_where(&self, name: &[String], known: &Known, counts: &dyn Fn(&Mention) -> bool) -> Vec<usize> {
        let is_said = |mention: &&Mention| counts(mention) && !known.is_thing(&mention.word);
        let wanted: Vec<String> = name.iter().map(|word| stem(word)).collect();
        let reach = wanted.len() + usize::from(wanted.len() > 1);
        let begins = |at: &usize| {
            let near = self.0[*at..].iter().take(reach);
            let said: Vec<&str> = near
                .filter(|mention| mention.sentence == self.0[*at].sentence)
                .filter(is_said)
                .map(|mention| mention.stem.as_str())
                .collect();
            is_said(&&self.0[*at])
                && wanted.contains(&self.0[*at].stem)
                && wanted.iter().all(|word| said.contains(&word.as_str()))
        };
        (0..self.0.len()).filter(begins).collect()
    }

    /// Whether the text joins what stands at one place with what stands at another: "NTP and syslog". A value between them
    /// parts them: "NTP 10.0.0.5 and syslog".
    pub(super) fn joins(&self, a: usize, b: usize) -> bool {
        let (a, b) = (a.min(b), a.max(b));
        let one_word = self.0[a].word == self.0[b].word;
        let between = || self.0[a..b].iter().skip(1);
        let joining = between().any(|m| JOINING.contains(&m.word.lower.as_str()));
        let parting = |m: &Mention| m.word.quoted || has_digit(&m.word);
        let parted = between().any(parting) || self.acts_between(a, b);
        a < b && self.0[a].sentence == self.0[b].sentence && (one_word || joining && !parted)
    }

    /// Whether something else is done from between these places on: "check NTP and set syslog".
    fn acts_between(&self, a: usize, b: usize) -> bool {
        let acts = |m: &Mention| !m.word.quoted && (is_verb(&m.word.lower) || m.word.lower == "use");
        self.0[a..b].iter().skip(1).any(acts)
    }

    /// Whether a value is given to what the text only says to be missing, or to stay beside it: nothing else is said
    /// of the value than that it is to be added.
    pub(super) fn adds_to(&self, value: &[Word], name: &[String], known: &Known) -> bool {
        let told = |told: Told| {
            !self
                .places_where(name, known, &|mention| mention.told == Some(told))
                .is_empty()
        };
        let (missing, kept) = (told(Told::Missing), told(Told::Kept));
        let verb = |m: &Mention| m.counts && is_verb(&m.word.lower) && !looks(&m.word.lower);
        let adds = |(first, last): (usize, usize)| {
            let near = |at: &usize| self.0[*at].sentence == self.0[first].sentence;
            let from = (0..first).rev().take_while(near).find(|at| verb(&self.0[*at]));
            from.is_some_and(|from| {
                let to = (last + 1..self.0.len()).take_while(near).find(|at| verb(&self.0[*at]));
                let to = to.unwrap_or_else(|| (last..self.0.len()).take_while(near).last().map_or(last, |at| at + 1));
                let added = ["add", "append"].contains(&self.0[from].word.lower.as_str());
                let bare = |m: &Mention| has_digit(&m.word) || m.word.quoted || tells_nothing(&m.word.lower);
                (missing || added) && self.0[from + 1..first].iter().chain(&self.0[last + 1..to]).all(bare)
            })
        };
        let mut found = self.found(value).into_iter().peekable();
        (missing || kept) && found.peek().is_some() && found.all(adds)
    }

    /// Whether a value stands with what is said at one of the first places, and not with what is said at one of the others:
    /// behind it, before it, or behind another that is joined to it. What stands before all of them is anybody's.
    pub(super) fn stands_with(&self, value: &[Word], own: &[usize], others: &[usize]) -> bool {
        let is_own = |place: &usize| own.contains(place) || own.iter().any(|own| self.joins(*own, *place));
        let stands = |(first, last): (usize, usize)| {
            if own.iter().any(|place| (first..=last).contains(place)) {
                return true;
            }
            let near = |place: &&usize| self.0[**place].sentence == self.0[first].sentence;
            let all = || own.iter().chain(others).filter(near);
            let Some(before) = all().filter(|place| **place < first).max() else {
                return all().next().is_none() || own.iter().any(|place| near(&place));
            };
            let after = all().filter(|place| **place > last).min();
            let Some(after) = after.filter(|after| !self.acts_between(last, **after)) else {
                return is_own(before);
            };
            match (self.parted(*before, first), self.parted(last, *after)) {
                (false, true) => is_own(before),
                (true, false) => own.contains(after),
                _ => is_own(before) || own.contains(after),
            }
        };
        let mut found = self.found(value).into_iter().peekable();
        found.peek().is_none() || found.any(stands)
    }

    /// Whether a new part of the sentence begins between two places. What joins two values makes a list of them.
    fn parted(&self, a: usize, b: usize) -> bool {
        let is_value = |m: &Mention| m.word.quoted || has_digit(&m.word);
        let joins = |m: &Mention| !m.word.quoted && JOINING.contains(&m.word.lower.as_str());
        let words: Vec<&Mention> = self.0[a..=b].iter().collect();
        let values = |before: usize, after: usize| {
            let of = |at: usize| words.get(at).is_some_and(|m| is_value(m));
            of(before) && of(after)
        };
        (0..words.len() - 1).any(|at| {
            let ends = words[at].word.clause_ends && words[at].place != words[at + 1].place;
            let next = if joins(words[at + 1]) { at + 2 } else { at + 1 };
            (ends && !values(at, next)) || (at > 0 && joins(words[at]) && !values(at - 1, at + 1))
        })
    }

    /// Where a value stands: its first part and its last.
    fn found(&self, value: &[Word]) -> Vec<(usize, usize)> {
        if value.is_empty() {
            return Vec::new();
        }
        let firsts: Vec<usize> = self.firsts().collect();
        let within = |m: &Mention| m.word.quoted && times(&unquoted(&m.word.raw), value) > 0;
        let last = |at: usize| firsts.get(at).map_or(self.0.len(), |next| *next) - 1;
        let here = |at: usize| {
            let row = firsts.get(at..at + value.len());
            let same = |(first, wanted): (&usize, &Word)| same(&self.0[*first].word, wanted);
            let in_a_row = row.is_some_and(|row| row.iter().zip(value).all(same));
            let length = if in_a_row { value.len() } else { 1 };
            (in_a_row || within(&self.0[firsts[at]])).then(|| (firsts[at], last(at + length)))
        };
        (0..firsts.len()).filter_map(here).collect()
    }

    /// Where words begin.
    fn firsts(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len()).filter(|at| *at == 0 || self.0[at - 1].place != self.0[*at].place)
    }

    /// Whether the text names something only to say that it is to stay as it is: "not on r2". Of a thing, once is enough.
    pub(super) fn leaves(&self, value: &Word, thing: bool) -> bool {
        let said = || self.0.iter().filter(|mention| same(&mention.word, value));
        let all = said().next().is_some() && said().all(|mention| mention.left.left || mention.old);
        all || (thing && said().any(|mention| mention.left.itself))
    }

    /// What the text chooses things by, in lower case: a place ("in Beijing") and a role ("core switches").
    pub(super) fn choices(&self) -> Vec<String> {
        let words: Vec<&Word> = self.meant().collect();
        let place = |pair: &[&Word]| {
            let name = pair[1].raw.chars().next().is_some_and(char::is_uppercase);
            let short = pair[1].raw.chars().all(|c| c.is_uppercase() || !c.is_alphabetic());
            pair[0].lower == "in" && name && !short && !has_digit(pair[1])
        };
        let role = |pair: &[&Word]| ROLES.contains(&pair[0].lower.as_str()) && keywords(&pair[1].lower) == ["device"];
        let name = |word: &Word| super::owner(&word.lower).unwrap_or(&word.lower).to_owned();
        let places = words.windows(2).filter(|pair| place(pair)).map(|pair| name(pair[1]));
        places
            .chain(words.windows(2).filter(|pair| role(pair)).map(|pair| name(pair[0])))
            .collect()
    }

    /// Whether a word stands in quotes by itself.
    pub(super) fn quotes(&self, word: &str) -> bool {
        self.0
            .iter()
            .any(|mention| mention.word.quoted && mention.word.lower == word)
    }

    /// Whether a quoted passage is only told of.
    pub(super) fn tells_only(&self, passage: &str) -> bool {
        let said = || {
            self.0
                .iter()
                .filter(|mention| mention.word.quoted && mention.word.raw == passage)
        };
        said().next().is_some() && said().all(|mention| mention.left.left || mention.old)
    }

    /// The names, in lower case, of which the text says that they themselves are to stay as they are.
    pub(super) fn left_themselves(&self, is: &dyn Fn(&Word) -> bool) -> BTreeSet<String> {
        let left = self.0.iter().filter(|mention| mention.left.itself && is(&mention.word));
        left.map(|mention| mention.word.lower.clone()).collect()
    }

    /// Whether the text names a thing only beside another, which is to be changed.
    pub(super) fn names_beside(&self, value: &Word, is_thing: &dyn Fn(&Word) -> bool) -> bool {
        let said = || self.0.iter().filter(|mention| same(&mention.word, value));
        let beside = |mention: &Mention| mention.left.left || mention.beside;
        let other = |mention: &Mention| mention.counts && !beside(mention) && is_thing(&mention.word);
        said().next().is_some() && said().all(beside) && self.0.iter().any(other)
    }

    /// Whether a value stands right behind one of these words: "OSPF 100".
    pub(super) fn stands_behind(&self, value: &Word, words: &[String], known: &Known) -> bool {
        self.0.windows(2).any(|pair| {
            let of_it =
                pair[0].counts && !known.is_thing(&pair[0].word) && words.iter().any(|word| stem(word) == pair[0].stem);
            of_it && pair[0].sentence == pair[1].sentence && pair[1].counts && same(&pair[1].word, value)
        })
    }
}

/// A text's words by sentence. A full stop in quotes ends none.
fn sentences(text: &str) -> Vec<Vec<Word>> {
    let mut sentences: Vec<Vec<Word>> = Vec::new();
    let mut end = 0;
    for word in words(text) {
        let ended = text[end..word.start].contains(['.', '!', '?', '\n']);
        end = word.end;
        match sentences.last_mut() {
            Some(last) if !ended => last.push(word),
            _ => sentences.push(vec![word]),
        }
    }
    sentences
}

/// The verbs of change that stand outside of what is not to be done.
fn asked(sentences: &[Vec<Word>]) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for words in sentences {
        let left = left_alone::of_sentence(words, &|_| false);
        let meant = words.iter().zip(left).filter(|(word, left)| !word.quoted && !left.left);
        asked.extend(
            meant
                .filter(|(word, _)| is_of_change(&word.lower))
                .map(|(word, _)| word.lower.clone()),
        );
    }
    asked
}

/// What of a sentence only says what there is.
fn told(words: &[Word]) -> Vec<Option<Told>> {
    const HAVING: &[&str] = &["has", "have", "had"];
    const PRESENT: &[&str] = &["existing", "current", "present", "old", "configured"];
    let is = |at: usize, list: &[&str]| {
        words
            .get(at)
            .is_some_and(|w| !w.quoted && list.contains(&w.lower.as_str()))
    };
    let mut told = vec![None; words.len()];
    for at in 0..words.len() {
        let of = if is(at, HAVING) && is(at + 1, &["no"]) {
            Told::Missing
        } else if is(at, &["keep", "keeping"]) && (is(at + 1, PRESENT) || is(at + 2, PRESENT)) {
            Told::Kept
        } else {
            continue;
        };
        let ends = |n: &usize| is(*n, JOINING) || is(*n, &["but", "then", "so"]) || words[n - 1].clause_ends;
        let end = (at + 2..words.len()).find(ends).unwrap_or(words.len());
        told[at + 1..end].fill(Some(of));
    }
    told
}

/// Whether a word beside a value to be added tells nothing of what it is.
fn tells_nothing(word: &str) -> bool {
    let general = [
        "server",
        "address",
        "one",
        "another",
        "too",
        "additionally",
        "device",
        "there",
    ];
    keywords(word).iter().all(|word| general.contains(&word.as_str()))
}

/// What has a digit in it is a name or a value, and one piece.
fn parts(word: &Word) -> Vec<String> {
    if word.quoted || has_digit(word) || !word.lower.contains(char::is_alphanumeric) {
        return vec![word.lower.clone()];
    }
    let parts = || word.lower.split(PARTING).filter(|part| !part.is_empty());
    if parts().nth(MOST_PARTS).is_some() {
        return vec![word.lower.clone()];
    }
    parts().map(str::to_owned).collect()
}

pub(super) fn has_digit(word: &Word) -> bool {
    word.lower.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(text: &str, name: &str) -> bool {
        let name: Vec<String> = name.split(' ').map(str::to_owned).collect();
        let words = name.iter().map(|word| stem(word)).collect();
        let known = Known {
            words,
            ..Known::default()
        };
        !Mentions::of(text).places(&name, &known).is_empty()
    }

    #[test]
    fn what_is_to_stay_as_it_is_is_not_spoken_of() {
        for text in [
            "set eth1 of r1 to 9000, not the NTP",
            "leave the NTP servers alone and set the syslog server of r1 to 10.0.0.5",
            "leave NTP, and set the syslog server of r1 to 10.0.0.5",
            "don't touch the DNS or the NTP servers",
            "set the syslog server to 10.0.0.5 without a change of NTP",
            "the NTP and the DNS stay, set the syslog server to 10.0.0.5",
            "set the syslog server to 10.0.0.5 and keep NTP as it is",
            "set the syslog server to 10.0.0.5, the NTP servers remain untouched",
            "set the syslog server instead of the NTP server",
            "set \"NTP\"",
        ] {
            assert!(!speaks(text, "ntp"), "{text}");
        }
        for text in [
            "leave the syslog server alone and set NTP to 10.0.0.5",
            "not the syslog but the NTP server",
            "Don't touch the syslog server. The NTP server is 10.0.0.5.",
            "set NTP to 10.0.0.5, not to 10.0.0.6",
            "without delay, please set NTP to 10.0.0.5",
            "do not change syslog, use 10.0.0.5 for NTP",
        ] {
            assert!(speaks(text, "ntp"), "{text}");
        }
    }

    #[test]
    fn names_are_parted_and_their_words_stand_beside_each_other() {
        for text in [
            "the time-server is 10.0.0.5",
            "TIME_SERVER=10.0.0.5",
            "a server for time",
            "their time/server",
        ] {
            assert!(speaks(text, "time server"), "{text}");
        }
        for text in [
            "this time set the log server",
            "at that time. Servers",
            "time-1-server",
            "the server",
        ] {
            assert!(!speaks(text, "time server"), "{text}");
        }
    }
}
