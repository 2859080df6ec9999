//! One intent's driver: asks the state what is due, makes each decision durable, then does it. The only writer of the
//! intent's journal. It reads like the sentence "load, then: due? record, do, record".

mod act;
mod ask;
mod checks;
mod confirm;
mod expand;
mod facts;
mod inbox;
pub use inbox::fits as inbox_fits;
mod job;
mod judge;
mod late;
mod lease;
pub(crate) mod ledger;
mod locks;
mod look;
mod need;
pub(crate) mod patience;
mod planning;
mod poll;
pub(crate) mod question;
mod ready;
mod replan;
mod servers;
mod settle;
mod undo;
mod window;
pub(crate) use undo::Leftovers;
pub use undo::undos_of;
mod work;

use crate::actor::Actor;
use crate::contract::Contracts;
use crate::ids::IntentId;
use crate::intent::checkpoint;
use crate::intent::effects::Work;
use crate::intent::event::Event;
use crate::intent::state::{IllegalEvent, IntentState};
use crate::journal::{Head, Journal, LockChange, verify_chain};
use crate::plan::check::Limits;
use crate::ports::{Clock, Inventory, Planner, Policy, ToolExecutor};
use crate::supervisor::{Halt, Pickup};
use act::Dispatch;
use facts::{Facts, Seen};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use ledger::Ledger;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use work::{Report, Told};

/// How long a fact that nothing depends on may wait for a commit to ride with.
const RIDE_MS: i64 = 20;
/// How many reports are taken in before what they say is written: a bound for the size of a commit.
const HEARD_AT_ONCE: usize = 64;
/// How many entries are read at once when an intent is loaded.
const PAGE: usize = 1000;

/// What the engine needs of the world.
pub struct Deps {
    pub journal: Arc<dyn Journal>,
    pub executor: Arc<dyn ToolExecutor>,
    pub planner: Arc<dyn Planner>,
    pub policy: Arc<dyn Policy>,
    pub clock: Arc<dyn Clock>,
    pub contracts: Arc<Contracts>,
    pub inventory: Arc<dyn Inventory>,
    pub limits: Limits,
    /// The deadline of an intent that was given none, counted from when it is received: no wait is for ever.
    pub deadline: Option<Duration>,
    /// What the `Claimed` entry names: version and commit.
    pub build: String,
}

/// Why a driver gave up its intent. The intent itself is as its journal says.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    #[error(transparent)]
    Journal(#[from] crate::journal::Error),
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// A fault of ours. The intent is as its journal says, and is taken up again from there.
    #[error("the driver panicked: {0}")]
    Panicked(String),
}

/// What a supervisor says to all its drivers.
#[derive(Clone)]
pub(crate) struct Signals {
    /// Some lock was released.
    pub(crate) locks: watch::Receiver<u64>,
    pub(crate) lock_released: Arc<watch::Sender<u64>>,
    /// The halt in force, if there is one.
    pub(crate) halted: watch::Receiver<Option<Halt>>,
    /// Whether to stop: nothing new is sent, what is out is waited for.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The day's retries of all intents.
    pub(crate) retries: Arc<patience::Today>,
}

/// Drives one intent to its end, or until told to stop.
pub(crate) struct Driver {
    deps: Arc<Deps>,
    ledger: Ledger,
    signals: Signals,
    epoch: u64,
    in_flight: FuturesUnordered<BoxFuture<'static, Report>>,
    started: BTreeSet<Work>,
    /// When it was last asked what is due, Unix milliseconds. What has become due since then is still to be waited for.
    looked_at_ms: i64,
    /// When the locks were last due, the window was not open by the wall clock.
    shut_by_the_wall: bool,
    /// Another intent holds a target: try again when some lock is released.
    lock_blocked: bool,
    /// Grows with each change of the intent whose locks this one, taking it back, waits for.
    holder: Option<watch::Receiver<u64>>,
    /// When the first of the commands that do not fit yet will, Unix milliseconds.
    commands_wait_ms: Option<i64>,
    /// When the targets of that intent have cooled, so that it can be asked for its locks, Unix milliseconds.
    ask_again_ms: Option<i64>,
    met: servers::Met,
    /// Held until the intent is taken up.
    pickup: Option<Arc<Pickup>>,
    /// Of the work that is being prepared.
    patience: Option<patience::Patience>,
    /// The intent is not this driver's any more: what waits to be sent stays unsent.
    lost: Arc<AtomicBool>,
    owed: Owed,
}

/// What the driver has decided and not made durable yet.
#[derive(Default)]
struct Owed {
    sync: bool,
    locks: Vec<LockChange>,
    /// Questions that the executor may let go of.
    dismissed: Vec<String>,
    /// Calls whose start is recorded: to be sent once that is durable.
    calls: Vec<(Work, Dispatch)>,
}

