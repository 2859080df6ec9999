//! Whether an intent switches something on or off. What is to stay as it is is switched by nobody.

use super::Ground;
use crate::verbs::Verb;
use crate::words::Word;

/// How words begin that switch something off.
const OFF: &[&str] = &[
    "shut",
    "disabl",
    "deactivat",
    "down",
    "inactiv",
    "stop",
    "suspend",
    "kill",
    "offline",
];
/// Words that mean another thing with `up` behind them: "set up OSPF" switches no interface on.
const WITH_UP: &[&str] = &[
    "set", "sets", "setting", "back", "backs", "clean", "look", "follow", "write", "speed", "link", "make", "give",
];
/// Words that may stand between: "set it up".
const POINTING: &[&str] = &["it", "this", "that", "them", "these", "those", "everything", "all"];

/// Which way a word switches something, whatever stands beside it.
pub(super) fn switches(word: &Word) -> Option<bool> {
    let said = word.lower.as_str();
    let off = OFF.iter().any(|begin| said.starts_with(begin)) || said == "off";
    let on = matches!(said, "up" | "enable" | "activate" | "unshut");
    (!word.quoted && (on || off)).then_some(on)
}

impl Ground {
    /// A boolean is said by itself, by a verb of its kind, or by the name of what it switches.
    pub(super) fn has_bool(&self, on: bool, name: Option<&str>) -> bool {
        let word = if on { "true" } else { "false" };
        let kind = if on { Verb::Change } else { Verb::Remove };
        let named = name.is_some_and(|name| self.is_named(name, &|_| true));
        let switched = if on { self.says_on() } else { self.says_off() };
        self.words.iter().any(|said| said.lower == word) || (self.verbs.contains(&kind) && (named || switched))
    }

    /// Whether something is to be switched off: what is taken away otherwise, as a description, switches nothing.
    fn says_off(&self) -> bool {
        let meant: Vec<&Word> = self.mentions.meant().collect();
        let is = |at: usize, list: &[&str]| meant.get(at).is_some_and(|word| list.contains(&word.lower.as_str()));
        let off = |at: usize| {
            let taken_back = (at.saturating_sub(2)..at).any(|n| is(n, &["undo", "cancel", "stop", "abort", "revert"]));
            // To stop what something does is not to stop it.
            let doing = (at + 1..=at + 2).any(|n| meant.get(n).is_some_and(|word| word.lower.ends_with("ing")));
            let stops = is(at, &["stop"]) && doing;
            !taken_back && !stops && switches(meant[at]) == Some(false)
        };
        (0..meant.len()).any(off)
    }

    /// Whether a word of the text switches this, and not only its name says so.
    pub(super) fn switches_by_itself(&self, name: &str) -> bool {
        self.mentions.meant().any(|said| switches(said).is_some())
            && !self.is_named(name, &|said| switches(said).is_none())
    }

    fn is_named(&self, name: &str, counts: &dyn Fn(&Word) -> bool) -> bool {
        let stem = |text: &str| text.chars().take(5).collect::<String>();
        let name = stem(name);
        self.words.iter().any(|said| counts(said) && stem(&said.lower) == name)
    }

    /// Whether something is to be switched on. The `on` of "on r1" switches nothing: it stands behind a verb that does
    /// ("turn on"), or at the end.
    fn says_on(&self) -> bool {
        let meant: Vec<&Word> = self.mentions.meant().collect();
        let before = |at: usize, n: usize| at.checked_sub(n).map_or("", |at| meant[at].lower.as_str());
        let on = |at: usize| {
            let ends = meant[at].clause_ends || at + 1 == meant.len();
            ends || ["turn", "switch", "power", "turned", "switched"].contains(&before(at, 1))
        };
        let up = |at: usize| {
            let pointed = POINTING.contains(&before(at, 1)) && ["set", "sets", "setting"].contains(&before(at, 2));
            let brought =
                before(at, 1) == "back" && (2..9).any(|n| ["bring", "brings", "get"].contains(&before(at, n)));
            !pointed && (brought || !WITH_UP.contains(&before(at, 1)))
        };
        meant.iter().enumerate().any(|(at, said)| match said.lower.as_str() {
            "enable" | "activate" | "unshut" => true,
            "up" => up(at),
            "on" => on(at),
            _ => false,
        })
    }
}
