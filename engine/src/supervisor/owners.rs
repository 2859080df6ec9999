//! A driver for each intent: started when there is something to do, started again when it failed, and gone only when
//! nothing is left behind.

use super::{Pickup, Supervisor};
use crate::driver::{DriveError, Driver};
use crate::ids::IntentId;
use crate::journal;
use futures::FutureExt;
use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The pauses after errors grow from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// An intent's driver.
pub(super) struct Running {
    pub(super) task: JoinHandle<()>,
    /// Something came since it was started: it looks once more before it goes.
    again: bool,
}

/// An intent that this engine owns and cannot drive. It tries again, which helps unless the store has given up writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDriven {
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    pub why: String,
    /// When it is tried again, Unix milliseconds.
    pub again_ms: i64,
}

/// What a panic says of itself.
fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    said.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it gave no reason")
        .to_owned()
}

/// What is to be done after a driver's end.
enum After {
    /// The journal was further than the driver thought.
    Reload,
    Pause(Duration),
    Leave,
}

impl Supervisor {
    /// Sees to it that the intent has a driver, and that this one looks at what has come.
    pub(super) fn drive(self: &Arc<Self>, intent: IntentId) {
        self.drive_found(intent, None);
    }

    /// The same, for what a start found open.
    pub(super) fn drive_found(self: &Arc<Self>, intent: IntentId, pickup: Option<Arc<Pickup>>) {
        let mut running = self.running.lock().expect("no panic while held");
        if self.is_lost(intent) || *self.stopping.borrow() {
            return;
        }
        if let Some(running) = running.get_mut(&intent).filter(|r| !r.task.is_finished()) {
            running.again = true;
            return;
        }
        let this = self.clone();
        let task = tokio::spawn(async move { this.own(intent, pickup).await });
        running.insert(intent, Running { task, again: false });
    }

    /// Drives an intent for as long as it is this engine's.
    async fn own(&self, intent: IntentId, mut pickup: Option<Arc<Pickup>>) {
        let mut failures = 0;
        loop {
            let began = self.deps.clock.now_ms();
            let driven = AssertUnwindSafe(self.drive_once(intent, &mut pickup))
                .catch_unwind()
                .await;
            let driven = driven.unwrap_or_else(|panic| Err(DriveError::Panicked(words(panic.as_ref()))));
            let lasted = self.deps.clock.now_ms().saturating_sub(began);
            if lasted > LONGEST_PAUSE.as_millis() as i64 {
                failures = 0;
            }
            match self.after(intent, driven, failures) {
                After::Reload => self.deps.clock.sleep(Duration::from_millis(100)).await,
                After::Pause(pause) => {
                    failures += 1;
                    self.pause(pause).await;
                }
                After::Leave if self.may_leave(intent).await => return,
                After::Leave => failures = 0,
            }
            if *self.stopping.borrow() {
                return;
            }
        }
    }

    async fn drive_once(&self, intent: IntentId, pickup: &mut Option<Arc<Pickup>>) -> Result<(), DriveError> {
        let driver = Driver::claim(self.deps.clone(), self.signals.clone(), intent).await?;
        self.not_driven.lock().expect("no panic while held").remove(&intent);
        Box::pin(driver.run(pickup.take())).await.map(|_| ())
    }

    fn after(&self, intent: IntentId, driven: Result<(), DriveError>, failures: u32) -> After {
        match driven {
            Err(DriveError::Journal(journal::Error::Stale { expected, found })) => {
                tracing::warn!(%intent, expected, found, "the journal is further than thought: reloading");
                After::Reload
            }
            Err(DriveError::Journal(journal::Error::Fenced { epoch })) => {
                tracing::warn!(%intent, epoch, "another engine took the intent over");
                self.lost.lock().expect("no panic while held").insert(intent);
                After::Leave
            }
            Err(error) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
                match self.deps.journal.unwritable() {
                    Some(_) => {
                        tracing::error!(%intent, %error, "the intent is not driven before the server is started again")
                    }
                    None => {
                        tracing::error!(%intent, %error, ?pause, "the intent is not driven: it is tried again after a pause")
                    }
                }
                self.note_failure(intent, error.to_string(), pause);
                After::Pause(pause)
            }
            Ok(()) => After::Leave,
        }
    }

    fn note_failure(&self, intent: IntentId, why: String, pause: Duration) {
        let since_ms = self.deps.clock.now_ms();
        let again_ms = since_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        let failed = NotDriven {
            since_ms,
            why,
            again_ms,
        };
        self.not_driven
            .lock()
            .expect("no panic while held")
            .entry(intent)
            .and_modify(|was| {
                *was = NotDriven {
                    since_ms: was.since_ms,
                    ..failed.clone()
                };
            })
            .or_insert(failed);
    }

    /// Waits, unless the engine stops meanwhile.
    async fn pause(&self, pause: Duration) {
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            () = self.deps.clock.sleep(pause) => {}
            _ = stopping.wait_for(|s| *s) => {}
        }
    }

    /// Whether a driver that is done may go. The answer is given under the lock that whoever brings something takes, so that
    /// nothing comes to an intent between its driver's last look and its going.
    async fn may_leave(&self, intent: IntentId) -> bool {
        loop {
            {
                let mut running = self.running.lock().expect("no panic while held");
                let again = running.get_mut(&intent).is_some_and(|r| std::mem::take(&mut r.again));
                if !again || self.is_lost(intent) || *self.stopping.borrow() {
                    running.remove(&intent);
                    return true;
                }
            }
            let inbox = self.deps.journal.inbox(intent).await;
            if inbox.is_ok_and(|commands| !commands.is_empty()) {
                return false;
            }
        }
    }

    /// Whether this engine drives the intent at this moment.
    pub fn is_driving(&self, intent: IntentId) -> bool {
        let running = self.running.lock().expect("no panic while held");
        running.get(&intent).is_some_and(|r| !r.task.is_finished())
    }

    /// Why nothing is done for an intent of this engine's. None: it is driven, or there is nothing to do.
    pub fn not_driven(&self, intent: IntentId) -> Option<NotDriven> {
        let all = self.not_driven.lock().expect("no panic while held");
        all.get(&intent).cloned()
    }

    /// The intents that cannot be driven at this moment.
    pub fn all_not_driven(&self) -> Vec<IntentId> {
        let all = self.not_driven.lock().expect("no panic while held");
        all.keys().copied().collect()
    }
}
