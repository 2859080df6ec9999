//! Sentences that begin with what is not to be done.

use super::{BEFORE_NOUNS, of_word};
use crate::negation::negates;
use crate::words::Word;

/// The verb with which a sentence goes on that begins with what is not to be done, and has no comma there: "without
/// touching the cost set the MTU". Where it may be part of what is not to be done, there is none.
pub(crate) fn main_verb(words: &[Word]) -> Option<usize> {
    const BEHIND_NOUNS: &[&str] = &[
        "on", "in", "by", "at", "for", "of", "to", "with", "from", "up", "as", "and", "or",
    ];
    let word = |at: usize| words.get(at).map_or("", |word| word.lower.as_str());
    let begins = word(0) == "without" && word(1).ends_with("ing") && of_word(word(1)).is_empty();
    let verb = |at: &usize| !words[*at].quoted && !of_word(word(*at)).is_empty();
    let ended = |at: usize| words[..at].iter().any(|word| word.clause_ends);
    let at = (2..words.len())
        .find(verb)
        .filter(|at| begins && *at > 2 && !ended(*at))?;
    let noun = BEFORE_NOUNS.contains(&word(at - 1))
        || ["to", "being", "having", "getting", "and", "or"].contains(&word(at - 1));
    let another = (at + 1..words.len()).any(|later| verb(&later) && words[later - 1].clause_ends);
    let negated = words[1..at].iter().any(|word| negates(&word.lower));
    let goes_on = !word(at + 1).is_empty() && !words[at].clause_ends && !BEHIND_NOUNS.contains(&word(at + 1));
    (goes_on && !noun && !another && !negated).then_some(at)
}
