//! The SSH side: one listener per device, password authentication, shells and single commands.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session as SshSession};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Pty};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::command::Mode;
use super::model::Dialect;
use super::shell::{Outcome, Shell};
use super::terminal::{self, Terminal};
use super::world::{Session, Shared};

/// Who may log in.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) enable_secret: Option<String>,
}

/// What a device's server needs.
pub(crate) struct Server {
    pub(crate) device: String,
    pub(crate) dialect: Dialect,
    pub(crate) world: Shared,
    pub(crate) access: Access,
    pub(crate) config: Arc<Config>,
    /// Numbers sessions over all devices.
    pub(crate) numbers: Arc<AtomicU64>,
}

/// The russh settings of a device with this host key.
pub(crate) fn config(key: PrivateKey) -> Config {
    Config {
        methods: MethodSet::from(&[MethodKind::Password][..]),
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        nodelay: true,
        inactivity_timeout: None,
        ..Config::default()
    }
}

impl Server {
    /// Accepts connections until told to stop; open ones are broken then.
    pub(crate) async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = self.connect(stream, peer, shutdown.clone()) {
                        tracing::debug!(device = self.device, %error, "a connection failed before it began");
                    }
                }
                Err(error) => {
                    tracing::warn!(device = self.device, %error, "a connection could not be accepted")
                }
            }
        }
    }

    fn connect(&self, stream: TcpStream, peer: SocketAddr, shutdown: CancellationToken) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        // A second handle on the socket: faults pull the plug under russh's feet.
        let stream = stream.into_std()?;
        let plug = Arc::new(stream.try_clone()?);
        let stream = TcpStream::from_std(stream)?;
        let client = Client {
            device: self.device.clone(),
            dialect: self.dialect,
            world: self.world.clone(),
            access: self.access.clone(),
            numbers: Arc::clone(&self.numbers),
            peer,
            plug: Arc::clone(&plug),
            channels: HashMap::new(),
        };
        let config = Arc::clone(&self.config);
        tokio::spawn(async move {
            let Ok(session) = russh::server::run_stream(config, stream, client).await else {
                return;
            };
            tokio::select! {
                // How a session ended is the client's business.
                _ = session => {}
                () = shutdown.cancelled() => super::world::pull(&plug),
            }
        });
        Ok(())
    }
}

/// One connection.
struct Client {
    device: String,
    dialect: Dialect,
    world: Shared,
    access: Access,
    numbers: Arc<AtomicU64>,
    peer: SocketAddr,
    plug: Arc<std::net::TcpStream>,
    /// Opened and not yet in use; the rows of its pseudo-terminal if it has one.
    channels: HashMap<ChannelId, (Channel<Msg>, Option<u32>)>,
}

impl Client {
    /// A new session number, known to the world until the guard goes.
    fn register(&self, monitor: bool) -> (Registration, mpsc::UnboundedReceiver<String>) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        let (notes, receiver) = mpsc::unbounded_channel();
        let session = Session {
            device: self.device.clone(),
            monitor,
            notes,
            socket: Arc::clone(&self.plug),
        };
        self.world.lock().sessions.insert(number, session);
        (
            Registration {
                world: self.world.clone(),
                number,
            },
            receiver,
        )
    }

    fn shell(&self, session: u64, mode: Mode, page: u32) -> Shell {
        Shell {
            device: self.device.clone(),
            dialect: self.dialect,
            mode,
            question: None,
            page,
            session,
            peer: self.peer.to_string(),
            user: self.access.username.clone(),
            console: false,
            enable_secret: self.access.enable_secret.clone(),
        }
    }
}

/// Removes the session from the world when it ends, however it ends.
struct Registration {
    world: Shared,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.world.lock().close(self.number);
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        if user == self.access.username && password == self.access.password {
            return Ok(Auth::Accept);
        }
        Ok(Auth::reject())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), (channel, None));
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        rows: u32,
        _pixel_width: u32,
        _pixel_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        if let Some((_, pty)) = self.channels.get_mut(&channel) {
            *pty = Some(rows);
        }
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut SshSession) -> Result<(), Self::Error> {
        let Some((opened, pty)) = self.channels.remove(&channel) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        let mode = if self.dialect == Dialect::Ios {
            Mode::User
        } else {
            Mode::Exec
        };
        // vtysh neither pages nor shows log lines unless asked to; Junos pages.
        let quiet = matches!(self.dialect, Dialect::Frr | Dialect::Junos);
        let rows = pty.filter(|rows| *rows > 1).unwrap_or(24);
        let (registration, notes) = self.register(!quiet);
        let shell = self.shell(
            registration.number,
            mode,
            if self.dialect == Dialect::Frr { 0 } else { rows },
        );
        let terminal = Terminal::new(opened, shell, self.world.clone(), notes, pty.is_some());
        tokio::spawn(async move {
            terminal.run().await;
            drop(registration);
        });
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        let Some((opened, _)) = self.channels.remove(&channel) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        let line = String::from_utf8_lossy(data).into_owned();
        let (registration, _notes) = self.register(false);
        let shell = self.shell(registration.number, Mode::Exec, 0);
        let world = self.world.clone();
        tokio::spawn(async move {
            run_one(opened, shell, &world, &line).await;
            drop(registration);
        });
        Ok(())
    }
}

/// One command without a terminal: its answer and an exit status, 1 if it was refused.
async fn run_one(mut channel: Channel<Msg>, mut shell: Shell, world: &Shared, line: &str) {
    let Outcome {
        text,
        cut,
        hold,
        refused,
        ..
    } = terminal::execute(&mut shell, world, line).await;
    if cut {
        return terminal::pull_session(world, shell.session);
    }
    if let Some(hold) = hold {
        let gone = async { while channel.wait().await.is_some() {} };
        let released = tokio::select! {
            _ = hold.released => true,
            () = gone => false,
        };
        if let Some(device) = world.lock().devices.get_mut(&shell.device) {
            device.log.set_held(hold.position, false);
        }
        if !released {
            return;
        }
    }
    // The client may be gone: then nobody misses the answer.
    let _ = channel.data_bytes(text.into_bytes()).await;
    let _ = channel.exit_status(u32::from(refused)).await;
    let _ = channel.eof().await;
    let _ = channel.close().await;
}
