//! The set statements of a Junos-like device: words in, words out, and what they mean as a [`Config`].
//!
//! A candidate is a set of statements. They are understood one by one when they are typed and as a whole when the
//! candidate is checked: only there an interface turns out to be in two areas, or not to exist.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::model::{Area, Config, Dialect, Interface};

/// One statement's words, without `set`.
pub(crate) type Statement = Vec<String>;

/// A whole configuration.
pub(crate) type Statements = BTreeSet<Statement>;

/// How many of its last words are the value: a new one takes the place of the old one.
struct Rule {
    /// Lower case is a keyword; see [`fits`] for the others.
    pattern: &'static str,
    single: bool,
}

const fn many(pattern: &'static str) -> Rule {
    Rule { pattern, single: false }
}

const fn single(pattern: &'static str) -> Rule {
    Rule { pattern, single: true }
}

const RULES: &[Rule] = &[
    single("system host-name WORD"),
    many("system ntp server WORD"),
    many("system syslog host WORD any WORD"),
    single("snmp community WORD authorization WORD"),
    single("routing-options router-id A"),
    single("interfaces IF description WORD"),
    single("interfaces IF mtu N"),
    many("interfaces IF disable"),
    many("interfaces IF unit 0 family inet address P"),
    many("protocols ospf area AREA"),
    many("protocols ospf area AREA interface IFU"),
    single("protocols ospf area AREA interface IFU metric N"),
    single("protocols ospf area AREA interface IFU hello-interval N"),
    single("protocols ospf area AREA interface IFU dead-interval N"),
    single("protocols ospf area AREA interface IFU interface-type p2p"),
    many("protocols ospf area AREA interface IFU passive"),
];

/// Entries that stay when the last thing below them goes.
const LISTS: &[&str] = &["protocols ospf area AREA", "protocols ospf area AREA interface IFU"];

/// Why words are no statement: the offending word's number, and whether there are merely too few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) word: usize,
    pub(crate) short: bool,
}

/// Splits at blanks; what stands in double quotes is one word.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The statement as it is printed behind `set`.
pub(crate) fn line(statement: &[String]) -> String {
    let quote = |word: &String| {
        if word.is_empty() || word.contains(char::is_whitespace) {
            format!("\"{word}\"")
        } else {
            word.clone()
        }
    };
    statement.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Adds a statement; areas are dotted from then on. What is only the way to another statement is not kept beside it.
pub(crate) fn set(statements: &mut Statements, words: &[String]) -> Result<(), Misfit> {
    let rule = understand(words)?;
    let new = normal(words);
    if rule.single {
        let head = new.len() - 1;
        statements.retain(|old| old.len() != new.len() || old[..head] != new[..head]);
    }
    statements.retain(|old| !(old.len() < new.len() && new.starts_with(old)));
    let implied = statements
        .iter()
        .any(|old| old.len() > new.len() && old.starts_with(&new));
    if !implied {
        statements.insert(new);
    }
    Ok(())
}

/// Takes away the statement and all below it; false if there was none.
pub(crate) fn delete(statements: &mut Statements, words: &[String]) -> bool {
    let gone = normal(words);
    let before = statements.len();
    statements.retain(|old| !old.starts_with(&gone));
    if statements.len() == before {
        return false;
    }
    for pattern in LISTS {
        let length = pattern.split(' ').count();
        let is_entry = length < gone.len() && matches(pattern, &gone[..length]);
        if is_entry && !statements.iter().any(|left| left.starts_with(&gone[..length])) {
            statements.insert(gone[..length].to_vec());
        }
    }
    true
}

fn matches(pattern: &str, words: &[String]) -> bool {
    let elements: Vec<&str> = pattern.split(' ').collect();
    elements.len() == words.len() && elements.iter().zip(words).all(|(element, word)| fits(element, word))
}

fn understand(words: &[String]) -> Result<&'static Rule, Misfit> {
    if let Some(rule) = RULES.iter().find(|rule| matches(rule.pattern, words)) {
        return Ok(rule);
    }
    let reach = |rule: &Rule| {
        let elements = rule.pattern.split(' ');
        elements
            .zip(words)
            .take_while(|(element, word)| fits(element, word))
            .count()
    };
    let word = RULES.iter().map(reach).max().unwrap_or(0);
    Err(Misfit {
        word: word.min(words.len()),
        short: word >= words.len(),
    })
}

fn fits(element: &str, word: &str) -> bool {
    match element {
        "WORD" => !word.is_empty(),
        "A" => word.parse::<Ipv4Addr>().is_ok(),
        "N" => word.parse::<u32>().is_ok_and(|n| (1..=65_535).contains(&n)),
        "P" => prefix(word).is_some(),
        "AREA" => Area::parse(word).is_some(),
        "IF" => is_port(word),
        "IFU" => word.strip_suffix(".0").is_some_and(is_port),
        keyword => keyword == word,
    }
}

