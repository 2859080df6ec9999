//! The embedded store: one process, one tree, one writer thread.

use crate::crowd::Crowd;
use crate::disk::Disk;
use crate::files::{self, NotLocked, ProcessLock};
use crate::group::Group;
use crate::heads::{Acknowledged, HeadFile};
use crate::judge::{Answer, Ask, Refusal};
use crate::reader::Reader;
use crate::rehearsal::{keep_aside, rehearse};
use crate::seal::Master;
use crate::standby::Standby;
use crate::value::{Fault, Source};
use crate::writer::{InFlight, Request, Writer};
use crate::{OpenError, OpenOptions, keys, verify};
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::journal::rules::LockTable;
use flyball_engine::journal::watchers::Watchers;
use flyball_engine::journal::{
    Checkpoint, Commit, Created, Epoch, Error, Filter, Head, IntentRow, Journal, Lock, NewIntent, SLOW_WRITE, Seq,
    StoredEntry,
};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

const FORMAT: &[u8] = b"1";

/// A journal in a directory: `journal/` (the database), `heads.json` and `heads.tail`, `lock`, and `aside/` for what was found damaged.
/// Needs a Tokio runtime for its reads. Dropping it writes the heads and ends its threads.
pub struct SledJournal {
    reader: Reader,
    watchers: Arc<Watchers>,
    queue: Option<mpsc::Sender<Request>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    // Last: the directory is another's only when all handles on the database are gone.
    _lock: ProcessLock,
}

impl SledJournal {
    /// Opens the store in a directory, making it if there is none. Heads and open intents are verified before this
    /// returns, ended ones in the background.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(|e| OpenError::io(path, e))?;
        let mut lock = take_lock(path)?;
        if rehearse(path, options)? {
            keep_aside(path).map_err(|e| OpenError::io(path, e))?;
        }
        let disk = Arc::new(Disk::open(&path.join("journal"), options)?);
        let master = Arc::new(settle_identity(path, &disk, options)?);
        let head_file = path.join("heads.json");
        let outside = Acknowledged::read(&head_file).map_err(|e| OpenError::io(path, e))?;
        let lost = verify::against_file(path, &outside, &disk, options.accept_lost_tail)?;
        let writes = verify::writes(&disk).map_err(|e| OpenError::fault(path, e))?;
        let mut heads = HeadFile::new(head_file, options.heads_every, writes).map_err(|e| OpenError::io(path, e))?;
        let ended = verify::at_open(path, &disk, |intent, head, open| heads.note(intent, head, open))?;
        if outside.is_cut || lost {
            // A line behind a cut one would not be read, and what was accepted once is not asked about again.
            heads.write().map_err(|e| OpenError::io(path, e))?;
        }
        warn_of_the_last_end(path, &lock, lost);
        warn_of_no_heads(writes > 0 && outside.is_empty());
        let reader = Reader {
            disk: disk.clone(),
            master: master.clone(),
            in_flight: Arc::default(),
            standby: Arc::new(Standby::of(path, options)),
            from_standby: false,
        };
        let locks = reader
            .scan::<Lock>(&[keys::LOCKS])
            .map_err(|e| OpenError::fault(path, e))?;
        let watchers = Arc::<Watchers>::default();
        let writer = Writer {
            disk: disk.clone(),
            master,
            locks: LockTable::restore(locks.into_iter().map(|(_, lock)| lock)),
            heads,
            watchers: watchers.clone(),
            in_flight: Arc::<InFlight>::clone(&reader.in_flight),
            group: options.group.max(1),
            crowd: Crowd::default(),
        };
        let (queue, requests) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let threads = [
            spawn("journal-writer", move || writer.run(&requests)),
            spawn("journal-verifier", move || {
                verify::in_background(&disk, &ended, &stopped)
            }),
        ];
        let threads = threads.into_iter().collect::<Result<_, _>>();
        lock.opened();
        Ok(Self {
            reader,
            watchers,
            queue: Some(queue),
            stop,
            threads: threads.map_err(|e| OpenError::io(path, e))?,
            _lock: lock,
        })
    }

    /// How many bytes the database takes on the disk.
    pub fn size_on_disk(&self) -> Result<u64, Error> {
        let size = self.reader.disk.db.size_on_disk();
        size.map_err(|e| self.reader.disk.fence(&Fault::from(e).to_string()))
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        let (reply, mut answer) = oneshot::channel();
        let gone = || self.reader.disk.fence("the writer has died");
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Request { ask, reply }).map_err(|_| gone())?;
        let mut patience = SLOW_WRITE;
        loop {
            match tokio::time::timeout(patience, &mut answer).await {
                Ok(answer) => return answer.map_err(|_| gone())?,
                Err(_) => patience = self.reader.disk.waited_for(),
            }
        }
    }

    /// Reads on a thread that may block. `what`: the intent that an unreadable record belongs to.
    async fn look<T: Send + 'static>(
        &self,
        intent: Option<IntentId>,
        read: impl Fn(&Reader) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Error> {
        let mut reader = self.reader.clone();
        let looked = tokio::task::spawn_blocking(move || {
            reader.from_standby = reader.standby.disk().is_some();
            match read(&reader) {
                Err(Refusal::Fault(Fault::Disk(error))) if reader.stands_by(&error) => read(&reader),
                told => told,
            }
        })
        .await;
        match (looked, intent) {
            (Ok(Ok(value)), _) => Ok(value),
            (Ok(Err(Refusal::Rule(error))), _) => Err(error),
            (Ok(Err(Refusal::Fault(Fault::Torn(why)))), Some(intent)) => Err(Error::Damaged { intent, seq: 0, why }),
            (Ok(Err(Refusal::Fault(fault))), _) => Err(self.reader.disk.fence(&fault.to_string())),
            (Err(died), _) => Err(self.reader.disk.fence(&format!("a reader has died: {died}"))),
        }
    }
}

