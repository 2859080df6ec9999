//! Role `inventory`: which devices there are.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::Fleet;
use super::reply::Fault;
use crate::inventory::{Device, Link};
use crate::platform::Platform;

/// Which devices to list; all filters must fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListDevices {
    /// Site name, as in the inventory.
    pub site: Option<String>,
    /// Role, as in the inventory, for example `core` or `edge`.
    pub role: Option<String>,
    pub platform: Option<Platform>,
}

/// Which device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneDevice {
    /// Device name or management address.
    pub device: String,
}

/// A device as the inventory describes it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    pub name: String,
    pub site: String,
    pub role: String,
    pub platform: Platform,
    pub os_version: String,
    pub address: String,
    pub redundancy_group: Option<String>,
    pub failure_domain: Option<String>,
    pub writable: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Devices {
    pub devices: Vec<Entry>,
}

/// A device with its links.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detail {
    #[serde(flatten)]
    pub entry: Entry,
    #[schemars(with = "Option<String>")]
    pub loopback: Option<Ipv4Addr>,
    pub links: Vec<Link>,
}

/// `list_devices`.
pub(super) fn list(fleet: &Fleet, asked: &ListDevices) -> Result<Devices, Fault> {
    let view = fleet.view()?;
    let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(is));
    let fits = |d: &&Device| {
        same(&asked.site, &d.site)
            && same(&asked.role, &d.role)
            && asked.platform.is_none_or(|platform| platform == d.platform)
    };
    Ok(Devices {
        devices: view.inventory.devices().iter().filter(fits).map(entry).collect(),
    })
}

/// `get_device`.
pub(super) fn get(fleet: &Fleet, asked: &OneDevice) -> Result<Detail, Fault> {
    let view = fleet.view()?;
    let device = view.inventory.resolve(&asked.device)?;
    Ok(Detail {
        entry: entry(device),
        loopback: device.loopback,
        links: device.links.clone(),
    })
}

fn entry(device: &Device) -> Entry {
    Entry {
        name: device.name.clone(),
        site: device.site.clone(),
        role: device.role.clone(),
        platform: device.platform,
        os_version: device.os_version.clone(),
        address: device.address.to_string(),
        redundancy_group: device.redundancy_group.clone(),
        failure_domain: device.failure_domain.clone(),
        writable: device.writable,
    }
}
