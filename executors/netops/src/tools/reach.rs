//! Role `telemetry`, the data plane: who reaches whom.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::View;
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::Platform;
use crate::platform::parse::{self, Echoes};
use crate::platform::refusal;
use crate::ssh::pool::Lease;
use crate::ssh::terminal::Answer;

/// Devices that ping at the same time.
const AT_ONCE: usize = 8;
/// A ping that gets no answer takes long on real devices.
const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// frr's ping goes on until interrupted.
const FRR_PING: Duration = Duration::from_secs(3);

/// Why Linux does not even send an echo: no route; routes of the kinds unreachable, blackhole, prohibit.
const NOT_SENT: [&str; 4] = [
    "Network is unreachable",
    "No route to host",
    "ping: connect: Invalid argument",
    "ping: connect: Permission denied",
];

/// One ping.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ping {
    /// Device name or management address.
    pub device: String,
    /// IPv4 address, or a device's name (its loopback is meant).
    pub target: String,
    /// Echo requests; default 5 on ios and vrp, 3 on frr.
    #[schemars(range(min = 1, max = 20))]
    pub count: Option<u32>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PingResult {
    pub device: String,
    pub target: String,
    pub sent: u32,
    pub received: u32,
    /// Share lost, 0 to 1.
    pub loss: f64,
}

/// Between which devices; all filters must fit. Neither given: the whole inventory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reachability {
    /// Site name, as in the inventory.
    pub site: Option<String>,
    /// Names or management addresses.
    pub devices: Option<Vec<String>>,
}

/// Ordered pairs of devices, each pinging the other's loopback.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reached {
    /// 0 to 1; 1 when there are no pairs.
    pub reachable_share: f64,
    pub pairs: usize,
    /// `a -> b`, sorted.
    pub unreachable: Vec<String>,
    /// `a -> b`, sorted.
    pub reachable: Vec<String>,
}

/// `ping`.
pub(super) async fn ping(view: &View, device: &Device, asked: &Ping) -> Result<PingResult, Fault> {
    if asked.count.is_some_and(|count| !(1..=20).contains(&count)) {
        return Err(Fault::Arguments("count is a number from 1 to 20".into()));
    }
    let target = match asked.target.parse::<Ipv4Addr>() {
        Ok(address) => address,
        Err(_) => loopback(view.inventory.resolve(&asked.target)?)?,
    };
    let mut lease = fresh(view, device).await?;
    let Echoes { sent, received } = echo(&mut lease, device, target, asked.count).await?;
    let loss = if sent == 0 {
        1.0
    } else {
        f64::from(sent - received.min(sent)) / f64::from(sent)
    };
    Ok(PingResult {
        device: device.name.clone(),
        target: asked.target.clone(),
        sent,
        received,
        loss,
    })
}

fn loopback(device: &Device) -> Result<Ipv4Addr, Fault> {
    let missing = || Fault::Conflict(format!("{} has no loopback in the inventory", device.name));
    device.loopback.ok_or_else(missing)
}

/// A session that is known to answer.
async fn fresh(view: &View, device: &Device) -> Result<Lease, Fault> {
    let (lease, _) = view
        .read_with(device, None, &[device.platform.words().paging_off])
        .await?;
    Ok(lease)
}

async fn echo(lease: &mut Lease, device: &Device, target: Ipv4Addr, count: Option<u32>) -> Result<Echoes, Fault> {
    let (line, answer) = match device.platform {
        Platform::Frr => frr_ping(lease, target, count.unwrap_or(3)).await?,
        platform => {
            let line = ping_line(platform, device.loopback, target, count);
            let answer = lease.run_within(&line, PING_TIMEOUT).await?;
            (line, answer)
        }
    };
    if let Some(echoes) = parse::echoes(device.platform, &answer.text) {
        return Ok(echoes);
    }
    // No route at all, or one that drops: the kernel under frr says so instead of a summary.
    if device.platform == Platform::Frr && NOT_SENT.iter().any(|said| answer.text.contains(said)) {
        return Ok(Echoes { sent: 0, received: 0 });
    }
    let device = device.name.clone();
    Err(match refusal::find(Platform::Ios, &answer.text) {
        Some(message) => Fault::Refused { device, line, message },
        None => Fault::Unreadable { device, line },
    })
}

