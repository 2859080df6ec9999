//! Text as terms that can be counted: the same stem for "configure", "configured" and "configuration", no names of
//! things, and what else people say for a word.

use crate::words::{Word, words};
use std::collections::BTreeSet;

/// Words that tell nothing about what is wanted.
const EMPTY: &[&str] = &[
    "the", "a", "an", "please", "of", "for", "on", "in", "to", "with", "and", "or", "all", "is", "are", "it", "its",
    "that", "this", "by", "at", "from", "be", "as", "what", "which", "who", "how", "me", "my", "i", "we", "our",
    "each", "every", "do", "does", "did", "has", "have", "had", "was", "were", "will", "would", "can", "could",
    "should", "if", "then", "now", "not", "no", "so", "than", "into", "onto", "off", "up", "out", "any", "some",
    "there", "these", "those", "their", "them", "they", "you", "your", "one", "also", "again", "still", "like",
    "about", "between", "us", "when", "where", "why", "whether", "e", "g", "eg", "ie", "etc", "must", "may", "used",
    "using", "use",
];

/// What network devices are called in general.
const DEVICES: &[&str] = &["device", "switch", "router", "firewall", "box"];
/// What a device is for. Before a word for devices it is a filter's value, not a tool's word.
pub(crate) const ROLES: &[&str] = &[
    "core",
    "edge",
    "leaf",
    "spine",
    "access",
    "aggregation",
    "border",
    "distribution",
];

