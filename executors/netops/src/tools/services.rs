//! Time and log servers of a device: read them, add some.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Planner;
use super::fleet::{Found, View, running};
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::render::{self, ServicesChange};
use crate::platform::services;

/// Adds servers; those that are configured already stay, and none is taken away.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetServices {
    /// Device name or management address.
    pub device: String,
    /// Addresses of NTP servers.
    pub ntp: Option<Vec<String>>,
    /// Addresses of syslog hosts.
    pub syslog: Option<Vec<String>>,
}

/// Servers as configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ServicesConfig {
    pub device: String,
    /// Digest of the running configuration.
    pub base: String,
    pub ntp: Vec<String>,
    pub syslog: Vec<String>,
}

/// Most servers of one kind in one call.
const MOST: usize = 16;

/// `get_services`.
pub(super) async fn get(view: &View, device: &Device) -> Result<ServicesConfig, Fault> {
    let texts = view.read(device, &[device.platform.words().running]).await?;
    let config = running(device, &texts[0])?;
    let found = services::read(device.platform, &config);
    Ok(ServicesConfig {
        device: device.name.clone(),
        base: config.digest(),
        ntp: found.ntp,
        syslog: found.syslog,
    })
}

impl Planner for SetServices {
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault> {
        let (ntp, syslog) = (addresses(self.ntp.as_deref())?, addresses(self.syslog.as_deref())?);
        if ntp.is_empty() && syslog.is_empty() {
            return Err(Fault::Arguments("give at least one address in ntp or syslog".into()));
        }
        if !services::are_configurable(device.platform) {
            let platform = device.platform.name();
            return Err(Fault::Conflict(format!(
                "{}: time and log servers cannot be set on {platform}: the system below it owns them",
                device.name
            )));
        }
        let present = services::read(device.platform, &found.config);
        let missing = |wanted: Vec<String>, present: &[String]| -> Vec<String> {
            wanted.into_iter().filter(|a| !present.contains(a)).collect()
        };
        let change = ServicesChange {
            ntp: missing(ntp, &present.ntp),
            syslog: missing(syslog, &present.syslog),
        };
        Ok(render::services(device.platform, &change))
    }
}

/// Addresses in their one form.
fn addresses(given: Option<&[String]>) -> Result<Vec<String>, Fault> {
    let given = given.unwrap_or_default();
    if given.len() > MOST {
        return Err(Fault::Arguments(format!(
            "at most {MOST} servers of one kind in one call"
        )));
    }
    let address = |text: &String| match text.parse::<IpAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(Fault::Arguments(format!("{text:?} is not an address"))),
    };
    given.iter().map(address).collect()
}
