//! A shell channel: bytes in, bytes out. Echo, line editing, paging, questions, syslog lines in between.

use std::collections::VecDeque;
use std::time::Duration;

use russh::server::Msg;
use russh::{Channel, ChannelMsg};
use tokio::sync::{mpsc, oneshot};

use super::model::Dialect;
use super::shell::{Hold, Outcome, Question, Shell};
use super::world::{Shared, pull};

/// The session is over: the other side is gone or the device closed it.
#[derive(Debug)]
pub(crate) struct Over;

type Step<T = ()> = Result<T, Over>;

/// A terminal on a device.
pub(crate) struct Terminal {
    pub(crate) channel: Channel<Msg>,
    pub(crate) shell: Shell,
    pub(crate) world: Shared,
    pub(crate) notes: mpsc::UnboundedReceiver<String>,
    /// The client asked for a pseudo-terminal: the device echoes.
    pub(crate) pty: bool,
    input: VecDeque<u8>,
    ended: bool,
    line: Vec<u8>,
    after_return: bool,
    interruptions: usize,
}

const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;
const CTRL_U: u8 = 0x15;
const CTRL_Z: u8 = 0x1a;

impl Terminal {
    pub(crate) fn new(
        channel: Channel<Msg>,
        shell: Shell,
        world: Shared,
        notes: mpsc::UnboundedReceiver<String>,
        pty: bool,
    ) -> Self {
        Self {
            channel,
            shell,
            world,
            notes,
            pty,
            input: VecDeque::new(),
            ended: false,
            line: Vec::new(),
            after_return: false,
            interruptions: 0,
        }
    }

    /// Runs until either side ends the session, then closes the channel.
    pub(crate) async fn run(mut self) {
        // Over is the normal end of every session.
        let _ = self.talk().await;
        let _ = self.channel.exit_status(0).await;
        let _ = self.channel.eof().await;
        let _ = self.channel.close().await;
    }

    async fn talk(&mut self) -> Step {
        self.write(greeting(self.shell.dialect)).await?;
        self.prompt().await?;
        loop {
            let byte = self.next_byte().await?;
            self.key(byte).await?;
        }
    }

    /// The next typed byte. While nobody types, syslog lines appear on the terminal.
    async fn next_byte(&mut self) -> Step<u8> {
        loop {
            if let Some(byte) = self.input.pop_front() {
                return Ok(byte);
            }
            if self.ended {
                return Err(Over);
            }
            tokio::select! {
                message = self.channel.wait() => self.receive(message)?,
                Some(note) = self.notes.recv() => self.write(&format!("\n{note}\n")).await?,
            }
        }
    }

    fn receive(&mut self, message: Option<ChannelMsg>) -> Step {
        match message {
            Some(ChannelMsg::Data { data }) => self.input.extend(data.iter()),
            Some(ChannelMsg::Eof) => self.ended = true,
            Some(ChannelMsg::Close) | None => return Err(Over),
            Some(_) => {}
        }
        Ok(())
    }

