//! The one thread that writes. It drains the queue, writes one batch, syncs once and only then answers all who asked.

use crate::crowd::Crowd;
use crate::disk::Disk;
use crate::group::Group;
use crate::heads::HeadFile;
use crate::judge::{Answer, Ask, Judge, Moved, News, Refusal};
use crate::keys;
use crate::seal::Master;
use crate::value::Fault;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::journal::rules::LockTable;
use flyball_engine::journal::watchers::Watchers;
use flyball_engine::journal::{Error, Head, IntentRow};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the thread waits for those who asked in the last group to ask again. They were all answered at once, so
/// without this the first of them would get a sync of its own each time.
const GATHER: Duration = Duration::from_micros(300);

/// No group takes more once it holds so many bytes.
const GROUP_BYTES: usize = 4 << 20;

/// A write and the one who waits for it.
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) reply: oneshot::Sender<Result<Answer, Error>>,
}

/// Heads as they were before writes that are not synced yet: readers are shown nothing beyond these.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashMap<IntentId, Durable>>);

/// How an intent stands on disk while a write of it is in flight, and for good once that has failed.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    pub(crate) head: Head,
    /// None: nothing of it is on disk yet. Targets too many for the row are not in it.
    pub(crate) row: Option<IntentRow>,
    /// Commands that wait in its inbox on disk, and no more after the write.
    pub(crate) consumed: Vec<Command>,
}

impl InFlight {
    /// How an intent stands that a write in flight moves.
    pub(crate) fn durable(&self, intent: IntentId) -> Option<Durable> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&intent)
            .cloned()
    }

    /// The rows of all that a write in flight moves and that are on disk.
    pub(crate) fn rows(&self) -> Vec<IntentRow> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(|durable| durable.row.clone()).collect()
    }

    fn begin(&self, moved: &[Moved]) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for m in moved {
            let durable = heads.entry(m.intent).or_insert_with(|| Durable {
                head: m.from.clone(),
                row: m.row.clone(),
                consumed: Vec::new(),
            });
            durable.consumed.extend(m.consumed.iter().cloned());
        }
    }

    fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

pub(crate) struct Writer {
    pub(crate) disk: Arc<Disk>,
    pub(crate) master: Arc<Master>,
    pub(crate) locks: LockTable,
    pub(crate) heads: HeadFile,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) in_flight: Arc<InFlight>,
    /// The largest group.
    pub(crate) group: usize,
    pub(crate) crowd: Crowd,
}

impl Writer {
    /// Serves the queue until all who could ask are gone.
    pub(crate) fn run(mut self, queue: &Receiver<Request>) {
        let mut last = 1;
        while let Some(first) = self.next(queue) {
            let group = self.gather(first, queue, last);
            last = group.len();
            self.serve(group);
        }
        self.write_heads();
    }

    /// The next request; while waiting, the head file is written when it is due. Idle, the thread sleeps.
    fn next(&mut self, queue: &Receiver<Request>) -> Option<Request> {
        loop {
            let Some(due) = self.heads.due_in() else {
                return queue.recv().ok();
            };
            match queue.recv_timeout(due) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.write_heads(),
            }
        }
    }

    fn gather(&mut self, first: Request, queue: &Receiver<Request>, last: usize) -> Vec<Request> {
        let mut weight = weight(&first.ask);
        let now = Instant::now();
        let (expected, patience) = self.crowd.expected(now);
        let mut group = vec![first];
        while group.len() < self.group && weight < GROUP_BYTES {
            let until = match group.len() {
                few if few < expected => patience,
                some if some < last => now + GATHER,
                _ => now,
            };
            let left = until.saturating_duration_since(Instant::now());
            let more = match left.is_zero() {
                true => queue.try_recv().ok(),
                false => queue.recv_timeout(left).ok(),
            };
            let Some(more) = more else { break };
            weight += self::weight(&more.ask);
            group.push(more);
        }
        group.iter().for_each(|request| self.crowd.note(&request.ask, now));
        group
    }

    fn serve(&mut self, requests: Vec<Request>) {
        let (replies, asks): (Vec<_>, Vec<_>) = requests.into_iter().map(|r| (r.reply, r.ask)).unzip();
        match self.disk.writable().and_then(|()| self.write(asks)) {
            Ok((results, news)) => {
                // Those who asked come first: they know best what the news is about.
                for (reply, result) in replies.into_iter().zip(results) {
                    drop(reply.send(result));
                }
                news.grown.into_iter().for_each(|i| self.watchers.grown(i));
                news.arrived.into_iter().for_each(|i| self.watchers.arrived(i));
            }
            Err(error) => {
                let why = match error {
                    Error::Unwritable(why) => why,
                    other => other.to_string(),
                };
                for reply in replies {
                    drop(reply.send(Err(Error::Unwritable(why.clone()))));
                }
            }
        }
    }

    /// One batch and one sync for all; nobody is answered if either fails.
    fn write(&mut self, asks: Vec<Ask>) -> Result<(Vec<Result<Answer, Error>>, News), Error> {
        let disk = self.disk.clone();
        let mut judge = Judge {
            group: Group::new(&disk.db),
            locks: &mut self.locks,
            master: &self.master,
            news: News::default(),
        };
        let mut results = Vec::with_capacity(asks.len());
        for ask in asks {
            results.push(match judge.judge(ask) {
                Ok(answer) => Ok(answer),
                Err(Refusal::Rule(error)) => Err(error),
                Err(Refusal::Fault(fault)) => return Err(disk.fence(&fault.to_string())),
            });
        }
        let (mut group, mut news) = (judge.group, judge.news);
        if !group.is_empty() {
            let fence = |fault: Fault| disk.fence(&fault.to_string());
            let number = self.heads.writes() + 1;
            group.put(keys::WRITES.to_vec(), &number.to_be_bytes()).map_err(fence)?;
            self.in_flight.begin(&news.moved);
            disk.write(group.into_writes()).map_err(fence)?;
            self.in_flight.end();
            self.note_heads(std::mem::take(&mut news.moved));
        }
        if news.approval || self.heads.due_in().is_some_and(|d| d.is_zero()) {
            self.write_heads();
            disk.writable()?;
        }
        Ok((results, news))
    }

    fn note_heads(&mut self, moved: Vec<Moved>) {
        let heads = moved.iter().map(|m| (m.intent, m.to.clone())).collect();
        self.heads.written(heads);
        for moved in moved {
            self.heads.note(moved.intent, moved.to, moved.open);
        }
    }

    fn write_heads(&mut self) {
        let disk = self.disk.clone();
        match disk.timed(|| self.heads.write()) {
            Ok(true) => self.disk.synced(),
            Ok(false) => {}
            Err(e) => drop(self.disk.fence(&format!("the head file: {}", Fault::Disk(e)))),
        }
    }
}

fn weight(ask: &Ask) -> usize {
    let commit = match ask {
        Ask::Create(new) => &new.commit,
        Ask::Commit(_, _, _, commit) => commit,
        _ => return 0,
    };
    let blobs: usize = commit.blobs.iter().map(|b| b.bytes.len()).sum();
    blobs + commit.entries.iter().map(|e| e.bytes.len()).sum::<usize>()
}
