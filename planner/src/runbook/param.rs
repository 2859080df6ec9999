//! A runbook's typed parameter: what it accepts, and the one form in which it is handed on.

use regex::Regex;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// What a parameter's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// An OSPF area, as a number or dotted; handed on dotted: `0` becomes `0.0.0.0`.
    Area,
    /// A whole number.
    Integer,
    /// Free text on one line.
    String,
    /// One word that names a thing (a site, a device); handed on in lower case.
    Name,
    /// An interface's name; case is kept.
    Interface,
    /// An IPv4 or IPv6 address.
    Address,
    /// An address and a prefix length.
    Prefix,
    /// One of `values`; case does not matter.
    Enum,
    /// Several of the kind that `of` names.
    List,
}

impl ParamKind {
    /// Every kind with the word that a file uses for it.
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("area", Self::Area),
        ("integer", Self::Integer),
        ("string", Self::String),
        ("name", Self::Name),
        ("interface", Self::Interface),
        ("address", Self::Address),
        ("prefix", Self::Prefix),
        ("enum", Self::Enum),
        ("list", Self::List),
    ];

    /// The word that a file uses for it.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("string", |(word, _)| word)
    }
}

/// One parameter of a runbook.
#[derive(Debug, Clone)]
pub struct Param {
    pub kind: ParamKind,
    /// Smallest value of an integer, fewest characters of a text, fewest entries of a list.
    pub min: Option<i64>,
    /// Largest value of an integer, most characters of a text, most entries of a list.
    pub max: Option<i64>,
    /// Must match all of the value.
    pub pattern: Option<Regex>,
    /// What an enum may be, in the form that is handed on.
    pub values: Vec<String>,
    /// What each entry of a list is.
    pub of: Option<Box<Param>>,
    /// Taken when nothing is said.
    pub default: Option<Value>,
    pub description: String,
}

/// Why a value is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotAccepted {
    /// The value is not even of the kind, as against one that breaks a rule.
    pub(crate) other_kind: bool,
    /// What is wanted, as the end of "`area` must be …".
    pub(crate) wanted: String,
}

/// Longest free text, where the file sets no `max`.
const LONGEST_TEXT: i64 = 240;

impl Param {
    /// A parameter of this kind without rules.
    pub(crate) fn of_kind(kind: ParamKind) -> Self {
        Self {
            kind,
            min: None,
            max: None,
            pattern: None,
            values: Vec::new(),
            of: None,
            default: None,
            description: String::new(),
        }
    }

    /// The value in its one form, from JSON or from a word of a text.
    pub(crate) fn accept(&self, given: &Value) -> Result<Value, NotAccepted> {
        if let Some(of) = self.entry() {
            return self.accept_list(of, given);
        }
        let text = match given {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if matches!(self.kind, ParamKind::Integer | ParamKind::Area) => number.to_string(),
            _ => return Err(self.other_kind()),
        };
        let value = self.read(&text).ok_or_else(|| self.other_kind())?;
        self.within_rules(value)
    }

    fn read(&self, text: &str) -> Option<Value> {
        match self.kind {
            ParamKind::Area => area(text).map(Value::from),
            ParamKind::Integer => text.parse::<i64>().ok().map(Value::from),
            ParamKind::String => (!text.is_empty() && !text.contains(char::is_control)).then(|| text.into()),
            ParamKind::Name => one_word(text).then(|| text.to_lowercase().into()),
            ParamKind::Interface => interface(text).then(|| text.into()),
            ParamKind::Address => text.parse::<IpAddr>().ok().map(|a| a.to_string().into()),
            ParamKind::Prefix => prefix(text).map(Value::from),
            ParamKind::Enum => Some(text.to_lowercase().into()),
            ParamKind::List => None,
        }
    }

    fn within_rules(&self, value: Value) -> Result<Value, NotAccepted> {
        let broken = |wanted: String| NotAccepted {
            other_kind: false,
            wanted,
        };
        if self.kind == ParamKind::Enum {
            let text = value.as_str().unwrap_or_default();
            let same = |v: &&String| v.to_lowercase() == text || v.to_lowercase() == crate::words::singular(text);
            let found = self.values.iter().find(same).cloned().map(Value::from);
            return found.ok_or_else(|| broken(format!("one of {}", self.values.join(", "))));
        }
        let size = value.as_i64().unwrap_or_else(|| value.as_str().map_or(0, length));
        let max = self.max.or((self.kind != ParamKind::Integer).then_some(LONGEST_TEXT));
        if self.min.is_some_and(|min| size < min) || max.is_some_and(|max| size > max) {
            return Err(broken(self.bounds(max)));
        }
        match (&self.pattern, value.as_str()) {
            (Some(pattern), Some(text)) if !pattern.is_match(text) => {
                Err(broken(format!("of the form {}", written_pattern(pattern))))
            }
            _ => Ok(value),
        }
    }

    fn bounds(&self, max: Option<i64>) -> String {
        let unit = if self.kind == ParamKind::Integer {
            ""
        } else {
            " characters"
        };
        match (self.min, max) {
            (Some(min), Some(max)) => format!("between {min} and {max}{unit}"),
            (Some(min), None) => format!("at least {min}{unit}"),
            (None, Some(max)) => format!("at most {max}{unit}"),
            (None, None) => "within its bounds".into(),
        }
    }

