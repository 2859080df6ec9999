//! A session's side of the command language: what a line does and what the device answers. No input or output here.

use tokio::sync::oneshot;

use super::command::{Command, Mode};
use super::faults::Faults;
use super::grammar::{self, Fault};
use super::log::{Entry, Verdict};
use super::model::{Config, Dialect, Edit, InterfaceEdit, NetworkStatement, OspfEdit, is_loopback};
use super::world::{World, wall_ms};
use super::{show, words};

/// A question that waits for an answer instead of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// VRP's save: a line, Y or N.
    Save,
    /// VRP's reboot: a line, Y or N.
    Reboot,
    /// IOS's copy: a file name.
    FileName,
    /// IOS's reload: one key.
    Confirm,
    /// The enable secret; not echoed.
    Secret,
}

/// A reply that is held back.
#[derive(Debug)]
pub(crate) struct Hold {
    /// The line's position in the log.
    pub(crate) position: usize,
    pub(crate) released: oneshot::Receiver<()>,
}

/// What a line led to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Lines separated by `\n`.
    pub(crate) text: String,
    /// The device closes the session.
    pub(crate) close: bool,
    /// The connection breaks now; the answer is not sent.
    pub(crate) cut: bool,
    /// Keep the answer back until this fires.
    pub(crate) hold: Option<Hold>,
    /// True if the device refused the line.
    pub(crate) refused: bool,
}

/// One session's state.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) device: String,
    pub(crate) dialect: Dialect,
    pub(crate) mode: Mode,
    pub(crate) question: Option<Question>,
    /// Lines per page; 0 is no paging.
    pub(crate) page: u32,
    pub(crate) session: u64,
    pub(crate) peer: String,
    pub(crate) user: String,
    /// Somebody on the console: faults do not act on them.
    pub(crate) console: bool,
    pub(crate) enable_secret: Option<String>,
}

/// What a command did, before it is logged.
struct Done {
    text: String,
    refused: bool,
    close: bool,
}

impl Done {
    fn quietly() -> Self {
        Self::saying("")
    }

    fn saying(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            refused: false,
            close: false,
        }
    }

    fn refusing(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            refused: true,
            close: false,
        }
    }
}

impl Shell {
    pub(crate) fn prompt(&self, world: &World) -> String {
        world
            .configs
            .get(&self.device)
            .map(|config| words::prompt(config, &self.mode))
            .unwrap_or_default()
    }

