//! Sealed blobs: AES-256-GCM under a random key per intent, which is itself wrapped by the master key. Without its key
//! record an intent's sealed blobs are noise.
//!
//! What this does not promise: sled reuses the space of a removed record in time, not at once. Until then a copy of the
//! wrapped key may stand in the database file, so whoever holds that file *and* the master key may still find it.

use crate::files;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use flyball_engine::ids::IntentId;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;

const KEY_LEN: usize = 32;

/// A key, its nonces drawn at random for each sealing.
pub(crate) struct Key(RandomizedNonceKey);

/// The cipher refused: wrong key, damaged bytes, or no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the cipher refused")]
pub(crate) struct Refused;

impl Key {
    fn new(bytes: &[u8]) -> Result<Self, Refused> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map(Self)
            .map_err(|_| Refused)
    }

    /// Nonce, then ciphertext, then tag.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, Refused> {
        let mut body = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut body)
            .map_err(|_| Refused)?;
        Ok([&nonce.as_ref()[..], &body].concat())
    }

    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Refused> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(Refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refused)?;
        let mut body = body.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| Refused)?;
        Ok(plain.to_vec())
    }
}

/// The master key, which wraps the keys of the intents.
pub(crate) struct Master {
    key: Key,
    /// Tells this key from another without saying what it is.
    pub(crate) check: [u8; 32],
}

impl Master {
    /// Reads `master.key`, or makes it with mode 0600 if it is not there.
    pub(crate) fn load_or_make(dir: &Path) -> io::Result<Self> {
        let path = dir.join("master.key");
        match std::fs::read(&path) {
            Ok(bytes) => Self::new(&bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::make(dir, &path),
            Err(e) => Err(e),
        }
    }

    fn make(dir: &Path, path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let bytes = random_key().map_err(io::Error::other)?;
        files::write_whole(path, &bytes, 0o600)?;
        Self::new(&bytes)
    }

    fn new(bytes: &[u8]) -> io::Result<Self> {
        let key =
            Key::new(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a master key is 32 bytes"))?;
        let mut hasher = Sha256::new();
        hasher.update(b"flyball master key check\n");
        hasher.update(bytes);
        let check = hasher.finalize().into();
        Ok(Self { key, check })
    }

    /// A fresh key for an intent, and what to store of it.
    pub(crate) fn fresh(&self, intent: IntentId) -> Result<(Key, Vec<u8>), Refused> {
        let bytes = random_key()?;
        let wrapped = self.key.seal(intent.0.as_bytes(), &bytes)?;
        Ok((Key::new(&bytes)?, wrapped))
    }

    /// The intent's key from what was stored of it.
    pub(crate) fn unwrap(&self, intent: IntentId, wrapped: &[u8]) -> Result<Key, Refused> {
        Key::new(&self.key.open(intent.0.as_bytes(), wrapped)?)
    }
}

fn random_key() -> Result<[u8; KEY_LEN], Refused> {
    let mut bytes = [0; KEY_LEN];
    rand::fill(&mut bytes).map_err(|_| Refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_under_its_key_and_context_alone() {
        let dir = tempfile::tempdir().unwrap();
        let master = Master::load_or_make(dir.path()).unwrap();
        let intent = IntentId::fresh();
        let (key, wrapped) = master.fresh(intent).unwrap();
        let sealed = key.seal(b"here", b"community s3cret").unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"s3cret"));
        let again = Master::load_or_make(dir.path()).unwrap();
        let key = again.unwrap(intent, &wrapped).unwrap();
        assert_eq!(key.open(b"here", &sealed).unwrap(), b"community s3cret");
        assert!(key.open(b"there", &sealed).is_err());
        assert!(again.unwrap(IntentId::fresh(), &wrapped).is_err());
    }

    #[test]
    fn the_master_key_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Master::load_or_make(&dir.path().join("keys")).unwrap();
        let mode = |p: &str| dir.path().join(p).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys"), mode("keys/master.key")), (0o700, 0o600));
    }
}
