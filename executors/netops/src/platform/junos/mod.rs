//! Set statements (junos): what lines make of a configuration, the lines that lead back, and what is configured.
//!
//! A configuration is a set of statements, each a path of words. `set` adds one, `delete` takes one away with all that
//! is below it. Keywords are read in full only: an abbreviated line is not understood, and so has no way back.

pub mod deny;

use std::collections::BTreeSet;

use super::config::Config;
use super::grammar::{Scope, dotted_area};
use super::model::{Error, Foreseen, Place};
use super::ospf::{Interface, Member, Network, Process};
use super::redact;

type Statement = Vec<String>;

/// Paths that are understood; `*` is any word. The flag: the last word is a value of which there is only one.
const KNOWN: &[(&str, bool)] = &[
    ("interfaces * description *", true),
    ("interfaces * mtu *", true),
    ("interfaces * disable", false),
    ("interfaces * unit *", false),
    ("interfaces * unit * description *", true),
    ("interfaces * unit * family inet", false),
    ("interfaces * unit * family inet address *", false),
    ("protocols ospf area *", false),
    ("protocols ospf area * interface *", false),
    ("protocols ospf area * interface * metric *", true),
    ("protocols ospf area * interface * priority *", true),
    ("protocols ospf area * interface * hello-interval *", true),
    ("protocols ospf area * interface * dead-interval *", true),
    ("protocols ospf area * interface * interface-type *", true),
    ("protocols ospf area * interface * passive", false),
    ("routing-options router-id *", true),
    ("routing-options static route * next-hop *", false),
    ("system ntp server *", false),
    ("system syslog host * any *", true),
    ("snmp community * authorization *", true),
];

/// Entries that stay when the last thing below them is deleted.
const LISTS: &[&str] = &["protocols ospf area *", "protocols ospf area * interface *"];

/// Splits at blanks; what stands in double quotes is one word, quotes left out.
fn words(text: &str) -> Statement {
    let mut words = Vec::new();
    let (mut word, mut open, mut quoted) = (String::new(), false, false);
    for c in text.chars() {
        if c == '"' {
            quoted = !quoted;
            open = true;
        } else if c == ' ' && !quoted {
            if open {
                words.push(std::mem::take(&mut word));
            }
            open = false;
        } else {
            word.push(c);
            open = true;
        }
    }
    if open {
        words.push(word);
    }
    if let [one, two, three, area, ..] = words.as_mut_slice()
        && (one.as_str(), two.as_str(), three.as_str()) == ("protocols", "ospf", "area")
        && let Some(dotted) = dotted_area(area)
    {
        *area = dotted;
    }
    words
}

/// A statement as a line, behind `set` or `delete`.
fn written(statement: &[String]) -> String {
    let word = |word: &String| {
        if word.is_empty() || word.contains(' ') {
            format!("\"{word}\"")
        } else {
            word.clone()
        }
    };
    statement.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn fits(pattern: &str, statement: &[String]) -> bool {
    let elements: Vec<&str> = pattern.split(' ').collect();
    elements.len() == statement.len() && begins(&elements, statement)
}

fn begins(elements: &[&str], statement: &[String]) -> bool {
    elements.iter().zip(statement).all(|(e, word)| *e == "*" || e == word)
}

/// The statements of a printed configuration.
fn statements(config: &Config) -> BTreeSet<Statement> {
    let lines = config.nodes.iter().filter_map(|node| node.line.strip_prefix("set "));
    lines.map(words).collect()
}

/// Plays `set` and `delete` lines on `config`.
pub(super) fn foresee(config: &Config, exists: &dyn Fn(&str) -> bool, lines: &[String]) -> Result<Foreseen, Error> {
    let before = statements(config);
    let mut after = before.clone();
    let mut irreversible = Vec::new();
    for line in lines {
        let understood = match line.trim().split_once(' ') {
            Some(("set", rest)) => set(&mut after, words(rest), exists)?,
            Some(("delete", rest)) => delete(&mut after, &words(rest)),
            _ => false,
        };
        if !understood {
            irreversible.push(redact::line(line));
        }
    }
    let reverse = lead_back(&after, &before);
    if let Some(secret) = reverse.iter().find(|line| redact::has_secret(line)) {
        // A way back that would show a secret to people and journals is no way back.
        irreversible.push(redact::line(secret));
    }
    let place = |_| Place {
        scope: Scope::Global,
        stanza: String::new(),
    };
    Ok(Foreseen {
        unchanged: reverse.is_empty() && irreversible.is_empty(),
        lines: lines.to_vec(),
        reverse,
        irreversible,
        places: lines.iter().map(place).collect(),
    })
}

/// False if the statement is not understood; it is kept all the same.
fn set(all: &mut BTreeSet<Statement>, new: Statement, exists: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
    if let Some(name) = interface_of(&new)
        && !exists(name)
    {
        return Err(Error::NoSuchInterface(name.to_owned()));
    }
    let known = KNOWN.iter().find(|(pattern, _)| fits(pattern, &new));
    if known.is_some_and(|(_, single)| *single) {
        let head = new.len() - 1;
        all.retain(|old| old.len() != new.len() || old[..head] != new[..head]);
    }
    // The way to a statement is not printed beside it.
    all.retain(|old| old.len() >= new.len() || !new.starts_with(old));
    if !all.iter().any(|old| old.starts_with(&new)) {
        all.insert(new);
    }
    Ok(known.is_some())
}

/// False if what is deleted is not understood. What is not there can be deleted without effect.
fn delete(all: &mut BTreeSet<Statement>, gone: &[String]) -> bool {
    let before = all.len();
    all.retain(|old| !old.starts_with(gone));
    if all.len() == before {
        return true;
    }
    for pattern in LISTS {
        let entry = pattern.split(' ').count();
        if entry < gone.len()
            && fits(pattern, &gone[..entry])
            && !all.iter().any(|left| left.starts_with(&gone[..entry]))
        {
            all.insert(gone[..entry].to_vec());
        }
    }
    let elements = |pattern: &'static str| pattern.split(' ').collect::<Vec<_>>();
    KNOWN
        .iter()
        .any(|(pattern, _)| elements(pattern).len() >= gone.len() && begins(&elements(pattern), gone))
}

/// The interface, without its unit, that a statement is about.
fn interface_of(statement: &[String]) -> Option<&str> {
    let words: Vec<&str> = statement.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["interfaces", name, ..] => Some(name),
        ["protocols", "ospf", "area", _, "interface", unit, ..] => unit.split('.').next(),
        _ => None,
    }
}

