//! Devices that speak NETCONF: their candidate, and what can be known of commits on trial.
//!
//! The protocol names a trial (`persist-id`) only to who already knows the name, and keeps no comments. So this server
//! remembers the trials that it began; after a restart it can see that one is pending, but not whose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::change::Looked;
use super::commit::State;
use super::config::{ConfigText, Which};
use super::editor::{Done, Editor, How};
use super::fleet::View;
use super::history::{CommitState, GetCommit, PastCommit, PendingCommit};
use super::reply::Fault;
use crate::inventory::Device;
use crate::netconf::session::{Commit, Session, Store};
use crate::netconf::{Error, Refusal, tree};
use crate::platform::commits::Standing;
use crate::platform::model::Foreseen;

/// Longest wait for the device to replay its events.
const REPLAY: Duration = Duration::from_secs(8);
/// yuma123 looks at its timers only when nobody has said anything to it for a second: asked more often, it never takes a
/// trial back. So long it is left in peace before it is believed that one still waits.
const PEACE: Duration = Duration::from_millis(1_500);
/// Both are locked: nobody then commits beside us.
const LOCKED: [Store; 2] = [Store::Running, Store::Candidate];

/// What this server did about the last trial of each device.
#[derive(Debug, Default)]
pub(super) struct Trials(Mutex<BTreeMap<String, Trial>>);

#[derive(Debug, Clone)]
struct Trial {
    lease: String,
    standing: Standing,
    /// By our clock; the device's timer started before this was noted.
    ends: Instant,
}

impl Trials {
    fn note(&self, device: &str, lease: &str, standing: Standing, seconds: u64) {
        let trial = Trial {
            lease: lease.to_owned(),
            standing,
            ends: Instant::now() + Duration::from_secs(seconds),
        };
        self.0
            .lock()
            .expect("no panic while held")
            .insert(device.to_owned(), trial);
    }

    fn forget(&self, device: &str, lease: &str) {
        let mut trials = self.0.lock().expect("no panic while held");
        if trials.get(device).is_some_and(|trial| trial.lease == lease) {
            trials.remove(device);
        }
    }

    /// Whether a pending trial's time may be over by now: it is, or nobody here knows when it began.
    fn may_be_over(&self, device: &str) -> bool {
        let known = self.of(device).filter(|trial| trial.standing == Standing::Pending);
        known.is_none_or(|trial| trial.ends <= Instant::now())
    }

    fn of(&self, device: &str) -> Option<Trial> {
        self.0.lock().expect("no panic while held").get(device).cloned()
    }

    /// What became of the lease's trial, given that one is pending or not. `None`: not known here.
    fn standing(&self, device: &str, lease: &str, pending: bool) -> Option<Standing> {
        let trial = self.of(device).filter(|trial| trial.lease == lease)?;
        Some(match (trial.standing, pending) {
            // Nobody else can confirm it without the name.
            (Standing::Pending, false) => Standing::Reverted,
            (standing, _) => standing,
        })
    }
}

/// Reads the running configuration and plays a body on it. Only changes that are nothing but lines can be played.
pub(super) async fn look(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    lines: Option<&[String]>,
) -> Result<Looked, Fault> {
    let lines = lines.ok_or_else(|| super::fleet::refuse_without_terminal(device))?;
    let mut session = view.netconf(device, credential).await?;
    let data = session.get_config(Store::Running).await?;
    session.close().await;
    let base = tree::digest(&data)?;
    let foreseen = if lines.is_empty() {
        nothing()
    } else {
        tree::foresee(&data, lines)?
    };
    Ok(Looked { foreseen, base })
}