/// Loads an intent's state: its last checkpoint, if that fits, and the entries after it through the one fold.
pub(crate) async fn load(journal: &dyn Journal, id: IntentId) -> Result<(IntentState, Head, Seen), DriveError> {
    let mut seen = Seen::default();
    let (mut state, mut head) = match stored_fold(journal, id).await? {
        Some((state, head)) => (Some(state), head),
        None => (None, Head::empty()),
    };
    loop {
        let page = journal.read(id, head.seq, PAGE).await?;
        if page.is_empty() {
            break;
        }
        head = verify_chain(id, &head, &page)?;
        for stored in page {
            if let Event::PlanAccepted { plan, contracts, .. } = &stored.entry.event {
                for digest in [plan, contracts].into_iter().filter_map(|p| p.blob()) {
                    if let Some(bytes) = journal.blob(id, digest).await? {
                        seen.insert(digest.clone(), bytes);
                    }
                }
            }
            match &mut state {
                None => state = Some(IntentState::begin(id, &stored.entry)?),
                Some(state) => state.apply(&stored.entry, &seen)?,
            }
        }
    }
    let state = state.ok_or(crate::journal::Error::NoSuchIntent(id))?;
    Ok((state, head, seen))
}

async fn stored_fold(journal: &dyn Journal, id: IntentId) -> Result<Option<(IntentState, Head)>, DriveError> {
    let Some(stored) = journal.checkpoint(id).await? else {
        return Ok(None);
    };
    let last = journal.read(id, stored.seq.saturating_sub(1), 1).await?;
    Ok(checkpoint::restore(stored, last.first().map(|entry| &entry.hash)))
}

impl Driver {
    /// Takes an intent over: from here on every former owner is fenced.
    pub(crate) async fn claim(deps: Arc<Deps>, signals: Signals, id: IntentId) -> Result<Self, DriveError> {
        let epoch = deps.journal.claim(id).await?;
        let (state, head, seen) = load(deps.journal.as_ref(), id).await?;
        let mut ledger = Ledger::new(deps.clone(), state, head, epoch, seen);
        let build = deps.build.clone();
        ledger.record(Facts::of(Event::Claimed { epoch, build }), &Actor::engine())?;
        let (in_flight, started) = (FuturesUnordered::new(), BTreeSet::new());
        Ok(Self {
            deps,
            ledger,
            signals,
            epoch,
            in_flight,
            started,
            looked_at_ms: i64::MIN,
            shut_by_the_wall: false,
            lock_blocked: false,
            holder: None,
            commands_wait_ms: None,
            ask_again_ms: None,
            met: servers::Met::None,
            pickup: None,
            patience: None,
            lost: Arc::default(),
            owed: Owed::default(),
        })
    }

    /// Drives until the intent has ended or the supervisor stops.
    pub(crate) async fn run(mut self, pickup: Option<Arc<Pickup>>) -> Result<IntentState, DriveError> {
        self.pickup = pickup;
        match self.drive().await {
            Ok(()) => Ok(self.ledger.state),
            Err(error) => {
                // Nothing that was not sent yet is sent; what was is not cut off, since that could cancel half of it.
                self.lost.store(true, Ordering::SeqCst);
                let mut rest = std::mem::take(&mut self.in_flight);
                tokio::spawn(async move { while rest.next().await.is_some() {} });
                Err(error)
            }
        }
    }

    async fn drive(&mut self) -> Result<(), DriveError> {
        if self.ledger.state.ended.is_some() {
            self.release_leftovers().await?;
        }
        let mut inbox = self.deps.journal.watch(self.ledger.id);
        loop {
            inbox.mark_unchanged();
            self.take_commands().await?;
            while self.step().await? {}
            if self.ledger.state.ended.is_some() || self.may_stop() {
                if self.ledger.state.ended.is_some() {
                    // What came, or waited, while it ended: nothing comes of it any more, and its sender is told so.
                    self.take_commands().await?;
                }
                self.ledger.flush(Vec::new()).await?;
                if self.ledger.state.request.undo_of.is_some() {
                    self.release_leftovers().await?;
                }
                if self.listen_on(&mut inbox).await? {
                    continue;
                }
                return Ok(());
            }
            self.wait(&mut inbox).await?;
        }
    }

    fn may_stop(&self) -> bool {
        *self.signals.stopping.borrow() && !self.started.iter().any(Work::mutates)
    }

    /// One round: record what follows from the state, start what is due. True: the state changed.
    async fn step(&mut self) -> Result<bool, DriveError> {
        self.looked_at_ms = self.deps.clock.now_ms();
        let due = self.ledger.state.due(self.looked_at_ms);
        if !due.record.is_empty() {
            for event in due.record {
                let event = self.with_its_death(event).await;
                self.record(Facts::of(event)).await?;
                if self.ledger.state.ended.is_some() {
                    break;
                }
            }
            return Ok(true);
        }
        match self.meet_servers(&due).await? {
            servers::Waited::Met => {}
            servers::Waited::LookAgain => return Ok(true),
            servers::Waited::Stop => return Ok(false),
        }
        let mut changed = false;
        for work in due.work {
            if !self.started.contains(&work) {
                changed |= self.begin(work).await?;
            }
        }
        Ok(changed)
    }

