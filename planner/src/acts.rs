//! What some verbs do and others do not, although they change the same thing: to save a configuration is not to restore it.

use crate::verbs::of_word;
use std::collections::BTreeSet;

/// One such doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Save,
    Restore,
    Keep,
    Label,
    Move,
}

/// The act that a verb names; none: it names none of them, or could be any.
pub(crate) fn act(word: &str) -> Option<Act> {
    const ACTS: &[(Act, &[&str])] = &[
        (Act::Save, &["save", "write", "persist", "store"]),
        (Act::Restore, &["restore", "revert", "recover", "roll", "rollback"]),
        (Act::Keep, &["back", "backup", "keep", "archive"]),
        (Act::Label, &["label", "describe", "rename", "annotate", "title"]),
        (Act::Move, &["move", "shift", "drain", "steer", "divert", "reroute"]),
    ];
    ACTS.iter()
        .find(|(_, words)| words.contains(&word))
        .map(|(act, _)| *act)
}

/// Whether one wants what the other does not do: each names acts and nothing more general, and they have none in common.
pub(crate) fn differ<'a>(wanted: impl Iterator<Item = &'a str>, offered: impl Iterator<Item = &'a str>) -> bool {
    let acts_of = |words: &mut dyn Iterator<Item = &'a str>| {
        let mut acts = BTreeSet::new();
        for word in words {
            match act(word) {
                Some(act) => drop(acts.insert(act)),
                None if !of_word(word).is_empty() => return None,
                None => {}
            }
        }
        Some(acts).filter(|acts| !acts.is_empty())
    };
    let (mut wanted, mut offered) = (wanted, offered);
    match (acts_of(&mut wanted), acts_of(&mut offered)) {
        (Some(wanted), Some(offered)) => wanted.is_disjoint(&offered),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_save_is_not_to_restore() {
        let differs = |a: &str, b: &str| differ(a.split(' '), b.split(' '));
        assert!(differs("save the configuration of r1", "restore the configuration of"));
        assert!(differs("write it to startup", "back up the configuration of"));
        assert!(!differs("roll r1 back", "restore the configuration of"));
        assert!(!differs("save ospf", "configure ospf"), "to configure may be anything");
        assert!(!differs("bring r1 back", "restore the configuration of"));
        assert!(!differs("look at r1", "restore the configuration of"));
    }
}
