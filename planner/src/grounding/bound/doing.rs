//! What is done is bound to what it is done to: "remove OSPF from r1 and shut eth1 on r2" takes no OSPF from r2. What a
//! tool does is its name: a kind of change, an act that others do not do, and what it is about.

use super::{Kind, POINTING, Stretch, Stretches};
use crate::grounding::form::Form;
use crate::grounding::mention::has_digit;
use crate::grounding::reads::is_of_a_network;
use crate::grounding::spoken::names_of;
use crate::retrieve::{parts, stem};
use crate::verbs::{self, Verb, is_verb, of_word};
use crate::words::Word;
use flyball_engine::tool::ToolName;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Acts that change the same thing and are not each other: the words of tools that do it, and what people say for it.
const ACTS: &[(&[&str], &[&str])] = &[
    (
        &["save", "persist"],
        &[
            "save",
            "write",
            "persist",
            "store",
            "commit",
            "startup",
            "permanent",
            "copy",
            "keep",
        ],
    ),
    (
        &["restore", "rollback"],
        &[
            "restore", "revert", "recover", "roll", "rollback", "back", "return", "undo", "reset", "reapply", "load",
            "go",
        ],
    ),
    (
        &["keep", "backup", "snapshot", "archive"],
        &[
            "keep", "back", "backup", "snapshot", "archive", "save", "store", "copy", "remember",
        ],
    ),
    (
        &["drain"],
        &[
            "drain", "move", "shift", "steer", "divert", "reroute", "redirect", "evacuate", "take", "empty",
        ],
    ),
    (
        &["undrain"],
        &[
            "undrain", "back", "return", "restore", "resume", "put", "bring", "undo", "into",
        ],
    ),
];
/// Parts of tools' names that do not tell what they are about.
const ANYTHING: &[&str] = &[
    "config",
    "configuration",
    "device",
    "batch",
    "kept",
    "set",
    "command",
    "network",
    "change",
    "host",
    "router",
    "switch",
    "node",
    "to",
    "on",
    "of",
];
/// Words that take back what stands behind them.
const TAKING_BACK: &[&str] = &["undo", "cancel", "stop", "abort", "revert", "reverse", "end"];

/// What a step does, and in which words it is spoken of.
pub(super) struct Doing<'a> {
    verb: Option<Verb>,
    act: Option<&'static [&'static str]>,
    undoes: bool,
    /// By what that is called which it is about.
    about: Vec<Vec<String>>,
    kinds: Vec<Kind>,
    /// By what the arguments are called that it gives, and those that it does not.
    given: Vec<Vec<String>>,
    open: Vec<Vec<String>>,
    args: &'a Map<String, Value>,
    /// Whether it gives what the intent has in quotes.
    quoted: bool,
}

impl<'a> Doing<'a> {
    /// What a call does to a network; of other tools nothing is told.
    pub(super) fn of(
        tool: &ToolName,
        args: &'a Map<String, Value>,
        form: &Form<'_>,
        quotes: &dyn Fn(&str) -> bool,
    ) -> Option<Self> {
        let names = form.names();
        if !names.iter().any(|name| is_of_a_network(name)) {
            return None;
        }
        let own = parts(tool.tool());
        let act = ACTS
            .iter()
            .find(|(tools, _)| own.iter().any(|part| tools.contains(&part.as_str())));
        let acts = |part: &str| ACTS.iter().any(|(tools, _)| tools.contains(&part));
        let telling = |part: &&String| {
            !is_verb(part) && !acts(part) && !ANYTHING.contains(&crate::words::singular(part).as_str())
        };
        let about: Vec<&String> = own.iter().filter(telling).collect();
        let called = |name: &str| names_of(name, names.iter().copied());
        let others = names.iter().filter(|name| !is_of_a_network(name));
        let (given, open): (Vec<&str>, Vec<&str>) =
            others.partition(|name| args.get(**name).is_some_and(|value| !value.is_null()));
        Some(Self {
            verb: verbs::needed_by(tool.tool()),
            act: act.map(|(_, said)| *said),
            undoes: own.iter().any(|part| part == "undrain"),
            kinds: about.iter().filter_map(|part| kind_of(part)).collect(),
            about: about
                .iter()
                .flat_map(|part| names_of(part, std::iter::empty()))
                .collect(),
            given: given.into_iter().flat_map(called).collect(),
            open: open.into_iter().flat_map(called).collect(),
            args,
            quoted: args.values().flat_map(each).filter_map(Value::as_str).any(quotes),
        })
    }

    /// In which stretches this is done.
    pub(super) fn places(&self, stretches: &Stretches<'_>) -> BTreeSet<usize> {
        let doers: Vec<usize> = (0..stretches.all.len())
            .filter(|at| stretches.all[*at].acts())
            .collect();
        let named = stretches
            .all
            .iter()
            .any(|stretch| self.is_about(stretch) || self.says_given(stretch));
        let backed = self
            .verb
            .is_none_or(|verb| stretches.all.iter().any(|stretch| stretch.verbs().contains(&verb)));
        let done = |at: &usize| {
            let before = doers.iter().rfind(|doer| *doer <= at);
            let Some(home) = before.or_else(|| doers.first()) else {
                return true;
            };
            let (here, home) = (&stretches.all[*at], &stretches.all[*home]);
            let verb = !backed || self.verb.is_none_or(|verb| home.verbs().contains(&verb));
            let act = self
                .act
                .is_none_or(|act| self.says_act(home, act) || self.says_act(here, act));
            let about = |stretch: &Stretch<'_>| self.is_about(stretch) || self.says_given(stretch);
            let inherits = home.points() || here.points() || (!home.is_specific() && !self.says_other(home));
            let about = self.about.is_empty() || about(home) || about(here) || (named && inherits);
            verb && act && about
        };
        stretches.acting.iter().copied().filter(done).collect()
    }

