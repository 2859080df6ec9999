//! A start is rehearsed on a copy of the database. sled cuts its log off behind what it cannot read, so a start that is
//! refused would destroy what it is refused for. The database itself is touched only once its copy was found sound.

use crate::disk::Disk;
use crate::heads::Acknowledged;
use crate::{OpenError, OpenOptions, files, verify};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the copy is called, beside the database. It is nobody's: whatever stands there is removed.
const COPY: &str = "journal.rehearsal";

/// Opens and verifies a copy of the store's database. Whether something acknowledged is missing, which is an error unless
/// `accept_lost_tail` is set. Without room for a copy nothing is rehearsed.
pub(crate) fn rehearse(store: &Path, options: &OpenOptions) -> Result<bool, OpenError> {
    let (journal, copy) = (store.join("journal"), store.join(COPY));
    remove(&copy);
    if !journal.join("db").exists() {
        return Ok(false);
    }
    if let Err(error) = copy_dir(&journal, &copy) {
        tracing::warn!(
            %error,
            database = %journal.display(),
            "no copy of the database could be made before it is opened: if it is damaged, opening it changes it"
        );
        remove(&copy);
        return Ok(false);
    }
    let sound = verified(store, &copy, options).map(|(_, lost)| lost);
    wait_until_closed(&copy.join("db"));
    remove(&copy);
    sound.map_err(|error| error.of(&copy, &journal))
}

/// Opens a copy of the store's database and verifies that it holds all that is known to have been acknowledged.
pub(crate) fn verified(store: &Path, copy: &Path, options: &OpenOptions) -> Result<(Disk, bool), OpenError> {
    let disk = Disk::open_copy(copy, options)?;
    let head_file = store.join("heads.json");
    let outside = Acknowledged::read(&head_file).map_err(|e| OpenError::io(&head_file, e))?;
    let lost = verify::against_file(store, &outside, &disk, options.accept_lost_tail)?;
    verify::at_open(store, &disk, |_, _, _| {})?;
    Ok((disk, lost))
}

/// Keeps the database as it is, for whoever may want to read more of it one day.
pub(crate) fn keep_aside(store: &Path) -> io::Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let name = format!("journal-{}", now.unwrap_or_default().as_millis());
    let kept = store.join("aside").join(name);
    copy_dir(&store.join("journal"), &kept)?;
    files::sync_dir(&kept)?;
    tracing::warn!(copy = %kept.display(), "the database is kept as it was before what is lost was given up");
    Ok(())
}

// sled closes its files some time after its last handle is dropped; until then it may write into the folder.
fn wait_until_closed(db: &Path) {
    let Ok(file) = File::open(db) else { return };
    let deadline = Instant::now() + Duration::from_secs(5);
    while file.try_lock().is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn remove(copy: &Path) {
    match fs::remove_dir_all(copy) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(copy = %copy.display(), "a copy of the database is left behind: {e}");
        }
        _ => {}
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
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
