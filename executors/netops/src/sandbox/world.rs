//! Everything that the sandbox's sessions share, behind one lock: devices, cables, sessions, time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};

use super::candidate::Database;
use super::dataplane::{Fabric, Hole};
use super::faults::Faults;
use super::log::{Entry, Log, Verdict};
use super::model::{Config, Dialect};
use super::network::{Change, Configs, Network, State};
use super::words;

/// A router apart from its running configuration, which the network needs as a whole.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) dialect: Dialect,
    pub(crate) site: String,
    pub(crate) role: String,
    pub(crate) startup: Config,
    pub(crate) address: SocketAddr,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    /// Replies that wait for `release`.
    pub(crate) held: Vec<oneshot::Sender<()>>,
    /// Junos-like devices only.
    pub(crate) database: Option<Database>,
}

/// An open session as the rest of the world sees it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) device: String,
    pub(crate) monitor: bool,
    /// Syslog lines for its terminal.
    pub(crate) notes: mpsc::UnboundedSender<String>,
    /// The socket under it, to pull the plug.
    pub(crate) socket: Arc<std::net::TcpStream>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) configs: Configs,
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) network: Network,
    pub(crate) sessions: BTreeMap<u64, Session>,
    /// How long a minute of `commit confirmed` is.
    pub(crate) minute: Duration,
    started: Instant,
    /// Counts log entries of all devices, for those who wait for one.
    pub(crate) logged: watch::Sender<u64>,
}

/// The world, shared.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub(crate) fn new(configs: Configs, devices: BTreeMap<String, Device>, network: Network, minute: Duration) -> Self {
        let mut world = Self {
            configs,
            devices,
            network,
            sessions: BTreeMap::new(),
            minute,
            started: Instant::now(),
            logged: watch::Sender::new(0),
        };
        world.network.settle(&world.configs, 0);
        world
    }

    /// Simulated time, milliseconds since the start.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets the network follow the configurations and the time.
    pub(crate) fn step(&mut self) {
        self.expire();
        let changes = self.network.step(&self.configs, self.now_ms());
        self.announce(&changes);
    }

    /// Takes back what was committed on trial and not confirmed in time.
    fn expire(&mut self) {
        let (now, at) = (self.now_ms(), wall_ms());
        let expired = self.devices.iter_mut().filter_map(|(name, device)| {
            let back_to = device.database.as_mut()?.expire(now, at)?;
            device.startup = back_to.clone();
            Some((name.clone(), back_to))
        });
        for (name, back_to) in expired.collect::<Vec<_>>() {
            let config = self.configs.insert(name.clone(), back_to.clone()) != Some(back_to);
            let entry = Entry {
                at,
                session: 0,
                peer: String::new(),
                user: "root".to_owned(),
                mode: "exec",
                line: "rollback: commit confirmed was not confirmed".to_owned(),
                result: Verdict::Ok,
                config,
            };
            self.record(&name, entry);
        }
    }

    /// Forgets a session, and what ends with it.
    pub(crate) fn close(&mut self, session: u64) {
        self.sessions.remove(&session);
        for database in self.devices.values_mut().filter_map(|device| device.database.as_mut()) {
            database.release(session);
        }
    }

    /// Saved configuration in force, adjacencies gone, sessions cut.
    pub(crate) fn reload(&mut self, device: &str) {
        if let Some(startup) = self.devices.get(device).map(|device| device.startup.clone()) {
            self.configs.insert(device.to_owned(), startup);
        }
        let changes = self.network.restart(device);
        self.announce(&changes);
        for session in self.sessions.values().filter(|session| session.device == device) {
            pull(&session.socket);
        }
    }

    /// Appends to a device's log and gives the entry's position.
    pub(crate) fn record(&mut self, device: &str, entry: Entry) -> usize {
        let position = self.devices.get_mut(device).map_or(0, |device| device.log.add(entry));
        self.logged.send_modify(|count| *count += 1);
        position
    }

    /// Puts a syslog line on every terminal of the device that listens.
    pub(crate) fn syslog(&self, device: &str, line: &str) {
        for session in self
            .sessions
            .values()
            .filter(|session| session.device == device && session.monitor)
        {
            // A session that just ended no longer reads: nothing is lost.
            let _ = session.notes.send(line.to_owned());
        }
    }

    /// Forwarding as it is now, with the black holes of all devices.
    pub(crate) fn with_fabric<T>(&self, look: impl FnOnce(&Fabric<'_>) -> T) -> T {
        let holes: Vec<Hole> = self
            .devices
            .iter()
            .flat_map(|(name, device)| {
                let hole = |toward: Option<&str>| Hole {
                    device: name.clone(),
                    toward: toward.map(str::to_owned),
                };
                device.faults.holes().map(hole).collect::<Vec<_>>()
            })
            .collect();
        look(&Fabric {
            network: &self.network,
            configs: &self.configs,
            holes: &holes,
        })
    }

    /// Tells both ends about adjacencies that came to Full or left it.
    fn announce(&self, changes: &[Change]) {
        let worth_a_line = |change: &&Change| change.to == State::Full || change.from == State::Full;
        for change in changes.iter().filter(worth_a_line) {
            let Some(link) = self.network.links().get(change.link) else {
                continue;
            };
            for (near, far) in [(&link.a, &link.b), (&link.b, &link.a)] {
                let Some(config) = self.configs.get(&near.device) else {
                    continue;
                };
                let process = config.ospf_on(&near.interface).map_or(0, |(process, _)| process);
                let neighbour = words::Neighbour {
                    process,
                    router_id: self.router_id_at(&far.device, &far.interface),
                    address: self.address_at(&far.device, &far.interface),
                    interface: &near.interface,
                };
                self.syslog(
                    &near.device,
                    &words::adjacency(config, &neighbour, change.to == State::Full, wall_ms()),
                );
            }
        }
    }

    /// The router id that the OSPF process of an interface uses; 0.0.0.0 without one.
    pub(crate) fn router_id_at(&self, device: &str, interface: &str) -> Ipv4Addr {
        let config = self.configs.get(device);
        let id = config.and_then(|config| {
            let process = config.ospf_on(interface).map(|(process, _)| process);
            config.router_id(process.or_else(|| config.ospf.keys().next().copied())?)
        });
        id.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    pub(crate) fn address_at(&self, device: &str, interface: &str) -> Ipv4Addr {
        let interface = self
            .configs
            .get(device)
            .and_then(|config| config.interfaces.get(interface));
        interface
            .and_then(|interface| interface.address)
            .map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| address)
    }
}

/// Ends a TCP connection as a broken cable would end it for the application above.
pub(crate) fn pull(socket: &std::net::TcpStream) {
    // Already gone is as good as pulled.
    let _ = socket.shutdown(std::net::Shutdown::Both);
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
