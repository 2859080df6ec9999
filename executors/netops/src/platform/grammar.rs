//! The configuration lines that the driver understands: enough to foresee what a line changes and how to take it back.

use super::Platform;

/// Where in a configuration a line may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Global,
    Interface,
    Ospf,
    /// An area below an OSPF process (vrp).
    Area,
}

/// What a line does to its stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opens a stanza whose lines are in the given scope.
    Stanza(Scope),
    /// One value per stanza: a second line replaces the first.
    Value,
    /// As `Value`, but taken back with its full text.
    Whole,
    /// One of many: each text stands for itself.
    Entry,
}

struct Rule {
    scope: Scope,
    /// Keywords; `*` is an argument that belongs to the identity of the line.
    words: &'static str,
    kind: Kind,
}

const fn rule(scope: Scope, words: &'static str, kind: Kind) -> Rule {
    Rule { scope, words, kind }
}

use Kind::{Entry, Stanza, Value, Whole};
use Scope::{Area, Global, Interface, Ospf};

const IOS: &[Rule] = &[
    rule(Global, "interface *", Stanza(Interface)),
    rule(Global, "router ospf *", Stanza(Ospf)),
    rule(Global, "ip route", Entry),
    rule(Global, "ntp server", Entry),
    rule(Global, "logging host", Entry),
    rule(Interface, "description", Value),
    rule(Interface, "ip address", Value),
    rule(Interface, "ip mtu", Value),
    rule(Interface, "ip ospf cost", Value),
    rule(Interface, "ip ospf hello-interval", Value),
    rule(Interface, "ip ospf dead-interval", Value),
    rule(Interface, "ip ospf priority", Value),
    rule(Interface, "ip ospf network", Value),
    rule(Interface, "ip ospf * area", Whole),
    rule(Interface, "mtu", Value),
    rule(Interface, "bandwidth", Value),
    rule(Interface, "shutdown", Value),
    rule(Ospf, "router-id", Value),
    rule(Ospf, "network", Entry),
    rule(Ospf, "passive-interface", Entry),
];

const VRP: &[Rule] = &[
    rule(Global, "interface *", Stanza(Interface)),
    rule(Global, "ospf *", Stanza(Ospf)),
    rule(Global, "ip route-static", Entry),
    rule(Global, "ntp-service unicast-server", Entry),
    rule(Global, "info-center loghost", Entry),
    rule(Interface, "description", Value),
    rule(Interface, "ip address", Value),
    rule(Interface, "ospf cost", Value),
    rule(Interface, "ospf timer hello", Value),
    rule(Interface, "ospf timer dead", Value),
    rule(Interface, "ospf network-type", Value),
    rule(Interface, "ospf enable", Whole),
    rule(Interface, "mtu", Value),
    rule(Interface, "shutdown", Value),
    rule(Ospf, "area *", Stanza(Area)),
    rule(Ospf, "silent-interface", Entry),
    rule(Area, "network", Entry),
];

const FRR: &[Rule] = &[
    rule(Global, "interface *", Stanza(Interface)),
    rule(Global, "router ospf", Stanza(Ospf)),
    rule(Global, "ip route", Entry),
    rule(Interface, "description", Value),
    rule(Interface, "ip address", Entry),
    rule(Interface, "ip ospf cost", Value),
    rule(Interface, "ip ospf hello-interval", Value),
    rule(Interface, "ip ospf dead-interval", Value),
    rule(Interface, "ip ospf priority", Value),
    rule(Interface, "ip ospf network", Value),
    rule(Interface, "ip ospf area", Whole),
    rule(Interface, "bandwidth", Value),
    rule(Interface, "shutdown", Value),
    rule(Ospf, "ospf router-id", Value),
    rule(Ospf, "router-id", Value),
    rule(Ospf, "network", Entry),
    rule(Ospf, "passive-interface", Entry),
];

/// A line that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub scope: Scope,
    pub kind: Kind,
    /// Identity within the stanza: equal keys, same thing.
    pub key: String,
    /// The line with its keywords written out.
    pub line: String,
    /// Whether words follow the keywords.
    pub has_args: bool,
}