fn is_port(word: &str) -> bool {
    let numbers = word.strip_prefix("ge-").map(|rest| rest.split('/').collect::<Vec<_>>());
    matches!(word, "lo0" | "fxp0") || numbers.is_some_and(|n| n.len() == 3 && n.iter().all(|n| n.parse::<u8>().is_ok()))
}

fn prefix(word: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, length) = word.split_once('/')?;
    let length = length.parse().ok().filter(|length| *length <= 32)?;
    Some((address.parse().ok()?, length))
}

/// With the area dotted.
fn normal(words: &[String]) -> Statement {
    let mut statement = words.to_vec();
    if let [one, two, three, area, ..] = statement.as_mut_slice()
        && (one.as_str(), two.as_str(), three.as_str()) == ("protocols", "ospf", "area")
        && let Some(parsed) = Area::parse(area)
    {
        *area = parsed.as_dotted().to_string();
    }
    statement
}

/// The statements of a configuration.
pub(crate) fn of(config: &Config) -> Statements {
    let mut out = Statements::new();
    let mut add = |text: String| {
        out.insert(words(&text));
    };
    add(format!("system host-name {}", config.hostname));
    config.globals.iter().for_each(|line| add(line.clone()));
    for (name, interface) in &config.interfaces {
        if let Some(text) = &interface.description {
            add(format!("interfaces {name} description \"{text}\""));
        }
        if let Some(mtu) = interface.mtu {
            add(format!("interfaces {name} mtu {mtu}"));
        }
        if interface.shutdown {
            add(format!("interfaces {name} disable"));
        }
        if let Some((address, length)) = interface.address {
            add(format!(
                "interfaces {name} unit 0 family inet address {address}/{length}"
            ));
        }
        if let Some((_, area)) = interface.enable {
            membership(config, name, interface, area).into_iter().for_each(&mut add);
        }
    }
    for area in config.ospf.values().flat_map(|ospf| &ospf.areas) {
        let used = |i: &Interface| i.enable.is_some_and(|(_, of)| of == *area);
        if !config.interfaces.values().any(used) {
            add(format!("protocols ospf area {}", area.as_dotted()));
        }
    }
    out
}

fn membership(config: &Config, name: &str, interface: &Interface, area: Area) -> Vec<String> {
    let head = format!("protocols ospf area {} interface {name}.0", area.as_dotted());
    let passive = config.ospf.values().any(|ospf| ospf.passive.contains(name));
    let number = |word: &str, value: Option<u32>| value.map(|value| format!("{head} {word} {value}"));
    let below = [
        number("metric", interface.cost),
        number("hello-interval", interface.hello),
        number("dead-interval", interface.dead),
        interface.point_to_point.then(|| format!("{head} interface-type p2p")),
        passive.then(|| format!("{head} passive")),
    ];
    let below: Vec<String> = below.into_iter().flatten().collect();
    if below.is_empty() { vec![head] } else { below }
}

/// What the statements mean; `ports` is the hardware. An error is the sentence with which a commit check fails.
pub(crate) fn config(statements: &Statements, ports: &BTreeSet<String>) -> Result<Config, String> {
    let mut config = Config::new(Dialect::Junos, "");
    for port in ports {
        config.interfaces.insert(port.clone(), Interface::default());
    }
    for statement in statements {
        let words: Vec<&str> = statement.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["system", "host-name", name] => config.hostname = (*name).to_owned(),
            ["interfaces", name, rest @ ..] => interface(&mut config, ports, name, rest)?,
            ["protocols", "ospf", "area", area, rest @ ..] => ospf(&mut config, area, rest)?,
            _ => drop(config.globals.insert(line(statement))),
        }
    }
    if config.hostname.is_empty() {
        return Err("[edit system]\n  'host-name'\n    error: a host name is needed\n".to_owned());
    }
    if let Some(ospf) = config.ospf.get_mut(&0) {
        let mut ids = config
            .globals
            .iter()
            .filter_map(|line| line.strip_prefix("routing-options router-id "));
        ospf.router_id = ids.next().and_then(|id| id.parse().ok());
    }
    Ok(config)
}

fn interface(config: &mut Config, ports: &BTreeSet<String>, name: &str, rest: &[&str]) -> Result<(), String> {
    let phantom = !ports.contains(name);
    let stanza = config.interfaces.entry(name.to_owned()).or_default();
    stanza.phantom = phantom;
    match rest {
        ["description", text] => stanza.description = Some((*text).to_owned()),
        ["mtu", mtu] => stanza.mtu = mtu.parse().ok(),
        ["disable"] => stanza.shutdown = true,
        ["unit", "0", "family", "inet", "address", address] => {
            if stanza.address.is_some() {
                return Err(format!(
                    "[edit interfaces {name} unit 0 family inet]\n  'address'\n    error: only one address here\n"
                ));
            }
            stanza.address = prefix(address);
        }
        _ => {}
    }
    Ok(())
}