/// What people also say for a term. For the intent only: a tool is found by its own words first.
const ALSO: &[(&str, &[&str])] = &[
    ("switch", &["device"]),
    ("router", &["device"]),
    ("box", &["device"]),
    ("firewall", &["device"]),
    ("neighbour", &["neighbor"]),
    ("adjacency", &["neighbor"]),
    ("peer", &["neighbor", "peer"]),
    ("port", &["interface"]),
    ("nic", &["interface"]),
    ("config", &["configuration"]),
    ("configs", &["configuration"]),
    ("reachable", &["reachability"]),
    ("reach", &["reachability"]),
    ("busy", &["cpu", "status"]),
    ("load", &["cpu", "status"]),
    ("health", &["status", "interface", "neighbor", "reachability", "device"]),
    (
        "healthy",
        &["status", "interface", "neighbor", "reachability", "device"],
    ),
    ("detail", &["get", "info"]),
    ("down", &["status", "state"]),
    ("show", &["get", "list"]),
    ("see", &["get", "show"]),
    ("fetch", &["get"]),
    ("give", &["get"]),
    ("collect", &["get"]),
    ("read", &["get"]),
    ("dump", &["get", "read"]),
    ("shut", &["enabled", "state"]),
    ("bring", &["enabled", "state"]),
    ("label", &["description"]),
    ("write", &["save", "create"]),
    ("put", &["configure", "set"]),
    ("raise", &["set"]),
    ("lower", &["set"]),
    ("change", &["set", "update", "edit"]),
    ("add", &["create", "configure"]),
    ("make", &["create"]),
    ("open", &["create", "navigate"]),
    ("enable", &["configure", "set"]),
    ("disable", &["remove", "set"]),
    ("delete", &["remove"]),
    ("take", &["remove"]),
    ("forget", &["delete", "remove"]),
    ("remember", &["create", "add", "observation", "knowledge"]),
    ("close", &["update", "state"]),
    ("rename", &["move"]),
    ("replace", &["edit", "update"]),
    ("folder", &["directory"]),
    ("large", &["size"]),
    ("big", &["size"]),
    ("modified", &["info", "metadata"]),
    ("changed", &["status", "diff"]),
    ("difference", &["diff", "compare"]),
    ("compare", &["diff"]),
    ("stage", &["add"]),
    ("tell", &["post", "message"]),
    ("notify", &["post", "message"]),
    ("said", &["message", "history"]),
    ("answer", &["reply"]),
    ("react", &["reaction"]),
    ("members", &["user"]),
    ("green", &["status", "check"]),
    ("run", &["exec", "execute"]),
    ("release", &["chart"]),
    ("restart", &["reload", "rollout"]),
    ("form", &["fill"]),
    ("errors", &["message", "console"]),
    ("pod", &["kubernetes", "resource"]),
    ("deployment", &["kubernetes", "resource"]),
    ("cluster", &["kubernetes"]),
    ("save", &["write"]),
    // To say something to somebody.
    ("inform", &["post", "message"]),
    ("announce", &["post", "message"]),
    ("broadcast", &["post", "message"]),
    ("message", &["post"]),
    ("know", &["post", "message"]),
    ("share", &["post", "message"]),
    ("respond", &["reply", "comment"]),
    ("remark", &["comment"]),
    ("conversation", &["thread", "history"]),
    ("discussion", &["thread", "comment"]),
    ("thumbs", &["reaction"]),
    ("emoji", &["reaction"]),
    // To bring into being.
    ("submit", &["create"]),
    ("register", &["create"]),
    ("leave", &["create", "add"]),
    ("new", &["create"]),
    ("build", &["create"]),
    ("launch", &["create", "start"]),
    ("generate", &["create"]),
    ("draft", &["create"]),
    ("insert", &["add", "create"]),
    ("append", &["add", "edit"]),
    ("deploy", &["apply", "create", "install"]),
    ("ticket", &["issue"]),
    ("bug", &["issue"]),
    ("mr", &["merge", "request"]),
    ("pr", &["pull", "request"]),
    ("prs", &["pull", "request"]),
    ("repo", &["repository"]),
    // To make otherwise.
    ("adjust", &["set", "update", "edit"]),
    ("modify", &["set", "update", "edit"]),
    ("alter", &["set", "update", "edit"]),
    ("correct", &["update", "edit"]),
    ("amend", &["update", "edit"]),
    ("tweak", &["set", "update"]),
    ("resize", &["scale"]),
    ("grow", &["scale"]),
    ("shrink", &["scale"]),
    ("replica", &["scale"]),
    ("bump", &["set", "upgrade", "update"]),
    ("drift", &["compare", "diff"]),
    ("differ", &["diff", "compare"]),
    ("export", &["write", "create"]),
    ("paste", &["apply", "write"]),
    ("upgrade", &["update"]),
    ("approve", &["review"]),
    ("reject", &["review", "dismiss"]),
    // To keep, and to have back.
    ("store", &["save", "write"]),
    ("persist", &["save"]),
    ("permanent", &["save", "startup"]),
    ("survive", &["save", "startup"]),
    ("keep", &["save"]),
    ("backup", &["keep", "copy"]),
    ("snapshot", &["keep", "copy"]),
    ("undo", &["reset", "revert"]),
    ("unstage", &["reset"]),
    ("revert", &["restore", "reset"]),
    ("roll", &["rollout", "restore"]),
    // To do away with.
    ("erase", &["delete", "remove"]),
    ("drop", &["delete", "remove"]),
    ("wipe", &["delete", "remove"]),
    ("purge", &["delete", "remove"]),
    ("discard", &["delete", "reset"]),
    ("kill", &["delete", "stop"]),
    ("destroy", &["delete"]),
    ("retire", &["delete", "remove"]),
    // To look.
    ("contain", &["read", "content"]),
    ("lookup", &["get", "search"]),
    ("locate", &["search", "find"]),
    ("find", &["search"]),
    ("overloaded", &["cpu", "status"]),
    ("utilization", &["cpu", "status"]),
    ("utilisation", &["cpu", "status"]),
    ("alive", &["ping"]),
    ("hardware", &["device"]),
    ("equipment", &["device"]),
    ("gear", &["device"]),
    ("cabling", &["link"]),
    ("connected", &["link", "neighbor"]),
    ("kit", &["device"]),
    ("clock", &["time", "ntp"]),
    ("syslog", &["service"]),
    ("ntp", &["service"]),
    ("hour", &["time"]),
    ("noon", &["time"]),
    ("people", &["user"]),
    ("colleague", &["user"]),
    ("person", &["user"]),
    ("profile", &["user"]),
    ("wiki", &["page"]),
    ("subfolder", &["directory", "tree"]),
    ("hierarchy", &["tree"]),
    ("stdout", &["log"]),
    // On a page of the web.
    ("picture", &["screenshot"]),
    ("image", &["screenshot"]),
    ("capture", &["screenshot"]),
    ("visit", &["navigate"]),
    ("browse", &["navigate"]),
    ("choose", &["select", "option"]),
    ("pick", &["select", "option"]),
    ("dropdown", &["select", "option"]),
    ("drop-down", &["select", "option"]),
    ("press", &["key", "click"]),
    ("tap", &["click"]),
    ("enter", &["type"]),
    ("attach", &["upload"]),
    ("popup", &["dialog"]),
    ("mouse", &["hover", "click"]),
    // Of a cluster.
    ("container", &["pod", "kubernetes"]),
    ("namespace", &["kubernetes"]),
    ("helm", &["chart"]),
    ("manifest", &["apply", "kubernetes"]),
    ("shell", &["exec", "pod"]),
    ("tunnel", &["forward"]),
];

/// A term and how much it counts.
pub(super) type Weighted = (String, f64);

