//! The devices behind the tools: the inventory as it is now, and sessions on them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::epochs::Epochs;
use super::held::Held;
use super::netconf::Trials;
use super::reply::Fault;
use super::shelf::Shelf;
use crate::inventory::{self, Device, Files, Inventory, Stamp};
use crate::netconf::session::Session;
use crate::platform::config::Config;
use crate::platform::model::{self, same_interface};
use crate::platform::parse::InterfaceState;
use crate::platform::{Platform, ospf, parse, refusal};
use crate::ssh;
use crate::ssh::pool::{Lease, Pool};

/// Reads the inventory again when its files change, and then forgets sessions and refused logins.
pub(super) struct Fleet {
    files: Files,
    current: Mutex<Option<(Stamp, Arc<View>)>>,
    epochs: Arc<Epochs>,
    held: Arc<Held>,
    trials: Arc<Trials>,
    shelf: Arc<Shelf>,
}

/// The inventory at one moment, with the sessions that belong to it.
pub(super) struct View {
    pub inventory: Inventory,
    pool: Pool,
    /// Outlives the inventory's changes.
    epochs: Arc<Epochs>,
    held: Arc<Held>,
    trials: Arc<Trials>,
    shelf: Arc<Shelf>,
}

/// What a device was found to be before a change or for a reading.
pub(super) struct Found {
    pub config: Config,
    /// Names of interfaces that the device really has.
    pub interfaces: Vec<String>,
    /// The interface that carries the management address.
    pub management: Option<String>,
    /// What `show daemons` printed; only frr has them.
    daemons: Option<String>,
}

impl Fleet {
    /// Devices of this inventory file; the credentials are beside it unless named.
    pub(super) fn new(inventory: PathBuf, credentials: Option<PathBuf>) -> Self {
        Self {
            shelf: Arc::new(Shelf::new(inventory.with_file_name("kept"))),
            files: Files::new(inventory, credentials),
            current: Mutex::new(None),
            epochs: Arc::default(),
            held: Arc::default(),
            trials: Arc::default(),
        }
    }

    /// The inventory as the files say now.
    pub(super) fn view(&self) -> Result<Arc<View>, inventory::Error> {
        let stamp = self.files.stamp();
        let mut current = self.current.lock().expect("no panic while held");
        if let Some((of, view)) = current.as_ref()
            && *of == stamp
        {
            return Ok(Arc::clone(view));
        }
        let view = Arc::new(View {
            inventory: Inventory::load(&self.files)?,
            pool: Pool::default(),
            epochs: Arc::clone(&self.epochs),
            held: Arc::clone(&self.held),
            trials: Arc::clone(&self.trials),
            shelf: Arc::clone(&self.shelf),
        });
        *current = Some((stamp, Arc::clone(&view)));
        Ok(view)
    }
}

impl View {
    /// A session with the device. `credential` overrides the inventory's reference.
    pub(super) async fn lease(&self, device: &Device, credential: Option<&str>) -> Result<Lease, Fault> {
        if device.platform == Platform::Netconf {
            return Err(refuse_without_terminal(device));
        }
        let reference = credential.unwrap_or(&device.credentials);
        let login = self.inventory.login(reference)?;
        Ok(self.pool.lease(device, reference, login).await?)
    }

    /// The highest epochs seen.
    pub(super) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    /// Changes that are prepared and not committed.
    pub(super) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    /// Copies of configurations.
    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What this server did about trials that devices do not name.
    pub(super) fn trials(&self) -> &Arc<Trials> {
        &self.trials
    }

    /// A NETCONF session with the device. Each is of its own: locks belong to sessions.
    pub(super) async fn netconf(&self, device: &Device, credential: Option<&str>) -> Result<Session, Fault> {
        let login = self.inventory.login(credential.unwrap_or(&device.credentials))?;
        Ok(Session::connect(device, login).await?)
    }

    /// Held while a device is changed.
    pub(super) async fn writer(&self, device: &Device) -> tokio::sync::OwnedMutexGuard<()> {
        self.pool.writer(&device.name).await
    }

    /// Runs reading commands in one session; a refusal is a fault.
    pub(super) async fn read(&self, device: &Device, commands: &[&str]) -> Result<Vec<String>, Fault> {
        self.read_with(device, None, commands).await.map(|(_, texts)| texts)
    }