/// What this line (without `no`/`undo`) means in this scope; abbreviated keywords are understood where they are
/// unambiguous among the known lines.
pub fn classify(platform: Platform, scope: Scope, line: &str) -> Option<Known> {
    let rules = match platform {
        Platform::Ios => IOS,
        Platform::Vrp => VRP,
        Platform::Frr => FRR,
        // Set statements have a module of their own.
        Platform::Junos | Platform::Netconf => &[],
    };
    let tokens: Vec<&str> = line.split_whitespace().collect();
    let mut fitting = rules.iter().filter(|rule| rule.scope == scope);
    if let Some(rule) = fitting
        .clone()
        .find(|rule| fits(rule, &tokens, |word, token| word == token))
    {
        return Some(known(rule, &tokens));
    }
    let abbreviated = |rule: &&Rule| fits(rule, &tokens, |word, token| word.starts_with(token));
    let first = fitting.find(abbreviated)?;
    match fitting.find(abbreviated) {
        Some(_ambiguous) => None,
        None => Some(known(first, &tokens)),
    }
}

fn fits(rule: &Rule, tokens: &[&str], same: impl Fn(&str, &str) -> bool) -> bool {
    let words: Vec<&str> = rule.words.split(' ').collect();
    tokens.len() >= words.len() && words.iter().zip(tokens).all(|(w, t)| *w == "*" || same(w, t))
}

fn known(rule: &Rule, tokens: &[&str]) -> Known {
    let words: Vec<&str> = rule.words.split(' ').collect();
    let (head, args) = tokens.split_at(words.len());
    let head: Vec<&str> = words
        .iter()
        .zip(head)
        .map(|(w, t)| if *w == "*" { *t } else { *w })
        .collect();
    let line = head.iter().chain(args).copied().collect::<Vec<_>>().join(" ");
    let key = match rule.kind {
        Kind::Entry => normal(&line),
        Kind::Stanza(_) => normal(&head.join(" ")),
        // `ip ospf * area`: the process number is a value, not an identity; an interface is in one process.
        Kind::Value | Kind::Whole => rule.words.to_owned(),
    };
    Known {
        scope: rule.scope,
        kind: rule.kind,
        key,
        line,
        has_args: !args.is_empty(),
    }
}

/// The same line for comparison: areas dotted.
pub fn normal(line: &str) -> String {
    let mut after_area = false;
    let words = line.split(' ').map(|word| {
        let dotted = after_area.then(|| dotted_area(word)).flatten();
        after_area = word == "area";
        dotted.unwrap_or_else(|| word.to_owned())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// An area number in dotted form: `0` and `0.0.0.0` are the same.
pub fn dotted_area(text: &str) -> Option<String> {
    if let Ok(number) = text.parse::<u32>() {
        return Some(std::net::Ipv4Addr::from(number).to_string());
    }
    text.parse::<std::net::Ipv4Addr>().ok().map(|area| area.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_written_out() {
        let known = classify(Platform::Ios, Interface, "ip ospf co 50").unwrap();
        assert_eq!(
            (known.line.as_str(), known.key.as_str()),
            ("ip ospf cost 50", "ip ospf cost")
        );
        assert_eq!(
            classify(Platform::Ios, Interface, "desc uplink").unwrap().line,
            "description uplink"
        );
    }

    #[test]
    fn what_could_be_two_lines_is_not_understood() {
        assert_eq!(classify(Platform::Frr, Interface, "ip o 50"), None);
    }

    #[test]
    fn areas_compare_equal_in_both_spellings() {
        let one = classify(Platform::Ios, Ospf, "network 10.0.0.0 0.0.0.3 area 0").unwrap();
        let two = classify(Platform::Ios, Ospf, "network 10.0.0.0 0.0.0.3 area 0.0.0.0").unwrap();
        assert_eq!(one.key, two.key);
    }

    #[test]
    fn a_line_of_another_scope_is_not_understood() {
        assert_eq!(classify(Platform::Vrp, Global, "network 10.0.0.0 0.0.0.3"), None);
    }
}
