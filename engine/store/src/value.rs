//! Values of any length over a tree that must only see short ones.
//!
//! sled packs up to about 20 values into a node and moves a node of more than 128 KiB into a file of its own, which it
//! never syncs. So 64 KiB for a value is not enough of a bound: pieces of 5 KiB keep every node in the synced log.

use crate::keys;
use sled::IVec;

/// The longest piece, bytes.
pub(crate) const PIECE: usize = 5 * 1024;

const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// Why something could not be read from or written to the tree.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("sled: {0}")]
    Sled(sled::Error),
    #[error("disk: {0}")]
    Disk(#[from] std::io::Error),
    /// What is there is not what was written.
    #[error("{0}")]
    Torn(String),
}

impl From<sled::Error> for Fault {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Disk(plain(error)),
            other => Self::Sled(other),
        }
    }
}

/// sled hands an error on as a debugger shows it; of some the kind says it all.
fn plain(error: std::io::Error) -> std::io::Error {
    use std::io::ErrorKind as K;
    match error.kind() {
        kind @ (K::StorageFull | K::ReadOnlyFilesystem | K::QuotaExceeded) => kind.into(),
        _ => error,
    }
}

impl Fault {
    pub(crate) fn torn(key: &[u8], why: &str) -> Self {
        let name: String = key
            .iter()
            .flat_map(|b| std::ascii::escape_default(*b))
            .map(char::from)
            .collect();
        Self::Torn(format!("the record {name} {why}"))
    }
}

/// Something to read keys from: the tree, or the tree as it will be after a group.
pub(crate) trait Source {
    fn raw(&self, key: &[u8]) -> Result<Option<IVec>, Fault>;

    /// The value of a key, put together.
    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.raw(key)?.map(|raw| self.assemble(key, &raw)).transpose()
    }

    /// The value whose first piece was found under the key.
    fn assemble(&self, key: &[u8], raw: &[u8]) -> Result<Vec<u8>, Fault> {
        if let Some((&WHOLE, value)) = raw.split_first() {
            return Ok(value.to_vec());
        }
        let pieces = pieces_of(raw).ok_or_else(|| Fault::torn(key, "has no readable length"))?;
        let mut value = Vec::with_capacity(pieces as usize * PIECE);
        for n in 0..pieces {
            let piece = self.raw(&keys::fragment(key, n))?;
            value.extend_from_slice(&piece.ok_or_else(|| Fault::torn(key, "lacks a piece"))?);
        }
        Ok(value)
    }

    fn json<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Fault> {
        self.value(key)?.map(|bytes| read_json(key, &bytes)).transpose()
    }
}

impl Source for sled::Tree {
    fn raw(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        Ok(self.get(key)?)
    }
}

/// Reads a record that this store wrote.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|e| Fault::torn(key, &format!("cannot be read: {e}")))
}

/// How a value is stored: what goes under its own key, and the pieces that go elsewhere.
pub(crate) fn split(value: &[u8]) -> (Vec<u8>, Vec<&[u8]>) {
    if value.len() < PIECE {
        return ([&[WHOLE], value].concat(), Vec::new());
    }
    let pieces: Vec<&[u8]> = value.chunks(PIECE).collect();
    let count = u32::try_from(pieces.len()).expect("a value is shorter than 2^32 pieces");
    ([&[IN_PIECES], &count.to_be_bytes()[..]].concat(), pieces)
}

/// Into how many pieces beside its key a stored value was split.
pub(crate) fn pieces_of(raw: &[u8]) -> Option<u32> {
    match raw.split_first()? {
        (&WHOLE, _) => Some(0),
        (&IN_PIECES, count) => Some(u32::from_be_bytes(count.try_into().ok()?)),
        _ => None,
    }
}
