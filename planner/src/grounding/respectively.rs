//! Lists that an intent pairs: "the MTU of eth1 and eth2 to 9000 and 1600 respectively". The first value is the first
//! one's, and no other's.

use super::bound::Given;
use super::same;
use crate::retrieve::stem;
use crate::words::{Word, keywords};

/// Words that say that two lists go together in their order.
const PAIRING: &[&str] = &["respectively", "resp"];

/// Two lists of equal length. Whose the values are: things, or what is set.
pub(super) struct Paired<'w> {
    owners: Vec<&'w Word>,
    values: Vec<&'w Word>,
}

impl<'w> Paired<'w> {
    /// The lists that words pair.
    pub(super) fn all(words: &[&'w Word]) -> Vec<Self> {
        let pairs = |at: &usize| !words[*at].quoted && PAIRING.contains(&words[*at].lower.as_str());
        (0..words.len())
            .filter(pairs)
            .filter_map(|at| Self::before(&words[..at]))
            .collect()
    }

    fn before(words: &[&'w Word]) -> Option<Self> {
        let (values, from) = list(words)?;
        let owners = (2..=from).rev().filter_map(|to| list(&words[..to]));
        let (owners, _) = owners.into_iter().find(|(owners, _)| owners.len() == values.len())?;
        Some(Self { owners, values })
    }

    /// The first of a step's values that is another one's.
    pub(super) fn crossed<'g>(&self, given: &'g [Given]) -> Option<&'g Given> {
        let is = |value: &Given, word: &Word| matches!(value.words.as_slice(), [own] if same(word, own));
        let called =
            |value: &Given, word: &Word| keywords(&value.name).iter().any(|part| stem(part) == stem(&word.lower));
        let any = |is: &dyn Fn(&Given, &Word) -> bool| {
            given
                .iter()
                .any(|value| self.owners.iter().any(|owner| is(value, owner)))
        };
        let things = any(&is);
        // What is neither of these things nor sets what is paired is spoken of elsewhere, too.
        if !things && !any(&called) {
            return None;
        }
        given.iter().find(|value| {
            let owners = self.values.iter().zip(&self.owners).filter(|(of, _)| is(value, of));
            let mut owners = owners.map(|(_, owner)| *owner).peekable();
            let owned = |owner: &Word| match things {
                true => given.iter().any(|other| is(other, owner)),
                false => called(value, owner),
            };
            owners.peek().is_some() && !owners.any(owned)
        })
    }
}

/// The list in which words end: single words, joined by commas and `and`. With where it begins.
fn list<'w>(words: &[&'w Word]) -> Option<(Vec<&'w Word>, usize)> {
    let joins = |at: usize| !words[at].quoted && words[at].lower == "and";
    let mut at = words.len().checked_sub(1).filter(|last| !joins(*last))?;
    let mut items = vec![words[at]];
    loop {
        let before = match at.checked_sub(1) {
            Some(before) if joins(before) => before.checked_sub(1),
            Some(before) if words[before].clause_ends && items.len() > 1 => Some(before),
            _ => None,
        };
        let Some(before) = before.filter(|before| !joins(*before)) else {
            break;
        };
        items.push(words[before]);
        at = before;
    }
    items.reverse();
    (items.len() > 1).then_some((items, at))
}
