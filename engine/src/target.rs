//! What a call touches: canonical, hierarchical names such as `device:bj-core-1/interface:Gi0-1`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A canonical target. A target conflicts with itself, with what is below it and with what it is below, by whole segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(String);

/// A text that names no target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no target: write kind:name segments joined by `/`, for example device:bj-core-1/interface:Gi0-1")]
pub struct BadTarget(String);

impl Target {
    /// Reads a target; each segment is `kind:name`, neither part empty.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let well_formed =
            |segment: &str| matches!(segment.split_once(':'), Some((k, n)) if !k.is_empty() && !n.is_empty());
        if text.is_empty() || !segments(text).iter().all(|s| well_formed(s)) {
            return Err(BadTarget(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The target of a tool without a contract: its whole server.
    pub fn server(alias: &str) -> Self {
        Self(format!("server:{alias}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same thing on a device of this name. None: it lies on no device, or the name is none.
    pub fn on_device(&self, name: &str) -> Option<Self> {
        let rest = self.0.strip_prefix("device:")?.strip_prefix(self.device()?)?;
        Self::parse(&format!("device:{name}{rest}")).ok()
    }

    /// The first segment: targets that do not share it never conflict.
    pub fn root(&self) -> &str {
        segments(&self.0)[0]
    }

    /// Whether two intents that hold these would get into each other's way.
    pub fn conflicts_with(&self, other: &Target) -> bool {
        let (a, b) = (segments(&self.0), segments(&other.0));
        a.iter().zip(&b).all(|(x, y)| x == y)
    }

    /// Whether the other is this or lies below it.
    pub fn covers(&self, other: &Target) -> bool {
        segments(&self.0).len() <= segments(&other.0).len() && self.conflicts_with(other)
    }

    /// The device a target lies on, if its first segment names one.
    pub fn device(&self) -> Option<&str> {
        segments(&self.0).first().and_then(|s| s.strip_prefix("device:"))
    }
}

/// Segments are split at `/` followed by `kind:`, since interface names hold slashes themselves (`Gi0/1`).
fn segments(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices('/') {
        let rest = &text[at + 1..];
        let kind: usize = rest
            .bytes()
            .take_while(|b| b.is_ascii_lowercase() || *b == b'_')
            .count();
        if kind > 0 && rest.as_bytes().get(kind) == Some(&b':') {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(a: &str, b: &str) -> bool {
        Target::parse(a).unwrap().conflicts_with(&Target::parse(b).unwrap())
    }

    #[test]
    fn a_device_conflicts_with_its_interfaces_and_not_with_a_longer_name() {
        assert!(conflict("device:a", "device:a/interface:Gi0/1"));
        assert!(conflict("device:a/interface:Gi0/1", "device:a"));
        assert!(!conflict("device:a", "device:ab"));
        assert!(!conflict("device:a/interface:Gi0/1", "device:a/interface:Gi0/10"));
        assert!(!conflict("device:a", "server:a"));
    }

    #[test]
    fn a_device_covers_its_interfaces_and_an_interface_not_its_device() {
        let covers = |a: &str, b: &str| Target::parse(a).unwrap().covers(&Target::parse(b).unwrap());
        assert!(covers("device:a", "device:a/interface:Gi0/1"));
        assert!(covers("device:a", "device:a"));
        assert!(!covers("device:a/interface:Gi0/1", "device:a"));
        assert!(!covers("device:a", "device:ab"));
    }

    #[test]
    fn malformed_targets_are_refused() {
        for bad in ["", "device", "device:", ":a", "device:a/interface:"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Target::parse("device:a/interface:Gi0/1").unwrap().device(), Some("a"));
    }
}
