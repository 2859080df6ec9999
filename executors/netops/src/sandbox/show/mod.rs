//! Operational output: one view of the world, printed by three dialects.

mod frr;
mod ios;
mod junos;
mod vrp;

use std::net::Ipv4Addr;

use super::command::Show;
use super::dataplane::Route;
use super::model::{Config, Dialect, Interface};
use super::network::{State, is_up};
use super::render;
use super::world::World;

/// A device as a show command sees it.
pub(super) struct View<'a> {
    world: &'a World,
    name: &'a str,
    config: &'a Config,
}

/// A line of the neighbour table.
pub(super) struct Neighbour {
    process: u16,
    area: Ipv4Addr,
    router_id: Ipv4Addr,
    address: Ipv4Addr,
    own_address: Ipv4Addr,
    interface: String,
    state: State,
    /// The neighbour is the designated router (the higher router id is), or nobody is.
    role: &'static str,
    dead_ms: u64,
    up_ms: u64,
}

/// What a show command prints.
pub(crate) fn show(world: &World, device: &str, what: Show) -> String {
    let Some(config) = world.configs.get(device) else {
        return String::new();
    };
    let view = View {
        world,
        name: device,
        config,
    };
    match what {
        Show::Running => render::running(config),
        Show::Startup => world
            .devices
            .get(device)
            .map(|device| render::startup(&device.startup))
            .unwrap_or_default(),
        other => match config.dialect {
            Dialect::Ios => ios::show(&view, other),
            Dialect::Vrp => vrp::show(&view, other),
            Dialect::Frr => frr::show(&view, other),
            Dialect::Junos => junos::show(&view, other),
        },
    }
}

impl View<'_> {
    /// Neighbours that at least said hello, in the order of the interfaces.
    fn neighbours(&self) -> Vec<Neighbour> {
        let order = self.config.interface_order();
        let mut found: Vec<Neighbour> = (0..self.world.network.links().len())
            .filter_map(|link| self.neighbour(link))
            .collect();
        found.sort_by_key(|neighbour| order.iter().position(|name| *name == neighbour.interface));
        found
    }

    fn neighbour(&self, link: usize) -> Option<Neighbour> {
        let state = self.world.network.state(link);
        let (near, far) = self.world.network.links().get(link)?.ends_at(self.name)?;
        if state == State::Down {
            return None;
        }
        let (process, area) = self.config.ospf_on(&near.interface)?;
        let interface = self.config.interfaces.get(&near.interface)?;
        let (own_id, router_id) = (
            self.config.router_id(process)?,
            self.world.router_id_at(&far.device, &far.interface),
        );
        let role = match (interface.point_to_point, state) {
            (true, _) => "-",
            (_, State::Init) => "DROther",
            _ if router_id > own_id => "DR",
            _ => "Backup",
        };
        let now = self.world.now_ms();
        let (hello, dead) = interface.timers();
        Some(Neighbour {
            process,
            area: area.as_dotted(),
            router_id,
            address: self.world.address_at(&far.device, &far.interface),
            own_address: interface.address?.0,
            interface: near.interface.clone(),
            state,
            role,
            dead_ms: u64::from(dead) * 1_000 - now % (u64::from(hello) * 1_000).max(1).min(u64::from(dead) * 1_000),
            up_ms: now.saturating_sub(self.world.network.full_since(link)),
        })
    }

    fn interfaces(&self) -> impl Iterator<Item = (&str, &Interface)> {
        self.config
            .interface_order()
            .into_iter()
            .filter_map(|name| Some((name, self.config.interfaces.get(name)?)))
    }

    fn is_up(&self, interface: &str) -> bool {
        is_up(self.world.network.links(), &self.world.configs, self.name, interface)
    }

    fn routes(&self) -> Vec<Route> {
        self.world.with_fabric(|fabric| fabric.routes(self.name))
    }

    /// Processor load, percent: quiet, different per device, slowly moving.
    fn cpu(&self) -> u64 {
        4 + self.seed() % 7 + (self.world.now_ms() / 5_000 + self.seed()) % 4
    }

    /// Total and used memory, bytes.
    fn memory(&self) -> (u64, u64) {
        let total = 2_147_483_648;
        (
            total,
            total / 100 * (24 + self.seed() % 12) + self.world.now_ms() / 5_000 % 64 * 4_096,
        )
    }

    fn seed(&self) -> u64 {
        self.name
            .bytes()
            .fold(11, |sum, byte| (sum * 33 + u64::from(byte)) % 9_973)
    }
}
