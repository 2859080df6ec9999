//! From a line to a [`Command`]: one matcher, one table of rules per dialect and mode.
//!
//! A rule is a pattern of words. Lower case is a keyword and may be abbreviated as long as it stays unique among the
//! rules that still fit; upper case is a parameter: `A` address, `M` mask or length, `W` wildcard, `P` prefix, `AREA`,
//! `IF` interface, `WORD`, `N:LOW-HIGH`, `TEXT` (the rest, at least one word) and `*` (the rest, ignored).

mod frr;
mod ios;
mod junos;
mod vrp;

use std::net::Ipv4Addr;

use super::command::{Command, Mode};
use super::model::{Area, Dialect, length_of};

/// A pattern and what it means once its parameters are known.
pub(super) type Rule = (&'static str, fn(&Args) -> Command);

/// Why a line is no command. Offsets count bytes from the line's first character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Unknown { offset: usize },
    WrongParameter { offset: usize },
    Incomplete { offset: usize },
    Ambiguous { offset: usize },
}

impl Fault {
    /// Where the device points.
    pub(crate) fn offset(&self) -> usize {
        match self {
            Self::Unknown { offset }
            | Self::WrongParameter { offset }
            | Self::Incomplete { offset }
            | Self::Ambiguous { offset } => *offset,
        }
    }
}

#[derive(Debug, Clone)]
enum Arg {
    Number(u32),
    Address(Ipv4Addr),
    Length(u8),
    Area(Area),
    Text(String),
}

/// The parameters of a matched rule, in the order of the pattern. A wrong index or type is a mistake in a table.
pub(super) struct Args(Vec<Arg>);

impl Args {
    pub(super) fn number(&self, index: usize) -> u32 {
        match self.0.get(index) {
            Some(Arg::Number(number)) => *number,
            other => unreachable!("the pattern has a number at {index}, not {other:?}"),
        }
    }

    pub(super) fn process(&self, index: usize) -> u16 {
        u16::try_from(self.number(index)).expect("patterns limit process numbers to 65535")
    }

    pub(super) fn address(&self, index: usize) -> Ipv4Addr {
        match self.0.get(index) {
            Some(Arg::Address(address)) => *address,
            other => unreachable!("the pattern has an address at {index}, not {other:?}"),
        }
    }

    pub(super) fn length(&self, index: usize) -> u8 {
        match self.0.get(index) {
            Some(Arg::Length(length)) => *length,
            other => unreachable!("the pattern has a mask at {index}, not {other:?}"),
        }
    }

    pub(super) fn area(&self, index: usize) -> Area {
        match self.0.get(index) {
            Some(Arg::Area(area)) => *area,
            other => unreachable!("the pattern has an area at {index}, not {other:?}"),
        }
    }

    pub(super) fn text(&self, index: usize) -> String {
        match self.0.get(index) {
            Some(Arg::Text(text)) => text.clone(),
            other => unreachable!("the pattern has text at {index}, not {other:?}"),
        }
    }
}

/// Reads one line as the device in this mode would.
pub(crate) fn parse(dialect: Dialect, mode: &Mode, line: &str) -> Result<Command, Fault> {
    let tables = match dialect {
        Dialect::Ios => ios::tables(mode),
        Dialect::Vrp => vrp::tables(mode),
        Dialect::Frr => frr::tables(mode),
        Dialect::Junos => junos::tables(mode),
    };
    let words = words(dialect, line);
    let mut worst = Fault::Unknown { offset: 0 };
    // A sub-mode also accepts what the mode above it accepts; the complaint is that of the rule which got furthest.
    for table in tables {
        match match_rules(dialect, table, &words, line) {
            Ok(command) => return Ok(command),
            Err(fault) if fault.offset() > worst.offset() || matches!(worst, Fault::Unknown { offset: 0 }) => {
                worst = fault
            }
            Err(_) => {}
        }
    }
    Err(worst)
}

struct Word<'a> {
    text: std::borrow::Cow<'a, str>,
    offset: usize,
}

/// Splits at blanks; `GigabitEthernet 0/1` is one word where a device reads it as one.
fn words(dialect: Dialect, line: &str) -> Vec<Word<'_>> {
    let base = line.as_ptr() as usize;
    let mut words: Vec<Word<'_>> = Vec::new();
    for part in line.split_whitespace() {
        let offset = part.as_ptr() as usize - base;
        let joins = part.starts_with(|c: char| c.is_ascii_digit())
            && words.len() >= 2
            && words.last().is_some_and(|last| is_interface_type(dialect, &last.text))
            && words
                .get(words.len() - 2)
                .is_some_and(|word| is_interface_keyword(&word.text));
        if joins && let Some(last) = words.last_mut() {
            last.text = format!("{}{part}", last.text).into();
            continue;
        }
        words.push(Word {
            text: part.into(),
            offset,
        });
    }
    words
}

