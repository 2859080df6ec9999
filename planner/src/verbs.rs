//! What kinds of change a text asks for. Errs on the side of none: a write that nobody asked for is the failure to avoid;
//! a request that is not understood only gets a question.

mod without;

pub(crate) use without::main_verb;

use crate::lists::folded;
use crate::words::{Word, words};
use std::collections::BTreeSet;

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    /// Put something in place, or make it different.
    Change,
    /// Take something away or out of service.
    Remove,
    /// Interrupt something to begin anew.
    Restart,
}

const CHANGE: &[&str] = &[
    "configure",
    "set",
    "add",
    "create",
    "enable",
    "apply",
    "change",
    "update",
    "move",
    "shift",
    "drain",
    "steer",
    "assign",
    "install",
    "push",
    "deploy",
    "provision",
    "write",
    "save",
    "put",
    "bring",
    "raise",
    "lower",
    "increase",
    "decrease",
    "restore",
    "roll",
    "replace",
    "rename",
    "turn",
    "activate",
    "allow",
    "permit",
    "open",
    "start",
    "migrate",
    "reroute",
    "redirect",
    "upgrade",
    "downgrade",
    "advertise",
    "announce",
    "originate",
    "redistribute",
    "setup",
    "make",
    "adjust",
    "tune",
    "fix",
    "repair",
    "modify",
    "edit",
    "switch",
    "unshut",
    "merge",
    "fork",
    "scale",
    "click",
    "publish",
    "upload",
    "copy",
    "notify",
    "remember",
    "grant",
    "rotate",
    "register",
    "import",
    "reopen",
    "approve",
];
/// Words that name a change where a clause begins with them, and a thing anywhere else.
const CHANGE_AT_FIRST: &[&str] = &[
    "post",
    "comment",
    "stage",
    "commit",
    "label",
    "fill",
    "press",
    "answer",
    "reply",
    "react",
    "forward",
    "run",
    "execute",
    "send",
    "tag",
    "order",
    "schedule",
    "trigger",
    "tell",
    "cordon",
    "uncordon",
    "bump",
    "reconfigure",
    "reapply",
    "redeploy",
    "reduce",
    "extend",
    "renumber",
    "reconnect",
    "reenable",
    "unblock",
    "rebalance",
    "divert",
    "tweak",
    "amend",
    "alter",
    "revise",
    "correct",
    "suspend",
    "resume",
    "override",
    "resize",
];
const REMOVE: &[&str] = &[
    "remove",
    "delete",
    "disable",
    "shut",
    "shutdown",
    "withdraw",
    "clear",
    "erase",
    "unset",
    "undo",
    "stop",
    "take",
    "deactivate",
    "uninstall",
    "drop",
    "block",
    "deny",
    "revert",
    "turn",
    "close",
    "detach",
    "forget",
    "revoke",
    "cancel",
    "unregister",
    "purge",
    "tear",
    "decommission",
    "retire",
    "wipe",
    "destroy",
];
const RESTART: &[&str] = &["reboot", "reload", "restart", "reset", "bounce", "cycle"];

/// Words that ask, where a clause begins with them, to do something with what is not the network itself; each with the words
/// by which a tool that does it is called. They license no other tool: "leave r1 alone" changes nothing.
const BESIDE: &[(&[&str], &[&str])] = &[
    (
        &[
            "file", "log", "submit", "register", "draft", "generate", "build", "launch", "spin", "cut",
        ],
        &["create", "start"],
    ),
    (
        &["leave", "note", "record", "document", "remark"],
        &["create", "add", "write", "comment"],
    ),
    (
        &[
            "let",
            "inform",
            "broadcast",
            "share",
            "email",
            "mail",
            "message",
            "escalate",
        ],
        &["post", "send", "message", "notify", "reply"],
    ),
    (&["respond"], &["reply", "respond", "comment", "post"]),
    (
        &["store", "persist", "archive", "keep", "back", "snapshot"],
        &["save", "write", "keep", "copy", "backup"],
    ),
    (
        &["export", "append", "insert", "prepend"],
        &["write", "edit", "add", "export", "create"],
    ),
    (&["paste", "load"], &["apply", "write", "import", "load"]),
    (
        &["mark", "flag", "acknowledge", "complete", "finish", "resolve"],
        &["update", "patch", "mark", "resolve", "close"],
    ),
    (&["title", "rename"], &["update", "patch", "move", "rename"]),
    (&["choose"], &["select", "choose"]),
    (&["type", "enter"], &["type", "fill", "press", "enter"]),
    (&["drag"], &["drag"]),
    (&["accept"], &["accept", "dialog", "review", "approve"]),
    (
        &["dismiss", "decline", "reject"],
        &["dismiss", "dialog", "review", "reject", "decline"],
    ),
    (&["attach"], &["attach", "upload"]),
    (&["visit", "navigate", "browse"], &["navigate", "open"]),
    (&["link", "connect"], &["link", "connect", "relation", "relations"]),
    (&["invite", "join"], &["invite", "join", "add"]),
    (
        &[
            "pin", "star", "lock", "sign", "mute", "clone", "mirror", "sync", "stash", "mount", "hook",
        ],
        &[
            "pin", "star", "lock", "sign", "mute", "clone", "fork", "mirror", "sync", "stash", "mount", "hook",
        ],
    ),
    (&["request"], &["request", "create"]),
    (
        &["book", "reserve", "allocate"],
        &["book", "reserve", "reservation", "allocate"],
    ),
    (
        &["patch", "promote", "demote"],
        &["patch", "promote", "demote", "update"],
    ),
    (&["pause"], &["pause", "suspend", "rollout"]),
    (&["rebase"], &["rebase", "update"]),
    (&["unstage"], &["reset", "unstage"]),
    (
        &["evict", "kill", "terminate", "abort", "discard", "purge"],
        &["delete", "stop", "kill", "abort", "reset", "cleanup"],
    ),
    (
        &["unpin", "unsubscribe", "unassign", "exclude"],
        &["unpin", "unsubscribe", "unassign", "remove"],
    ),
];

