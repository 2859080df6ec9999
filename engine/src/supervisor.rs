//! All intents: picks each open one up at boot, gives it a driver, and is the way in for requests and commands.

mod halt;
mod owners;
mod pickup;
mod question;
mod undo;

use crate::canonical::Digest;
use crate::driver::{self, DriveError, Signals, ledger::row, patience::Today};
use crate::fault::Fault;
use crate::ids::IntentId;
use crate::intent::Request;
use crate::intent::command::Command;
use crate::intent::event::Event;
use crate::intent::state::IntentState;
use crate::journal::{
    self, Commit, Created, Entry, Filter, IdempotencyRecord, Journal, NewIntent, SCHEMA, StoredEntry,
};
use crate::payload::Payload;
use owners::Running;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use crate::driver::{Deps, inbox_fits};
pub use halt::{Halt, Lifted};
pub use owners::NotDriven;
pub(crate) use pickup::Pickup;
pub use undo::{UndoError, undo_request, undos_of};

/// What came of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    pub intent: IntentId,
    /// The same principal's equal intent goes on already.
    pub joined: bool,
    /// The idempotency key was used before, with the same body.
    pub repeated: bool,
}

/// Why a command was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Refused(String),
    /// An answer that does not fit the form.
    #[error("the answer does not fit the question")]
    BadAnswer(Vec<Fault>),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why an intent's state could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Drive(#[from] DriveError),
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// Drives every open intent of a journal.
pub struct Supervisor {
    deps: Arc<Deps>,
    signals: Signals,
    halted: watch::Sender<Option<Halt>>,
    /// The same, as far as it is on record: what others are told of.
    recorded_halt: watch::Sender<Option<Halt>>,
    /// Held while a halt is recorded or lifted.
    braking: tokio::sync::Mutex<()>,
    stopping: watch::Sender<bool>,
    running: Mutex<HashMap<IntentId, Running>>,
    /// Intents that this engine cannot drive at the moment.
    not_driven: Mutex<BTreeMap<IntentId, NotDriven>>,
    /// Intents that another engine took over: not to be taken back from it.
    lost: Mutex<HashSet<IntentId>>,
}

impl Supervisor {
    pub fn new(deps: Deps) -> Arc<Self> {
        let (halted, halted_rx) = watch::channel(None);
        let (stopping, stopping_rx) = watch::channel(false);
        let (lock_released, locks) = watch::channel(0);
        let lock_released = Arc::new(lock_released);
        let signals = Signals {
            locks,
            lock_released,
            halted: halted_rx,
            stopping: stopping_rx,
            retries: Arc::new(Today::new(deps.journal.clone())),
        };
        Arc::new(Self {
            deps: Arc::new(deps),
            signals,
            halted,
            recorded_halt: watch::channel(None).0,
            braking: tokio::sync::Mutex::default(),
            stopping,
            running: Mutex::default(),
            not_driven: Mutex::default(),
            lost: Mutex::default(),
        })
    }

