//! Copies of configurations that this server keeps, beside the inventory: a configuration may hold the device's secrets, so
//! each is encrypted under its device's key and never leaves this process. Dropping a device's last copy drops the key.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use serde::{Deserialize, Serialize};

/// Copies without a name that stay for a way back.
const UNNAMED_KEPT: usize = 16;

/// A copy cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("kept copies: {path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("kept copies: {0} does not open under the device's key")]
    Sealed(PathBuf),
    #[error("no copy of {device} is kept under the name {name}")]
    NoSuchName { device: String, name: String },
    #[error("the copy {base} of {device} is not kept any more")]
    NoSuchCopy { device: String, base: String },
}

/// A copy of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// Digest of the configuration.
    pub(super) base: String,
    /// When it was taken, RFC 3339.
    pub(super) at: String,
}

/// What is kept of one device.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    names: BTreeMap<String, String>,
    /// Oldest first.
    copies: Vec<Copy>,
}

impl Index {
    fn copy(&self, base: &str) -> Option<&Copy> {
        self.copies.iter().find(|copy| copy.base == base)
    }
}

/// All copies.
#[derive(Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
    /// One writer at a time.
    alone: Mutex<()>,
}

impl Shelf {
    /// Copies in this folder; it is made with the first of them.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            alone: Mutex::default(),
        }
    }

    /// Keeps a configuration under a name.
    pub(super) fn keep(&self, device: &str, name: &str, base: &str, config: &str) -> Result<Copy, Error> {
        let _alone = self.lock();
        let folder = self.folder(device);
        make_folder(&folder)?;
        let mut index = index(&folder)?;
        // Written anew even if it is there: saying it again repairs a copy that was damaged.
        let sealed = key(&folder, true)?.seal(&folder, base, config)?;
        write(&folder.join(file_of(base)), &sealed)?;
        let copy = Copy {
            base: base.to_owned(),
            at: jiff::Timestamp::now().to_string(),
        };
        index.copies.retain(|old| old.base != base);
        index.copies.push(copy.clone());
        index.names.insert(name.to_owned(), base.to_owned());
        let gone = without_the_oldest(&mut index);
        write_index(&folder, &index)?;
        for base in gone {
            // A file too many does no harm.
            let _ = std::fs::remove_file(folder.join(file_of(&base)));
        }
        Ok(copy)
    }

    /// Gives a name to a copy that is kept already.
    pub(super) fn point(&self, device: &str, name: &str, base: &str) -> Result<Copy, Error> {
        let _alone = self.lock();
        let folder = self.folder(device);
        let mut index = index(&folder)?;
        let copy = index.copy(base).cloned().ok_or_else(|| Error::NoSuchCopy {
            device: device.to_owned(),
            base: base.to_owned(),
        })?;
        index.names.insert(name.to_owned(), base.to_owned());
        write_index(&folder, &index)?;
        Ok(copy)
    }

    /// The names of a device's copies.
    pub(super) fn names(&self, device: &str) -> Result<BTreeMap<String, Copy>, Error> {
        let index = index(&self.folder(device))?;
        let named = index.names.iter();
        Ok(named
            .filter_map(|(name, base)| Some((name.clone(), index.copy(base)?.clone())))
            .collect())
    }

    /// The configuration that is kept under a name, and its digest.
    pub(super) fn open(&self, device: &str, name: &str) -> Result<(String, String), Error> {
        let folder = self.folder(device);
        let base = index(&folder)?.names.get(name).cloned();
        let base = base.ok_or_else(|| no_name(device, name))?;
        let path = folder.join(file_of(&base));
        let sealed = std::fs::read(&path).map_err(|source| Error::File { path, source })?;
        Ok((key(&folder, false)?.open(&folder, &base, &sealed)?, base))
    }

    /// Forgets a name. With the last one all copies of the device go, and the key that opens them.
    pub(super) fn drop_name(&self, device: &str, name: &str) -> Result<(), Error> {
        let _alone = self.lock();
        let folder = self.folder(device);
        let mut index = index(&folder)?;
        index.names.remove(name).ok_or_else(|| no_name(device, name))?;
        if index.names.is_empty() {
            return std::fs::remove_dir_all(&folder).map_err(|source| Error::File { path: folder, source });
        }
        write_index(&folder, &index)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().expect("no panic while held")
    }

    /// A device's folder; whatever its name, it is one below ours.
    fn folder(&self, device: &str) -> PathBuf {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name: String = device
            .chars()
            .map(|c| match plain(c) {
                true => c.to_string(),
                false => format!("%{:x}", u32::from(c)),
            })
            .collect();
        self.dir.join(name)
    }
}

fn no_name(device: &str, name: &str) -> Error {
    Error::NoSuchName {
        device: device.to_owned(),
        name: name.to_owned(),
    }
}