fn is_interface_keyword(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.len() >= 3
        && ["interface", "passive-interface", "silent-interface"]
            .iter()
            .any(|key| key.starts_with(&word))
}

fn interface_types(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Ios => &["GigabitEthernet", "Loopback"],
        Dialect::Vrp => &["GigabitEthernet", "LoopBack", "MEth"],
        Dialect::Frr | Dialect::Junos => &[],
    }
}

fn is_interface_type(dialect: Dialect, word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    interface_types(dialect)
        .iter()
        .any(|kind| kind.to_ascii_lowercase().starts_with(&word))
}

/// `gi0/1` becomes `GigabitEthernet0/1`; none if it cannot be an interface's name.
fn interface_name(dialect: Dialect, word: &str) -> Option<String> {
    if matches!(dialect, Dialect::Frr | Dialect::Junos) {
        return Some(word.to_owned());
    }
    let split = word.find(|c: char| c.is_ascii_digit())?;
    let (kind, numbers) = word.split_at(split);
    let kind = kind.to_ascii_lowercase();
    let full = interface_types(dialect)
        .iter()
        .find(|full| full.to_ascii_lowercase().starts_with(&kind))?;
    (!kind.is_empty() && numbers.chars().all(|c| c.is_ascii_digit() || "/.".contains(c)))
        .then(|| format!("{full}{numbers}"))
}