/// Words that begin a question or a request to look.
const READ: &[&str] = &[
    "check",
    "show",
    "list",
    "display",
    "get",
    "verify",
    "report",
    "is",
    "are",
    "was",
    "were",
    "does",
    "did",
    "has",
    "what",
    "which",
    "why",
    "how",
    "when",
    "where",
    "who",
    "find",
    "describe",
    "tell",
    "ping",
    "test",
    "diagnose",
    "monitor",
    "watch",
    "view",
    "see",
    "look",
    "count",
    "compare",
    "explain",
    "summarize",
    "summarise",
    "audit",
    "investigate",
    "analyze",
    "analyse",
    "validate",
    "inspect",
    "read",
    "trace",
    "search",
    "fetch",
];
const NEGATIONS: &[&str] = &[
    "not", "don't", "dont", "don’t", "never", "without", "no", "avoid", "cannot", "can't", "nor",
];
/// After one of these a verb's form is a noun or a passive.
const BEFORE_NOUNS: &[&str] = &[
    "the", "a", "an", "of", "this", "that", "these", "those", "each", "every", "any", "its", "was", "were", "is",
    "are", "been", "which", "who", "whose", "my", "our", "their",
];
const JOINERS: &[&str] = &["and", "then", "but", "or", "also"];

pub(crate) fn of_word(word: &str) -> Vec<Verb> {
    let lists = [(CHANGE, Verb::Change), (REMOVE, Verb::Remove), (RESTART, Verb::Restart)];
    lists
        .into_iter()
        .filter(|(list, _)| list.contains(&word))
        .map(|(_, verb)| verb)
        .collect()
}

/// Whether a word is one of those that ask, to look or to change.
pub(crate) fn is_verb(word: &str) -> bool {
    READ.contains(&word) || CHANGE_AT_FIRST.contains(&word) || !of_word(word).is_empty()
}

/// Whether a word is one of those that ask to look, and nothing else.
pub(crate) fn looks(word: &str) -> bool {
    READ.contains(&word) && !CHANGE_AT_FIRST.contains(&word) && of_word(word).is_empty()
}

/// Whether a word turns what follows it into its contrary.
pub(crate) fn negates(word: &str) -> bool {
    NEGATIONS.contains(&word)
}

/// What a text asks for; nothing, if it only wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AskedFor {
    /// The kinds of change, one for each time that it says so.
    pub(crate) changes: Vec<Verb>,
    /// For each thing to do beside the network: the words by which a tool that does it is called.
    pub(crate) beside: Vec<&'static [&'static str]>,
}

/// What a text asks for.
pub(crate) fn asked_for(text: &str) -> AskedFor {
    let mut asked = AskedFor::default();
    // A look goes on over commas and "and" until a clause begins with a verb of change.
    let mut looking = false;
    for sentence in sentences(&folded(text)).filter(|sentence| !is_question(sentence)) {
        let words = words(sentence);
        let main = main_verb(&words).map(|at| words[at].start);
        for clause in clauses(&words) {
            in_clause(&clause, main, &mut looking, &mut asked);
        }
    }
    asked
}