/// Takes the oldest copies without a name out of the index, but for the last few.
fn without_the_oldest(index: &mut Index) -> Vec<String> {
    let named = |copy: &&Copy| index.names.values().any(|base| *base == copy.base);
    let unnamed: Vec<String> = index
        .copies
        .iter()
        .filter(|c| !named(c))
        .map(|c| c.base.clone())
        .collect();
    let gone = unnamed[..unnamed.len().saturating_sub(UNNAMED_KEPT)].to_vec();
    index.copies.retain(|copy| !gone.contains(&copy.base));
    gone
}

fn file_of(base: &str) -> String {
    base.trim_start_matches("sha256:").to_owned()
}

fn make_folder(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    made.map_err(|source| Error::File {
        path: folder.to_owned(),
        source,
    })
}

fn index(folder: &Path) -> Result<Index, Error> {
    let path = folder.join("index.json");
    let file = |source| Error::File {
        path: path.clone(),
        source,
    };
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| file(e.into())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Index::default()),
        Err(e) => Err(file(e)),
    }
}

fn write_index(folder: &Path, index: &Index) -> Result<(), Error> {
    let bytes = serde_json::to_vec(index).expect("an index serialises");
    write(&folder.join("index.json"), &bytes)
}

/// A file that only we can read, complete and synced or not there at all.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let whole = || -> std::io::Result<()> {
        let mut options = File::options();
        let mut file = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    whole().map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// A device's key.
struct Key(RandomizedNonceKey);

/// The device's key; made if there is none and `make` says so.
fn key(folder: &Path, make: bool) -> Result<Key, Error> {
    let path = folder.join("key");
    let bytes = match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && make => {
            let mut bytes = vec![0; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Sealed(path.clone()))?;
            write(&path, &bytes)?;
            bytes
        }
        Err(source) => return Err(Error::File { path, source }),
        Ok(bytes) => bytes,
    };
    let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes);
    key.map(Key).map_err(|_| Error::Sealed(path))
}

impl Key {
    /// Nonce, then ciphertext, then tag; bound to the folder's name and the digest.
    fn seal(&self, folder: &Path, base: &str, config: &str) -> Result<Vec<u8>, Error> {
        let mut body = config.as_bytes().to_vec();
        let context = context(folder, base);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut body);
        let nonce = nonce.map_err(|_| Error::Sealed(folder.join(file_of(base))))?;
        Ok([&nonce.as_ref()[..], &body].concat())
    }

    fn open(&self, folder: &Path, base: &str, sealed: &[u8]) -> Result<String, Error> {
        let refused = || Error::Sealed(folder.join(file_of(base)));
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut body = body.to_vec();
        let context = context(folder, base);
        let plain = self.0.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body);
        let plain = plain.map_err(|_| refused())?.to_vec();
        String::from_utf8(plain).map_err(|_| refused())
    }
}

fn context(folder: &Path, base: &str) -> String {
    let device = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("{device} {base}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_opens_again_and_no_secret_of_it_stands_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().join("kept"));
        shelf
            .keep("r/1", "golden", "sha256:aa", "snmp-server community s3cret RO\n")
            .unwrap();
        let (text, base) = shelf.open("r/1", "golden").unwrap();
        assert_eq!(
            (text.as_str(), base.as_str()),
            ("snmp-server community s3cret RO\n", "sha256:aa")
        );
        let folder = shelf.folder("r/1");
        for file in std::fs::read_dir(&folder).unwrap().flatten() {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(!bytes.windows(6).any(|w| w == b"s3cret"), "{}", file.path().display());
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_name_goes_back_to_the_copy_it_had_and_the_last_name_takes_the_key_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().to_owned());
        shelf.keep("r1", "golden", "sha256:aa", "one").unwrap();
        shelf.keep("r1", "golden", "sha256:bb", "two").unwrap();
        assert_eq!(shelf.open("r1", "golden").unwrap().0, "two");
        shelf.point("r1", "golden", "sha256:aa").unwrap();
        assert_eq!(shelf.open("r1", "golden").unwrap().0, "one");
        assert!(shelf.point("r1", "golden", "sha256:cc").is_err());
        shelf.drop_name("r1", "golden").unwrap();
        assert!(shelf.names("r1").unwrap().is_empty() && !dir.path().join("r1").exists());
    }

    #[test]
    fn old_copies_that_nothing_names_go() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(dir.path().to_owned());
        for n in 0..UNNAMED_KEPT + 5 {
            shelf.keep("r1", "latest", &format!("sha256:{n:02}"), "x").unwrap();
        }
        let files = std::fs::read_dir(dir.path().join("r1")).unwrap().count();
        assert_eq!(files, UNNAMED_KEPT + 1 + 2, "the copies, the key and the index");
    }
}