/// `get_config`: the tree, indented. A device without a startup configuration of its own keeps what is committed.
pub(super) async fn config(view: &View, device: &Device, which: Which, open: bool) -> Result<ConfigText, Fault> {
    let mut session = view.netconf(device, None).await?;
    let running = session.get_config(Store::Running).await?;
    let startup = match session.need("startup:1.0") {
        Ok(()) => Some(session.get_config(Store::Startup).await?),
        Err(_) => None,
    };
    session.close().await;
    let base = tree::digest(&running)?;
    let saved = match &startup {
        Some(startup) => tree::digest(startup)? == base,
        None => true,
    };
    let shown = match (which, &startup) {
        (Which::Startup, Some(startup)) => startup,
        _ => &running,
    };
    Ok(ConfigText {
        device: device.name.clone(),
        which,
        config: tree::text(shown, &|name| !open && tree::is_secret(name))?,
        redacted: !open,
        base,
        saved: Some(saved),
    })
}

fn nothing() -> Foreseen {
    Foreseen {
        lines: vec![],
        reverse: vec![],
        irreversible: vec![],
        unchanged: true,
        places: vec![],
    }
}

/// A session, with both configurations locked unless a trial of ours is pending, which locks them itself.
pub(super) struct TreeEditor {
    session: Session,
    device: String,
    trials: Arc<Trials>,
    locked: bool,
    /// What is in the candidate.
    loaded: Vec<String>,
}

/// How trying to lock ended.
enum Lock {
    Held,
    /// A trial is pending.
    Trial,
}

async fn lock(session: &mut Session, device: &Device) -> Result<Lock, Fault> {
    for (at, store) in LOCKED.into_iter().enumerate() {
        let refusal = match session.lock(store).await {
            Ok(()) => continue,
            Err(Error::Refused { refusal, .. }) => refusal,
            Err(error) => return Err(error.into()),
        };
        for held in &LOCKED[..at] {
            session.unlock(*held).await?;
        }
        if refusal.is_trial_pending() {
            return Ok(Lock::Trial);
        }
        return Err(locked(device, store, &refusal));
    }
    Ok(Lock::Held)
}

fn locked(device: &Device, store: Store, refusal: &Refusal) -> Fault {
    let device = device.name.clone();
    // A candidate that was edited and not committed: some deny the lock for it.
    if store == Store::Candidate && refusal.tag == "resource-denied" {
        return Fault::Dirty { device };
    }
    let holder = match &refusal.session {
        Some(session) => format!("NETCONF session {session}"),
        None => refusal.to_string(),
    };
    Fault::Locked { device, holder }
}

impl TreeEditor {
    /// See [`super::editor::open`].
    pub(super) async fn open(
        view: &View,
        device: &Device,
        credential: Option<&str>,
        lease: Option<&str>,
    ) -> Result<Box<dyn Editor>, Fault> {
        let mut session = view.netconf(device, credential).await?;
        session.need("candidate:1.0")?;
        if lease.is_some() {
            session.need("confirmed-commit:1.1")?;
        }
        let lock = lock(&mut session, device).await?;
        let mut editor = Self {
            session,
            device: device.name.clone(),
            trials: Arc::clone(view.trials()),
            locked: matches!(lock, Lock::Held),
            loaded: Vec::new(),
        };
        let refused = if editor.locked {
            editor.refuse_dirty(device).await
        } else {
            editor.refuse_foreign(device, lease)
        };
        match refused {
            Ok(()) => Ok(Box::new(editor)),
            Err(fault) => {
                // Nothing of ours is in the candidate: what is there stays for who put it there.
                for store in LOCKED {
                    let _ = editor.session.unlock(store).await;
                }
                editor.session.close().await;
                Err(fault)
            }
        }
    }

    /// Not every device denies the lock for it.
    async fn refuse_dirty(&mut self, device: &Device) -> Result<(), Fault> {
        let running = tree::digest(&self.session.get_config(Store::Running).await?)?;
        let candidate = tree::digest(&self.session.get_config(Store::Candidate).await?)?;
        if running == candidate {
            return Ok(());
        }
        Err(Fault::Dirty {
            device: device.name.clone(),
        })
    }