impl Drop for SledJournal {
    fn drop(&mut self) {
        self.queue = None;
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store has died");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

fn take_lock(path: &Path) -> Result<ProcessLock, OpenError> {
    ProcessLock::take(&path.join("lock")).map_err(|e| match e {
        NotLocked::Held { pid } => OpenError::InUse {
            path: path.to_owned(),
            pid,
        },
        NotLocked::Io(e) => OpenError::io(path, e),
    })
}

fn warn_of_no_heads(none: bool) {
    if none {
        tracing::warn!(
            "no file of heads says what was acknowledged: if the journal's end were lost, it would go unseen"
        );
    }
}

/// A store that its last process did not close.
fn warn_of_the_last_end(store: &Path, lock: &ProcessLock, lost: bool) {
    if let Some(process) = lock.left_by {
        tracing::warn!(
            process,
            store = %store.display(),
            whole = !lost,
            "the store was not closed in order: every head and open intent is verified, and what is known to have been \
             acknowledged is there, but for what is named above; a write that was under way then and had not been acknowledged is dropped, unless it was \
             whole"
        );
    }
}

/// Makes a new store's identity durable, or compares an old one's: its format and its master key.
fn settle_identity(path: &Path, disk: &Disk, options: &OpenOptions) -> Result<Master, OpenError> {
    let failed = |e| OpenError::fault(path, e);
    let format = disk.db.value(keys::FORMAT).map_err(failed)?;
    let check = disk.db.value(keys::MASTER_CHECK).map_err(failed)?;
    if let Some(format) = format.as_ref().filter(|f| *f != FORMAT) {
        return Err(OpenError::Format(String::from_utf8_lossy(format).into_owned()));
    }
    let dir = options.keys_beside(path);
    let lost = || OpenError::MasterKey(dir.join("master.key"));
    if check.is_some() && !dir.join("master.key").exists() {
        return Err(lost());
    }
    let master = Master::load_or_make(&dir).map_err(|e| OpenError::io(&dir, e))?;
    match check {
        Some(check) if check != master.check => return Err(lost()),
        Some(_) => return Ok(master),
        None => {}
    }
    for dir in [&path.join("journal"), path, path.parent().unwrap_or(path)] {
        files::sync_dir(dir).map_err(|e| OpenError::io(dir, e))?;
    }
    let mut group = Group::new(&disk.db);
    group.put(keys::FORMAT.to_vec(), FORMAT).map_err(failed)?;
    group.put(keys::MASTER_CHECK.to_vec(), &master.check).map_err(failed)?;
    disk.write(group.into_writes()).map_err(failed)?;
    Ok(master)
}

#[async_trait::async_trait]
impl Journal for SledJournal {
    async fn create(&self, new: NewIntent) -> Result<Created, Error> {
        match self.ask(Ask::Create(Box::new(new))).await? {
            Answer::Created(created) => Ok(created),
            other => unreachable!("a creation is answered as one, not by {other:?}"),
        }
    }

    async fn used_for(&self, scope: &str, body: &Digest) -> Result<Option<IntentId>, Error> {
        let (scope, body) = (scope.to_owned(), body.clone());
        self.look(None, move |r| r.used_for(&scope, &body)).await
    }

    async fn claim(&self, intent: IntentId) -> Result<Epoch, Error> {
        match self.ask(Ask::Claim(intent)).await? {
            Answer::Claimed(epoch) => Ok(epoch),
            other => unreachable!("a claim is answered as one, not by {other:?}"),
        }
    }

    async fn commit(&self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Error> {
        self.ask(Ask::Commit(intent, epoch, expected, Box::new(commit)))
            .await
            .map(drop)
    }

    async fn read(&self, intent: IntentId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, Error> {
        self.look(Some(intent), move |r| r.read(intent, after, limit)).await
    }

    async fn head(&self, intent: IntentId) -> Result<Head, Error> {
        self.look(Some(intent), move |r| r.head(intent)).await
    }

    async fn checkpoint(&self, intent: IntentId) -> Result<Option<Checkpoint>, Error> {
        self.look(Some(intent), move |r| r.checkpoint(intent)).await
    }

    async fn blob(&self, intent: IntentId, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let digest = digest.clone();
        self.look(Some(intent), move |r| r.blob(intent, &digest)).await
    }

    async fn shred(&self, intent: IntentId) -> Result<(), Error> {
        self.ask(Ask::Shred(intent)).await.map(drop)
    }

    async fn list(&self, filter: Filter) -> Result<Vec<IntentRow>, Error> {
        self.look(None, move |r| r.list(&filter)).await
    }

    async fn row(&self, intent: IntentId) -> Result<Option<IntentRow>, Error> {
        self.look(Some(intent), move |r| r.row(intent)).await
    }

    async fn locks(&self) -> Result<Vec<Lock>, Error> {
        self.look(None, Reader::locks).await
    }

    async fn post(&self, intent: IntentId, command: Command) -> Result<(), Error> {
        self.ask(Ask::Post(intent, Box::new(command))).await.map(drop)
    }

    async fn was_posted(&self, intent: IntentId, command: &str) -> Result<bool, Error> {
        let command = command.to_owned();
        self.look(Some(intent), move |r| r.was_posted(intent, &command)).await
    }

    async fn inbox(&self, intent: IntentId) -> Result<Vec<Command>, Error> {
        self.look(Some(intent), move |r| r.inbox(intent)).await
    }

    async fn addressed(&self) -> Result<Vec<IntentId>, Error> {
        self.look(None, Reader::addressed).await
    }

    async fn put_fact(&self, key: &str, value: Value) -> Result<(), Error> {
        self.ask(Ask::PutFact(key.to_owned(), value)).await.map(drop)
    }

    async fn fact(&self, key: &str) -> Result<Option<Value>, Error> {
        let key = key.to_owned();
        self.look(None, move |r| r.fact(&key)).await
    }

    async fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, Error> {
        let prefix = prefix.to_owned();
        self.look(None, move |r| r.facts(&prefix)).await
    }

    async fn remove_fact(&self, key: &str) -> Result<(), Error> {
        self.ask(Ask::RemoveFact(key.to_owned())).await.map(drop)
    }

    fn watch(&self, intent: IntentId) -> watch::Receiver<u64> {
        self.watchers.watch(intent)
    }

    fn watch_all(&self) -> watch::Receiver<u64> {
        self.watchers.watch_all()
    }

    fn syncs(&self) -> u64 {
        self.reader.disk.syncs()
    }

    fn writing_for(&self) -> Option<Duration> {
        self.reader.disk.writing_for()
    }

    fn unwritable(&self) -> Option<String> {
        self.reader.disk.fenced()
    }
}

#[cfg(test)]
mod tests;
