//! What people say otherwise, in the words that are read here: "don't forget to set" asks to set, and "no shutdown" to
//! enable. What stands in quotes stays as it is.

use crate::negation::negates;
use crate::retrieve::{is_device, is_interface};
use crate::words::{Word, words};
use std::borrow::Cow;

/// Words in a row, and what they mean.
const SAID: &[(&[&str], &str)] = &[
    (&["don't", "forget", "to"], "please"),
    (&["don’t", "forget", "to"], "please"),
    (&["dont", "forget", "to"], "please"),
    (&["not", "forget", "to"], "please"),
    (&["do", "not", "forget", "to"], "please"),
    (&["never", "forget", "to"], "please"),
    (&["do", "not", "hesitate", "to"], "please"),
    (&["don't", "hesitate", "to"], "please"),
    (&["do", "not", "fail", "to"], "please"),
    (&["not", "urgent"], ""),
    (&["no", "rush"], ""),
    (&["no", "hurry"], ""),
    (&["no", "shutdown"], "unshut"),
    (&["no", "shut"], "unshut"),
    (&["no-shut"], "unshut"),
    (&["no-shutdown"], "unshut"),
    (&["re-enable"], "enable"),
    (&["reenable"], "enable"),
    (&["switch", "off"], "turn off"),
    (&["power", "off"], "turn off"),
    (&["switch", "on"], "turn on"),
    (&["power", "on"], "turn on"),
    (&["take", "a", "backup"], "backup"),
    (&["make", "a", "backup"], "backup"),
    (&["admin", "down"], "down"),
    (&["admin-down"], "shut"),
    (&["out", "of", "service"], "down"),
    (&["back", "online"], "up"),
    (&["back", "in", "service"], "up"),
    (&["back", "into", "service"], "up"),
];

/// A text in the words that are read here.
pub(crate) fn plainly(text: &str) -> Cow<'_, str> {
    let words = words(text);
    let mut plain = String::new();
    let (mut from, mut at) = (0, 0);
    while at < words.len() {
        let Some((length, means)) = said(&words[at..]) else {
            at += 1;
            continue;
        };
        plain.push_str(&text[from..words[at].start]);
        plain.push_str(means);
        from = words[at + length - 1].end;
        at += length;
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    plain.push_str(&text[from..]);
    Cow::Owned(plain)
}

/// How many words of a text begin with what is said otherwise, and what it means.
fn said(words: &[Word]) -> Option<(usize, &'static str)> {
    let stands = |row: &[&str]| {
        let mut ends = false;
        let mut all = row.iter().enumerate();
        words.len() >= row.len()
            && all.all(|(at, wanted)| {
                let parted = std::mem::replace(&mut ends, words[at].clause_ends || words[at].colon);
                !parted && !words[at].quoted && words[at].lower == *wanted
            })
    };
    let row = SAID.iter().find(|(row, _)| stands(row));
    row.map(|(row, means)| (row.len(), *means)).or_else(|| needs(words))
}

/// What needs a value is to have it: "eth1 needs an MTU of 9000".
fn needs(words: &[Word]) -> Option<(usize, &'static str)> {
    let is = |at: usize, list: &[&str]| {
        words
            .get(at)
            .is_some_and(|w| !w.quoted && list.contains(&w.lower.as_str()))
    };
    let value = |word: &Word| !word.quoted && word.lower.starts_with(|c: char| c.is_ascii_digit());
    let near = words.iter().take(6);
    let said = near.clone().any(value) && !near.clone().any(|word| negates(&word.lower));
    let needs = is(0, &["needs", "need"]) && is(1, &["a", "an"]);
    let ensures = is(0, &["ensure"]) && !is(1, &["that"]);
    match (needs && said, ensures && said) {
        (true, _) => Some((2, "set")),
        (_, true) => Some((1, "set")),
        _ => None,
    }
}

/// A text in which what is joined is parted: `r1:eth1`, `eth1@r1`, `mtu:9000`.
pub(crate) fn parted(text: &str) -> Cow<'_, str> {
    if !text.contains([':', '@', '/']) {
        return Cow::Borrowed(text);
    }
    let mut parted = String::with_capacity(text.len());
    let mut from = 0;
    for word in words(text).iter().filter(|word| !word.quoted) {
        let pair = word.raw.split_once([':', '@']).or_else(|| word.raw.split_once('/'));
        if let Some((first, second)) = pair.filter(|(first, second)| is_pair(first, second)) {
            parted.push_str(&text[from..word.start]);
            parted.push_str(first);
            parted.push(' ');
            parted.push_str(second);
            from = word.end;
        }
    }
    parted.push_str(&text[from..]);
    Cow::Owned(parted)
}

/// Whether these are two words of which one says whose the other is.
fn is_pair(first: &str, second: &str) -> bool {
    let (first, second) = (first.to_lowercase(), second.to_lowercase());
    let thing = |a: &str, b: &str| is_device(a) && !is_interface(a) && is_interface(b);
    let letters = first.len() > 1 && first.chars().all(char::is_alphabetic);
    let number = !second.is_empty() && second.bytes().all(|c| c.is_ascii_digit());
    thing(&first, &second)
        || thing(&second, &first)
        || (letters && number && !is_interface(&format!("{first}{second}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_otherwise_is_said_plainly() {
        for (text, plain) in [
            ("Don't forget to shut eth1", "please shut eth1"),
            ("Not urgent: set the MTU", ": set the MTU"),
            ("no shutdown on eth1, re-enable eth2", "unshut on eth1, enable eth2"),
            ("Take eth1 on r1 out of service.", "Take eth1 on r1 down."),
            ("eth1 needs an MTU of 9000", "eth1 set MTU of 9000"),
            ("r1 needs a reload", "r1 needs a reload"),
            ("label it \"no shutdown\"", "label it \"no shutdown\""),
            ("no, shut it", "no, shut it"),
        ] {
            assert_eq!(plainly(text), plain);
        }
    }

    #[test]
    fn what_is_joined_is_parted() {
        for (text, wanted) in [
            ("shut r1:eth1 and r2/eth2", "shut r1 eth1 and r2 eth2"),
            ("eth1@r1, mtu:9000", "eth1 r1, mtu 9000"),
            ("Gi0/1 at 10.0.0.0/8 on 22:00", "Gi0/1 at 10.0.0.0/8 on 22:00"),
            ("fe80::1 and https://r1/eth1", "fe80::1 and https://r1/eth1"),
        ] {
            assert_eq!(parted(text), wanted);
        }
    }
}
