//! The writes of one group: what the tree will hold once the group is synced. Later requests of the group are judged by
//! what the earlier ones will have written.

use crate::keys;
use crate::value::{Fault, Source, pieces_of, split};
use serde::Serialize;
use sled::{Batch, IVec, Tree};
use std::collections::BTreeMap;

/// What a group writes, at once or not at all.
pub(crate) struct Writes {
    pub(crate) batch: Batch,
    pub(crate) keys: Vec<Vec<u8>>,
}

pub(crate) struct Group<'a> {
    tree: &'a Tree,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            pending: BTreeMap::new(),
        }
    }

    pub(crate) fn put(&mut self, key: Vec<u8>, value: &[u8]) -> Result<(), Fault> {
        let (first, pieces) = split(value);
        self.drop_pieces(&key, u32::try_from(pieces.len()).unwrap_or(u32::MAX))?;
        for (n, piece) in (0u32..).zip(&pieces) {
            self.pending.insert(keys::fragment(&key, n), Some(piece.to_vec()));
        }
        self.pending.insert(key, Some(first));
        Ok(())
    }

    pub(crate) fn put_json(&mut self, key: Vec<u8>, value: &impl Serialize) -> Result<(), Fault> {
        let bytes = serde_json::to_vec(value).map_err(|e| Fault::torn(&key, &format!("cannot be written: {e}")))?;
        self.put(key, &bytes)
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) -> Result<(), Fault> {
        self.drop_pieces(&key, 0)?;
        self.pending.insert(key, None);
        Ok(())
    }

    /// Removes the pieces of the former value beyond the first `keep`, which are overwritten.
    fn drop_pieces(&mut self, key: &[u8], keep: u32) -> Result<(), Fault> {
        let former = self.raw(key)?.and_then(|raw| pieces_of(&raw)).unwrap_or(0);
        for n in keep..former {
            self.pending.insert(keys::fragment(key, n), None);
        }
        Ok(())
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// All of it.
    pub(crate) fn into_writes(self) -> Writes {
        let keys = self.pending.keys().cloned().collect();
        let mut batch = Batch::default();
        for (key, value) in self.pending {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        Writes { batch, keys }
    }
}

impl Source for Group<'_> {
    fn raw(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        match self.pending.get(key) {
            Some(value) => Ok(value.as_deref().map(IVec::from)),
            None => self.tree.raw(key),
        }
    }
}
