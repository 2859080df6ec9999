//! The inventory: which devices there are, how to reach them, and whose secrets open them.
//!
//! Two files: the inventory (no secrets) and the credentials (mode 0600 or refused). Names and addresses of tools'
//! arguments are resolved here, so that nothing outside the inventory can ever be addressed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// The inventory file does not say what it should, or a device is not in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("{path} may be read by others (mode {mode:o}); make it 0600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path}: device name {name} is given twice")]
    Repeated { path: PathBuf, name: String },
    #[error("no device {asked} in the inventory{}", nearest_hint(nearest.as_deref()))]
    UnknownDevice { asked: String, nearest: Option<String> },
    #[error("no credentials {0} in the credentials file")]
    UnknownCredentials(String),
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; the nearest name is {name}"))
        .unwrap_or_default()
}

/// One device of the inventory.
#[derive(Debug, Clone, Deserialize)]
pub struct Device {
    pub name: String,
    #[serde(default)]
    pub site: String,
    #[serde(default)]
    pub role: String,
    pub platform: Platform,
    #[serde(default)]
    pub os_version: String,
    /// Management address: where SSH answers.
    pub address: IpAddr,
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// The pinned host key in OpenSSH public form (`ssh-ed25519 AAAA…`).
    pub host_key: Option<String>,
    /// Name of an entry in the credentials file.
    pub credentials: String,
    pub redundancy_group: Option<String>,
    pub failure_domain: Option<String>,
    /// Only a device that says so may be written to.
    #[serde(default)]
    pub writable: bool,
    pub loopback: Option<Ipv4Addr>,
    #[serde(default)]
    pub links: Vec<Link>,
    /// How long what the device calls a minute of `commit confirmed` is, milliseconds. Only simulators need it.
    #[serde(default = "minute_ms")]
    pub commit_minute_ms: u64,
    /// Understood, but refused at connect: going through another host is not supported.
    pub jump_host: Option<String>,
}

fn minute_ms() -> u64 {
    60_000
}

fn ssh_port() -> u16 {
    22
}

/// One data link of a device, seen from its end.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Link {
    pub interface: String,
    /// Address with prefix length, `10.1.0.1/30`.
    pub address: String,
    pub peer: String,
    pub peer_interface: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
}

/// A login. Its `Debug` form shows no secret.
#[derive(Clone, Deserialize)]
pub struct Login {
    pub username: String,
    #[serde(default)]
    pub password: String,
    /// A private key in OpenSSH form, without passphrase; used instead of the password.
    pub key_file: Option<PathBuf>,
    /// Secret for the privileged mode, where a device asks for one.
    pub enable: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct InventoryFile {
    devices: Vec<Device>,
}

/// The devices and logins as read at one moment.
#[derive(Debug)]
pub struct Inventory {
    devices: Vec<Device>,
    logins: BTreeMap<String, Login>,
}

impl Inventory {
    /// Reads both files. The credentials file must belong to its owner alone (mode 0600).
    pub fn load(files: &Files) -> Result<Self, Error> {
        let parsed: InventoryFile = read_yaml(&files.inventory)?;
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = parsed.devices.iter().find(|d| !seen.insert(d.name.as_str())) {
            return Err(Error::Repeated {
                path: files.inventory.clone(),
                name: twice.name.clone(),
            });
        }
        refuse_exposed(&files.credentials)?;
        let logins = read_yaml(&files.credentials)?;
        Ok(Self {
            devices: parsed.devices,
            logins,
        })
    }

    /// All devices, in the file's order.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The device with this name, management address or loopback.
    pub fn resolve(&self, asked: &str) -> Result<&Device, Error> {
        let asked = asked.trim();
        let by_name = self.devices.iter().find(|d| d.name.eq_ignore_ascii_case(asked));
        let found = by_name.or_else(|| {
            let ip: IpAddr = asked.parse().ok()?;
            self.devices
                .iter()
                .find(|d| d.address == ip || d.loopback.is_some_and(|l| IpAddr::V4(l) == ip))
        });
        found.ok_or_else(|| Error::UnknownDevice {
            asked: asked.to_owned(),
            nearest: self.nearest(asked),
        })
    }

