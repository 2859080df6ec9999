//! A command line on a device: one line out, one answer back, and always knowing in which mode.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::Error;
use super::terminal::{Answer, Mode, Prompt, Screen};
use crate::platform::{Platform, refusal};

/// The bytes of a terminal, both ways.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Longest wait for the answer to one command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(12);
/// Silence that confirms a prompt which did not stand alone on its line.
const SILENCE: Duration = Duration::from_millis(120);
/// Questions that one command may put (saving asks whether, then whether to overwrite).
const MOST_ANSWERS: u32 = 2;
const LOGIN_TIMEOUT: Duration = Duration::from_secs(8);

/// What became of one configuration line.
#[derive(Debug, Clone)]
pub enum Outcome {
    Accepted {
        message: Option<String>,
        /// The device is at the top of its configuration mode, in no stanza.
        at_top: bool,
    },
    Refused {
        message: String,
    },
    /// Sent, and no answer seen: it may have been executed.
    Unknown {
        error: Error,
    },
}

/// A session at the privileged prompt, with paging off.
pub struct Session {
    device: String,
    platform: Platform,
    wire: Box<dyn Wire>,
    prompt: Prompt,
    /// False once an answer was missed: what comes next could belong to something else.
    usable: bool,
}

impl Session {
    /// Learns the prompt, gets the privileged mode, switches paging off.
    pub async fn start(
        device: &str,
        platform: Platform,
        wire: Box<dyn Wire>,
        enable: Option<&str>,
    ) -> Result<Self, Error> {
        let placeholder = Prompt::new(platform, device);
        let mut session = Self {
            device: device.to_owned(),
            platform,
            wire,
            prompt: placeholder,
            usable: true,
        };
        let hostname = timeout(LOGIN_TIMEOUT, session.learn_name())
            .await
            .map_err(|_| session.login_error("no prompt after login"))??;
        session.prompt = Prompt::new(platform, &hostname);
        let reply = session.run(platform.words().paging_off).await?;
        if reply.mode == Mode::User {
            session.enable(enable).await?;
            session.run(platform.words().paging_off).await?;
        }
        Ok(session)
    }

    /// Whether the next command can be trusted to get its own answer.
    pub fn usable(&self) -> bool {
        self.usable
    }

    /// Gives the session up: it is closed instead of kept, and the device ends what belongs to it.
    pub fn give_up(&mut self) {
        self.usable = false;
    }

    /// Runs one command and waits for its answer.
    pub async fn run(&mut self, line: &str) -> Result<Answer, Error> {
        self.run_within(line, COMMAND_TIMEOUT).await
    }

    /// Runs one command with a longest wait of its own.
    pub async fn run_within(&mut self, line: &str, wait: Duration) -> Result<Answer, Error> {
        self.usable = false;
        self.send(line, line).await?;
        let mut answer = self.answer(line, wait).await?;
        if self.platform == Platform::Junos {
            answer.text = without_banner(&answer.text);
            answer.joined = without_banner(&answer.joined);
        }
        self.usable = true;
        Ok(answer)
    }