    /// As [`View::read`], and lends the session on.
    pub(super) async fn read_with(
        &self,
        device: &Device,
        credential: Option<&str>,
        commands: &[&str],
    ) -> Result<(Lease, Vec<String>), Fault> {
        loop {
            let mut lease = self.lease(device, credential).await?;
            match run_all(&mut lease, device, commands).await {
                Ok(texts) => return Ok((lease, texts)),
                // A kept session may have died unseen; reading again does no harm. Each round uses one up.
                Err(Fault::Session(ssh::Error::Cut { .. })) if lease.kept => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Configuration and interfaces of a device, and the session that read them.
    pub(super) async fn find(&self, device: &Device, credential: Option<&str>) -> Result<(Lease, Found), Fault> {
        let words = device.platform.words();
        let commands = [words.running, words.interfaces, DAEMONS];
        let asked = if device.platform == Platform::Frr { 3 } else { 2 };
        let (mut lease, texts) = self.read_with(device, credential, &commands[..asked]).await?;
        let config = running(device, &texts[0])?;
        let brief = real_interfaces(&mut lease, device, &texts[1]).await?;
        let management = management(device, &config, &brief);
        let mut interfaces: Vec<String> = brief.into_iter().map(|i| i.name).collect();
        // frr lists stanzas of interfaces that do not exist; there only the interface table counts.
        if device.platform != Platform::Frr {
            interfaces.extend(ospf::interfaces(device.platform, &config).into_iter().map(|i| i.name));
        }
        let found = Found {
            config,
            interfaces,
            management,
            daemons: texts.get(2).cloned(),
        };
        Ok((lease, found))
    }
}

impl Found {
    /// Refuses when what was found says nothing about OSPF.
    pub(super) fn refuse_without_ospf(&self, device: &Device) -> Result<(), Fault> {
        self.daemons
            .as_ref()
            .map_or(Ok(()), |daemons| refuse_without_ospf(device, daemons))
    }

    /// Whether the device has this interface.
    pub(super) fn has_interface(&self, name: &str) -> bool {
        self.interfaces.iter().any(|present| present == name)
    }

    /// The interface of exactly this name. Short names are refused with the full one: a target has one name.
    pub(super) fn interface(&self, name: &str) -> Result<&str, Fault> {
        if let Some(exact) = self.interfaces.iter().find(|present| *present == name) {
            return Ok(exact);
        }
        let meant = self.interfaces.iter().find(|present| same_interface(present, name));
        Err(match meant {
            Some(full) => Fault::Conflict(format!("write the interface's name out: {full}")),
            None => model::Error::NoSuchInterface(name.to_owned()).into(),
        })
    }
}

/// What needs a command line says so where there is none.
pub(super) fn refuse_without_terminal(device: &Device) -> Fault {
    Fault::Conflict(format!(
        "{}: this tool needs a command line, and platform netconf has none; use apply_lines or commit_confirmed",
        device.name
    ))
}

/// The interface that carries the management address. The table is asked as well as the configuration: under frr the
/// address may be the kernel's, and then the configuration does not name the interface at all.
fn management(device: &Device, config: &Config, table: &[InterfaceState]) -> Option<String> {
    let all = ospf::interfaces(device.platform, config);
    let configured = all.iter().map(|i| (&i.name, i.address.map(|a| IpAddr::V4(a.address))));
    let address = |text: &String| text.parse::<IpAddr>().ok();
    let listed = table.iter().map(|i| (&i.name, i.address.as_ref().and_then(address)));
    let seen: Vec<(&String, Option<IpAddr>)> = configured.chain(listed).collect();
    let carries = seen.iter().find(|(_, address)| *address == Some(device.address));
    let named = |(name, _): &&(&String, _)| name.starts_with("MEth") || name.starts_with("mgmt");
    carries
        .or_else(|| seen.iter().find(named))
        .map(|(name, _)| (*name).clone())
}

/// The command that lists the daemons of frr which answer.
pub(super) const DAEMONS: &str = "show daemons";

/// While ospfd is down, vtysh prints a running configuration without a word of OSPF: no evidence that there is none.
pub(super) fn refuse_without_ospf(device: &Device, daemons: &str) -> Result<(), Fault> {
    if daemons.split_whitespace().any(|daemon| daemon == "ospfd") {
        return Ok(());
    }
    Err(Fault::Refused {
        device: device.name.clone(),
        line: DAEMONS.to_owned(),
        message: "ospfd is not running, so the OSPF configuration is not shown".to_owned(),
    })
}

/// Reads a printed running configuration; an empty one is not believed.
pub(super) fn running(device: &Device, text: &str) -> Result<Config, Fault> {
    let config = Config::parse(text);
    if config.nodes.is_empty() {
        let line = device.platform.words().running.to_owned();
        return Err(Fault::Unreadable {
            device: device.name.clone(),
            line,
        });
    }
    Ok(config)
}

/// The interfaces of the platform's brief table. frr lists there what somebody merely wrote a stanza for, too.
pub(super) async fn real_interfaces(
    lease: &mut Lease,
    device: &Device,
    brief: &str,
) -> Result<Vec<InterfaceState>, Fault> {
    let mut found = parse::interfaces(device.platform, brief);
    let doubtful = |i: &InterfaceState| !i.up && i.address.is_none();
    if device.platform == Platform::Frr && found.iter().any(doubtful) {
        let texts = run_all(lease, device, &["show interface"]).await?;
        let phantoms = parse::frr_phantoms(&texts[0]);
        found.retain(|interface| !phantoms.contains(&interface.name));
    }
    Ok(found)
}

async fn run_all(lease: &mut Lease, device: &Device, commands: &[&str]) -> Result<Vec<String>, Fault> {
    let mut texts = Vec::with_capacity(commands.len());
    for line in commands {
        let answer = lease.run(line).await?;
        // Only the first lines: configurations may hold text that sounds like a refusal.
        let head: String = answer.text.lines().take(3).map(|l| format!("{l}\n")).collect();
        if let Some(message) = refusal::find(device.platform, &head) {
            let line = (*line).to_owned();
            return Err(Fault::Refused {
                device: device.name.clone(),
                line,
                message,
            });
        }
        texts.push(answer.text);
    }
    Ok(texts)
}
