//! The database as it was before it is opened. sled cuts its log off behind what it cannot read, so a start that is refused
//! would have destroyed what it was refused for; a copy is put back then.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the copy is called beside the database, with the boot that it was made in: what another boot left may not be whole.
const NAME: &str = "journal.before";

/// A copy of a database that is about to be opened. None: there was nothing to copy, or no room.
pub(crate) struct Preimage {
    dir: PathBuf,
    copy: Option<PathBuf>,
}

impl Preimage {
    /// Copies the database, where the file system can without copying its blocks. If an earlier opening was killed before
    /// it was through, what that one copied is put back first.
    pub(crate) fn take(dir: &Path) -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let copy = dir.with_file_name(format!("{NAME}-{}", boot.trim()));
        let mut before = Self {
            dir: dir.to_owned(),
            copy: copy.exists().then(|| copy.clone()),
        };
        if before.copy.is_some() {
            before.put_back()?;
        }
        remove_leftovers(dir)?;
        if !dir.join("db").exists() {
            return Ok(before);
        }
        let draft = dir.with_file_name(format!("{NAME}.new"));
        match copy_dir(dir, &draft).and_then(|()| fs::rename(&draft, &copy)) {
            Ok(()) => before.copy = Some(copy),
            Err(error) => {
                tracing::warn!(
                    %error,
                    database = %dir.display(),
                    "no copy of the database could be made before it is opened: if it is damaged, opening it changes it"
                );
                remove_leftovers(dir)?;
            }
        }
        Ok(before)
    }

    /// The database is sound.
    pub(crate) fn forget(mut self) {
        if let Some(Err(error)) = self.copy.take().map(fs::remove_dir_all) {
            tracing::warn!(%error, "a copy of the database is left behind");
        }
    }

    /// The database was refused. Blocks until its former handle is gone.
    pub(crate) fn restore(mut self) -> io::Result<()> {
        self.put_back()
    }

    fn put_back(&mut self) -> io::Result<()> {
        let Some(copy) = self.copy.take() else { return Ok(()) };
        wait_until_closed(&self.dir.join("db"))?;
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir)?;
        }
        fs::rename(copy, &self.dir)
    }
}

// sled closes its files some time after its last handle is dropped.
fn wait_until_closed(db: &Path) -> io::Result<()> {
    let file = match File::open(db) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    while file.try_lock().is_err() {
        if Instant::now() >= deadline {
            return Err(io::Error::other("the refused database does not get closed"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn remove_leftovers(dir: &Path) -> io::Result<()> {
    let parent = dir.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(NAME) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_dir(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