fn in_clause(clause: &[Word], main: Option<usize>, looking: &mut bool, asked: &mut AskedFor) {
    let mut said = clause.iter().filter(|word| !word.is_filler());
    let first = said.next().map_or("", |word| word.lower.as_str());
    let for_us = said
        .next()
        .is_some_and(|word| matches!(word.lower.as_str(), "me" | "us"));
    let begins = clause.len() > 1 && !for_us && !clause[0].quoted;
    let change_at_first = begins && CHANGE_AT_FIRST.contains(&first);
    let beside = BESIDE.iter().find(|(words, _)| begins && words.contains(&first));
    if READ.contains(&first) && !change_at_first {
        *looking = true;
    } else if change_at_first || beside.is_some() || (clause.len() > 1 && !of_word(first).is_empty()) {
        *looking = false;
    }
    let says_none = |word: &Word| matches!(word.lower.as_str(), "whether" | "wonder" | "wondering" | "alone");
    if *looking || clause.iter().any(|word| !word.quoted && says_none(word)) {
        return;
    }
    asked.beside.extend(beside.map(|(_, tools)| *tools));
    if change_at_first {
        asked.changes.push(Verb::Change);
    }
    asked.changes.extend(of_clause(clause, main));
}

/// A text's sentences with what ends them. A full stop within a name or an address ends none.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let ends = |(at, c): (usize, char)| {
        let after = text[at + c.len_utf8()..].chars().next();
        let end = matches!(c, '.' | '!' | '?') && after.is_none_or(char::is_whitespace);
        (end || c == '\n').then_some(at + c.len_utf8())
    };
    let mut from = 0;
    let ends: Vec<usize> = text.char_indices().filter_map(ends).chain([text.len()]).collect();
    ends.into_iter().map(move |end| {
        let sentence = &text[from..end];
        from = end;
        sentence
    })
}

/// Whether a sentence wants to know, and not to have done what it names: "could you shut eth1?" does want that.
fn is_question(sentence: &str) -> bool {
    let words = words(sentence);
    let word = |at: usize| words.get(at).map_or("", |word: &Word| word.lower.as_str());
    let polite = matches!(word(0), "can" | "could" | "would" | "will" | "may" | "shall")
        && matches!(word(1), "you" | "we" | "i" | "somebody" | "someone");
    let please = words.iter().any(|word| word.lower == "please");
    sentence.trim_end().ends_with('?') && !polite && !please
}

/// A text's words, parted where a clause ends or another is joined to it.
pub(crate) fn clauses(words: &[Word]) -> Vec<Vec<Word>> {
    let mut clauses = vec![Vec::new()];
    for word in words {
        if JOINERS.contains(&word.lower.as_str()) && !word.quoted {
            clauses.push(Vec::new());
            continue;
        }
        let ends = word.clause_ends;
        if let Some(clause) = clauses.last_mut() {
            clause.push(word.clone());
        }
        if ends {
            clauses.push(Vec::new());
        }
    }
    clauses.retain(|clause| !clause.is_empty());
    clauses
}

fn of_clause(clause: &[Word], main: Option<usize>) -> Vec<Verb> {
    let mut verbs = Vec::new();
    let word = |at: usize| clause.get(at).map_or("", |word| word.lower.as_str());
    let not_doing = word(0) == "without" && word(1).ends_with("ing");
    for (at, word) in clause.iter().enumerate() {
        let noun = at > 0 && BEFORE_NOUNS.contains(&clause[at - 1].lower.as_str());
        let negated = not_doing || clause[at.saturating_sub(3)..at].iter().any(|w| negates(&w.lower));
        if word.quoted || noun || (negated && main != Some(word.start)) {
            continue;
        }
        let off = clause[at + 1..]
            .iter()
            .any(|w| matches!(w.lower.as_str(), "off" | "down" | "out" | "away"));
        match word.lower.as_str() {
            "turn" | "take" if off => verbs.push(Verb::Remove),
            "take" => {}
            "turn" => verbs.push(Verb::Change),
            other => verbs.extend(of_word(other)),
        }
    }
    verbs
}

/// The kind of change that a tool's name promises; none if the name does not tell, and any kind will do.
pub(crate) fn needed_by(tool: &str) -> Option<Verb> {
    const REMOVING: &[&str] = &[
        "remove", "delete", "erase", "clear", "undo", "disable", "shut", "shutdown", "unset", "drop", "withdraw",
    ];
    const MAKING: &[&str] = &["configure", "add", "create", "enable", "install", "provision", "deploy"];
    let parts: Vec<String> = tool
        .split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .collect();
    let has = |list: &[&str]| parts.iter().any(|part| list.contains(&part.as_str()));
    // A batch of anything is whatever its lines say, and those are held to the text one by one.
    if has(&["batch"]) {
        None
    } else if has(RESTART) {
        Some(Verb::Restart)
    } else if has(REMOVING) {
        Some(Verb::Remove)
    } else {
        has(MAKING).then_some(Verb::Change)
    }
}

/// The kinds of change that single words stand for, wherever they are.
pub(crate) fn in_words<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<Verb> {
    words.flat_map(of_word).collect()
}

#[cfg(test)]
mod tests;