    async fn key(&mut self, byte: u8) -> Step {
        // "\r\n" is one return.
        let was_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if was_return => Ok(()),
            b'\r' | b'\n' => self.enter().await,
            CTRL_C | CTRL_Z => self.leave(byte == CTRL_Z).await,
            CTRL_D if self.line.is_empty() && self.shell.dialect == Dialect::Frr => Err(Over),
            CTRL_U => {
                let erase = "\x08 \x08".repeat(self.line.len());
                self.line.clear();
                self.echo(&erase).await
            }
            byte if BACKSPACE.contains(&byte) => match self.line.pop() {
                Some(_) => self.echo("\x08 \x08").await,
                None => Ok(()),
            },
            byte if byte == b'\t' || byte < 0x20 => Ok(()),
            byte if self.shell.question == Some(Question::Confirm) => {
                self.line = vec![byte];
                self.enter().await
            }
            byte => {
                self.line.push(byte);
                if self.shell.question == Some(Question::Secret) || !self.pty {
                    return Ok(());
                }
                self.send(vec![byte]).await
            }
        }
    }

    /// Ctrl-Z executes what is typed and leaves configuration mode; Ctrl-C forgets it and, but for VRP, leaves too.
    async fn leave(&mut self, execute: bool) -> Step {
        if execute && !self.line.is_empty() {
            self.enter().await?;
        }
        self.line.clear();
        self.shell.question = None;
        if self.shell.dialect != Dialect::Junos && (execute || self.shell.dialect != Dialect::Vrp) {
            let world = self.world.clone();
            self.shell.end(&world.lock());
        }
        self.write(if execute { "^Z\n" } else { "^C\n" }).await?;
        self.prompt().await
    }

    async fn enter(&mut self) -> Step {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        self.echo("\n").await?;
        let outcome = if self.shell.question.is_some() {
            let world = self.world.clone();
            self.shell.answer(&mut world.lock(), &line)
        } else {
            execute(&mut self.shell, &self.world, &line).await
        };
        self.react(outcome).await
    }

    async fn react(&mut self, outcome: Outcome) -> Step {
        if outcome.cut {
            pull_session(&self.world, self.shell.session);
            return Err(Over);
        }
        if let Some(hold) = outcome.hold {
            self.hold(hold).await?;
        }
        self.page(&outcome.text).await?;
        if outcome.close {
            return Err(Over);
        }
        if self.shell.question.is_none() {
            self.prompt().await
        } else {
            Ok(())
        }
    }

    /// Waits for `release`. What is typed meanwhile waits too.
    async fn hold(&mut self, hold: Hold) -> Step {
        let ended = self.until(hold.released).await;
        if let Some(device) = self.world.lock().devices.get_mut(&self.shell.device) {
            device.log.set_held(hold.position, false);
        }
        ended
    }

    async fn until(&mut self, mut released: oneshot::Receiver<()>) -> Step {
        loop {
            tokio::select! {
                _ = &mut released => return Ok(()),
                message = self.channel.wait() => self.receive(message)?,
            }
        }
    }

    /// Writes a text page by page, stopping for a key after each.
    async fn page(&mut self, text: &str) -> Step {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut budget = usize::try_from(self.shell.page).unwrap_or(0).saturating_sub(1);
        if budget == 0 || lines.len() <= budget {
            return self.output(text).await;
        }
        let mut rest = lines.as_slice();
        loop {
            let (now, later) = rest.split_at(budget.min(rest.len()));
            self.output(&now.concat()).await?;
            if later.is_empty() {
                return Ok(());
            }
            rest = later;
            let (more, erase) = more(self.shell.dialect);
            self.write(more).await?;
            let key = self.next_byte().await?;
            self.write(erase).await?;
            budget = match key {
                b'q' | b'Q' | CTRL_C => return Ok(()),
                b'\r' | b'\n' => 1,
                _ => usize::try_from(self.shell.page).unwrap_or(1).saturating_sub(1).max(1),
            };
        }
    }

    /// Writes an answer; a syslog line that is due breaks in at the end of some line of it.
    async fn output(&mut self, text: &str) -> Step {
        if text.is_empty() {
            return Ok(());
        }
        let middle = text
            .match_indices('\n')
            .nth(text.matches('\n').count() / 2)
            .map_or(0, |(at, _)| at + 1);
        let (head, tail) = text.split_at(middle);
        if tail.is_empty() {
            return self.write(text).await;
        }
        let notes = self.due_notes();
        self.write(&format!("{head}{notes}{tail}")).await
    }

    /// Writes the prompt; a syslog line that is due comes before it, in the middle of it, or after it.
    async fn prompt(&mut self) -> Step {
        let prompt = self.shell.prompt(&self.world.lock());
        let mut notes = self.due_notes();
        if notes.is_empty() {
            return self.write(&prompt).await;
        }
        self.interruptions += 1;
        let at = match self.interruptions % 3 {
            1 => prompt.len(),
            2 => prompt.len() / 2,
            _ => 0,
        };
        if at > 0 {
            notes.insert(0, '\n');
        }
        let (head, tail) = prompt.split_at_checked(at).unwrap_or((&prompt, ""));
        self.write(&format!("{head}{notes}{tail}")).await
    }

    fn due_notes(&mut self) -> String {
        std::iter::from_fn(|| self.notes.try_recv().ok())
            .map(|note| note + "\n")
            .collect()
    }

    async fn echo(&mut self, text: &str) -> Step {
        if self.pty { self.write(text).await } else { Ok(()) }
    }

    /// Devices end lines with CR LF on every terminal, vtysh only on a pseudo-terminal.
    async fn write(&mut self, text: &str) -> Step {
        let text = if self.pty || self.shell.dialect != Dialect::Frr {
            text.replace('\n', "\r\n")
        } else {
            text.to_owned()
        };
        self.send(text.into_bytes()).await
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Step {
        if bytes.is_empty() {
            return Ok(());
        }
        self.channel.data_bytes(bytes).await.map_err(|_| Over)
    }
}

/// Waits as a slow device would, then executes. Not interrupted by the end of the session: a line that a device
/// has read takes effect.
pub(crate) async fn execute(shell: &mut Shell, world: &Shared, line: &str) -> Outcome {
    let trimmed = line.trim();
    let delay = (!trimmed.is_empty())
        .then(|| world.lock().devices.get_mut(&shell.device)?.faults.delay(trimmed))
        .flatten();
    if let Some(ms) = delay {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    shell.execute(&mut world.lock(), line)
}

/// Breaks the connection under a session.
pub(crate) fn pull_session(world: &Shared, session: u64) {
    if let Some(session) = world.lock().sessions.get(&session) {
        pull(&session.socket);
    }
}

fn greeting(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Ios => "\n",
        Dialect::Junos => "--- JUNOS 22.4R3 Kernel 64-bit (sandbox device)\n",
        Dialect::Vrp => {
            "\nInfo: The max number of VTY users is 10, the number of current VTY users online is 1.\n      The current login time is 2026-11-22 18:00:00.\n"
        }
        Dialect::Frr => {
            "\nHello, this is FRRouting (version 8.4.4).\nCopyright 1996-2005 Kunihiro Ishiguro, et al.\n\n"
        }
    }
}

/// The pager's question and how it is wiped away.
fn more(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Vrp => (
            "  ---- More ----",
            "\x1b[42D                                          \x1b[42D",
        ),
        Dialect::Junos => ("---(more)---", "\r            \r"),
        Dialect::Ios | Dialect::Frr => (
            " --More-- ",
            "\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08",
        ),
    }
}
