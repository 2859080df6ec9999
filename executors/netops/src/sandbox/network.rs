//! Links and OSPF adjacencies: pure functions of the configurations and a time in milliseconds.

use std::collections::BTreeMap;

use super::model::{Area, Config, same_subnet};

/// All running configurations by device name.
pub(crate) type Configs = BTreeMap<String, Config>;

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) device: String,
    pub(crate) interface: String,
}

/// A cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) a: End,
    pub(crate) b: End,
}

impl Link {
    /// This device's end and the other one.
    pub(crate) fn ends_at(&self, device: &str) -> Option<(&End, &End)> {
        if self.a.device == device {
            Some((&self.a, &self.b))
        } else if self.b.device == device {
            Some((&self.b, &self.a))
        } else {
            None
        }
    }
}

/// How far two neighbours have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) enum State {
    Down,
    Init,
    ExStart,
    Full,
}

/// A state that began or ended on one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) link: usize,
    pub(crate) from: State,
    pub(crate) to: State,
}

/// What the two ends must agree about; while it stays the same the adjacency grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Agreement {
    area: Area,
    timers: (u32, u32),
    /// Different MTUs stop the exchange of databases.
    mtu_fits: bool,
}

#[derive(Debug, Clone, Copy)]
struct Adjacency {
    state: State,
    agreed: Option<(Agreement, u64)>,
    full_since: u64,
}

/// The cables and what OSPF made of them.
#[derive(Debug)]
pub(crate) struct Network {
    links: Vec<Link>,
    adjacencies: Vec<Adjacency>,
}

const INIT_UNTIL_MS: u64 = 500;

impl Network {
    pub(crate) fn new(links: Vec<Link>) -> Self {
        let down = Adjacency {
            state: State::Down,
            agreed: None,
            full_since: 0,
        };
        Self {
            adjacencies: vec![down; links.len()],
            links,
        }
    }

    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(crate) fn state(&self, link: usize) -> State {
        self.adjacencies
            .get(link)
            .map_or(State::Down, |adjacency| adjacency.state)
    }

    /// When the link became Full (meaningful only while it is).
    pub(crate) fn full_since(&self, link: usize) -> u64 {
        self.adjacencies.get(link).map_or(0, |adjacency| adjacency.full_since)
    }

    /// Brings every adjacency that can be Full to Full at once: the picture at start.
    pub(crate) fn settle(&mut self, configs: &Configs, now_ms: u64) {
        for (link, adjacency) in self.links.iter().zip(&mut self.adjacencies) {
            if let Some(agreement) = agreement(link, configs).filter(|agreement| agreement.mtu_fits) {
                *adjacency = Adjacency {
                    state: State::Full,
                    agreed: Some((agreement, 0)),
                    full_since: now_ms,
                };
            }
        }
    }

    /// Forgets the adjacencies of a device that restarts.
    pub(crate) fn restart(&mut self, device: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, link) in self.links.iter().enumerate() {
            if link.ends_at(device).is_some()
                && let Some(adjacency) = self.adjacencies.get_mut(index)
            {
                changes.extend(adjacency.become_state(index, State::Down, 0));
                adjacency.agreed = None;
            }
        }
        changes
    }

    /// Moves every adjacency to where it stands at `now_ms`. Losing one is immediate, gaining one takes 1.5 to 2.5 s.
    pub(crate) fn step(&mut self, configs: &Configs, now_ms: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, (link, adjacency)) in self.links.iter().zip(&mut self.adjacencies).enumerate() {
            let Some(agreement) = agreement(link, configs) else {
                adjacency.agreed = None;
                changes.extend(adjacency.become_state(index, State::Down, now_ms));
                continue;
            };
            let since = match adjacency.agreed {
                Some((before, since)) if adjacency.survives(before, agreement) => since,
                _ => {
                    changes.extend(adjacency.become_state(index, State::Down, now_ms));
                    now_ms
                }
            };
            adjacency.agreed = Some((agreement, since));
            if adjacency.state != State::Full {
                let state = state_after(now_ms.saturating_sub(since), agreement.mtu_fits, full_after_ms(link));
                changes.extend(adjacency.become_state(index, state, now_ms));
            }
        }
        changes
    }
}