/// The terms of what somebody wants. Names of things and what stands in quotes are values, not tools' words; what kind of
/// value they are may still tell which tool takes it.
pub(super) fn of_intent(words: &[Word]) -> Vec<Weighted> {
    let mut terms: Vec<Weighted> = Vec::new();
    let of_words: BTreeSet<String> = words.iter().map(|word| crate::words::singular(&word.lower)).collect();
    let of_devices = DEVICES.iter().any(|noun| of_words.contains(*noun));
    for word in words.iter().filter(|word| !word.quoted) {
        if of_devices && ROLES.contains(&crate::words::singular(&word.lower).as_str()) {
            continue;
        }
        if let Some(kinds) = kinds(&word.raw) {
            terms.extend(kinds.iter().map(|kind| (stem(kind), 0.6)));
            continue;
        }
        for part in parts(&word.raw) {
            let own = stem(&part);
            let others = ALSO.iter().filter(|(said, _)| *said == part || stem(said) == own);
            terms.extend(others.flat_map(|(_, also)| also.iter().map(|term| (stem(term), 0.5))));
            terms.push((own, 1.0));
        }
    }
    // A term that is said twice is not wanted twice.
    terms.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.total_cmp(&a.1)));
    terms.dedup_by(|later, first| later.0 == first.0);
    terms
}

/// The terms of a tool's text.
pub(super) fn of_text(text: &str) -> Vec<String> {
    parts(text).iter().map(|part| stem(part)).collect()
}

/// The terms of the things of which an intent names a group; none: it names none by a word that a list may be called by.
pub(super) fn of_group(words: &[Word]) -> Vec<Weighted> {
    let plain: Vec<(String, bool)> = words
        .iter()
        .filter(|word| !word.quoted && kinds(&word.raw).is_none())
        .map(|word| {
            let one = crate::words::singular(&word.lower);
            let several = one != word.lower;
            (one, several)
        })
        .collect();
    let devices =
        |(one, _): &(String, bool)| DEVICES.contains(&one.as_str()) || one == "everything" || one == "everywhere";
    if plain.iter().any(devices) {
        return vec![(stem("device"), 1.0)];
    }
    let several = plain.into_iter().filter(|(_, several)| *several);
    several.map(|(one, _)| (stem(&one), 1.0)).collect()
}

/// The intent as the parts that may need tools of their own.
pub(super) fn clauses(text: &str) -> Vec<Vec<Word>> {
    crate::verbs::clauses(&words(text))
}

/// What kind of thing a word names, if it is the name of one; none: it is a plain word.
fn kinds(raw: &str) -> Option<&'static [&'static str]> {
    let has = |what: fn(char) -> bool| raw.chars().any(what);
    let extension = raw.rsplit_once('.').map(|(_, end)| end);
    let file =
        extension.is_some_and(|end| (1..=5).contains(&end.len()) && end.chars().all(|c| c.is_ascii_alphabetic()));
    if raw.contains("://") {
        Some(&["url", "navigate"])
    } else if raw.starts_with('#') {
        Some(&["channel"])
    } else if raw.parse::<std::net::IpAddr>().is_ok() {
        Some(&["address", "ip"])
    } else if file && !has(char::is_whitespace) {
        Some(&["file", "path"])
    } else if raw.starts_with('/') {
        Some(&["path", "repository"])
    } else if has(|c| c.is_ascii_digit()) {
        of_a_network(raw)
    } else {
        None
    }
}

/// Whether a word is the name of an interface: `Gi0/1`, `eth2`.
pub(crate) fn is_interface(raw: &str) -> bool {
    kinds(raw).is_some_and(|kinds| kinds.contains(&"interface"))
}

/// Whether a word looks like the name of a device: `bj-core-1`, `r7`.
pub(crate) fn is_device(raw: &str) -> bool {
    kinds(raw).is_some_and(|kinds| kinds.contains(&"device"))
}

/// What a word with digits in it names on a network: an interface (`Gi0/1`, `eth2`), a device (`bj-core-1`, `r7`), or a
/// number, which tells nothing.
fn of_a_network(raw: &str) -> Option<&'static [&'static str]> {
    const PORTS: &[&str] = &[
        "eth",
        "gi",
        "te",
        "fa",
        "ge",
        "xe",
        "et",
        "po",
        "lo",
        "vlan",
        "ae",
        "hu",
        "ens",
        "eno",
        "loopback",
        "serial",
        "tunnel",
        "bond",
        "swp",
        "irb",
        "port-channel",
        "bundle-ether",
        "eth-trunk",
        "vlanif",
        "bvi",
        "bdi",
        "nve",
        "lag",
        "mgmt",
    ];
    let end = raw
        .find(|c: char| !(c.is_ascii_alphabetic() || c == '-'))
        .unwrap_or(raw.len());
    let (name, rest) = raw.split_at(end);
    let lower = name.trim_end_matches('-').to_lowercase();
    let port = !lower.is_empty() && rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let slashed = rest.contains('/') && !lower.contains('-');
    if port && (slashed || PORTS.contains(&lower.as_str()) || lower.ends_with("ethernet")) {
        Some(&["interface"])
    } else if raw.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some(&["device"])
    } else {
        Some(&[])
    }
}