fn ospf(config: &mut Config, area: &str, rest: &[&str]) -> Result<(), String> {
    let Some(area) = Area::parse(area) else {
        return Ok(());
    };
    let process = config.ospf.entry(0).or_default();
    process.areas.insert(area);
    let ["interface", unit, rest @ ..] = rest else {
        return Ok(());
    };
    let name = unit.trim_end_matches(".0");
    let place = format!("[edit protocols ospf area {} interface {unit}]", area.as_dotted());
    let Some(stanza) = config
        .interfaces
        .get_mut(name)
        .filter(|stanza| stanza.address.is_some())
    else {
        return Err(format!(
            "{place}\n  'interface {unit}'\n    error: interface is not configured\n"
        ));
    };
    if stanza.enable.is_some_and(|(_, other)| other != area) {
        return Err(format!(
            "{place}\n  'interface {unit}'\n    error: interface is in more than one area\n"
        ));
    }
    stanza.enable = Some((0, area));
    match rest {
        ["metric", value] => stanza.cost = value.parse().ok(),
        ["hello-interval", value] => stanza.hello = value.parse().ok(),
        ["dead-interval", value] => stanza.dead = value.parse().ok(),
        ["interface-type", "p2p"] => stanza.point_to_point = true,
        ["passive"] => drop(process.passive.insert(name.to_owned())),
        _ => {}
    }
    Ok(())
}

/// The names of the hardware.
pub(crate) fn ports(config: &Config) -> BTreeSet<String> {
    let real = config.interfaces.iter().filter(|(_, interface)| !interface.phantom);
    real.map(|(name, _)| name.clone()).collect()
}

/// The change from one to the other in the form of `show | compare`; empty if there is none.
pub(crate) fn compare(old: &Statements, new: &Statements) -> String {
    let gone = old.difference(new).map(|statement| ('-', statement));
    let fresh = new.difference(old).map(|statement| ('+', statement));
    let mut out = String::new();
    let mut place = String::new();
    let mut all: Vec<(char, &Statement)> = gone.chain(fresh).collect();
    all.sort_by_key(|(_, statement)| *statement);
    for (sign, statement) in all {
        let split = statement.len().saturating_sub(2);
        let here = format!("[edit {}]\n", statement[..split].join(" "));
        if here != place {
            out.push_str(&here);
            place = here;
        }
        out.push_str(&format!("{sign}   {};\n", line(&statement[split..])));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lines: &[&str]) -> Statements {
        let mut statements = Statements::new();
        for line in lines {
            set(&mut statements, &words(line)).unwrap();
        }
        statements
    }

    #[test]
    fn a_value_takes_the_place_of_the_old_one_and_a_list_entry_outlives_what_is_below_it() {
        let head = "protocols ospf area 0 interface ge-0/0/1.0";
        let mut all = feed(&[
            "interfaces ge-0/0/1 description \"a b\"",
            "interfaces ge-0/0/1 description c",
            head,
            &format!("{head} metric 5"),
        ]);
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(delete(&mut all, &words(&format!("{head} metric"))));
        assert!(
            all.contains(&words("protocols ospf area 0.0.0.0 interface ge-0/0/1.0")),
            "{all:?}"
        );
        assert!(!delete(&mut all, &words("interfaces ge-0/0/7")));
    }

    #[test]
    fn a_wrong_word_is_pointed_at() {
        let misfit = |text: &str| set(&mut Statements::new(), &words(text)).unwrap_err();
        assert_eq!(misfit("interfaces ge-0/0/1 mtu many"), Misfit { word: 3, short: false });
        assert_eq!(misfit("interfaces ge-0/0/1 mtu"), Misfit { word: 3, short: true });
        assert_eq!(misfit("flurb"), Misfit { word: 0, short: false });
    }

    #[test]
    fn only_the_whole_shows_that_an_interface_is_in_two_areas() {
        let ports = BTreeSet::from(["ge-0/0/1".to_owned()]);
        let two = feed(&[
            "system host-name r",
            "interfaces ge-0/0/1 unit 0 family inet address 10.0.0.1/30",
            "protocols ospf area 0 interface ge-0/0/1.0",
            "protocols ospf area 1 interface ge-0/0/1.0",
        ]);
        assert!(config(&two, &ports).unwrap_err().contains("more than one area"));
    }
}
