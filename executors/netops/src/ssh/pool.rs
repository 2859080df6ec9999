//! At most two sessions per device, kept for a while, and a memory for refused logins.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Error;
use super::client::{self, Connection};
use super::session::Session;
use crate::inventory::{Device, Login};

/// Sessions per device at one time; most devices offer few.
pub const SESSIONS: usize = 2;
const IDLE: Duration = Duration::from_secs(30);

/// Sessions of all devices.
#[derive(Default)]
pub struct Pool {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

struct Slot {
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// One login at a time, so that a wrong password is tried once and not once per waiting call.
    login: tokio::sync::Mutex<HashMap<String, Error>>,
    writer: Arc<tokio::sync::Mutex<()>>,
}

struct Idle {
    credentials: String,
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// A session with this device, new or kept; waits while both are in use. `credentials` names the login.
    pub async fn lease(&self, device: &Device, credentials: &str, login: &Login) -> Result<Lease, Error> {
        let slot = self.slot(&device.name);
        let permit = Arc::clone(&slot.permits).acquire_owned().await.expect("never closed");
        if let Some(connection) = slot.take_idle(credentials) {
            return Ok(Lease::new(slot, permit, credentials, connection, true));
        }
        let mut refused = slot.login.lock().await;
        if let Some(error) = refused.get(credentials) {
            return Err(error.clone());
        }
        let mut device = device.clone();
        credentials.clone_into(&mut device.credentials);
        let connection = match client::connect(&device, login).await {
            Ok(connection) => connection,
            Err(error @ Error::Authentication { .. }) => {
                refused.insert(credentials.to_owned(), error.clone());
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        drop(refused);
        Ok(Lease::new(slot, permit, credentials, connection, false))
    }

    /// Held by whoever changes this device: writes do not interleave.
    pub async fn writer(&self, device: &str) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.slot(device).writer).lock_owned().await
    }

    fn slot(&self, device: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().expect("no panic while held");
        Arc::clone(slots.entry(device.to_owned()).or_insert_with(|| {
            Arc::new(Slot {
                permits: Arc::new(Semaphore::new(SESSIONS)),
                idle: Mutex::default(),
                login: tokio::sync::Mutex::default(),
                writer: Arc::default(),
            })
        }))
    }
}

impl Slot {
    fn take_idle(&self, credentials: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().expect("no panic while held");
        idle.retain(|kept| kept.connection.usable());
        let at = idle.iter().position(|kept| kept.credentials == credentials);
        // A session of another login would count against the limit on the device.
        let taken = at.map(|at| idle.swap_remove(at).connection);
        if taken.is_none() && idle.len() >= SESSIONS {
            idle.remove(0);
        }
        taken
    }

    fn keep(self: &Arc<Self>, credentials: String, connection: Connection) {
        let kept = Idle {
            credentials,
            connection,
            since: Instant::now(),
        };
        self.idle.lock().expect("no panic while held").push(kept);
        let slot: Weak<Self> = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            if let Some(slot) = slot.upgrade() {
                slot.idle
                    .lock()
                    .expect("no panic while held")
                    .retain(|kept| kept.since.elapsed() < IDLE);
            }
        });
    }
}

/// A session lent for one call.
pub struct Lease {
    slot: Arc<Slot>,
    credentials: String,
    connection: Option<Connection>,
    /// It was kept from before, so it may have died unseen.
    pub kept: bool,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    fn new(
        slot: Arc<Slot>,
        permit: OwnedSemaphorePermit,
        credentials: &str,
        connection: Connection,
        kept: bool,
    ) -> Self {
        Self {
            slot,
            credentials: credentials.to_owned(),
            connection: Some(connection),
            kept,
            _permit: permit,
        }
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.connection.as_ref().expect("present until dropped").session
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.connection.as_mut().expect("present until dropped").session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = self.connection.take().expect("present until dropped");
        if connection.usable() {
            self.slot.keep(std::mem::take(&mut self.credentials), connection);
        }
    }
}
