//! A network of twelve small routers in one process, to try Flyball on without harm.
//!
//! Each router is an SSH server on a loopback address of its own with an IOS-like, VRP-like, FRR-like or Junos-like
//! command language, a running and a startup configuration, OSPF adjacencies that need matching ends and take their time, and
//! forwarding that can be made to fail while the adjacencies stay Full. A control socket makes trouble on request.
//! Shares no code with the drivers that talk to it: a misunderstanding of a dialect must not cancel itself out.
//!
//! Reading order: `topology`, `model`, `grammar`, `render`, `network`, `dataplane`, `shell`, `terminal`, `ssh`,
//! `faults`, `control`; `statements` and `candidate` for the Junos-like ones.

mod candidate;
mod command;
pub mod control;
mod dataplane;
mod faults;
mod files;
mod grammar;
mod log;
mod model;
mod network;
mod options;
mod render;
mod shell;
mod show;
mod ssh;
mod statements;
mod terminal;
mod topology;
mod words;
mod world;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use options::Options;

use files::Placed;
use network::{Link, Network};
use topology::Plan;
use world::{Device, Shared, World};

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("device {device} cannot listen on {address}: {source}")]
    Listen {
        device: String,
        address: Ipv4Addr,
        source: std::io::Error,
    },
    #[error("the host key of {0} is unusable: {1}")]
    HostKey(String, #[source] russh::keys::ssh_key::Error),
    #[error("the inventory could not be written down: {0}")]
    Yaml(String),
    #[error("no device named {0:?} in the sandbox")]
    NoSuchDevice(String),
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    dir: PathBuf,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

const TICK: Duration = Duration::from_millis(100);

/// Runs a sandbox until told to stop. Prints nothing; `DIR/ready` exists while everything listens.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    let sandbox = Sandbox::start(options).await?;
    shutdown.cancelled().await;
    sandbox.shutdown().await;
    Ok(())
}

impl Sandbox {
    /// Starts all devices. On return every listener is bound, the files are written and Shanghai is Full.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options {
            dir,
            devices,
            enable_secret,
            minute,
        } = options;
        let plans = topology::plans(devices.as_deref());
        if let Some(missing) = devices
            .iter()
            .flatten()
            .find(|name| plans.iter().all(|plan| plan.name != *name))
        {
            return Err(Error::NoSuchDevice(missing.clone()));
        }
        files::directory(&dir)?;
        // Left over if an earlier run was killed.
        let _ = std::fs::remove_file(dir.join("ready"));
        let links = topology::links(&plans);
        let access = ssh::Access {
            username: "flyball".to_owned(),
            password: files::password(),
            enable_secret,
        };
        let mut sandbox = Self {
            dir,
            tasks: JoinSet::new(),
            shutdown: CancellationToken::new(),
        };
        let mut bound = Vec::new();
        for plan in &plans {
            bound.push(Bound::new(plan, &sandbox.dir).await?);
        }
        let world = Shared::new(sandbox.world(&bound, &links, minute)?);
        let placed: Vec<Placed> = bound.iter().map(Bound::placed).collect();
        files::write(&sandbox.dir, &placed, &links, &access, minute)?;
        sandbox.serve(bound, &world, &access);
        sandbox.control(&world)?;
        sandbox.tick(world);
        let ready = sandbox.dir.join("ready");
        std::fs::write(&ready, b"").map_err(Error::file(&ready))?;
        Ok(sandbox)
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The inventory, for `NETOPS_INVENTORY`.
    pub fn inventory_path(&self) -> PathBuf {
        self.dir.join("inventory.yaml")
    }

    /// The credentials, for `NETOPS_CREDENTIALS`.
    pub fn credentials_path(&self) -> PathBuf {
        self.dir.join("credentials.yaml")
    }

    /// The control socket, see [`control`].
    pub fn control_socket(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    /// Breaks every connection and stops listening.
    pub async fn shutdown(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
        for name in ["ready", "control.sock"] {
            // Gone already is fine.
            let _ = std::fs::remove_file(self.dir.join(name));
        }
    }

    fn world(&self, bound: &[Bound], links: &[(Link, [Ipv4Addr; 2])], minute: Duration) -> Result<World, Error> {
        let mut configs = BTreeMap::new();
        let mut devices = BTreeMap::new();
        for Bound { plan, listener, .. } in bound {
            let config = topology::initial(plan, links);
            let path = self.dir.join("logs").join(format!("{}.log", plan.name));
            let device = Device {
                dialect: plan.dialect,
                site: plan.site.to_owned(),
                role: plan.role.to_owned(),
                startup: config.clone(),
                address: listener.local_addr().map_err(Error::file(&path))?,
                faults: faults::Faults::default(),
                log: log::Log::create(&path).map_err(Error::file(&path))?,
                held: Vec::new(),
                database: (plan.dialect == model::Dialect::Junos)
                    .then(|| candidate::Database::new(&config, world::wall_ms())),
            };
            configs.insert(plan.name.to_owned(), config);
            devices.insert(plan.name.to_owned(), device);
        }
        let network = Network::new(links.iter().map(|(link, _)| link.clone()).collect());
        Ok(World::new(configs, devices, network, minute))
    }

    fn serve(&mut self, bound: Vec<Bound>, world: &Shared, access: &ssh::Access) {
        let numbers = Arc::new(AtomicU64::new(0));
        for Bound {
            plan, listener, config, ..
        } in bound
        {
            let server = ssh::Server {
                device: plan.name.to_owned(),
                dialect: plan.dialect,
                world: world.clone(),
                access: access.clone(),
                config,
                numbers: Arc::clone(&numbers),
            };
            self.tasks.spawn(server.run(listener, self.shutdown.clone()));
        }
    }

    fn control(&mut self, world: &Shared) -> Result<(), Error> {
        let path = self.control_socket();
        // Left over from a run that was killed; a second sandbox in one directory is the caller's mistake.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(Error::file(&path))?;
        self.tasks
            .spawn(control::serve(listener, world.clone(), self.shutdown.clone()));
        Ok(())
    }

    fn tick(&mut self, world: Shared) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                world.lock().step();
            }
        });
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A device that has its port and its key.
struct Bound {
    plan: Plan,
    listener: TcpListener,
    port: u16,
    host_key: String,
    config: Arc<russh::server::Config>,
}

impl Bound {
    async fn new(plan: &Plan, dir: &Path) -> Result<Self, Error> {
        let key = files::host_key(dir, plan.name)?;
        let public = key.public_key().key_data().clone();
        // The comment of a key is nobody's business in an inventory.
        let host_key = russh::keys::PublicKey::from(public)
            .to_openssh()
            .map_err(|error| Error::HostKey(plan.name.to_owned(), error))?;
        let address = Ipv4Addr::new(127, 0, 10, plan.host);
        let refused = |source| Error::Listen {
            device: plan.name.to_owned(),
            address,
            source,
        };
        let listener = TcpListener::bind((address, 0)).await.map_err(refused)?;
        let port = listener.local_addr().map_err(refused)?.port();
        Ok(Self {
            plan: *plan,
            listener,
            port,
            host_key,
            config: Arc::new(ssh::config(key)),
        })
    }

    fn placed(&self) -> Placed {
        Placed {
            plan: self.plan,
            port: self.port,
            host_key: self.host_key.clone(),
        }
    }
}