/// Whether a printed line is a statement that is understood.
pub(super) fn understands(line: &str) -> bool {
    let statement = line.strip_prefix("set ").map(words);
    statement.is_some_and(|statement| KNOWN.iter().any(|(pattern, _)| fits(pattern, &statement)))
}

/// The lines that make one configuration of another.
pub(super) fn lines_between(from: &Config, to: &Config) -> Vec<String> {
    lead_back(&statements(from), &statements(to))
}

/// The lines that make `to` of `from`: first what is new goes, each by its topmost new word, then what is missing comes.
fn lead_back(from: &BTreeSet<Statement>, to: &BTreeSet<Statement>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for new in from.difference(to) {
        let head = &new[..new.len() - 1];
        let single = KNOWN.iter().any(|(pattern, single)| *single && fits(pattern, new));
        if single && to.iter().any(|old| old.len() == new.len() && old.starts_with(head)) {
            continue;
        }
        let shared = |depth: &usize| to.iter().any(|old| old.starts_with(&new[..*depth]));
        let topmost = (1..=new.len()).find(|depth| !shared(depth));
        // All of it is on the way to something in `to`, which is set below.
        let Some(topmost) = topmost else { continue };
        let line = format!("delete {}", written(&new[..topmost]));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.extend(to.difference(from).map(|missing| format!("set {}", written(missing))));
    lines
}

/// All interfaces that are named in the configuration.
pub(super) fn interfaces(config: &Config) -> Vec<Interface> {
    let all = statements(config);
    let mut found: Vec<Interface> = Vec::new();
    for statement in &all {
        let Some(name) = interface_of(statement) else { continue };
        if !found.iter().any(|interface| interface.name == name) {
            found.push(plain(name));
        }
        let interface = found.iter_mut().find(|interface| interface.name == name);
        read(interface.expect("pushed above"), statement);
    }
    found
}

fn plain(name: &str) -> Interface {
    Interface {
        name: name.to_owned(),
        description: None,
        ospf_cost: None,
        mtu: None,
        enabled: true,
        address: None,
        ospf: None,
    }
}

fn read(interface: &mut Interface, statement: &[String]) {
    let words: Vec<&str> = statement.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["interfaces", _, "description", text] => interface.description = Some((*text).to_owned()),
        ["interfaces", _, "mtu", mtu] => interface.mtu = mtu.parse().ok(),
        ["interfaces", _, "disable"] => interface.enabled = false,
        ["interfaces", _, "unit", "0", "family", "inet", "address", address, ..] if interface.address.is_none() => {
            interface.address = address.split_once('/').and_then(|(a, length)| Network::new(a, length));
        }
        ["protocols", "ospf", "area", area, "interface", unit, rest @ ..] if unit.ends_with(".0") => {
            interface.ospf = Some((None, (*area).to_owned()));
            if let ["metric", cost] = rest {
                interface.ospf_cost = cost.parse().ok();
            }
        }
        _ => {}
    }
}

/// The OSPF process, if there is one.
pub(super) fn process(config: &Config, interfaces: &[Interface], expected: &[String]) -> Option<Process> {
    let all = statements(config);
    let ospf: BTreeSet<String> = all.iter().filter_map(area_of).collect();
    if ospf.is_empty() {
        return None;
    }
    let member = |interface: &Interface| {
        Some(Member {
            name: interface.name.clone(),
            area: interface.ospf.as_ref()?.1.clone(),
        })
    };
    let mut members: Vec<Member> = interfaces.iter().filter_map(member).collect();
    members.sort();
    let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    let router_id = all
        .iter()
        .find(|statement| fits("routing-options router-id *", statement));
    Some(Process {
        id: None,
        router_id: router_id.and_then(|statement| statement.last()).cloned(),
        areas: ospf.into_iter().collect(),
        uncovered: expected.iter().filter(|name| !names.contains(name)).cloned().collect(),
        interface_names: names,
        interfaces: members,
    })
}

fn area_of(statement: &Statement) -> Option<String> {
    begins(&["protocols", "ospf", "area"], statement)
        .then(|| statement.get(3).cloned())
        .flatten()
}

#[cfg(test)]
mod tests;
