//! The records beside the entries: what is known of an intent, and an entry with the hash it had when it was written.

use crate::keys;
use crate::value::{Fault, Source};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::journal::rules;
use flyball_engine::journal::{Epoch, Head, IntentRow, StoredEntry};
use flyball_engine::target::Target;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the store knows of an intent, in one record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Intent {
    pub(crate) epoch: Epoch,
    pub(crate) head: Head,
    /// The row, its targets left out.
    pub(crate) row: Option<IntentRow>,
    /// Digest of the targets, which stand in a record of their own.
    pub(crate) targets: Option<Digest>,
    pub(crate) join_key: Option<Digest>,
    /// How many commands have arrived.
    pub(crate) posted: u64,
}

impl Intent {
    pub(crate) fn fresh(join_key: Option<Digest>) -> Self {
        Self {
            epoch: 0,
            head: Head::empty(),
            row: None,
            targets: None,
            join_key,
            posted: 0,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        rules::is_open(self.row.as_ref())
    }

    /// The row as it was committed.
    pub(crate) fn full_row(&self, source: &impl Source, intent: IntentId) -> Result<Option<IntentRow>, Fault> {
        let Some(mut row) = self.row.clone() else {
            return Ok(None);
        };
        if self.targets.is_some() {
            let targets: Option<Vec<Target>> = source.json(&keys::targets(intent))?;
            row.targets = targets.unwrap_or_default();
        }
        Ok(Some(row))
    }
}

/// An entry as it is stored: its SHA-256, then its bytes.
pub(crate) fn entry_value(stored: &StoredEntry) -> Vec<u8> {
    let mut value = Sha256::digest(&stored.bytes).to_vec();
    value.extend(&stored.bytes);
    value
}

/// The bytes of a stored entry and their digest, or why they are not what was written.
pub(crate) fn entry_bytes(mut value: Vec<u8>) -> Result<(Vec<u8>, Digest), &'static str> {
    if value.len() < 32 {
        return Err("it is cut short");
    }
    let bytes = value.split_off(32);
    if Sha256::digest(&bytes).as_slice() != value.as_slice() {
        return Err("its bytes do not give its hash");
    }
    Ok((bytes, digest_of_hash(&value)))
}

/// Tens of thousands of entries are checked at open, so they are hashed once and written out without formatting.
fn digest_of_hash(hash: &[u8]) -> Digest {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in hash {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Digest::parse(text).expect("a SHA-256 in hex is a digest")
}

/// What links an entry into its chain; the rest of it is skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    pub(crate) seq: u64,
    pub(crate) prev_hash: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_written_out_is_the_digest_of_its_bytes() {
        assert_eq!(digest_of_hash(&Sha256::digest(b"entry")), Digest::of_bytes(b"entry"));
    }
}
