//! Canonical JSON (RFC 8785) and the digests over it.
//!
//! RFC 8785 prints numbers as IEEE doubles, so integers beyond 2⁵³ would collide. They are turned into strings first.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The digest of raw bytes, as received.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// The digest of a value's canonical form.
    pub fn of_value(value: &Value) -> Self {
        Self::of_bytes(&canonical_bytes(value))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        &hex[..hex.len().min(12)]
    }

    /// The digest that stands before the first entry of a chain.
    pub fn zero() -> Self {
        Self(format!("sha256:{}", "0".repeat(64)))
    }

    /// Takes over a digest that somebody else wrote down.
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let hex = text.strip_prefix("sha256:")?;
        (hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))).then_some(Self(text))
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical bytes of a value: sorted keys, no spaces, integers beyond 2⁵³ as strings.
pub fn canonical_bytes(value: &Value) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(&with_safe_integers(value)).expect("a JSON value with finite numbers serialises")
}

const SAFE: u64 = 1 << 53;

fn with_safe_integers(value: &Value) -> Value {
    match value {
        Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(u), _) if u > SAFE => Value::String(u.to_string()),
            (None, Some(i)) if i.unsigned_abs() > SAFE => Value::String(i.to_string()),
            _ => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(with_safe_integers).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), with_safe_integers(v))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_change_the_digest() {
        let a: Value = serde_json::from_str(r#"{"b":1,"a":[1,2]}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":[1,2],"b":1}"#).unwrap();
        assert_eq!(Digest::of_value(&a), Digest::of_value(&b));
        assert_eq!(canonical_bytes(&a), br#"{"a":[1,2],"b":1}"#);
    }

    #[test]
    fn large_counters_that_doubles_cannot_tell_apart_have_different_digests() {
        assert_ne!(
            Digest::of_value(&json!(9007199254740993u64)),
            Digest::of_value(&json!(9007199254740992u64))
        );
        assert_ne!(
            Digest::of_value(&json!(u64::MAX)),
            Digest::of_value(&json!(u64::MAX - 1))
        );
    }

    #[test]
    fn only_well_formed_digests_are_taken_over() {
        assert!(Digest::parse(Digest::zero().as_str()).is_some());
        assert!(Digest::parse("sha256:abc").is_none());
        assert!(Digest::parse("md5:0").is_none());
    }
}
