//! The database on the disk: opened, synced for real, and fenced for good after the first error.

use crate::files;
use crate::group::Writes;
use crate::value::Fault;
use crate::{OpenError, OpenOptions};
use flyball_engine::journal::{Error, SLOW_WRITE};
use sled::Db;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The write that is under way.
#[derive(Default)]
struct Writing {
    since: Option<Instant>,
    /// That it takes long was told.
    told: bool,
}

pub(crate) struct Disk {
    pub(crate) db: Db,
    /// sled's flush is no fsync on Linux; a sync through a second handle acts on the same inode.
    log: File,
    syncs: AtomicU64,
    writing: Mutex<Writing>,
    fence: OnceLock<String>,
    #[cfg(test)]
    pub(crate) breaks: std::sync::atomic::AtomicBool,
}

impl Disk {
    pub(crate) fn open(dir: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, set_snapshots_aside)
    }

    /// Opens a copy that is thrown away: of what is damaged in it nothing is kept.
    pub(crate) fn open_copy(dir: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, remove_snapshots)
    }

    /// `spoilt`: what is done with snapshots that cannot be read.
    fn open_with(dir: &Path, options: &OpenOptions, spoilt: fn(&Path) -> io::Result<()>) -> Result<Self, OpenError> {
        let sled = |source| OpenError::Sled {
            path: dir.to_owned(),
            source,
        };
        let db = match open_sled(dir, options) {
            Err(sled::Error::Corruption { .. }) => {
                spoilt(dir).map_err(|e| OpenError::io(dir, e))?;
                open_sled(dir, options).map_err(sled)?
            }
            other => other.map_err(sled)?,
        };
        let path = dir.join("db");
        let log = File::open(&path).map_err(|e| OpenError::io(&path, e))?;
        Ok(Self {
            db,
            log,
            syncs: AtomicU64::new(0),
            writing: Mutex::default(),
            fence: OnceLock::new(),
            #[cfg(test)]
            breaks: false.into(),
        })
    }

    /// One atomic, synced write. After an error nothing is written any more: what a failed sync left behind is unknown,
    /// and a second one that succeeds proves nothing about the first.
    pub(crate) fn write(&self, writes: Writes) -> Result<(), Fault> {
        self.timed(|| match self.fenced() {
            // Since it was asked: whoever reads from a copy goes by what was written until then.
            Some(why) => Err(std::io::Error::other(why).into()),
            None => self.synced_write(writes),
        })
    }

    /// Does something that waits for the disk.
    pub(crate) fn timed<T, E>(&self, write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.writing().since = Some(Instant::now());
        let written = write();
        let Writing { since, told } = std::mem::take(&mut *self.writing());
        if told && written.is_ok() {
            let took = since.unwrap_or_else(Instant::now).elapsed();
            tracing::warn!(?took, "the disk is through with the write that it was slow over");
        }
        written
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the write that is under way has waited for the disk.
    pub(crate) fn writing_for(&self) -> Option<Duration> {
        self.writing().since.map(|at| at.elapsed())
    }

    /// Somebody waits for a write for long. Says so, once for each write that the disk is slow over. After how long to ask
    /// again.
    pub(crate) fn waited_for(&self) -> Duration {
        let mut writing = self.writing();
        let Some(for_now) = writing.since.map(|at| at.elapsed()) else {
            return SLOW_WRITE / 10;
        };
        let slow = for_now >= SLOW_WRITE;
        let tell = slow && !std::mem::replace(&mut writing.told, slow);
        // Whoever reads the log may be as slow as the disk.
        drop(writing);
        if tell {
            tracing::error!(
                ?for_now,
                "the disk does not come back from a write: nothing is recorded, so nothing is sent, until it does; what was \
                 acknowledged is safe, and a restart goes on from there"
            );
        }
        if slow {
            SLOW_WRITE
        } else {
            SLOW_WRITE.saturating_sub(for_now) + Duration::from_millis(1)
        }
    }

    fn synced_write(&self, Writes { batch, keys }: Writes) -> Result<(), Fault> {
        self.db.apply_batch(batch)?;
        // sled leaves it to the next visitor to split a leaf that is too full, which is a write: once the disk fails, a reader
        // that comes by would be refused. So each leaf that was written is visited now.
        for key in keys {
            self.db.get(key)?;
        }
        self.db.flush()?;
        #[cfg(test)]
        if self.breaks.load(Ordering::Relaxed) {
            return Err(io::Error::other("input/output error").into());
        }
        self.log.sync_data()?;
        self.synced();
        Ok(())
    }

    /// Counts a sync.
    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Stops all further writes of this process.
    pub(crate) fn fence(&self, why: &str) -> Error {
        let why = self.fence.get_or_init(|| {
            tracing::error!(why, "the store is fenced: nothing is written any more");
            why.to_owned()
        });
        Error::Unwritable(why.clone())
    }

    /// Why nothing is written any more.
    pub(crate) fn fenced(&self) -> Option<String> {
        self.fence.get().cloned()
    }

    pub(crate) fn writable(&self) -> Result<(), Error> {
        self.fence
            .get()
            .map_or(Ok(()), |why| Err(Error::Unwritable(why.clone())))
    }
}

fn open_sled(dir: &Path, options: &OpenOptions) -> sled::Result<Db> {
    // Each write is flushed by whoever makes it. A flush of sled's own in the midst of one could fail there, and leave pages
    // behind that a reader would have to write before it can read them.
    let config = sled::Config::new().path(dir).cache_capacity(options.cache_bytes);
    let config = config.flush_every_ms(None);
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match unpanicked(|| config.open()) {
            // We hold the process lock, so this is a former handle of this process on its way out.
            Err(sled::Error::Io(e)) if is_lock(&e) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Over some damaged files sled panics where it should answer.
fn unpanicked<T>(open: impl FnOnce() -> sled::Result<T>) -> sled::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(open)).unwrap_or_else(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(sled::Error::Unsupported(format!(
            "its files are damaged: {}",
            said.unwrap_or("no reason given")
        )))
    })
}

fn is_lock(error: &std::io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// A snapshot only saves replaying the log, and lost power can leave an empty one that sled refuses.
fn set_snapshots_aside(dir: &Path) -> io::Result<()> {
    let aside = dir.with_file_name("aside");
    std::fs::create_dir_all(&aside)?;
    for path in snapshots(dir)? {
        tracing::warn!(file = %path.display(), "a damaged snapshot is set aside; the log is replayed instead");
        let kept = aside.join(path.file_name().unwrap_or_default());
        std::fs::rename(&path, kept)?;
    }
    files::sync_dir(dir)
}

fn remove_snapshots(dir: &Path) -> io::Result<()> {
    snapshots(dir)?.iter().try_for_each(std::fs::remove_file)
}

fn snapshots(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path()));
    let paths: Vec<PathBuf> = paths.collect::<io::Result<_>>()?;
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("snap.")
    };
    Ok(paths.into_iter().filter(is_one).collect())
}
