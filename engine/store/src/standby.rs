//! Reading goes on where sled cannot read any more: a write that the disk refused in its midst leaves nodes behind that it
//! would have to write before it reads them. All that was acknowledged is in the file, so it is read from a copy in memory.

use crate::disk::Disk;
use crate::rehearsal::copy_dir;
use crate::{OpenError, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A larger database is not copied: the machine's memory is others' too.
const LARGEST: u64 = 1 << 30;

/// For how long a write that is under way is waited for before the copy is made.
const WRITE_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The copy, once it is needed.
pub(crate) struct Standby {
    database: PathBuf,
    options: OpenOptions,
    copy: OnceLock<Option<Disk>>,
}

impl Standby {
    pub(crate) fn of(database: PathBuf, options: OpenOptions) -> Self {
        let copy = OnceLock::new();
        Self {
            database,
            options,
            copy,
        }
    }

    /// The copy, if there is one.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.copy.get().and_then(Option::as_ref)
    }

    /// Makes the copy of a fenced store's database, once. Whether there is one.
    pub(crate) fn stand_in_for(&self, fenced: &Disk) -> bool {
        let copy = self.copy.get_or_init(|| {
            let made = self.make(fenced);
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

    fn make(&self, fenced: &Disk) -> Result<Disk, OpenError> {
        let failed = |e| OpenError::io(&self.database, e);
        let begun = Instant::now();
        while fenced.writing_for().is_some() {
            if begun.elapsed() > WRITE_ENDS_WITHIN {
                return Err(failed(io::Error::other("the disk does not come back from a write")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let size = self.database.join("db").metadata().map_err(failed)?.len();
        if size > LARGEST {
            let why = format!("it holds {size} bytes, and no more than {LARGEST} are copied into memory");
            return Err(failed(io::Error::other(why)));
        }
        let folder = tempfile::Builder::new().prefix("flyball-").tempdir_in(memory());
        let folder = folder.map_err(failed)?;
        let copy = folder.path().join("journal");
        copy_dir(&self.database, &copy).map_err(failed)?;
        // Its names are gone with `folder`, and it with the last handle: nothing is left of it, however this process ends.
        Disk::open_copy(&copy, &self.options)
    }
}

/// A file system in memory, where there is one: the disk may be full.
fn memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    match shared.is_dir() {
        true => shared.to_owned(),
        false => std::env::temp_dir(),
    }
}