fn match_rules(dialect: Dialect, rules: &[Rule], words: &[Word<'_>], line: &str) -> Result<Command, Fault> {
    let split: Vec<(Vec<&str>, &Rule)> = rules.iter().map(|rule| (rule.0.split(' ').collect(), rule)).collect();
    let mut alive: Vec<&(Vec<&str>, &Rule)> = split.iter().collect();
    for (index, word) in words.iter().enumerate() {
        alive = narrow(dialect, &alive, index, word)?;
    }
    let complete = alive.iter().find(|(pattern, _)| {
        pattern.len() == words.len()
            || pattern.get(words.len()) == Some(&"*")
            || pattern.last().is_some_and(|last| is_rest(last)) && pattern.len() <= words.len()
    });
    let Some((pattern, rule)) = complete else {
        return Err(Fault::Incomplete {
            offset: line.trim_end().len(),
        });
    };
    Ok(rule.1(&collect(dialect, pattern, words, line)))
}

fn is_rest(element: &str) -> bool {
    element == "TEXT" || element == "*"
}

/// The rules that still fit after one more word.
fn narrow<'r, 's>(
    dialect: Dialect,
    alive: &[&'r (Vec<&'s str>, &'r Rule)],
    index: usize,
    word: &Word<'_>,
) -> Result<Vec<&'r (Vec<&'s str>, &'r Rule)>, Fault> {
    let text = if dialect == Dialect::Frr {
        word.text.to_string()
    } else {
        word.text.to_ascii_lowercase()
    };
    let element = |rule: &(Vec<&'s str>, &Rule)| -> Option<&'s str> {
        rule.0
            .get(index)
            .copied()
            .or_else(|| rule.0.last().copied().filter(|last| is_rest(last)))
    };
    let keeps = |test: &dyn Fn(&str) -> bool| -> Vec<&'r (Vec<&'s str>, &'r Rule)> {
        alive
            .iter()
            .copied()
            .filter(|rule| element(rule).is_some_and(test))
            .collect()
    };
    let exact = keeps(&|element| is_keyword(element) && element == text);
    if !exact.is_empty() {
        return Ok(exact);
    }
    let by_prefix = keeps(&|element| is_keyword(element) && element.starts_with(text.as_str()));
    let mut keywords: Vec<_> = by_prefix.iter().filter_map(|rule| element(rule)).collect();
    keywords.sort_unstable();
    keywords.dedup();
    match keywords.len() {
        1 => return Ok(by_prefix),
        0 => {}
        _ => {
            return Err(Fault::Ambiguous { offset: word.offset });
        }
    }
    let parameters = keeps(&|element| !is_keyword(element));
    let fitting = keeps(&|element| !is_keyword(element) && parameter(dialect, element, &word.text).is_some());
    match (fitting.is_empty(), parameters.is_empty()) {
        (false, _) => Ok(fitting),
        (true, false) => Err(Fault::WrongParameter { offset: word.offset }),
        (true, true) => Err(Fault::Unknown { offset: word.offset }),
    }
}

fn is_keyword(element: &str) -> bool {
    element.starts_with(|c: char| c.is_ascii_lowercase() || "-|".contains(c))
}

fn parameter(dialect: Dialect, element: &str, word: &str) -> Option<Vec<Arg>> {
    let one = |arg: Arg| Some(vec![arg]);
    match element {
        "A" | "W" => word.parse().ok().map(Arg::Address).and_then(one),
        "M" => mask(dialect, word).map(Arg::Length).and_then(one),
        "P" => {
            let (address, length) = word.split_once('/')?;
            let length: u8 = length.parse().ok().filter(|length| *length <= 32)?;
            Some(vec![Arg::Address(address.parse().ok()?), Arg::Length(length)])
        }
        "AREA" => Area::parse(word).map(Arg::Area).and_then(one),
        "IF" => interface_name(dialect, word).map(Arg::Text).and_then(one),
        "WORD" | "TEXT" => one(Arg::Text(word.to_owned())),
        "*" => Some(Vec::new()),
        range => {
            let (low, high) = range.strip_prefix("N:")?.split_once('-')?;
            let number: u32 = word.parse().ok()?;
            (number >= low.parse().ok()? && number <= high.parse().ok()?).then(|| vec![Arg::Number(number)])
        }
    }
}

fn mask(dialect: Dialect, word: &str) -> Option<u8> {
    if dialect == Dialect::Vrp
        && let Ok(length) = word.parse::<u8>()
    {
        return (length <= 32).then_some(length);
    }
    word.parse().ok().and_then(length_of)
}

fn collect(dialect: Dialect, pattern: &[&str], words: &[Word<'_>], line: &str) -> Args {
    let mut args = Vec::new();
    for (element, word) in pattern.iter().zip(words) {
        match *element {
            "TEXT" => args.push(Arg::Text(
                line.get(word.offset..).unwrap_or_default().trim_end().to_owned(),
            )),
            element if is_keyword(element) => {}
            element => args.extend(parameter(dialect, element, &word.text).unwrap_or_default()),
        }
    }
    Args(args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::model::{Edit, InterfaceEdit};

    #[test]
    fn abbreviations_are_accepted_as_long_as_they_are_unique() {
        assert_eq!(parse(Dialect::Ios, &Mode::Exec, "conf t"), Ok(Command::Configure));
        assert_eq!(parse(Dialect::Ios, &Mode::Exec, "wr"), Ok(Command::Save { ask: false }));
        assert_eq!(
            parse(Dialect::Ios, &Mode::Config, "int gi 0/1"),
            Ok(Command::EnterInterface("GigabitEthernet0/1".to_owned()))
        );
        assert_eq!(
            parse(Dialect::Ios, &Mode::Interface("x".to_owned()), "no shut"),
            Ok(Command::Here(InterfaceEdit::Shutdown(false)))
        );
        assert_eq!(parse(Dialect::Vrp, &Mode::Exec, "sys"), Ok(Command::Configure));
        assert!(matches!(
            parse(Dialect::Ios, &Mode::Exec, "c"),
            Err(Fault::Ambiguous { offset: 0 })
        ));
    }

    #[test]
    fn faults_point_at_the_word() {
        let interface = Mode::Interface("x".to_owned());
        assert_eq!(
            parse(Dialect::Ios, &interface, "ip ospf cost x"),
            Err(Fault::WrongParameter { offset: 13 })
        );
        assert_eq!(
            parse(Dialect::Ios, &interface, "ip ospf cost"),
            Err(Fault::Incomplete { offset: 12 })
        );
        assert_eq!(
            parse(Dialect::Ios, &interface, "ip osf cost 1"),
            Err(Fault::Unknown { offset: 3 })
        );
    }

    #[test]
    fn a_sub_mode_accepts_the_commands_of_the_mode_above() {
        let line = "hostname r9";
        let want = Ok(Command::Edit(Edit::Hostname("r9".to_owned())));
        assert_eq!(parse(Dialect::Ios, &Mode::Ospf(1), line), want);
        assert_eq!(parse(Dialect::Frr, &Mode::Ospf(0), line), want);
    }

    #[test]
    fn frr_knows_no_process_numbers_and_no_wildcard_masks() {
        assert!(matches!(
            parse(Dialect::Frr, &Mode::Config, "router ospf 100"),
            Ok(Command::Refuse(_))
        ));
        assert!(parse(Dialect::Frr, &Mode::Ospf(0), "network 10.0.0.0 0.0.0.3 area 0").is_err());
        assert!(parse(Dialect::Frr, &Mode::Ospf(0), "network 10.0.0.0/30 area 0").is_ok());
    }
}