    /// A pending trial that is known to be another's, or stands in the way of what needs the candidate. One that is not
    /// known may be ours from before a restart: its name will tell.
    fn refuse_foreign(&self, device: &Device, lease: Option<&str>) -> Result<(), Fault> {
        let known = self
            .trials
            .of(&device.name)
            .filter(|trial| trial.standing == Standing::Pending);
        let other = known.is_some_and(|trial| Some(trial.lease.as_str()) != lease);
        if lease.is_some() && !other {
            return Ok(());
        }
        Err(Fault::Awaiting {
            device: device.name.clone(),
            what: "the device does not tell whose".to_owned(),
        })
    }

    async fn send(&mut self, how: &How<'_>) -> Result<(), Error> {
        match how {
            How::Now { .. } => self.session.commit(Commit::Plain).await,
            How::Trial { lease, seconds, .. } => {
                let (id, seconds) = (*lease, *seconds);
                self.session.commit(Commit::Trial { id, seconds }).await
            }
            How::Extend { lease, seconds } => {
                let (id, seconds) = (*lease, *seconds);
                self.session.commit(Commit::Extend { id, seconds }).await
            }
            How::Confirm { lease } => self.session.commit(Commit::Confirm { id: lease }).await,
            How::Cancel { lease } => self.session.cancel(lease).await,
        }
    }

    /// yuma123 says yes to a commit of a candidate that was not edited since it was validated, and commits nothing.
    async fn validate_and_edit_anew(&mut self) -> Result<(), Error> {
        self.session.validate().await?;
        self.session.discard().await?;
        for line in &self.loaded {
            self.session.edit_config(line).await?;
        }
        Ok(())
    }

    /// Remembers what was done, or that it is not known.
    fn note(&self, how: &How<'_>, done: &Done) {
        let (lease, standing, seconds) = match how {
            How::Now { .. } => return,
            How::Trial { lease, seconds, .. } | How::Extend { lease, seconds } => (lease, Standing::Pending, *seconds),
            How::Confirm { lease } => (lease, Standing::Confirmed, 0),
            How::Cancel { lease } => (lease, Standing::Reverted, 0),
        };
        match done {
            Done::Yes(_) => self.trials.note(&self.device, lease, standing, seconds),
            Done::Unknown(_) => self.trials.forget(&self.device, lease),
            Done::No(_) => {}
        }
    }
}

fn done(outcome: Result<(), Error>) -> Done {
    match outcome {
        Ok(()) => Done::Yes(None),
        Err(error) if error.leaves_doubt() => Done::Unknown(error.to_string()),
        Err(error) => Done::No(error.to_string()),
    }
}

#[async_trait]
impl Editor for TreeEditor {
    async fn base(&mut self) -> Result<String, Fault> {
        Ok(tree::digest(&self.session.get_config(Store::Running).await?)?)
    }

    async fn load(&mut self, line: &str) -> Done {
        let done = done(self.session.edit_config(line).await);
        if matches!(done, Done::Yes(_)) {
            self.loaded.push(line.to_owned());
        }
        done
    }

    async fn check(&mut self) -> Done {
        if self.session.need("validate:1.1").is_err() && self.session.need("validate:1.0").is_err() {
            return Done::Yes(Some("the device validates at the commit only".to_owned()));
        }
        done(self.validate_and_edit_anew().await)
    }

    async fn commit(&mut self, how: &How<'_>) -> Done {
        let needs_lock = matches!(how, How::Now { .. } | How::Trial { .. });
        if needs_lock && !self.locked {
            return Done::No("a commit is waiting to be confirmed".to_owned());
        }
        let done = done(self.send(how).await);
        self.note(how, &done);
        done
    }

    async fn standing(&mut self, lease: &str) -> Result<Standing, Fault> {
        let pending = !self.locked;
        let known = self.trials.standing(&self.device, lease, pending);
        let unknown = if pending { Standing::Pending } else { Standing::None };
        Ok(known.unwrap_or(unknown))
    }

    async fn leave(mut self: Box<Self>) {
        // A session that cannot be left well is closed: that drops its locks, and what it edited under them.
        if self.locked && self.session.usable() {
            let _ = self.session.discard().await;
            for store in LOCKED {
                let _ = self.session.unlock(store).await;
            }
        }
        self.session.close().await;
    }
}