fn ping_line(platform: Platform, source: Option<Ipv4Addr>, target: Ipv4Addr, count: Option<u32>) -> String {
    let given = |word: &str, value: Option<String>| value.map(|v| format!(" {word} {v}")).unwrap_or_default();
    let (count, source) = (count.map(|c| c.to_string()), source.map(|s| s.to_string()));
    if platform == Platform::Vrp {
        format!("ping{}{} {target}", given("-c", count), given("-a", source))
    } else {
        format!("ping {target}{}{}", given("source", source), given("repeat", count))
    }
}

async fn frr_ping(lease: &mut Lease, target: Ipv4Addr, count: u32) -> Result<(String, Answer), Fault> {
    let line = format!("ping {target}");
    let replies = |text: &str| text.matches("bytes from").count() >= count as usize;
    let answer = lease.run_until(&line, replies, FRR_PING).await?;
    Ok((line, answer))
}

/// `reachability`.
pub(super) async fn reachability(view: &View, asked: &Reachability) -> Result<Reached, Fault> {
    let scope = scope(view, asked)?;
    let mut rows = Vec::with_capacity(scope.len());
    for from in &scope {
        rows.push(from_one(view, from, &scope));
    }
    let rows: Vec<Vec<(String, bool)>> = futures::stream::iter(rows).buffer_unordered(AT_ONCE).collect().await;
    let mut pairs: Vec<(String, bool)> = rows.into_iter().flatten().collect();
    pairs.sort();
    let total = pairs.len();
    let (reachable, unreachable): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(_, reached)| *reached);
    let names = |list: Vec<(String, bool)>| list.into_iter().map(|(pair, _)| pair).collect::<Vec<_>>();
    let reachable_share = if total == 0 {
        1.0
    } else {
        reachable.len() as f64 / total as f64
    };
    Ok(Reached {
        reachable_share,
        pairs: total,
        unreachable: names(unreachable),
        reachable: names(reachable),
    })
}

fn scope<'a>(view: &'a View, asked: &Reachability) -> Result<Vec<&'a Device>, Fault> {
    let in_site = |d: &&Device| {
        asked
            .site
            .as_ref()
            .is_none_or(|site| site.eq_ignore_ascii_case(&d.site))
    };
    let named = asked
        .devices
        .as_ref()
        .map(|names| names.iter().map(|n| view.inventory.resolve(n)).collect());
    let named: Option<Vec<&Device>> = named.transpose()?;
    let all = named.unwrap_or_else(|| view.inventory.devices().iter().collect());
    let scope: Vec<&Device> = all
        .into_iter()
        .filter(in_site)
        .filter(|d| d.loopback.is_some())
        .collect();
    if scope.is_empty() {
        return Err(Fault::Conflict(
            "no device fits; give a site or devices of the inventory".into(),
        ));
    }
    Ok(scope)
}

/// All pings of one device. What cannot be asked counts as not reached.
async fn from_one(view: &View, from: &Device, scope: &[&Device]) -> Vec<(String, bool)> {
    let mut lease = fresh(view, from).await.ok();
    let mut row = Vec::new();
    for to in scope.iter().filter(|to| to.name != from.name) {
        let mut reached = false;
        if let (Some(session), Some(target)) = (lease.as_mut(), to.loopback) {
            match echo(session, from, target, None).await {
                Ok(echoes) => reached = echoes.received > 0,
                Err(fault) => {
                    tracing::warn!(from = %from.name, to = %to.name, %fault, "ping failed")
                }
            }
        }
        if lease.as_ref().is_some_and(|session| !session.usable()) {
            lease = fresh(view, from).await.ok();
        }
        row.push((format!("{} -> {}", from.name, to.name), reached));
    }
    row
}