    /// Picks up every open intent, and a halt that is in force.
    pub async fn start(self: &Arc<Self>) -> Result<(), journal::Error> {
        self.find_halt().await?;
        let pickup = Pickup::begin(&self.deps.clock);
        let mut after = None;
        loop {
            let filter = Filter {
                open: true,
                after,
                limit: 500,
                ..Filter::default()
            };
            let page = self.deps.journal.list(filter).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.intent);
            for row in page {
                self.drive_found(row.intent, pickup.found());
            }
        }
        // A command that came while an intent ended, and whose engine died then, is answered still.
        for intent in self.deps.journal.addressed().await? {
            self.drive(intent);
        }
        // What was handed to an intent that had ended is nobody's: its driver lets it go.
        let holders: BTreeSet<IntentId> = self.deps.journal.locks().await?.iter().map(|l| l.intent).collect();
        holders.into_iter().for_each(|holder| self.drive(holder));
        Ok(())
    }

    /// Takes a request: durable on return. One without a deadline is given the default one; it joins as one without.
    pub async fn submit(
        self: &Arc<Self>,
        mut request: Request,
        idempotency: Option<(String, Digest)>,
    ) -> Result<Submitted, journal::Error> {
        let (intent, at) = (IntentId::fresh(), self.deps.clock.now_ms());
        let join_key = Some(join_key(&request));
        let longest = self.deps.deadline.and_then(|d| i64::try_from(d.as_millis()).ok());
        request.deadline_ms = request.deadline_ms.or(longest.map(|ms| at.saturating_add(ms)));
        let commit = first_commit(intent, at, request);
        let idempotency = idempotency.map(|(scope, body)| IdempotencyRecord {
            scope,
            body,
            intent,
            at_ms: at,
        });
        let created = self
            .deps
            .journal
            .create(NewIntent {
                intent,
                commit,
                idempotency,
                join_key,
            })
            .await?;
        Ok(match created {
            Created::New => {
                self.drive(intent);
                Submitted {
                    intent,
                    joined: false,
                    repeated: false,
                }
            }
            Created::Repeated(intent) => Submitted {
                intent,
                joined: false,
                repeated: true,
            },
            Created::Joined(intent) => Submitted {
                intent,
                joined: true,
                repeated: false,
            },
        })
    }

    /// Whether another engine took the intent over from this one.
    pub fn is_lost(&self, intent: IntentId) -> bool {
        self.lost.lock().expect("no panic while held").contains(&intent)
    }

    /// Syncs a command into the intent's inbox. Refused when it does not fit the state; a repeated id changes nothing, and
    /// is taken whatever the first one has done to the state since.
    pub async fn command(self: &Arc<Self>, intent: IntentId, command: Command) -> Result<(), CommandError> {
        if !self.knows(intent, &command.id).await? {
            let state = self.state(intent).await?;
            inbox_fits(&state, &command, self.deps.clock.now_ms()).map_err(CommandError::Refused)?;
            self.check_answer(&state, &command).await?;
        }
        self.deps.journal.post(intent, command).await.map_err(ReadError::from)?;
        self.drive(intent);
        Ok(())
    }

    /// Whether a command of this id was taken before.
    pub async fn knows(&self, intent: IntentId, command: &str) -> Result<bool, ReadError> {
        Ok(self.deps.journal.was_posted(intent, command).await?)
    }

    /// The state folded from the journal.
    pub async fn state(&self, intent: IntentId) -> Result<IntentState, ReadError> {
        Ok(driver::load(self.deps.journal.as_ref(), intent).await?.0)
    }

    /// A payload's value. None: sealed, shredded or missing. Sealed values are never given out here.
    pub async fn value(&self, intent: IntentId, payload: &Payload) -> Result<Option<Value>, journal::Error> {
        match payload {
            Payload::Inline(value) => Ok(Some(value.clone())),
            Payload::Sealed { .. } => Ok(None),
            Payload::Blob { digest, .. } => Ok(self
                .deps
                .journal
                .blob(intent, digest)
                .await?
                .and_then(|bytes| payload.value(Some(&bytes)))),
        }
    }

    /// Stops starting calls and waits for mutating calls that are out, at most as long as `patience`.
    pub async fn shutdown(&self, patience: Duration) {
        self.stopping.send_replace(true);
        let tasks: Vec<JoinHandle<()>> = {
            let mut running = self.running.lock().expect("no panic while held");
            running.drain().map(|(_, running)| running.task).collect()
        };
        let all = futures::future::join_all(tasks);
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("some calls are still out after {patience:?}: they will be in doubt at the next start");
        }
    }

    /// Drops every driver where it stands, as a crash would. For tests of what a restart finds.
    pub fn abort(&self) {
        self.stopping.send_replace(true);
        for (_, running) in self.running.lock().expect("no panic while held").drain() {
            running.task.abort();
        }
    }

    pub fn deps(&self) -> &Arc<Deps> {
        &self.deps
    }

    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.deps.journal
    }
}

/// Drivers end with their supervisor: without its signals they would have nothing to wait on, and spin.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.abort();
    }
}

/// The commit that makes an intent: its first entry and its row.
fn first_commit(intent: IntentId, at: i64, request: Request) -> Commit {
    let entry = StoredEntry::seal(Entry {
        seq: 1,
        at,
        schema: SCHEMA,
        actor: request.origin.actor.clone(),
        epoch: 0,
        trace: String::new(),
        prev_hash: Digest::zero(),
        event: Event::IntentReceived {
            request: Box::new(request),
        },
    });
    let state = IntentState::begin(intent, &entry.entry).expect("the first entry says what was received");
    Commit {
        entries: vec![entry],
        row: Some(row(&state)),
        ..Commit::default()
    }
}

/// Same principal, mode and canonical request: the same intent. Of deadlines only whether there is one counts: `2h`
/// means another moment each time it is sent.
fn join_key(request: &Request) -> Digest {
    Digest::of_value(&json!({
        "by": request.origin.actor,
        "mode": request.mode,
        "wish": request.wish,
        "change": request.change,
        "labels": request.labels,
        "undo_of": request.undo_of,
        "alarm": request.alarm,
        // What is spoken waits for a person to confirm it, what is typed does not.
        "spoken": request.heard.is_some(),
        "window": request.window,
        "deadline": request.deadline_ms.is_some(),
        "backout_by": request.backout_by_ms.is_some(),
    }))
}
