//! The draft's fleet tool: the same lines on several devices.

use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::{self, Written};
use super::config::{ApplyLines, check_lines};
use super::fleet::View;
use super::reply::Fault;
use super::terms::{self, Terms};
use crate::inventory::Device;
use crate::platform::deny;

/// Devices that are changed at the same time.
const AT_ONCE: usize = 8;

/// The draft's arguments. Unknown ones are let by, as its schema does.
#[derive(Debug, Deserialize)]
pub(super) struct BatchConfigure {
    pub device_ips: Vec<String>,
    pub commands: Vec<String>,
    pub credential_id: Option<String>,
}

/// What became of each device.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BatchResult {
    /// Every device took every line.
    pub success: bool,
    /// In the order asked for.
    pub results: Vec<DeviceResult>,
}

/// One device's result: the form of a single write, or why nothing was sent there.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum DeviceResult {
    Written(Written),
    NotSent {
        device: String,
        /// Always 0.
        sent: usize,
        fault: Value,
    },
}

/// `batch_configure_devices`. Nothing is sent anywhere unless every device is known, writable and named once.
pub(super) async fn configure(view: &View, asked: &BatchConfigure, terms: &Terms) -> Result<BatchResult, Fault> {
    let devices = check(view, asked)?;
    let credential = asked.credential_id.as_deref();
    let mut changes = Vec::with_capacity(devices.len());
    for device in devices {
        changes.push(one(view, device, credential, terms, &asked.commands));
    }
    let results: Vec<DeviceResult> = futures::stream::iter(changes).buffered(AT_ONCE).collect().await;
    let clean = |result: &DeviceResult| matches!(result, DeviceResult::Written(written) if !written.is_error());
    Ok(BatchResult {
        success: results.iter().all(clean),
        results,
    })
}

fn check<'a>(view: &'a View, asked: &BatchConfigure) -> Result<Vec<&'a Device>, Fault> {
    if asked.device_ips.is_empty() || asked.commands.is_empty() {
        return Err(Fault::Arguments("device_ips and commands must not be empty".into()));
    }
    check_lines(&asked.commands)?;
    if let Some(credential) = &asked.credential_id {
        view.inventory.login(credential)?;
    }
    let mut devices: Vec<&Device> = Vec::new();
    for ip in &asked.device_ips {
        let device = view.inventory.resolve(ip)?;
        terms::refuse_unless_writable(device)?;
        deny::check(device.platform, &asked.commands, &[], None)?;
        if devices.iter().any(|other| other.name == device.name) {
            return Err(Fault::Arguments(format!("{} is named twice", device.name)));
        }
        devices.push(device);
    }
    Ok(devices)
}

async fn one(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    terms: &Terms,
    commands: &[String],
) -> DeviceResult {
    let planner = ApplyLines {
        device: device.name.clone(),
        lines: commands.to_vec(),
    };
    match change::write(view, device, credential, terms, &planner).await {
        Ok(written) => DeviceResult::Written(written),
        Err(fault) => DeviceResult::NotSent {
            device: device.name.clone(),
            sent: 0,
            fault: fault.content(),
        },
    }
}
