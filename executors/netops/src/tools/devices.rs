//! Role `inventory`: which devices there are.

use std::collections::BTreeSet;
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
    let known = view.inventory.devices();
    known_word("site", asked.site.as_deref(), known.iter().map(|d| d.site.as_str()))?;
    known_word("role", asked.role.as_deref(), known.iter().map(|d| d.role.as_str()))?;
    let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w.eq_ignore_ascii_case(is));
    let fits = |d: &&Device| {
        same(&asked.site, &d.site)
            && same(&asked.role, &d.role)
            && asked.platform.is_none_or(|platform| platform == d.platform)
    };
    Ok(Devices {
        devices: known.iter().filter(fits).map(entry).collect(),
    })
}

/// A word that no device has is a slip: an empty list would pass for an answer.
fn known_word<'a>(what: &str, asked: Option<&str>, known: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let known: BTreeSet<&str> = known.filter(|word| !word.is_empty()).collect();
    match asked {
        Some(asked) if !known.iter().any(|word| word.eq_ignore_ascii_case(asked)) => {
            let all: Vec<&str> = known.into_iter().collect();
            let all = all.join(", ");
            Err(Fault::Arguments(format!(
                "no device has the {what} {asked:?}; those of the inventory: {all}"
            )))
        }
        _ => Ok(()),
    }
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