    /// Whether it takes away more than the intent says: the intent gives an argument's value that the call leaves open.
    pub(super) fn is_wider(&self, stretches: &Stretches<'_>) -> bool {
        let number = |word: &Word| word.lower.starts_with(|c: char| c.is_ascii_digit());
        let ends = |name: &Vec<String>, word: &Word| name.last().is_some_and(|last| stem(last) == stem(&word.lower));
        let gives = |stretch: &Stretch<'_>| {
            let pairs = stretch.words.windows(2);
            let open = |word: &Word| self.open.iter().any(|name| ends(name, word));
            let mut valued =
                pairs.filter(|pair| !pair[0].0.quoted && number(pair[1].0) && pair[1].1 == Some(Kind::Number));
            valued.any(|pair| open(pair[0].0) && !self.gives(pair[1].0))
        };
        self.verb == Some(Verb::Remove) && stretches.all.iter().any(gives)
    }

    fn gives(&self, number: &Word) -> bool {
        let same = |value: &Value| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
            text == number.lower
        };
        self.args.values().any(same)
    }

    fn is_about(&self, stretch: &Stretch<'_>) -> bool {
        let kind = self.kinds.iter().any(|kind| stretch.has(*kind));
        kind || self.about.iter().any(|name| stretch.calls(name))
    }

    fn says_given(&self, stretch: &Stretch<'_>) -> bool {
        self.quoted || self.given.iter().any(|name| stretch.calls(name))
    }

    /// Whether a stretch speaks of what this call does not give.
    fn says_other(&self, stretch: &Stretch<'_>) -> bool {
        self.open.iter().any(|name| stretch.calls(name))
    }

    fn says_act(&self, stretch: &Stretch<'_>, act: &[&str]) -> bool {
        let plain = |at: usize| !stretch.words[at].0.quoted;
        let taken_back = |at: usize| {
            let near = &stretch.words[at.saturating_sub(3)..at];
            near.iter().any(|(word, _)| TAKING_BACK.contains(&word.lower.as_str()))
        };
        let said = |at: usize, word: &str| plain(at) && stem(&stretch.words[at].0.lower) == stem(word);
        (0..stretch.words.len()).any(|at| {
            let meant = act.iter().any(|word| said(at, word)) && !taken_back(at);
            meant || (self.undoes && said(at, "drain") && taken_back(at))
        })
    }
}

impl Stretch<'_> {
    fn plain(&self) -> impl Iterator<Item = &str> {
        let plain = self.words.iter().filter(|(word, _)| !word.quoted);
        plain.map(|(word, _)| word.lower.as_str())
    }

    /// The kinds of change that it asks for.
    fn verbs(&self) -> BTreeSet<Verb> {
        let mut verbs: BTreeSet<Verb> = self.plain().flat_map(of_word).collect();
        let off = |word: &str| ["off", "down", "out", "away", "offline"].contains(&word);
        if !verbs.is_empty() && self.plain().any(off) {
            verbs.insert(Verb::Remove);
        }
        verbs
    }

    /// Whether something is to be done in it.
    pub(super) fn acts(&self) -> bool {
        self.plain().any(acts)
    }

    /// Whether it speaks again of what was named before.
    pub(super) fn points(&self) -> bool {
        let points = |word: &str| POINTING.contains(&word) || ["so", "too", "likewise", "well"].contains(&word);
        self.plain().any(points)
    }

    /// Whether what is said of another goes for it too.
    pub(super) fn goes_with_another(&self) -> bool {
        self.points() || !(self.acts() || self.is_specific())
    }

    /// Whether it says itself what is done, and not only that something is.
    pub(super) fn is_specific(&self) -> bool {
        const GENERAL: &[&str] = &[
            "set",
            "configure",
            "change",
            "apply",
            "do",
            "use",
            "update",
            "add",
            "put",
            "make",
        ];
        self.plain().any(|word| acts(word) && !GENERAL.contains(&word)) || self.has(Kind::Switch)
    }

    /// Whether it has all words of a name.
    pub(super) fn calls(&self, name: &[String]) -> bool {
        let part = |word: &Word, wanted: &str| {
            let whole = stem(&word.lower) == wanted;
            whole || (!has_digit(word) && word.lower.split(['-', '_', '/', '.']).any(|part| stem(part) == wanted))
        };
        name.iter().all(|wanted| {
            let wanted = stem(wanted);
            self.words.iter().any(|(word, _)| !word.quoted && part(word, &wanted))
        })
    }
}

fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// The kind of words that say themselves that they are what a part of a name calls.
fn kind_of(part: &str) -> Option<Kind> {
    match part {
        "interface" | "port" => Some(Kind::Interface),
        "address" | "ip" | "prefix" => Some(Kind::Address),
        _ => None,
    }
}

/// Whether a word is a verb of change, or one that says that something is to be used or kept.
pub(super) fn acts(word: &str) -> bool {
    !of_word(word).is_empty() || ["use", "keep", "back", "backup", "archive", "snapshot", "undrain"].contains(&word)
}
