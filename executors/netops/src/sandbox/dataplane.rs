//! Where packets go: connected subnets first, then the cheapest path over Full adjacencies. Pure.
//!
//! One path per destination (no load sharing), areas are not told apart.

use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;

use super::model::{Interface, contains};
use super::network::{Configs, Network, State, carries, is_up};

/// A silent drop in one device's forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) device: String,
    /// Drop what leaves towards this neighbour; none drops all that only passes through.
    pub(crate) toward: Option<String>,
}

/// What forwarding looks at.
pub(crate) struct Fabric<'a> {
    pub(crate) network: &'a Network,
    pub(crate) configs: &'a Configs,
    pub(crate) holes: &'a [Hole],
}

/// Why a packet did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    NoRoute,
    Dropped,
    /// The source address is not on the device.
    NoSuchSource,
}

/// One entry of a routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: (Ipv4Addr, u8),
    /// OSPF metric; none for a connected subnet.
    pub(crate) cost: Option<u32>,
    pub(crate) via: Option<Ipv4Addr>,
    pub(crate) interface: String,
}

const HOP_LIMIT: usize = 64;

impl Fabric<'_> {
    /// Sends an echo and its answer. Gives the devices that the echo went through, both ends included.
    pub(crate) fn ping(
        &self,
        from: &str,
        source: Option<Ipv4Addr>,
        destination: Ipv4Addr,
    ) -> Result<Vec<String>, Loss> {
        if let Some(source) = source
            && self.owner(source).is_none_or(|owner| owner != from)
        {
            return Err(Loss::NoSuchSource);
        }
        let there = self.trace(from, destination)?;
        let source = match source {
            Some(source) => source,
            None => self.source_for(from, &there).ok_or(Loss::NoRoute)?,
        };
        let end = there.last().map_or(from, String::as_str);
        self.trace(end, source)?;
        Ok(there)
    }

    /// All routes of a device in the order of their prefixes.
    pub(crate) fn routes(&self, device: &str) -> Vec<Route> {
        let mut routes: BTreeMap<(Ipv4Addr, u8), Route> = BTreeMap::new();
        for (name, interface) in self.up_interfaces(device) {
            if let Some((address, length)) = interface.address {
                let prefix = network_of((address, length));
                routes.insert(
                    prefix,
                    Route {
                        prefix,
                        cost: None,
                        via: None,
                        interface: name.to_owned(),
                    },
                );
            }
        }
        for other in self.configs.keys().filter(|other| *other != device) {
            for (name, interface) in self.up_interfaces(other) {
                let Some(address) = interface.address.filter(|_| self.advertises(other, name)) else {
                    continue;
                };
                let prefix = network_of(address);
                if routes.contains_key(&prefix) {
                    continue;
                }
                if let Some((cost, link)) = self.cheapest(device, address.0)
                    && let Some((near, far)) = self.network.links().get(link).and_then(|link| link.ends_at(device))
                {
                    let via = self
                        .interface(&far.device, &far.interface)
                        .and_then(|far| far.address)
                        .map(|(via, _)| via);
                    routes.insert(
                        prefix,
                        Route {
                            prefix,
                            cost: Some(cost),
                            via,
                            interface: near.interface.clone(),
                        },
                    );
                }
            }
        }
        routes.into_values().collect()
    }

    fn trace(&self, from: &str, destination: Ipv4Addr) -> Result<Vec<String>, Loss> {
        let mut path = vec![from.to_owned()];
        let mut at = from.to_owned();
        while self.owner(destination).is_none_or(|owner| owner != at) {
            let link = self.next_link(&at, destination).ok_or(Loss::NoRoute)?;
            let (_, far) = self
                .network
                .links()
                .get(link)
                .and_then(|link| link.ends_at(&at))
                .ok_or(Loss::NoRoute)?;
            if self.drops(&at, &far.device, at == from) || path.len() > HOP_LIMIT {
                return Err(Loss::Dropped);
            }
            at.clone_from(&far.device);
            path.push(at.clone());
        }
        Ok(path)
    }

    fn drops(&self, device: &str, toward: &str, originated: bool) -> bool {
        self.holes
            .iter()
            .filter(|hole| hole.device == device)
            .any(|hole| match &hole.toward {
                Some(peer) => peer == toward,
                None => !originated,
            })
    }

    /// The link out of `device` towards an address: a cable into its subnet, else the first of the cheapest path.
    fn next_link(&self, device: &str, destination: Ipv4Addr) -> Option<usize> {
        let connected = self.network.links().iter().position(|link| {
            link.ends_at(device).is_some_and(|(near, far)| {
                let subnet = self
                    .interface(device, &near.interface)
                    .and_then(|interface| interface.address);
                let owns = self
                    .interface(&far.device, &far.interface)
                    .and_then(|interface| interface.address);
                carries(link, self.configs)
                    && subnet.is_some_and(|subnet| contains(subnet, destination))
                    && owns.is_some_and(|(address, _)| address == destination)
            })
        });
        connected.or_else(|| self.cheapest(device, destination).map(|(_, link)| link))
    }

    /// Cost and first link of the cheapest path to any router that advertises the address's subnet.
    fn cheapest(&self, from: &str, destination: Ipv4Addr) -> Option<(u32, usize)> {
        let ends = self.advertisers(destination);
        let mut best: BTreeMap<String, u32> = BTreeMap::new();
        let mut found: Option<(u32, usize)> = None;
        // Smallest first: cost, then link number, so that equal paths always give the same answer.
        let mut queue = BinaryHeap::from([std::cmp::Reverse((0_u32, None::<usize>, from.to_owned()))]);
        while let Some(std::cmp::Reverse((cost, first, at))) = queue.pop() {
            if best.contains_key(&at) {
                continue;
            }
            best.insert(at.clone(), cost);
            if let (Some(stub), Some(first)) = (ends.get(at.as_str()), first) {
                let total = (cost + stub, first);
                found = Some(found.map_or(total, |known| known.min(total)));
            }
            for (index, link) in self.network.links().iter().enumerate() {
                let Some((near, far)) = link.ends_at(&at).filter(|_| self.network.state(index) == State::Full) else {
                    continue;
                };
                let step = self.interface(&at, &near.interface).map_or(u32::MAX, Interface::cost);
                queue.push(std::cmp::Reverse((
                    cost.saturating_add(step),
                    first.or(Some(index)),
                    far.device.clone(),
                )));
            }
        }
        found
    }

    /// Routers that announce a subnet with this address, with the cost of that last piece.
    fn advertisers(&self, destination: Ipv4Addr) -> BTreeMap<&str, u32> {
        let mut found = BTreeMap::new();
        for device in self.configs.keys() {
            for (name, interface) in self.up_interfaces(device) {
                let holds = interface.address.is_some_and(|subnet| contains(subnet, destination));
                if holds && self.advertises(device, name) {
                    let cost = if super::model::is_loopback(name) {
                        1
                    } else {
                        interface.cost()
                    };
                    found.insert(device.as_str(), cost);
                }
            }
        }
        found
    }

    fn advertises(&self, device: &str, name: &str) -> bool {
        self.configs
            .get(device)
            .is_some_and(|config| config.ospf_on(name).is_some())
    }

    fn up_interfaces<'s>(&'s self, device: &'s str) -> impl Iterator<Item = (&'s str, &'s Interface)> {
        let interfaces = self
            .configs
            .get(device)
            .into_iter()
            .flat_map(|config| &config.interfaces);
        interfaces
            .filter(move |(name, _)| is_up(self.network.links(), self.configs, device, name))
            .map(|(name, interface)| (name.as_str(), interface))
    }

    fn interface(&self, device: &str, name: &str) -> Option<&Interface> {
        self.configs.get(device)?.interfaces.get(name)
    }

    /// The device with this address on an interface that is up. Management is out of band: not reachable here.
    fn owner(&self, address: Ipv4Addr) -> Option<&str> {
        self.configs.keys().map(String::as_str).find(|device| {
            self.up_interfaces(device)
                .any(|(_, interface)| interface.address.is_some_and(|(own, _)| own == address))
        })
    }

    /// The address a device puts into a packet by default: that of the interface it leaves through.
    fn source_for(&self, from: &str, path: &[String]) -> Option<Ipv4Addr> {
        let Some(next) = path.get(1) else {
            return path.first().and_then(|own| self.any_address(own));
        };
        let mut cables = self.network.links().iter().filter_map(|link| link.ends_at(from));
        let (near, _) = cables.find(|(_, far)| far.device == *next)?;
        self.interface(from, &near.interface)?
            .address
            .map(|(address, _)| address)
    }

    fn any_address(&self, device: &str) -> Option<Ipv4Addr> {
        self.up_interfaces(device)
            .find_map(|(_, interface)| interface.address.map(|(address, _)| address))
    }
}

fn network_of((address, length): (Ipv4Addr, u8)) -> (Ipv4Addr, u8) {
    (
        Ipv4Addr::from_bits(address.to_bits() & super::model::mask_of(length).to_bits()),
        length,
    )
}

#[cfg(test)]
mod tests;
