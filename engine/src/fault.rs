//! A fault in something that somebody wrote: where, which rule, what is wrong, what to do.

use serde::{Deserialize, Serialize};

/// One mistake. Checks return all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into what was checked, for example `/plan/steps/0/args`.
    pub pointer: String,
    /// Stable name of the rule, for example `plan.unknown_tool`.
    pub rule: String,
    /// One sentence.
    pub message: String,
    /// What would be right, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, rule: &str, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            rule: rule.to_owned(),
            message: message.into(),
            suggestion: None,
        }
    }

    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The same fault, seen from a document in which `prefix` leads to what was checked.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer = format!("{prefix}{}", self.pointer);
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} [{}]", self.pointer, self.message, self.rule)?;
        match &self.suggestion {
            Some(s) => write!(f, "; {s}"),
            None => Ok(()),
        }
    }
}

/// The candidate nearest to a mistyped name, if one is near enough to be meant: alike as a whole (Jaro-Winkler ≥ 0.8), and
/// no more than two slips away, one in a short name, or cut short. Names that only begin alike are other names: who is told
/// of one would look for a mistake where there is none.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SHORT: usize = 5;
    let length = name.chars().count();
    const CUT: usize = 4;
    let slips = |c: &str| {
        if length >= CUT && c.starts_with(name) {
            return true;
        }
        let most = if length.max(c.chars().count()) <= SHORT { 1 } else { 2 };
        strsim::osa_distance(name, c) <= most
    };
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(name, c), c))
        .filter(|(score, c)| *score >= 0.8 && slips(c))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// A JSON pointer segment, escaped as RFC 6901 says.
pub fn escape_pointer(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_suggested_only_if_it_may_be_what_was_meant() {
        let known = [
            "inventory/get_device",
            "inventory/list_devices",
            "config/configure_ospf",
            "mode",
            "set",
        ];
        for (typed, meant) in [
            ("inventory/get_devise", Some("inventory/get_device")),
            ("invetory/list_device", Some("inventory/list_devices")),
            ("config/ospf_configure", None),
            ("config/configure_bgp", None),
            ("inventory/delete_everything", None),
            ("config/configure", Some("config/configure_ospf")),
            ("moed", Some("mode")),
            ("model", Some("mode")),
            ("sets", Some("set")),
            ("send", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
