//! Values that entries carry: inline when small, by content address when large, sealed when they may hold a secret.

use crate::canonical::{Digest, canonical_bytes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Values whose canonical form is longer than this (bytes) live in blobs beside the entry, in the same commit.
pub const INLINE_LIMIT: usize = 16 * 1024;

/// A value of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// The value itself.
    Inline(Value),
    /// The value is the blob of this digest.
    Blob { digest: Digest, bytes: u64 },
    /// The value is an encrypted blob that can be shredded. The digest is salted with the blob's first 16 bytes, so it
    /// says nothing about the value once the blob is gone.
    Sealed { digest: Digest, bytes: u64 },
}

/// Bytes that go into the same commit as the entry which names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub digest: Digest,
    pub bytes: Vec<u8>,
    /// To be encrypted with a key that can be destroyed.
    pub sealed: bool,
}

impl Payload {
    /// Wraps a value, with the blob to store if it is too long to stand in the entry.
    pub fn open(value: Value) -> (Self, Option<Blob>) {
        let bytes = canonical_bytes(&value);
        if bytes.len() <= INLINE_LIMIT {
            return (Self::Inline(value), None);
        }
        // The bytes stored are those of the value as it was, not its canonical form, which rewrites large integers.
        let bytes = serde_json::to_vec(&value).expect("a JSON value serialises");
        let digest = Digest::of_bytes(&bytes);
        (
            Self::Blob {
                digest: digest.clone(),
                bytes: bytes.len() as u64,
            },
            Some(Blob {
                digest,
                bytes,
                sealed: false,
            }),
        )
    }

    /// Wraps a value that may hold a device's secrets. `salt` must be random and used once.
    pub fn seal(value: &Value, salt: [u8; 16]) -> (Self, Blob) {
        let mut bytes = salt.to_vec();
        bytes.extend(serde_json::to_vec(value).expect("a JSON value serialises"));
        let digest = Digest::of_bytes(&bytes);
        let payload = Self::Sealed {
            digest: digest.clone(),
            bytes: bytes.len() as u64 - 16,
        };
        (
            payload,
            Blob {
                digest,
                bytes,
                sealed: true,
            },
        )
    }

    /// The blob that holds the value, if it does not stand here.
    pub fn blob(&self) -> Option<&Digest> {
        match self {
            Self::Inline(_) => None,
            Self::Blob { digest, .. } | Self::Sealed { digest, .. } => Some(digest),
        }
    }

    /// The value, given the bytes of its blob. `None`: the blob is missing, shredded or not what the digest says.
    pub fn value(&self, blob: Option<&[u8]>) -> Option<Value> {
        match self {
            Self::Inline(v) => Some(v.clone()),
            Self::Blob { digest, .. } => {
                let bytes = blob.filter(|b| Digest::of_bytes(b) == *digest)?;
                serde_json::from_slice(bytes).ok()
            }
            Self::Sealed { digest, .. } => {
                let bytes = blob.filter(|b| Digest::of_bytes(b) == *digest)?;
                serde_json::from_slice(bytes.get(16..)?).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn small_values_stand_in_the_entry_and_large_ones_beside_it() {
        let (small, none) = Payload::open(json!({"a": 1}));
        assert!(none.is_none() && small.value(None) == Some(json!({"a": 1})));
        let large = json!("x".repeat(INLINE_LIMIT));
        let (payload, blob) = Payload::open(large.clone());
        assert_eq!(payload.value(blob.as_ref().map(|b| b.bytes.as_slice())), Some(large));
        assert_eq!(payload.value(Some(b"something else")), None);
    }

    #[test]
    fn a_sealed_value_has_another_digest_under_another_salt_and_never_stands_in_the_entry() {
        let secret = json!({"line": "snmp-server community s3cret"});
        let (a, blob) = Payload::seal(&secret, [1; 16]);
        let (b, _) = Payload::seal(&secret, [2; 16]);
        assert_ne!(a, b);
        assert!(!serde_json::to_string(&a).unwrap().contains("s3cret"));
        assert_eq!(a.value(Some(&blob.bytes)), Some(secret));
    }
}