impl Adjacency {
    /// An MTU changed under a Full adjacency is not noticed until it starts anew.
    fn survives(&self, before: Agreement, now: Agreement) -> bool {
        before == now
            || self.state == State::Full
                && Agreement {
                    mtu_fits: before.mtu_fits,
                    ..now
                } == before
    }

    fn become_state(&mut self, link: usize, to: State, now_ms: u64) -> Option<Change> {
        let from = std::mem::replace(&mut self.state, to);
        if to == State::Full && from != State::Full {
            self.full_since = now_ms;
        }
        (from != to).then_some(Change { link, from, to })
    }
}

fn state_after(elapsed_ms: u64, mtu_fits: bool, full_after_ms: u64) -> State {
    match elapsed_ms {
        elapsed if elapsed < INIT_UNTIL_MS => State::Init,
        elapsed if elapsed < full_after_ms || !mtu_fits => State::ExStart,
        _ => State::Full,
    }
}

/// 1500 to 2499 ms, always the same for one link.
fn full_after_ms(link: &Link) -> u64 {
    let bytes = link
        .a
        .device
        .bytes()
        .chain(link.a.interface.bytes())
        .chain(link.b.device.bytes());
    1500 + bytes.fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 1_000)
}

/// True if both plugs of the link are enabled, so that the cable carries light.
pub(crate) fn carries(link: &Link, configs: &Configs) -> bool {
    [&link.a, &link.b].into_iter().all(|end| {
        let interface = configs
            .get(&end.device)
            .and_then(|config| config.interfaces.get(&end.interface));
        interface.is_some_and(|interface| !interface.shutdown && !interface.phantom)
    })
}

/// True if the interface is up: enabled here and, where there is a cable, at the other end.
pub(crate) fn is_up(links: &[Link], configs: &Configs, device: &str, name: &str) -> bool {
    let Some(interface) = configs.get(device).and_then(|config| config.interfaces.get(name)) else {
        return false;
    };
    let cable = links
        .iter()
        .find(|link| link.ends_at(device).is_some_and(|(near, _)| near.interface == name));
    !interface.shutdown && !interface.phantom && cable.is_none_or(|link| carries(link, configs))
}

/// What both ends agree about, or none if they will not become neighbours.
fn agreement(link: &Link, configs: &Configs) -> Option<Agreement> {
    if !carries(link, configs) {
        return None;
    }
    let (a, b) = (speaker(&link.a, configs)?, speaker(&link.b, configs)?);
    let fits = a.area == b.area
        && a.timers == b.timers
        && a.point_to_point == b.point_to_point
        && same_subnet(a.address, b.address)
        && a.address.0 != b.address.0
        && a.router_id != b.router_id;
    fits.then_some(Agreement {
        area: a.area,
        timers: a.timers,
        mtu_fits: a.mtu == b.mtu,
    })
}

struct Speaker {
    area: Area,
    timers: (u32, u32),
    mtu: u32,
    point_to_point: bool,
    address: (std::net::Ipv4Addr, u8),
    router_id: std::net::Ipv4Addr,
}

fn speaker(end: &End, configs: &Configs) -> Option<Speaker> {
    let config = configs.get(&end.device)?;
    let interface = config.interfaces.get(&end.interface)?;
    let (process, area) = config.ospf_on(&end.interface)?;
    if config.ospf.get(&process)?.passive.contains(&end.interface) {
        return None;
    }
    Some(Speaker {
        area,
        timers: interface.timers(),
        mtu: interface.mtu(),
        point_to_point: interface.point_to_point,
        address: interface.address?,
        router_id: config.router_id(process)?,
    })
}

#[cfg(test)]
mod tests;
