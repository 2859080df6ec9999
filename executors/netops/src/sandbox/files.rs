//! The files of a sandbox: directory, host keys, inventory, credentials.

use std::fs::{DirBuilder, File, Permissions};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rand::Rng as _;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use serde::Serialize;

use super::Error;
use super::model::Dialect;
use super::network::Link;
use super::ssh::Access;
use super::topology::Plan;

#[derive(Serialize)]
struct Inventory<'a> {
    devices: Vec<Device<'a>>,
}

#[derive(Serialize)]
struct Device<'a> {
    name: &'a str,
    site: &'a str,
    role: &'a str,
    platform: Dialect,
    os_version: &'a str,
    address: Ipv4Addr,
    port: u16,
    host_key: String,
    credentials: &'a str,
    redundancy_group: &'a str,
    failure_domain: &'a str,
    writable: bool,
    loopback: Ipv4Addr,
    links: Vec<LinkEnd<'a>>,
    /// How long its minute is, where that is not a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_minute_ms: Option<u64>,
}

#[derive(Serialize)]
struct LinkEnd<'a> {
    interface: &'a str,
    address: String,
    peer: &'a str,
    peer_interface: &'a str,
}

#[derive(Serialize)]
struct Credentials<'a> {
    sandbox: Login<'a>,
}

#[derive(Serialize)]
struct Login<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable: Option<&'a str>,
}

/// A router with what only the running process knows.
pub(crate) struct Placed {
    pub(crate) plan: Plan,
    pub(crate) port: u16,
    pub(crate) host_key: String,
}

/// Makes the directory with mode 0700, also if it is there already.
pub(crate) fn directory(dir: &Path) -> Result<(), Error> {
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    make(dir)
        .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(0o700)))
        .map_err(Error::file(dir))?;
    for part in ["keys", "logs"] {
        make(&dir.join(part)).map_err(Error::file(&dir.join(part)))?;
    }
    Ok(())
}

/// A device's host key: that of an earlier run in the same directory, else a new one.
pub(crate) fn host_key(dir: &Path, device: &str) -> Result<PrivateKey, Error> {
    let path = dir.join("keys").join(device);
    if path.exists() {
        return PrivateKey::read_openssh_file(&path).map_err(|error| Error::HostKey(device.to_owned(), error));
    }
    let mut seed = [0; 32];
    rand::rng().fill(&mut seed);
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key
        .to_openssh(LineEnding::LF)
        .map_err(|error| Error::HostKey(device.to_owned(), error))?;
    private_file(&path, text.as_bytes())?;
    Ok(key)
}

/// A password for this run.
pub(crate) fn password() -> String {
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(24)
        .map(char::from)
        .collect()
}

/// Writes `inventory.yaml` and `credentials.yaml`.
pub(crate) fn write(
    dir: &Path,
    placed: &[Placed],
    links: &[(Link, [Ipv4Addr; 2])],
    access: &Access,
    minute: Duration,
) -> Result<(), Error> {
    let devices = placed.iter().map(|placed| device(placed, links, minute)).collect();
    let inventory = serde_saphyr::to_string(&Inventory { devices }).map_err(|error| Error::Yaml(error.to_string()))?;
    private_file(&dir.join("inventory.yaml"), inventory.as_bytes())?;
    let Access {
        username,
        password,
        enable_secret,
    } = access;
    let sandbox = Login {
        username,
        password,
        enable: enable_secret.as_deref(),
    };
    let credentials =
        serde_saphyr::to_string(&Credentials { sandbox }).map_err(|error| Error::Yaml(error.to_string()))?;
    private_file(&dir.join("credentials.yaml"), credentials.as_bytes())
}

fn device<'a>(placed: &'a Placed, links: &'a [(Link, [Ipv4Addr; 2])], minute: Duration) -> Device<'a> {
    let plan = &placed.plan;
    let link_end = |(link, addresses): &'a (Link, [Ipv4Addr; 2])| {
        let (near, far) = link.ends_at(plan.name)?;
        let address = if near == &link.a { addresses[0] } else { addresses[1] };
        Some(LinkEnd {
            interface: &near.interface,
            address: format!("{address}/30"),
            peer: &far.device,
            peer_interface: &far.interface,
        })
    };
    Device {
        name: plan.name,
        site: plan.site,
        role: plan.role,
        platform: plan.dialect,
        os_version: plan.os_version,
        address: Ipv4Addr::new(127, 0, 10, plan.host),
        port: placed.port,
        host_key: placed.host_key.clone(),
        credentials: "sandbox",
        redundancy_group: plan.redundancy_group,
        failure_domain: plan.failure_domain,
        writable: true,
        loopback: plan.loopback,
        links: links.iter().filter_map(link_end).collect(),
        commit_minute_ms: (plan.dialect == Dialect::Junos && minute != Duration::from_secs(60))
            .then(|| u64::try_from(minute.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// A file that only we can read, complete or not there at all.
fn private_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        std::fs::rename(&beside, path)
    };
    write().map_err(Error::file(path))
}