    /// Runs a command that goes on until it is interrupted (`ping` of frr): `enough` says when to.
    pub async fn run_until(
        &mut self,
        line: &str,
        enough: impl Fn(&str) -> bool,
        wait: Duration,
    ) -> Result<Answer, Error> {
        self.usable = false;
        self.send(line, line).await?;
        let mut raw = Vec::new();
        let deadline = Instant::now() + wait;
        while Screen::read(&raw).answer(line, &self.prompt).is_none() && !enough(&String::from_utf8_lossy(&raw)) {
            match timeout_at(deadline, self.wire.read_buf(&mut raw)).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(self.cut(line)),
                Err(_) => break,
            }
        }
        if Screen::read(&raw).answer(line, &self.prompt).is_none() {
            self.write(b"\x03", line).await?;
        }
        let answer = self.read_answer(raw, line, COMMAND_TIMEOUT).await?;
        self.usable = true;
        Ok(answer)
    }

    /// Enters configuration mode.
    pub async fn enter_config(&mut self) -> Result<(), Error> {
        let answer = self.run(self.platform.words().enter_config).await?;
        match answer.mode {
            Mode::Config(_) => Ok(()),
            _ => {
                self.usable = false;
                let said = refusal::find(self.platform, &answer.text).unwrap_or(answer.text);
                Err(self.login_error(&format!("configuration mode is refused: {said}")))
            }
        }
    }

    /// Leaves configuration mode, from however deep.
    pub async fn leave_config(&mut self) -> Result<(), Error> {
        let answer = self.run(self.platform.words().leave_config).await?;
        if answer.mode != Mode::Exec {
            self.usable = false;
            return Err(self.login_error("the device did not leave configuration mode"));
        }
        Ok(())
    }

    /// Types one configuration line and listens closely to the answer.
    pub async fn configure(&mut self, line: &str) -> Outcome {
        let answer = match self.run(line).await {
            Ok(answer) => answer,
            Err(Error::Question { question, .. }) => {
                let message = format!("the device asks `{question}`, which is not answered");
                return Outcome::Refused { message };
            }
            Err(error) => return Outcome::Unknown { error },
        };
        let refused =
            refusal::find(self.platform, &answer.text).or_else(|| refusal::find(self.platform, &answer.joined));
        if let Some(message) = refused {
            return Outcome::Refused { message };
        }
        let Mode::Config(view) = answer.mode else {
            let message = "the line left configuration mode".to_owned();
            return Outcome::Refused { message };
        };
        let said = answer.text.trim();
        let at_top = matches!(view.as_str(), "" | "config");
        Outcome::Accepted {
            message: (!said.is_empty()).then(|| said.to_owned()),
            at_top,
        }
    }

    async fn learn_name(&mut self) -> Result<String, Error> {
        let mut raw = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let name = self.next_prompt(&mut raw).await?;
            // A log line may have cut the first prompt; two alike in a row are believed.
            if last.as_ref() == Some(&name) {
                return Ok(name);
            }
            last = Some(name);
            raw.clear();
            self.write(b"\n", "").await?;
        }
    }

    async fn next_prompt(&mut self, raw: &mut Vec<u8>) -> Result<String, Error> {
        loop {
            match timeout(SILENCE, self.wire.read_buf(raw)).await {
                Ok(Ok(n)) if n > 0 => {
                    if raw.len() > 1 << 20 {
                        return Err(self.login_error("too much text before the prompt"));
                    }
                }
                Ok(_) => return Err(self.login_error("the device closed the session after login")),
                Err(_silence) => {
                    let screen = Screen::read(raw);
                    if let Some(name) = Prompt::learn(self.platform, screen.last_line()) {
                        return Ok(name);
                    }
                    if Screen::pages(raw) {
                        self.write(b" ", "").await?;
                    }
                }
            }
        }
    }

    async fn enable(&mut self, secret: Option<&str>) -> Result<(), Error> {
        self.usable = false;
        self.send("enable", "enable").await?;
        let mut raw = Vec::new();
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        loop {
            let screen = Screen::read(&raw);
            if let Some(answer) = screen.answer("enable", &self.prompt) {
                self.usable = answer.mode == Mode::Exec;
                return if self.usable {
                    Ok(())
                } else {
                    Err(self.login_error("enable is refused"))
                };
            }
            if screen
                .question("enable")
                .is_some_and(|q| q.to_lowercase().contains("password"))
            {
                return self.enable_with(secret).await;
            }
            self.read_more(&mut raw, deadline, "enable", COMMAND_TIMEOUT).await?;
        }
    }

    async fn enable_with(&mut self, secret: Option<&str>) -> Result<(), Error> {
        let secret = secret.ok_or_else(|| self.login_error("the device asks for an enable secret, none is given"))?;
        self.send(secret, "enable").await?;
        let (mut raw, deadline) = (Vec::new(), Instant::now() + COMMAND_TIMEOUT);
        loop {
            let screen = Screen::read(&raw);
            match self.prompt.at_end(screen.last_line()) {
                Some((Mode::Exec, _)) => {
                    self.usable = true;
                    return Ok(());
                }
                Some(_) => return Err(self.login_error("the enable secret is refused")),
                None if screen.last_line().to_lowercase().starts_with("password") => {
                    return Err(self.login_error("the enable secret is refused"));
                }
                None => self.read_more(&mut raw, deadline, "enable", COMMAND_TIMEOUT).await?,
            }
        }
    }

    async fn answer(&mut self, line: &str, wait: Duration) -> Result<Answer, Error> {
        self.read_answer(Vec::new(), line, wait).await
    }

    async fn read_answer(&mut self, mut raw: Vec<u8>, line: &str, wait: Duration) -> Result<Answer, Error> {
        let deadline = Instant::now() + wait;
        let mut answered = 0;
        loop {
            let screen = Screen::read(&raw);
            if let Some(answer) = screen.answer(line, &self.prompt) {
                if answer.certain || self.silent(&mut raw).await {
                    return Ok(answer);
                }
                continue;
            }
            if Screen::pages(&raw) {
                self.write(b" ", line).await?;
            } else if answered < MOST_ANSWERS
                && let Some(question) = screen.question(line)
                && self.silent(&mut raw).await
            {
                let Some(reply) = self.platform.answer_to_question(line) else {
                    return Err(Error::Question {
                        device: self.device.clone(),
                        line: line.to_owned(),
                        question,
                    });
                };
                self.send(reply, line).await?;
                answered += 1;
            }
            self.read_more(&mut raw, deadline, line, wait).await?;
        }
    }

    /// Whether nothing more comes for a moment; what comes is kept.
    async fn silent(&mut self, raw: &mut Vec<u8>) -> bool {
        !matches!(timeout(SILENCE, self.wire.read_buf(raw)).await, Ok(Ok(n)) if n > 0)
    }

    async fn read_more(
        &mut self,
        raw: &mut Vec<u8>,
        deadline: Instant,
        line: &str,
        wait: Duration,
    ) -> Result<(), Error> {
        match timeout_at(deadline, self.wire.read_buf(raw)).await {
            Ok(Ok(n)) if n > 0 => Ok(()),
            Ok(_) => Err(self.cut(line)),
            Err(_) => Err(Error::Timeout {
                device: self.device.clone(),
                line: line.to_owned(),
                seconds: wait.as_secs(),
            }),
        }
    }

    async fn send(&mut self, text: &str, line: &str) -> Result<(), Error> {
        self.write(format!("{text}\n").as_bytes(), line).await
    }

    async fn write(&mut self, bytes: &[u8], line: &str) -> Result<(), Error> {
        let written = async {
            self.wire.write_all(bytes).await?;
            self.wire.flush().await
        };
        written.await.map_err(|_| self.cut(line))
    }

    fn cut(&self, line: &str) -> Error {
        Error::Cut {
            device: self.device.clone(),
            line: line.to_owned(),
        }
    }

    fn login_error(&self, reason: &str) -> Error {
        Error::Login {
            device: self.device.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Without the place that junos prints above each prompt in configuration mode.
fn without_banner(text: &str) -> String {
    let text = text.trim_end();
    let last = text.rsplit('\n').next().unwrap_or_default();
    let kept = if last.starts_with("[edit") && last.ends_with(']') {
        &text[..text.len() - last.len()]
    } else {
        text
    };
    kept.trim_end().to_owned()
}