/// The words of a text in lower case: parts of `snake_case`, `kebab-case` and `camelCase` names too.
pub(crate) fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut after_lower = false;
    for c in text.chars().chain([' ']) {
        let begins = c.is_uppercase() && after_lower;
        if (begins || !c.is_alphanumeric()) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_alphanumeric() {
            part.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    parts.retain(|part| !EMPTY.contains(&part.as_str()));
    parts
}

/// A word without its ending. Not a linguist's stem: it only has to be the same for the forms of one word, and another
/// for another word ("router" and "route" stay apart).
pub(crate) fn stem(word: &str) -> String {
    let word = crate::words::singular(word);
    if !word.is_ascii() {
        return word;
    }
    for end in ["ability", "ibility", "ations", "ation", "able", "ible", "ment"] {
        if let Some(root) = word.strip_suffix(end).filter(|root| root.len() >= 4) {
            return root.trim_end_matches('e').to_owned();
        }
    }
    for end in ["ing", "ed", "ion", "or"] {
        let root = word.strip_suffix(end);
        if let Some(root) = root.filter(|root| root.len() >= 3 && root.contains(['a', 'e', 'i', 'o', 'u', 'y'])) {
            let keeps = end == "or" && !root.ends_with(['t', 's']);
            if !keeps {
                return single(root);
            }
        }
    }
    match word.strip_suffix('e') {
        Some(root) if root.len() >= 3 => root.to_owned(),
        _ => word,
    }
}

/// "committ" as "commit"; "install" stays.
fn single(root: &str) -> String {
    let mut last = root.chars().rev();
    match (last.next(), last.next()) {
        (Some(a), Some(b)) if a == b && !matches!(a, 'l' | 's' | 'z' | 'e' | 'o') => root[..root.len() - 1].to_owned(),
        _ => root.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_word_have_one_stem_and_other_words_another() {
        for forms in [
            &[
                "configure",
                "configured",
                "configures",
                "configuring",
                "configuration",
                "configurations",
            ][..],
            &["save", "saved", "saves", "saving"],
            &["commit", "commits", "committed", "committing"],
            &["reachable", "reachability", "reach"],
            &["interface", "interfaces"],
            &["set", "setting", "settings"],
            &["install", "installed", "installs"],
            &["create", "creates", "created", "creation"],
        ] {
            let stems: std::collections::BTreeSet<String> = forms.iter().map(|form| stem(form)).collect();
            assert_eq!(stems.len(), 1, "{forms:?}: {stems:?}");
        }
        for (a, b) in [
            ("router", "route"),
            ("neighbor", "neighbors_of"),
            ("process", "proceed"),
            ("status", "state"),
        ] {
            assert_ne!(stem(a), stem(b));
        }
    }

    #[test]
    fn names_of_things_are_values_and_only_their_kind_counts() {
        let terms = |text: &str| -> Vec<String> { of_intent(&words(text)).into_iter().map(|(term, _)| term).collect() };
        assert_eq!(terms("sh-core-1 \"reload now\" 17"), [stem("device")]);
        assert_eq!(terms("GigabitEthernet0/1 eth2 Gi0/0/1"), [stem("interface")]);
        for port in [
            "Loopback0",
            "Serial0",
            "Tunnel1",
            "bond0",
            "swp1",
            "irb.10",
            "Port-channel1",
            "Vlanif10",
            "et-0/0/1",
            "lo0.1",
            "eth1.100",
            "Eth-Trunk3",
        ] {
            assert!(is_interface(port) && !is_device(port), "{port}");
        }
        for device in ["bj-core-1", "serial-box-1", "r7", "port-1", "tunnelserver1"] {
            assert!(is_device(device) && !is_interface(device), "{device}");
        }
        assert!(!terms("all core switches").contains(&stem("core")));
        assert!(terms("dump the core").contains(&stem("core")));
        assert_eq!(terms("notes/handover.txt"), ["fil", "path"]);
        assert!(terms("routers").contains(&stem("device")));
    }
}
