//! Files beside the database: written whole or not at all, and synced with the directory that names them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces a file by one with these contents. Durable on return; a crash leaves the old or the new one.
pub(crate) fn write_whole(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    File::open(dir)?.sync_all()
}

/// A lock that one process holds as long as it lives. The file says which; who lets go in order empties it, and who lets go
/// without having opened what it locks leaves it as it was.
#[derive(Debug)]
pub(crate) struct ProcessLock {
    file: File,
    /// The process that held it before and did not let go in order.
    pub(crate) left_by: Option<u32>,
    /// What the file held, until what it locks is open.
    found: Option<Vec<u8>>,
}

impl Drop for ProcessLock {
    fn drop(&mut self) {
        // Left full it only says that the end was not in order.
        let _ = fill(&mut self.file, &self.found.take().unwrap_or_default());
    }
}

fn fill(file: &mut File, contents: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(contents)
}

/// Why the lock could not be had.
pub(crate) enum NotLocked {
    /// Another process has it, or this one already does.
    Held {
        pid: Option<u32>,
    },
    Io(io::Error),
}

impl ProcessLock {
    pub(crate) fn take(path: &Path) -> Result<Self, NotLocked> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(NotLocked::Io)?;
        let locked = file.try_lock();
        let mut found = Vec::new();
        let read = file.read_to_end(&mut found);
        let holder = std::str::from_utf8(&found).ok().filter(|_| read.is_ok());
        let pid = holder.and_then(|holder| holder.trim().parse().ok());
        match locked {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(NotLocked::Held { pid }),
            Err(std::fs::TryLockError::Error(e)) => return Err(NotLocked::Io(e)),
        }
        let own = format!("{}\n", std::process::id());
        fill(&mut file, own.as_bytes()).map_err(NotLocked::Io)?;
        Ok(Self {
            file,
            left_by: pid,
            found: Some(found),
        })
    }

    /// What it locks is open: the next one finds nothing of whoever held it before.
    pub(crate) fn opened(&mut self) {
        self.found = None;
    }
}
