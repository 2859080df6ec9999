//! Reading goes on where sled cannot read any more: a write that the disk refused in its midst leaves nodes behind that it
//! would have to write before it reads them. All that was acknowledged is in the file, so it is read from a copy in memory.

use crate::disk::Disk;
use crate::rehearsal::{copy_dir, verified};
use crate::{OpenError, OpenOptions};
use sha2::{Digest, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A larger database is not copied: the machine's memory is others' too.
const LARGEST: u64 = 256 << 20;

/// For how long a write that is under way is waited for before the copy is made.
const WRITE_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The copy, once it is needed.
pub(crate) struct Standby {
    store: PathBuf,
    options: OpenOptions,
    /// None within: none can be made.
    copy: OnceLock<Option<Disk>>,
    /// When it was last waited for in vain.
    making: Mutex<Option<Instant>>,
}

impl Standby {
    /// Under the store's lock: what a process that was killed has left of its copy is removed.
    pub(crate) fn of(store: &Path, options: &OpenOptions) -> Self {
        let standby = Self {
            store: store.to_owned(),
            options: OpenOptions {
                accept_lost_tail: false,
                ..options.clone()
            },
            copy: OnceLock::new(),
            making: Mutex::new(None),
        };
        standby.remove_leftovers();
        standby
    }

    /// The copy, if there is one.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.copy.get().and_then(Option::as_ref)
    }

    /// Makes the copy of a fenced store's database, once. Whether there is one.
    pub(crate) fn stand_in_for(&self, fenced: &Disk) -> bool {
        let begun = Instant::now();
        let mut in_vain = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        // What is acknowledged meanwhile would not be in it: whoever reads next tries again.
        if self.copy.get().is_none() {
            if in_vain.is_some_and(|at| at >= begun) {
                return false;
            }
            if !comes_to_rest(fenced) {
                *in_vain = Some(Instant::now());
                return false;
            }
        }
        let copy = self.copy.get_or_init(|| {
            let made = self.make();
            match &made {
                Ok(_) => tracing::warn!("reads go on from a copy of the database in memory, until the next start"),
                Err(error) => {
                    tracing::error!(%error, "no copy of the database can be read instead: restart to read on")
                }
            }
            made.ok()
        });
        copy.is_some()
    }

    fn make(&self) -> Result<Disk, OpenError> {
        let database = self.store.join("journal");
        let failed = |e| OpenError::io(&database, e);
        let size = database.join("db").metadata().map_err(failed)?.len();
        if size > LARGEST {
            let why = format!("it holds {size} bytes, and no more than {LARGEST} are copied into memory");
            return Err(failed(io::Error::other(why)));
        }
        let folder = tempfile::Builder::new().prefix(&self.prefix()).tempdir_in(memory());
        let folder = folder.map_err(failed)?;
        let copy = folder.path().join("journal");
        copy_dir(&database, &copy).map_err(failed)?;
        // The names are gone with `folder`, and what they named with the last handle.
        verified(&self.store, &copy, &self.options).map(|(disk, _)| disk)
    }

    /// What the copies of this store begin with, and those of no other.
    fn prefix(&self) -> String {
        let place = self.store.canonicalize().unwrap_or_else(|_| self.store.clone());
        let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("flyball-{name}-")
    }

    fn remove_leftovers(&self) {
        let Ok(found) = std::fs::read_dir(memory()) else { return };
        let prefix = self.prefix();
        let left = found
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        for copy in left {
            if let Err(error) = std::fs::remove_dir_all(copy.path()) {
                tracing::warn!(%error, copy = %copy.path().display(), "a copy of the database is left behind");
            }
        }
    }
}

/// Whether no write is under way any more, so that all that was ever acknowledged is on the disk.
fn comes_to_rest(fenced: &Disk) -> bool {
    let begun = Instant::now();
    while fenced.writing_for().is_some() {
        if begun.elapsed() > WRITE_ENDS_WITHIN {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// A file system in memory, where there is one: the disk may be full.
fn memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    match shared.is_dir() {
        true => shared.to_owned(),
        false => std::env::temp_dir(),
    }
}
