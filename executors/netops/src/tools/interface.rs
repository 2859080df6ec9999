//! One interface: read it, set its properties.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Planner;
use super::fleet::{Found, View};
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::ospf::{self, Interface};
use crate::platform::render::{self, InterfaceChange};

/// Sets properties of an interface; what is absent stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetInterface {
    /// Device name or management address.
    pub device: String,
    pub interface: String,
    /// New description; an empty one takes it away.
    pub description: Option<String>,
    /// 0 takes it away: the platform's default.
    #[schemars(range(min = 0, max = 65535))]
    pub ospf_cost: Option<u32>,
    /// Bytes. Not on frr.
    #[schemars(range(min = 68, max = 9600))]
    pub mtu: Option<u32>,
    /// `false` shuts the interface down.
    pub enabled: Option<bool>,
}

/// Which interface.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneInterface {
    /// Device name or management address.
    pub device: String,
    pub interface: String,
}

/// An interface as configured.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InterfaceConfig {
    pub device: String,
    pub interface: String,
    /// Digest of the running configuration.
    pub base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absent: the platform's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ospf_cost: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    pub enabled: bool,
    /// With prefix length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// `get_interface`.
pub(super) async fn get(view: &View, device: &Device, name: &str) -> Result<InterfaceConfig, Fault> {
    let (_lease, found) = view.find(device, None).await?;
    let interface = resolve(device, &found, name)?;
    Ok(InterfaceConfig {
        device: device.name.clone(),
        base: found.config.digest(),
        interface: interface.name,
        description: interface.description,
        ospf_cost: interface.ospf_cost,
        mtu: interface.mtu,
        enabled: interface.enabled,
        address: interface.address.map(|address| address.to_string()),
    })
}

fn resolve(device: &Device, found: &Found, name: &str) -> Result<Interface, Fault> {
    let spelled = found.interface(name)?;
    let configured = ospf::interfaces(device.platform, &found.config).into_iter();
    let plain = || Interface {
        name: spelled.to_owned(),
        description: None,
        ospf_cost: None,
        mtu: None,
        enabled: true,
        address: None,
        ospf: None,
    };
    Ok(configured.into_iter().find(|i| i.name == spelled).unwrap_or_else(plain))
}

impl Planner for SetInterface {
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault> {
        self.check()?;
        if self.ospf_cost.is_some() {
            found.refuse_without_ospf(device)?;
        }
        let present = resolve(device, found, &self.interface)?;
        let description = self.description.clone();
        let change = InterfaceChange {
            description: description.filter(|d| *d != present.description.clone().unwrap_or_default()),
            ospf_cost: self.ospf_cost.filter(|cost| *cost != present.ospf_cost.unwrap_or(0)),
            mtu: self.mtu.filter(|mtu| Some(*mtu) != present.mtu),
            enabled: self.enabled.filter(|enabled| *enabled != present.enabled),
            ospf_area: present.ospf.map(|(_, area)| area),
            interface: present.name,
        };
        let lines = render::interface(device.platform, &change)?;
        // Only the way into the stanza and out again: nothing to do.
        let stanza = if device.platform.has_candidate() { 0 } else { 2 };
        Ok(if lines.len() > stanza { lines } else { Vec::new() })
    }
}

impl SetInterface {
    fn check(&self) -> Result<(), Fault> {
        let bad = |text: &str| Err(Fault::Arguments(text.to_owned()));
        if self.description.is_none() && self.ospf_cost.is_none() && self.mtu.is_none() && self.enabled.is_none() {
            return bad("give at least one of description, ospf_cost, mtu, enabled");
        }
        if self.ospf_cost.is_some_and(|cost| cost > 65535) {
            return bad("ospf_cost is a number from 0 (the default) to 65535");
        }
        if self.mtu.is_some_and(|mtu| !(68..=9600).contains(&mtu)) {
            return bad("mtu is a number from 68 to 9600");
        }
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ") == text;
        if self
            .description
            .as_ref()
            .is_some_and(|d| d.len() > 200 || d.contains('?') || !squeezed(d))
        {
            return bad("description is one line of at most 200 bytes, single blanks, no question mark");
        }
        Ok(())
    }
}