    /// The login behind a reference into the credentials file.
    pub fn login(&self, reference: &str) -> Result<&Login, Error> {
        self.logins
            .get(reference)
            .ok_or_else(|| Error::UnknownCredentials(reference.to_owned()))
    }

    fn nearest(&self, asked: &str) -> Option<String> {
        let asked = asked.to_lowercase();
        let distance = |d: &&Device| strsim::levenshtein(&asked, &d.name.to_lowercase());
        Some(self.devices.iter().min_by_key(distance)?.name.clone())
    }
}

/// Where the two files are.
#[derive(Debug, Clone)]
pub struct Files {
    pub inventory: PathBuf,
    pub credentials: PathBuf,
}

impl Files {
    /// The credentials are beside the inventory unless named otherwise.
    pub fn new(inventory: PathBuf, credentials: Option<PathBuf>) -> Self {
        let credentials = credentials.unwrap_or_else(|| inventory.with_file_name("credentials.yaml"));
        Self { inventory, credentials }
    }

    /// Changes when either file was written: what was remembered about devices is then forgotten.
    pub fn stamp(&self) -> Stamp {
        Stamp([modified(&self.inventory), modified(&self.credentials)])
    }
}

/// When the two files were last written, and their lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp([Option<(SystemTime, u64)>; 2]);

fn modified(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

fn read_yaml<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    // The parser's message may quote the text around a mistake; a credentials file must not end up in a log.
    serde_saphyr::from_str(&text).map_err(|error| Error::Parse {
        path: path.to_owned(),
        message: error.to_string().lines().next().unwrap_or_default().to_owned(),
    })
}

fn refuse_exposed(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const INVENTORY: &str = "devices:\n  - name: bj-core-1\n    site: beijing\n    role: core\n    platform: ios\n    \
        address: 127.0.10.1\n    port: 40123\n    credentials: sandbox\n    writable: true\n    loopback: 10.255.1.1\n    \
        links:\n      - {interface: GigabitEthernet0/1, address: 10.1.0.1/30, peer: bj-core-2, peer_interface: GigabitEthernet0/0/1}\n  \
        - {name: bj-core-2, platform: vrp, address: 127.0.10.2, credentials: sandbox}\n";

    fn files(mode: u32) -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(dir.path().join("inventory.yaml"), None);
        std::fs::write(&files.inventory, INVENTORY).unwrap();
        std::fs::write(&files.credentials, "sandbox: {username: flyball, password: hunter2}\n").unwrap();
        std::fs::set_permissions(&files.credentials, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, files)
    }

    #[test]
    fn names_and_addresses_lead_to_the_same_device() {
        let (_dir, files) = files(0o600);
        let inventory = Inventory::load(&files).unwrap();
        for asked in ["bj-core-1", "BJ-CORE-1", "127.0.10.1", "10.255.1.1"] {
            assert_eq!(inventory.resolve(asked).unwrap().name, "bj-core-1");
        }
        assert!(
            !inventory.resolve("bj-core-2").unwrap().writable,
            "not writable unless it says so"
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        let (_dir, files) = files(0o600);
        let error = Inventory::load(&files).unwrap().resolve("bj-core2").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no device bj-core2 in the inventory; the nearest name is bj-core-2"
        );
    }

    #[test]
    fn credentials_that_others_may_read_are_refused() {
        let (_dir, files) = files(0o644);
        assert!(matches!(
            Inventory::load(&files),
            Err(Error::Exposed { mode: 0o644, .. })
        ));
    }

    #[test]
    fn a_login_shows_no_password() {
        let (_dir, files) = files(0o600);
        let inventory = Inventory::load(&files).unwrap();
        assert!(!format!("{:?}", inventory.login("sandbox").unwrap()).contains("hunter2"));
    }
}
