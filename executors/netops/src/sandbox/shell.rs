//! A session's side of the command language: what a line does and what the device answers. No input or output here.

mod candidate;
mod configure;
mod questions;

use tokio::sync::oneshot;

use super::command::{Command, Mode};
use super::faults::Faults;
use super::grammar::{self, Fault};
use super::log::{Entry, Verdict};
use super::model::Dialect;
use super::world::{World, wall_ms};
use super::{render, show, words};

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
    /// Junos: leave with edits that are not committed.
    Discard,
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
        let before = world.configs.get(&self.device).map(render::text);
        let refused = !self.console && faults(world, &self.device).is_some_and(|faults| faults.refuses(trimmed));
        let parsed = if refused {
            Err(Fault::Unknown { offset: 0 })
        } else {
            grammar::parse(self.dialect, &mode, line)
        };
        let edits = parsed.as_ref().is_ok_and(Command::is_edit);
        let counts = edits
            || parsed
                .as_ref()
                .is_ok_and(|command| command.enters() || command.is_candidate());
        let done = match parsed {
            Ok(command) => self.run(world, command, line),
            Err(fault) => Done::refusing(words::refusal(self.dialect, &prompt, line, &fault)),
        };
        let changed = before != world.configs.get(&self.device).map(render::text);
        let verdict = match (done.refused, edits && !changed) {
            (true, _) => Verdict::Refused,
            (_, true) => Verdict::Noop,
            _ => Verdict::Ok,
        };
        if changed {
            world.step();
        }
        let position = world.record(&self.device, self.entry(&mode, trimmed, verdict, changed));
        self.outcome(world, counts, trimmed, position, done)
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
    fn outcome(&self, world: &mut World, counts: bool, line: &str, position: usize, done: Done) -> Outcome {
        let Done { text, refused, close } = done;
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
        if !refused && counts {
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
            Command::Enable => self.enable(),
            Command::Configure => self.configure(),
            Command::Exit => self.exit(world),
            Command::Do(line) => self.run_exec(world, &line),
            Command::Show(what) => Done::saying(show::show(world, &self.device, what)),
            Command::Save { ask } => self.save(world, ask),
            Command::Reload => self.reload(),
            Command::Candidate(what) => self.candidate(world, &what, line),
            Command::Ping {
                destination,
                source,
                count,
            } => {
                let result = world.with_fabric(|fabric| fabric.ping(&self.device, source, destination));
                Done::saying(words::ping(self.dialect, destination, count, &result))
            }
            Command::Refuse(text) => Done::refusing(format!("{text}\n")),
            Command::Disable | Command::End | Command::PageLength(_) | Command::Monitor(_) | Command::Nothing => {
                self.adjust(world, &command);
                Done::quietly()
            }
            other => self.change(world, other, line),
        }
    }

    /// What only touches the session.
    fn adjust(&mut self, world: &mut World, command: &Command) {
        match command {
            Command::Disable => self.mode = Mode::User,
            Command::End => self.end(world),
            Command::PageLength(lines) => self.page = *lines,
            Command::Monitor(on) => {
                if let Some(session) = world.sessions.get_mut(&self.session) {
                    session.monitor = *on;
                }
            }
            _ => {}
        }
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
            Dialect::Frr | Dialect::Junos => "",
        })
    }

    fn exit(&mut self, world: &mut World) -> Done {
        match self.mode.parent() {
            None => {
                return Done {
                    close: true,
                    ..Done::quietly()
                };
            }
            Some(Mode::Exec) if self.dialect == Dialect::Junos => return self.leave_candidate(world, false),
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
                world.syslog(&self.device, &words::configured(&self.user, peer, wall_ms()));
            }
        }
    }

    /// `do …`: an exec command that does not leave the mode.
    fn run_exec(&mut self, world: &mut World, line: &str) -> Done {
        match grammar::parse(self.dialect, &Mode::Exec, line) {
            Ok(Command::Configure | Command::Exit | Command::Do(_) | Command::Candidate(_)) | Err(_) => {
                let fault = Fault::Unknown { offset: 3 };
                Done::refusing(words::refusal(self.dialect, &self.prompt(world), line, &fault))
            }
            Ok(command) => self.run(world, command, line),
        }
    }
}

fn faults<'w>(world: &'w mut World, device: &str) -> Option<&'w mut Faults> {
    world.devices.get_mut(device).map(|device| &mut device.faults)
}