    /// Executes a line, lets the network follow, writes the log.
    pub(crate) fn execute(&mut self, world: &mut World, line: &str) -> Outcome {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['!', '#']) {
            return Outcome::default();
        }
        let mode = self.mode.clone();
        let prompt = self.prompt(world);
        let before = world.configs.get(&self.device).cloned();
        let refused = !self.console
            && faults(world, &self.device).is_some_and(|faults| faults.refuses(trimmed));
        let parsed = if refused {
            Err(Fault::Unknown { offset: 0 })
        } else {
            grammar::parse(self.dialect, &mode, line)
        };
        let edits = matches!(
            parsed,
            Ok(Command::Edit(_)
                | Command::Here(_)
                | Command::HereOspf(_)
                | Command::AreaNetwork { .. })
        );
        let done = match parsed {
            Ok(command) => self.run(world, command, line),
            Err(fault) => Done::refusing(words::refusal(self.dialect, &prompt, line, &fault)),
        };
        let changed = before.as_ref() != world.configs.get(&self.device);
        let verdict = match (done.refused, edits && !changed) {
            (true, _) => Verdict::Refused,
            (_, true) => Verdict::Noop,
            _ => Verdict::Ok,
        };
        if changed {
            world.step();
        }
        let position = world.record(&self.device, self.entry(&mode, trimmed, verdict, changed));
        self.outcome(world, &mode, trimmed, position, done)
    }

    fn entry(&self, mode: &Mode, line: &str, result: Verdict, config: bool) -> Entry {
        Entry {
            at: wall_ms(),
            session: self.session,
            peer: self.peer.clone(),
            user: self.user.clone(),
            mode: mode.name(),
            line: line.to_owned(),
            result,
            config,
        }
    }

    /// Adds what the faults make of an executed line.
    fn outcome(
        &self,
        world: &mut World,
        mode: &Mode,
        line: &str,
        position: usize,
        done: Done,
    ) -> Outcome {
        let Done {
            text,
            refused,
            close,
        } = done;
        let mut outcome = Outcome {
            text,
            close,
            refused,
            ..Outcome::default()
        };
        if self.console {
            return outcome;
        }
        let Some(device) = world.devices.get_mut(&self.device) else {
            return outcome;
        };
        if !refused && mode.is_config() {
            outcome.cut = device.faults.cuts();
        }
        if device.faults.holds(line) {
            device.log.set_held(position, true);
            let (release, released) = oneshot::channel();
            device.held.push(release);
            outcome.hold = Some(Hold { position, released });
        }
        outcome
    }

    fn run(&mut self, world: &mut World, command: Command, line: &str) -> Done {
        match command {
            Command::Enable => return self.enable(),
            Command::Disable => self.mode = Mode::User,
            Command::Configure => return self.configure(),
            Command::EnterInterface(name) => return self.enter_interface(world, name, line),
            Command::EnterOspf { process, router_id } => {
                self.mode = Mode::Ospf(process);
                return self.edit(world, Edit::AddOspf { process, router_id });
            }
            Command::EnterArea(area) => {
                let process = self.process();
                self.mode = Mode::Area(process, area);
                return self.edit(
                    world,
                    Edit::Ospf {
                        process,
                        edit: OspfEdit::Area { area, on: true },
                    },
                );
            }
            Command::Exit => return self.exit(world),
            Command::End => self.end(world),
            Command::Do(line) => return self.run_exec(world, &line),
            Command::PageLength(lines) => self.page = lines,
            Command::Monitor(on) => {
                if let Some(session) = world.sessions.get_mut(&self.session) {
                    session.monitor = on;
                }
            }
            Command::Nothing => {}
            Command::Show(what) => return Done::saying(show::show(world, &self.device, what)),
            Command::Save { ask } => return self.save(world, ask),
            Command::Reload => return self.reload(),
            Command::Ping {
                destination,
                source,
                count,
            } => {
                let result =
                    world.with_fabric(|fabric| fabric.ping(&self.device, source, destination));
                return Done::saying(words::ping(self.dialect, destination, count, &result));
            }
            Command::Edit(Edit::RemoveInterface(name)) => {
                return self.remove_interface(world, name);
            }
            Command::Edit(edit) => return self.edit(world, edit),
            Command::Here(edit) => return self.edit_here(world, edit),
            Command::HereOspf(edit) => {
                return self.edit(
                    world,
                    Edit::Ospf {
                        process: self.process(),
                        edit,
                    },
                );
            }
            Command::AreaNetwork {
                address,
                wildcard,
                on,
            } => return self.area_network(world, address, wildcard, on),
            Command::Refuse(text) => return Done::refusing(format!("{text}\n")),
        }
        Done::quietly()
    }

    fn enable(&mut self) -> Done {
        if self.enable_secret.is_some() {
            self.question = Some(Question::Secret);
            return Done::saying("Password: ");
        }
        self.mode = Mode::Exec;
        Done::quietly()
    }

    fn configure(&mut self) -> Done {
        self.mode = Mode::Config;
        Done::saying(match self.dialect {
            Dialect::Ios => "Enter configuration commands, one per line.  End with CNTL/Z.\n",
            Dialect::Vrp => "Enter system view, return user view with Ctrl+Z.\n",
            Dialect::Frr => "",
        })
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
            return Done::refusing(words::refusal(
                self.dialect,
                &self.prompt(world),
                line,
                &fault,
            ));
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
            (Some(false), Dialect::Ios) => {
                Done::refusing("% Removal of physical interfaces is not permitted\n")
            }
            (Some(false), Dialect::Vrp) => {
                Done::refusing("Error: The physical interface cannot be deleted.\n")
            }
            (Some(false), Dialect::Frr) => {
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
            return Done::refusing(match self.dialect {
                Dialect::Frr => "% Configuration failed: no such object\n",
                _ => "Error: The object does not exist.\n",
            });
        }
        match config.apply(edit) {
            Ok(()) => Done::quietly(),
            Err(sentence) => Done::refusing(format!("{sentence}\n")),
        }
    }

    fn exit(&mut self, world: &World) -> Done {
        match self.mode.parent() {
            None => {
                return Done {
                    close: true,
                    ..Done::quietly()
                };
            }
            Some(Mode::Exec) => self.end(world),
            Some(parent) => self.mode = parent,
        }
        Done::quietly()
    }

    /// Leaves configuration mode; IOS tells every terminal.
    pub(crate) fn end(&mut self, world: &World) {
        if self.mode.is_config() {
            self.mode = Mode::Exec;
            if self.dialect == Dialect::Ios {
                let peer = self.peer.split(':').next().unwrap_or_default();
                world.syslog(
                    &self.device,
                    &words::configured(&self.user, peer, wall_ms()),
                );
            }
        }
    }

    /// `do …`: an exec command that does not leave the mode.
    fn run_exec(&mut self, world: &mut World, line: &str) -> Done {
        match grammar::parse(self.dialect, &Mode::Exec, line) {
            Ok(Command::Configure | Command::Exit | Command::Do(_)) | Err(_) => {
                let fault = Fault::Unknown { offset: 3 };
                Done::refusing(words::refusal(
                    self.dialect,
                    &self.prompt(world),
                    line,
                    &fault,
                ))
            }
            Ok(command) => self.run(world, command, line),
        }
    }

    fn save(&mut self, world: &mut World, ask: bool) -> Done {
        match (ask, self.dialect) {
            (true, Dialect::Vrp) => {
                self.question = Some(Question::Save);
                Done::saying(
                    "The current configuration will be written to the device.\nAre you sure to continue?[Y/N]",
                )
            }
            (true, Dialect::Ios) => {
                self.question = Some(Question::FileName);
                Done::saying("Destination filename [startup-config]? ")
            }
            _ => self.write(world),
        }
    }

    fn write(&self, world: &mut World) -> Done {
        let running = world.configs.get(&self.device).cloned();
        let Some((device, running)) = world.devices.get_mut(&self.device).zip(running) else {
            return Done::quietly();
        };
        if !self.console && device.faults.fails_save() {
            return Done::refusing(words::saved(self.dialect, false));
        }
        device.startup = running;
        Done::saying(words::saved(self.dialect, true))
    }

    fn reload(&mut self) -> Done {
        if self.dialect == Dialect::Vrp {
            self.question = Some(Question::Reboot);
            return Done::saying("System will reboot! Continue?[Y/N]");
        }
        self.question = Some(Question::Confirm);
        Done::saying("Proceed with reload? [confirm]")
    }

    /// Takes the answer to the open question.
    pub(crate) fn answer(&mut self, world: &mut World, answer: &str) -> Outcome {
        let Some(question) = self.question.take() else {
            return Outcome::default();
        };
        let answer = answer.trim();
        let yes = matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes");
        let done = match question {
            Question::Save | Question::Reboot if answer.is_empty() || !yes && !is_no(answer) => {
                self.question = Some(question);
                Done::saying(
                    "Error: Please choose 'YES' or 'NO' first before pressing 'Enter'. [Y/N]:",
                )
            }
            Question::Save if yes => self.write(world),
            Question::FileName if answer.is_empty() || answer == "startup-config" => {
                self.write(world)
            }
            Question::FileName => Done::refusing("%Error opening nvram (Permission denied)\n"),
            Question::Secret if self.enable_secret.as_deref() == Some(answer) => {
                self.mode = Mode::Exec;
                Done::quietly()
            }
            Question::Secret => Done::refusing("% Access denied\n"),
            Question::Reboot if yes => self.restart(world),
            Question::Confirm if yes || answer.is_empty() => self.restart(world),
            Question::Save | Question::Reboot | Question::Confirm => Done::quietly(),
        };
        Outcome {
            text: done.text,
            close: done.close,
            refused: done.refused,
            ..Outcome::default()
        }
    }

    fn restart(&self, world: &mut World) -> Done {
        world.reload(&self.device);
        Done {
            close: true,
            ..Done::quietly()
        }
    }
}

fn is_no(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "n" | "no")
}

fn exists(config: &Config, edit: &Edit) -> bool {
    match edit {
        Edit::RemoveOspf(process) => config.ospf.contains_key(process),
        Edit::RemoveInterface(name) => config.interfaces.contains_key(name),
        _ => true,
    }
}

fn faults<'w>(world: &'w mut World, device: &str) -> Option<&'w mut Faults> {
    world
        .devices
        .get_mut(device)
        .map(|device| &mut device.faults)
}
