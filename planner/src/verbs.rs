//! What kinds of change a text asks for. Errs on the side of none: a write that nobody asked for is the failure to avoid;
//! a request that is not understood only gets a question.

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
    "establish",
    "build",
    "generate",
    "launch",
    "submit",
    "persist",
    "insert",
    "append",
    "prepend",
    "extend",
    "expand",
    "resize",
    "shrink",
    "grow",
    "reduce",
    "throttle",
    "convert",
    "transform",
    "sync",
    "synchronize",
    "synchronise",
    "promote",
    "demote",
    "transfer",
    "swap",
    "distribute",
    "broadcast",
    "inform",
    "escalate",
    "acknowledge",
    "reassign",
    "allocate",
    "suspend",
    "resume",
    "override",
    "encrypt",
    "renew",
    "renumber",
    "relabel",
    "retag",
    "reconfigure",
    "reapply",
    "redeploy",
    "reinstall",
    "reconnect",
    "reenable",
    "unblock",
    "unlock",
    "unmute",
    "uncordon",
    "rebalance",
    "divert",
    "rebase",
    "amend",
    "bump",
    "export",
    "paste",
    "hook",
    "onboard",
    "cutover",
    "alter",
    "revise",
    "tweak",
    "invite",
    "navigate",
];
/// Words that name a change where a clause begins with them, and a thing anywhere else.
const CHANGE_AT_FIRST: &[&str] = &[
    "post", "comment", "stage", "commit", "label", "fill", "press", "answer", "reply", "react", "forward", "run",
    "execute", "send", "tag", "order", "schedule", "trigger", "tell", "cordon", "file", "note", "leave", "let",
    "choose", "type", "enter", "drag", "accept", "title", "mark", "flag", "link", "log", "book", "pin", "request",
    "lock", "sign", "limit", "clone", "back", "route", "peer", "join", "connect", "attach", "share", "document",
    "record", "store", "archive", "email", "mail", "message", "force", "pause", "balance", "mirror", "reserve",
    "patch", "stash", "respond", "cut", "load", "snapshot", "sync", "hook", "wire", "remark", "mount", "mute", "hand",
    "spin", "star", "resolve", "complete", "finish", "correct",
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
    "unstage",
    "unpin",
    "unsubscribe",
    "unassign",
    "exclude",
    "abort",
    "evict",
    "kill",
    "terminate",
    "purge",
    "tear",
    "decommission",
    "retire",
    "rip",
    "strip",
    "wipe",
    "destroy",
    "discard",
    "dismiss",
    "reject",
    "decline",
    "isolate",
    "quarantine",
];
const RESTART: &[&str] = &["reboot", "reload", "restart", "reset", "bounce", "cycle"];

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

fn of_word(word: &str) -> Vec<Verb> {
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

/// The kinds of change that a text asks for, one for each time that it says so; none for a text that only wants to know.
pub(crate) fn asked_for(text: &str) -> Vec<Verb> {
    let mut asked = Vec::new();
    // A look goes on over commas and "and" until a clause begins with a verb of change.
    let mut looking = false;
    for clause in clauses(&words(text)) {
        let mut said = clause.iter().filter(|word| !word.is_filler());
        let first = said.next().map_or("", |word| word.lower.as_str());
        let for_us = said
            .next()
            .is_some_and(|word| matches!(word.lower.as_str(), "me" | "us"));
        let change_at_first = clause.len() > 1 && CHANGE_AT_FIRST.contains(&first) && !for_us && !clause[0].quoted;
        if READ.contains(&first) && !change_at_first {
            looking = true;
        } else if clause.len() > 1 && (change_at_first || !of_word(first).is_empty()) {
            looking = false;
        }
        if !looking && change_at_first {
            asked.push(Verb::Change);
        }
        if !looking {
            asked.extend(of_clause(&clause));
        }
    }
    asked
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

fn of_clause(clause: &[Word]) -> Vec<Verb> {
    let mut verbs = Vec::new();
    for (at, word) in clause.iter().enumerate() {
        let noun = at > 0 && BEFORE_NOUNS.contains(&clause[at - 1].lower.as_str());
        let negated = clause[at.saturating_sub(3)..at]
            .iter()
            .any(|w| NEGATIONS.contains(&w.lower.as_str()));
        if word.quoted || noun || negated {
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

/// What some verbs do and others do not, although both change the same thing: to save a configuration is not to restore it.
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

/// The kinds of change that single words stand for, wherever they are.
pub(crate) fn in_words<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<Verb> {
    words.flat_map(of_word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_a_change() {
        use Verb::{Change, Remove, Restart};
        let cases: &[(&str, &[Verb])] = &[
            ("Configure OSPF area 0 on r1", &[Change]),
            ("please set the mtu of r1 to 9000", &[Change]),
            ("on bj-core-1 set the description of eth1 to x", &[Change]),
            ("we need to shut interface eth1 on r1", &[Remove]),
            ("turn off OSPF on r1", &[Remove]),
            ("turn on OSPF on r1", &[Change]),
            ("take a look at r1", &[]),
            ("take r1 out of service", &[Remove]),
            ("reload r1", &[Restart]),
            ("check r1 and set its cost to 10", &[Change]),
            ("Check the OSPF neighbors of router r7", &[]),
            ("check the set of neighbors", &[]),
            ("show me how to configure ospf", &[]),
            ("why did someone shut interface eth1?", &[]),
            ("show interfaces that are up, down and shut", &[]),
            ("is OSPF configured on r1", &[]),
            ("do not configure ospf on r1", &[]),
            ("the link was shut", &[]),
            ("list devices, and then remove ospf from r1", &[Remove]),
            ("report on \"set\"", &[]),
            ("comment on issue 5", &[Change]),
            ("which comments are on issue 5", &[]),
            ("is any commit on trial", &[]),
            ("tell me about r1", &[]),
            ("tell the channel that r1 is back", &[Change]),
            ("read the file and post it to the channel", &[Change]),
            ("describe the node worker-3", &[]),
            ("file an issue about r1", &[Change]),
            ("which file is in the archive", &[]),
            ("name the edge routers", &[]),
            ("give me the details of r1", &[]),
            ("let me see the startup config", &[]),
            ("let #noc know that r1 is back", &[Change]),
            ("unstage everything", &[Remove]),
            ("", &[]),
        ];
        for (text, wanted) in cases {
            let wanted: BTreeSet<Verb> = wanted.iter().copied().collect();
            let asked: BTreeSet<Verb> = asked_for(text).into_iter().collect();
            assert_eq!(asked, wanted, "{text}");
        }
    }

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

    #[test]
    fn a_tools_name_may_promise_a_kind_of_change() {
        assert_eq!(needed_by("remove_ospf"), Some(Verb::Remove));
        assert_eq!(needed_by("configure_ospf"), Some(Verb::Change));
        assert_eq!(needed_by("reload"), Some(Verb::Restart));
        assert_eq!(needed_by("set_interface"), None);
        assert_eq!(needed_by("batch_configure_devices"), None);
    }
}
