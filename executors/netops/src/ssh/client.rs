//! Opens an SSH session to a device of the inventory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use tokio::time::timeout;

use super::Error;
use super::session::{Session, Wire};
use crate::inventory::{Device, Login};

/// Longest wait for the TCP connection and the key exchange together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const AUTH_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection. Dropping it closes the session.
pub struct Connection {
    pub session: Session,
    handle: Handle<Pinned>,
}

impl Connection {
    /// Whether it may be used again.
    pub fn usable(&self) -> bool {
        self.session.usable() && !self.handle.is_closed()
    }
}

/// Connects, checks the host key against the pinned one, logs in, and waits for the prompt.
pub async fn connect(device: &Device, login: &Login) -> Result<Connection, Error> {
    if device.jump_host.is_some() {
        return Err(Error::JumpHost {
            device: device.name.clone(),
        });
    }
    let mut handle = exchange_keys(device).await?;
    authenticate(device, login, &mut handle).await?;
    let wire = open_shell(&handle).await.map_err(|error| Error::Login {
        device: device.name.clone(),
        reason: format!("no shell: {error}"),
    })?;
    let session = Session::start(&device.name, device.platform, wire, login.enable.as_deref()).await?;
    Ok(Connection { session, handle })
}

async fn exchange_keys(device: &Device) -> Result<Handle<Pinned>, Error> {
    let refusal = Arc::new(Mutex::new(None));
    let pinned = Pinned::new(device, Arc::clone(&refusal))?;
    let config = client::Config {
        nodelay: true,
        inactivity_timeout: None,
        ..Default::default()
    };
    let connecting = client::connect(Arc::new(config), (device.address, device.port), pinned);
    let failed = |reason: String| Error::Connect {
        device: device.name.clone(),
        address: format!("{}:{}", device.address, device.port),
        reason,
    };
    let outcome = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| failed("no answer within 5 s".into()))?;
    outcome.map_err(|error| {
        let refused = refusal.lock().expect("no panic while held").take();
        refused.unwrap_or_else(|| failed(error.to_string()))
    })
}

async fn authenticate(device: &Device, login: &Login, handle: &mut Handle<Pinned>) -> Result<(), Error> {
    let broken = |reason: String| Error::Login {
        device: device.name.clone(),
        reason,
    };
    let key = login.key_file.as_deref().map(PrivateKey::read_openssh_file).transpose();
    // The path is no secret; what is wrong inside the file is not told.
    let key = key.map_err(|_| broken("the key file of the credentials cannot be read".into()))?;
    let trying = async {
        match key {
            Some(key) => {
                let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
                handle.authenticate_publickey(&login.username, key).await
            }
            None => handle.authenticate_password(&login.username, &login.password).await,
        }
    };
    let outcome = timeout(AUTH_TIMEOUT, trying)
        .await
        .map_err(|_| broken("no answer to the login".into()))?;
    match outcome {
        Ok(result) if result.success() => Ok(()),
        Ok(_) => Err(Error::Authentication {
            device: device.name.clone(),
            credentials: device.credentials.clone(),
        }),
        Err(error) => Err(broken(format!("the login broke off: {error}"))),
    }
}

/// A subsystem's bytes, and the connection under them.
pub struct Pipe {
    /// Taken by whoever talks.
    pub wire: Option<Box<dyn Wire>>,
    _handle: Handle<Pinned>,
}

/// Connects as [`connect`] does and opens a subsystem instead of a shell.
pub async fn pipe(device: &Device, login: &Login, subsystem: &str) -> Result<Pipe, Error> {
    if device.jump_host.is_some() {
        return Err(Error::JumpHost {
            device: device.name.clone(),
        });
    }
    let mut handle = exchange_keys(device).await?;
    authenticate(device, login, &mut handle).await?;
    let opening = async {
        let channel = handle.channel_open_session().await?;
        channel.request_subsystem(true, subsystem).await?;
        Ok::<Box<dyn Wire>, russh::Error>(Box::new(channel.into_stream()))
    };
    let wire = opening.await.map_err(|error| Error::Login {
        device: device.name.clone(),
        reason: format!("no subsystem {subsystem}: {error}"),
    })?;
    Ok(Pipe {
        wire: Some(wire),
        _handle: handle,
    })
}

async fn open_shell(handle: &Handle<Pinned>) -> Result<Box<dyn Wire>, russh::Error> {
    let channel = handle.channel_open_session().await?;
    // Wide, so that no line is folded; paging is switched off by command.
    channel.request_pty(false, "dumb", 1000, 1000, 0, 0, &[]).await?;
    channel.request_shell(false).await?;
    Ok(Box::new(channel.into_stream()))
}

/// Accepts exactly the pinned host key.
pub struct Pinned {
    device: String,
    key: Option<PublicKey>,
    refusal: Arc<Mutex<Option<Error>>>,
}

impl Pinned {
    fn new(device: &Device, refusal: Arc<Mutex<Option<Error>>>) -> Result<Self, Error> {
        let key = device
            .host_key
            .as_deref()
            .map(PublicKey::from_openssh)
            .transpose()
            .map_err(|error| Error::HostKeyInvalid {
                device: device.name.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            device: device.name.clone(),
            key,
            refusal,
        })
    }
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let offered = match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => Some(key),
            PublicKeyOrCertificate::Certificate(_) => None,
        };
        let shown = offered.map_or_else(
            || "a certificate".to_owned(),
            |key| key.fingerprint(HashAlg::Sha256).to_string(),
        );
        let device = self.device.clone();
        let refusal = match (&self.key, offered) {
            (Some(pinned), Some(key)) if pinned.key_data() == key.key_data() => return Ok(true),
            (Some(pinned), _) => {
                let pinned = pinned.fingerprint(HashAlg::Sha256).to_string();
                Error::HostKeyMismatch {
                    device,
                    pinned,
                    offered: shown,
                }
            }
            (None, _) => Error::HostKeyMissing { device, offered: shown },
        };
        *self.refusal.lock().expect("no panic while held") = Some(refusal);
        Ok(false)
    }
}