    /// Records facts; durable on return if one of them must be.
    async fn record(&mut self, facts: Facts) -> Result<(), DriveError> {
        self.record_by(facts, &Actor::engine()).await
    }

    async fn record_by(&mut self, facts: Facts, actor: &Actor) -> Result<(), DriveError> {
        self.note(facts, actor).await?;
        self.make_durable().await
    }

    /// Folds facts in. What must be durable is, after the next [`Self::make_durable`].
    async fn note(&mut self, mut facts: Facts, actor: &Actor) -> Result<(), DriveError> {
        let locks = self.released_with(&mut facts);
        let dismissed = self.dismissed_by(&facts).await?;
        self.owed.dismissed.extend(dismissed);
        self.owed.sync |= facts.events.iter().any(|e| self.ledger.must_sync(e));
        self.owed.locks.extend(locks);
        self.ledger.record(facts, actor)
    }

    /// Writes what must be durable, all in one commit, and only then sends the calls whose start it says.
    async fn make_durable(&mut self) -> Result<(), DriveError> {
        let owed = std::mem::take(&mut self.owed);
        if owed.sync || !owed.calls.is_empty() {
            let frees = !owed.locks.is_empty();
            self.ledger.flush(owed.locks).await?;
            if frees {
                self.signals.lock_released.send_modify(|n| *n += 1);
            }
        }
        self.dismiss(owed.dismissed);
        for (work, dispatch) in owed.calls {
            self.send(work, dispatch);
        }
        Ok(())
    }

    async fn wait(&mut self, inbox: &mut watch::Receiver<u64>) -> Result<(), DriveError> {
        // As of the look after which nothing was left to start: by the present clock something may have become due that
        // nobody has started, and what is due has no time to wake at any more.
        let due = self.ledger.state.due(self.looked_at_ms);
        if self.in_flight.is_empty() {
            // Nothing will come soon that these facts could ride with.
            self.ledger.flush(Vec::new()).await?;
        }
        self.pickup = None;
        // Only now: the flush may have taken its time.
        let now = self.deps.clock.now_ms();
        let ride = self.ledger.pending_since.map(|since| (since + RIDE_MS - now).max(0));
        let wake = due.wake_ms.map(|at| (at - now).max(0));
        let look_again = self.look_again_ms(&due.work);
        let commands = self.commands_wait_ms.map(|at| (at - now).max(0));
        let may_ask = due.work.contains(&Work::Lock) && !self.shut_by_the_wall;
        let ask_again = self.ask_again_ms.filter(|_| may_ask).map(|at| (at - now).max(0));
        let sleep = [ride, wake, look_again, commands, ask_again]
            .into_iter()
            .flatten()
            .min();
        let clock = self.deps.clock.clone();
        let timer = async move {
            match sleep {
                Some(ms) => clock.sleep(Duration::from_millis(ms as u64)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(report) = self.in_flight.next(), if !self.in_flight.is_empty() => Box::pin(self.hear(report)).await?,
            () = timer => {
                if self.ledger.has_pending() {
                    self.ledger.flush(Vec::new()).await?;
                }
            }
            _ = inbox.changed() => {}
            _ = self.signals.locks.changed() => self.lock_blocked = false,
            () = locks::changed(&mut self.holder) => self.lock_blocked = false,
            _ = self.signals.halted.changed() => {}
            _ = self.signals.stopping.changed() => {}
        }
        Ok(())
    }

    /// Takes in what a piece of work has to tell, and what others have to tell by now: one commit is enough for all.
    async fn hear(&mut self, report: Report) -> Result<(), DriveError> {
        self.take_in(report).await?;
        for _ in 1..HEARD_AT_ONCE {
            match self.in_flight.next().now_or_never().flatten() {
                Some(report) => self.take_in(report).await?,
                None => break,
            }
        }
        self.make_durable().await
    }

    async fn take_in(&mut self, report: Report) -> Result<(), DriveError> {
        let Report { work, look, told } = report;
        match told {
            Told::Late(late) => {
                if matches!(work, Work::FollowTask { .. }) {
                    self.started.remove(&work);
                }
                return self.hear_late(late).await;
            }
            Told::Sent { mut facts, late } => {
                self.started.remove(&work);
                self.watch_late(&work, late);
                self.look_again_if_moved(&mut facts);
                return self.note(facts, &Actor::engine()).await;
            }
            told => {
                // What was read for a plan that has gone stale, or for an intent that went another way, is dropped.
                let wanted = look == self.ledger.state.looks && self.is_due(&work);
                if !wanted {
                    self.started.remove(&work);
                    return Ok(());
                }
                match told {
                    Told::Ready { facts, dispatch } => self.dispatch(work, facts, *dispatch).await?,
                    Told::Facts(facts) => {
                        self.started.remove(&work);
                        self.note(facts, &Actor::engine()).await?;
                    }
                    Told::Late(_) | Told::Sent { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn is_due(&self, work: &Work) -> bool {
        self.ledger.state.due(self.deps.clock.now_ms()).work.contains(work)
    }
}