    pub(super) fn other_kind(&self) -> NotAccepted {
        let wanted = match self.kind {
            ParamKind::Area => "an OSPF area: a number or dotted, as 0 or 0.0.0.0",
            ParamKind::Integer => "a whole number",
            ParamKind::String => "a text on one line",
            ParamKind::Name => "one word of letters, digits, dots, dashes and underscores",
            ParamKind::Interface => "an interface's name, as GigabitEthernet0/1",
            ParamKind::Address => "an IP address",
            ParamKind::Prefix => "an address with a prefix length, as 10.0.0.0/24",
            ParamKind::Enum => "a word",
            ParamKind::List => "a list",
        };
        NotAccepted {
            other_kind: true,
            wanted: wanted.to_owned(),
        }
    }

    /// JSON schema of the value, for a model and for the API.
    pub fn schema(&self) -> Value {
        if let Some(of) = self.entry() {
            return self.list_schema(of);
        }
        let mut schema = match self.kind {
            ParamKind::Integer => json!({"type": "integer"}),
            ParamKind::Enum => json!({"type": "string", "enum": self.values}),
            _ => json!({"type": "string", "maxLength": self.max.unwrap_or(LONGEST_TEXT)}),
        };
        if self.kind == ParamKind::Integer {
            for (key, bound) in [("minimum", self.min), ("maximum", self.max)] {
                if let Some(bound) = bound {
                    schema[key] = bound.into();
                }
            }
        }
        schema
    }
}

fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// The pattern as the file has it, without the anchors that loading added.
pub(super) fn written_pattern(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:")
        .and_then(|t| t.strip_suffix(")$"))
        .unwrap_or(text)
}

/// An area in dotted form, from `0` or `0.0.0.0`.
pub(crate) fn area(text: &str) -> Option<String> {
    let dotted = text
        .parse::<u32>()
        .map(Ipv4Addr::from)
        .or_else(|_| text.parse::<Ipv4Addr>());
    dotted.ok().map(|a| a.to_string())
}

fn one_word(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    text.starts_with(char::is_alphanumeric) && text.chars().all(inner)
}

fn interface(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner)
}

/// A prefix in its shortest form.
pub(crate) fn prefix(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let length: u8 = length.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (length <= longest).then(|| format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(kind: ParamKind) -> Param {
        Param {
            values: vec!["core".into(), "edge".into()],
            ..Param::of_kind(kind)
        }
    }

    #[test]
    fn each_kind_has_one_form() {
        let cases = [
            (ParamKind::Area, json!("0"), json!("0.0.0.0")),
            (ParamKind::Area, json!(51), json!("0.0.0.51")),
            (ParamKind::Area, json!("0.0.0.0"), json!("0.0.0.0")),
            (ParamKind::Integer, json!("100"), json!(100)),
            (ParamKind::Integer, json!(100), json!(100)),
            (ParamKind::Name, json!("Beijing"), json!("beijing")),
            (
                ParamKind::Interface,
                json!("GigabitEthernet0/1"),
                json!("GigabitEthernet0/1"),
            ),
            (ParamKind::Address, json!("2001:DB8:0::1"), json!("2001:db8::1")),
            (ParamKind::Prefix, json!("10.0.0.0/8"), json!("10.0.0.0/8")),
            (ParamKind::Enum, json!("Cores"), json!("core")),
            (ParamKind::String, json!(" to the core "), json!("to the core")),
        ];
        for (kind, given, wanted) in cases {
            assert_eq!(param(kind).accept(&given), Ok(wanted), "{kind:?} {given}");
        }
    }

    #[test]
    fn what_is_of_another_kind_is_not_accepted() {
        let cases = [
            (ParamKind::Area, json!("backbone")),
            (ParamKind::Integer, json!("ten")),
            (ParamKind::Integer, json!(1.5)),
            (ParamKind::String, json!("one\ntwo")),
            (ParamKind::String, json!(7)),
            (ParamKind::Name, json!("two words")),
            (ParamKind::Name, json!("$(reboot)")),
            (ParamKind::Interface, json!("0/1")),
            (ParamKind::Address, json!("10.0.0.256")),
            (ParamKind::Prefix, json!("10.0.0.0/33")),
        ];
        for (kind, given) in cases {
            assert!(param(kind).accept(&given).unwrap_err().other_kind, "{kind:?} {given}");
        }
    }

    #[test]
    fn bounds_patterns_and_values_are_rules() {
        let bounded = Param {
            min: Some(1),
            max: Some(65535),
            ..param(ParamKind::Integer)
        };
        let refused = bounded.accept(&json!(70000)).unwrap_err();
        assert_eq!(
            (refused.other_kind, refused.wanted.as_str()),
            (false, "between 1 and 65535")
        );
        let shaped = Param {
            pattern: Some(Regex::new("^(?:[a-z]{2})$").unwrap()),
            ..param(ParamKind::Name)
        };
        assert_eq!(
            shaped.accept(&json!("beijing")).unwrap_err().wanted,
            "of the form [a-z]{2}"
        );
        assert_eq!(
            param(ParamKind::Enum).accept(&json!("spine")).unwrap_err().wanted,
            "one of core, edge"
        );
        assert!(
            !param(ParamKind::String)
                .accept(&json!("x".repeat(300)))
                .unwrap_err()
                .other_kind
        );
    }
}