/// `get_commit`. What this server did itself it knows; of what was done before it started, the device's events tell.
pub(super) async fn commits(
    view: &View,
    device: &Device,
    asked: &GetCommit,
    lease: Option<&str>,
) -> Result<CommitState, Fault> {
    let lines = asked.lines.as_deref().unwrap_or_default();
    let prepared = view.held().holder(&device.name);
    // While we hold the locks there is no trial.
    let mut pending = prepared.is_none() && is_pending(view, device).await?;
    if pending && view.trials().may_be_over(&device.name) {
        tokio::time::sleep(PEACE).await;
        pending = is_pending(view, device).await?;
    }
    let Looked { foreseen, base } = loop {
        let looked = look(view, device, None, Some(lines)).await?;
        let still = prepared.is_none() && is_pending(view, device).await?;
        // Begun or ended between the two readings: they do not belong together.
        if still == pending {
            break looked;
        }
        pending = still;
    };
    let in_force = asked.lines.is_some() && foreseen.unchanged;
    let known = lease.and_then(|lease| view.trials().standing(&device.name, lease, pending));
    let mut history = Vec::new();
    let standing = match known {
        Some(standing) => standing,
        None if pending && in_force => Standing::Pending,
        None if pending || lease.is_none() || prepared.is_some() => Standing::None,
        None => {
            history = events(view, device).await?;
            told(&history)
        }
    };
    let is_prepared = lease.is_some() && prepared.as_deref() == lease;
    Ok(CommitState {
        device: device.name.clone(),
        base,
        pending: pending.then(|| pending_of(view, device)),
        state: if is_prepared { State::Prepared } else { standing.into() },
        applied_by_lease: matches!(standing, Standing::Pending | Standing::Confirmed),
        unchanged: asked.lines.is_some().then_some(foreseen.unchanged),
        irreversible: foreseen.irreversible,
        history,
    })
}

fn pending_of(view: &View, device: &Device) -> PendingCommit {
    let trial = view
        .trials()
        .of(&device.name)
        .filter(|trial| trial.standing == Standing::Pending);
    let left = |trial: &Trial| trial.ends.saturating_duration_since(Instant::now()).as_secs();
    PendingCommit {
        ends_in_seconds: trial.as_ref().map(left),
        id: trial.map(|trial| trial.lease),
    }
}

/// Whether a trial is pending: then the running configuration cannot be locked, and the device says why.
async fn is_pending(view: &View, device: &Device) -> Result<bool, Fault> {
    let mut session = view.netconf(device, None).await?;
    let pending = match session.lock(Store::Running).await {
        Ok(()) => {
            session.unlock(Store::Running).await?;
            false
        }
        Err(Error::Refused { refusal, .. }) => refusal.is_trial_pending(),
        Err(error) => return Err(error.into()),
    };
    session.close().await;
    Ok(pending)
}

/// The last event tells what became of the last trial, whosever it was.
fn told(history: &[PastCommit]) -> Standing {
    match history.first().and_then(|event| event.phase.as_deref()) {
        Some("complete") => Standing::Confirmed,
        Some("cancel" | "timeout") => Standing::Reverted,
        _ => Standing::None,
    }
}

/// What happened to trials within the last hour, newest first; empty if the device does not replay it.
async fn events(view: &View, device: &Device) -> Result<Vec<PastCommit>, Fault> {
    let session = view.netconf(device, None).await?;
    if session.need("notification:1.0").is_err() {
        return Ok(Vec::new());
    }
    let since = (jiff::Timestamp::now() - Duration::from_secs(3_600)).to_string();
    let past = |(event, at): (String, String)| PastCommit {
        id: None,
        phase: Some(event),
        comment: String::new(),
        at,
        by: String::new(),
    };
    let events = session.trials(&since, REPLAY).await?;
    Ok(events.into_iter().rev().map(past).collect())
}
