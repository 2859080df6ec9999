//! Configuration lines: from a command in a mode to an edit of the device's running configuration.

use super::{Done, Shell, faults};
use crate::sandbox::command::{Command, Mode};
use crate::sandbox::faults::Faults;
use crate::sandbox::grammar::Fault;
use crate::sandbox::model::{Config, Dialect, Edit, InterfaceEdit, NetworkStatement, OspfEdit, is_loopback};
use crate::sandbox::words;
use crate::sandbox::world::World;

impl Shell {
    /// Carries out a configuration line.
    pub(super) fn change(&mut self, world: &mut World, command: Command, line: &str) -> Done {
        match command {
            Command::EnterInterface(name) => self.enter_interface(world, name, line),
            Command::EnterOspf { process, router_id } => {
                self.mode = Mode::Ospf(process);
                self.edit(world, Edit::AddOspf { process, router_id })
            }
            Command::EnterArea(area) => {
                let process = self.process();
                self.mode = Mode::Area(process, area);
                self.edit(
                    world,
                    Edit::Ospf {
                        process,
                        edit: OspfEdit::Area { area, on: true },
                    },
                )
            }
            Command::Edit(Edit::RemoveInterface(name)) => self.remove_interface(world, name),
            Command::Edit(edit) => self.edit(world, edit),
            Command::Here(edit) => self.edit_here(world, edit),
            Command::HereOspf(edit) => self.edit(
                world,
                Edit::Ospf {
                    process: self.process(),
                    edit,
                },
            ),
            Command::AreaNetwork { address, wildcard, on } => self.area_network(world, address, wildcard, on),
            _ => Done::quietly(),
        }
    }

    /// FRR takes any name; the others only what exists, loopbacks, and a phantom if a fault says so.
    fn enter_interface(&mut self, world: &mut World, name: String, line: &str) -> Done {
        let known = world
            .configs
            .get(&self.device)
            .is_some_and(|config| config.interfaces.contains_key(&name));
        let allowed = known
            || self.dialect == Dialect::Frr
            || is_loopback(&name)
            || !self.console && faults(world, &self.device).is_some_and(Faults::accepts_phantom);
        if !allowed {
            let fault = Fault::WrongParameter {
                offset: line.rfind(char::is_whitespace).map_or(0, |at| at + 1),
            };
            return Done::refusing(words::refusal(self.dialect, &self.prompt(world), line, &fault));
        }
        let phantom = !is_loopback(&name);
        self.mode = Mode::Interface(name.clone());
        self.edit(world, Edit::AddInterface { name, phantom })
    }

    /// Hardware stays: only loopbacks and phantoms can be removed.
    fn remove_interface(&mut self, world: &mut World, name: String) -> Done {
        let interface = world
            .configs
            .get(&self.device)
            .and_then(|config| config.interfaces.get(&name));
        match (
            interface.map(|interface| interface.phantom || is_loopback(&name) && name != "lo"),
            self.dialect,
        ) {
            (None | Some(true), _) => self.edit(world, Edit::RemoveInterface(name)),
            (Some(false), Dialect::Ios) => Done::refusing("% Removal of physical interfaces is not permitted\n"),
            (Some(false), Dialect::Vrp) => Done::refusing("Error: The physical interface cannot be deleted.\n"),
            (Some(false), Dialect::Frr | Dialect::Junos) => {
                Done::refusing("% Only inactive interfaces can be deleted\n")
            }
        }
    }

    fn process(&self) -> u16 {
        match self.mode {
            Mode::Ospf(process) | Mode::Area(process, _) => process,
            _ => 0,
        }
    }

    fn edit_here(&mut self, world: &mut World, edit: InterfaceEdit) -> Done {
        match &self.mode {
            Mode::Interface(name) => self.edit(
                world,
                Edit::Interface {
                    name: name.clone(),
                    edit,
                },
            ),
            _ => Done::refusing(""),
        }
    }

    fn area_network(
        &mut self,
        world: &mut World,
        address: std::net::Ipv4Addr,
        wildcard: std::net::Ipv4Addr,
        on: bool,
    ) -> Done {
        let Mode::Area(process, area) = self.mode else {
            return Done::refusing("");
        };
        let statement = NetworkStatement {
            area,
            address,
            wildcard,
        };
        self.edit(
            world,
            Edit::Ospf {
                process,
                edit: OspfEdit::Network { statement, on },
            },
        )
    }

    fn edit(&self, world: &mut World, edit: Edit) -> Done {
        let removed = matches!(edit, Edit::RemoveOspf(_) | Edit::RemoveInterface(_));
        let Some(config) = world.configs.get_mut(&self.device) else {
            return Done::quietly();
        };
        if removed && self.dialect != Dialect::Ios && !exists(config, &edit) {
            return match (self.dialect, edit) {
                // ospfd warns without a word.
                (Dialect::Frr, Edit::RemoveOspf(_)) => Done::quietly(),
                (Dialect::Frr, _) => Done::refusing("% Interface does not exist\n"),
                _ => Done::refusing("Error: The object does not exist.\n"),
            };
        }
        match config.apply(edit) {
            Ok(()) => Done::quietly(),
            Err(sentence) => Done::refusing(format!("{sentence}\n")),
        }
    }
}

fn exists(config: &Config, edit: &Edit) -> bool {
    match edit {
        Edit::RemoveOspf(process) => config.ospf.contains_key(process),
        Edit::RemoveInterface(name) => config.interfaces.contains_key(name),
        _ => true,
    }
}
