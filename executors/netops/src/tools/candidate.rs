//! The candidate of a device with set statements (junos), edited over its command line.

use std::time::Duration;

use async_trait::async_trait;

use super::editor::{Done, Editor, How, comment};
use super::fleet::{View, running};
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::commits::{self, Commit, Standing};
use crate::platform::refusal;
use crate::ssh;
use crate::ssh::pool::Lease;
use crate::ssh::session::Outcome;
use crate::ssh::terminal::{Answer, Mode};

/// What is asked for the history of commits.
pub(super) const HISTORY: &str = "show system commit";
/// A commit is the longest of all commands.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(18);

/// A session in exclusive configuration mode.
pub(super) struct SetEditor {
    lease: Lease,
    device: Device,
    /// Out of configuration mode again: the session may be kept.
    left: bool,
}

impl Drop for SetEditor {
    fn drop(&mut self) {
        if !self.left {
            self.lease.give_up();
        }
    }
}

impl SetEditor {
    /// See [`super::editor::open`].
    pub(super) async fn open(
        view: &View,
        device: &Device,
        credential: Option<&str>,
        lease: Option<&str>,
    ) -> Result<Box<dyn Editor>, Fault> {
        let paging = device.platform.words().paging_off;
        let (mut session, _) = view.read_with(device, credential, &[paging]).await?;
        lock(&mut session, device).await?;
        let mut editor = Self {
            lease: session,
            device: device.clone(),
            left: false,
        };
        let history = editor.history().await?;
        if let Some(what) = foreign_trial(&history, lease) {
            let device = device.name.clone();
            Box::new(editor).leave().await;
            return Err(Fault::Awaiting { device, what });
        }
        Ok(Box::new(editor))
    }

    async fn history(&mut self) -> Result<Vec<Commit>, Fault> {
        let history = commits::history(&self.operate(HISTORY).await?);
        if history.is_empty() {
            return Err(Fault::Unreadable {
                device: self.device.name.clone(),
                line: HISTORY.to_owned(),
            });
        }
        Ok(history)
    }

    /// Runs a command of the operational mode.
    async fn operate(&mut self, line: &str) -> Result<String, Fault> {
        Ok(self.lease.run(&format!("run {line}")).await?.text)
    }

    async fn roll_back(&mut self, number: usize) -> Result<(), String> {
        match self.lease.run(&format!("rollback {number}")).await {
            Ok(answer) if answer.text.contains("load complete") => Ok(()),
            Ok(answer) => Err(said(&answer)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The commit's line. What the device counts in minutes must be whole ones: it would stand longer than agreed.
    fn trial(&self, seconds: u64, how: &How<'_>) -> Result<String, String> {
        let (asked, minute) = (seconds * 1_000, self.device.commit_minute_ms.max(1));
        if asked % minute != 0 {
            return Err(format!(
                "the device counts in steps of {minute} ms; a lease of {seconds} s is not a multiple"
            ));
        }
        Ok(format!(
            "commit confirmed {} comment \"{}\"",
            asked / minute,
            comment(how)
        ))
    }
}

/// Enters configuration mode alone.
async fn lock(session: &mut Lease, device: &Device) -> Result<(), Fault> {
    let line = device.platform.words().enter_config;
    let answer = session.run(line).await?;
    if matches!(answer.mode, Mode::Config(_)) {
        return Ok(());
    }
    let device = device.name.clone();
    if let Some((_, holder)) = answer.text.split_once("locked by:") {
        let holder = holder.split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(Fault::Locked { device, holder });
    }
    if answer.text.contains("database modified") {
        return Err(Fault::Dirty { device });
    }
    Err(Fault::Refused {
        device,
        line: line.to_owned(),
        message: said(&answer),
    })
}

/// A commit that waits to be confirmed and is not this lease's.
fn foreign_trial(history: &[Commit], lease: Option<&str>) -> Option<String> {
    let newest = history.first().filter(|commit| commit.minutes.is_some())?;
    let of = commits::marked(&newest.comment).map(|(_, of)| of);
    if lease.is_some() && of == lease {
        return None;
    }
    Some(format!("by {} at {}: {}", newest.user, newest.at, newest.comment))
}

/// An answer on one line.
fn said(answer: &Answer) -> String {
    answer.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Editor for SetEditor {
    async fn base(&mut self) -> Result<String, Fault> {
        let text = self.operate(self.device.platform.words().running).await?;
        Ok(running(&self.device, &text)?.digest())
    }

    async fn load(&mut self, line: &str) -> Done {
        match self.lease.configure(line).await {
            Outcome::Accepted { message, .. } => Done::Yes(message),
            Outcome::Refused { message } => Done::No(message),
            Outcome::Unknown { error } => Done::Unknown(error.to_string()),
        }
    }

    async fn check(&mut self) -> Done {
        match self.lease.run_within("commit check", COMMIT_TIMEOUT).await {
            Ok(answer) if answer.text.contains("configuration check succeeds") => Done::Yes(None),
            Ok(answer) => Done::No(said(&answer)),
            Err(error) => Done::Unknown(error.to_string()),
        }
    }

    async fn commit(&mut self, how: &How<'_>) -> Done {
        let line = match how {
            How::Now { .. } | How::Confirm { .. } => Ok(format!("commit comment \"{}\"", comment(how))),
            How::Trial { seconds, .. } | How::Extend { seconds, .. } => self.trial(*seconds, how),
            How::Cancel { lease } => match self.history().await.map(|all| commits::before(&all, lease)) {
                Ok(Some(number)) => self
                    .roll_back(number)
                    .await
                    .map(|()| format!("commit comment \"{}\"", comment(how))),
                Ok(None) => Err("the history does not reach back to it".to_owned()),
                Err(fault) => Err(fault.to_string()),
            },
        };
        let line = match line {
            Ok(line) => line,
            Err(why) => return Done::No(why),
        };
        match self.lease.run_within(&line, COMMIT_TIMEOUT).await {
            Ok(answer) if answer.text.contains("commit complete") => Done::Yes(None),
            Ok(answer) if refusal::find(self.device.platform, &answer.text).is_some() => Done::No(said(&answer)),
            Ok(answer) => Done::Unknown(format!("the device neither commits nor refuses: {}", said(&answer))),
            Err(error @ ssh::Error::Question { .. }) => Done::No(error.to_string()),
            Err(error) => Done::Unknown(error.to_string()),
        }
    }

    async fn standing(&mut self, lease: &str) -> Result<Standing, Fault> {
        Ok(commits::standing(&self.history().await?, lease))
    }

    async fn leave(mut self: Box<Self>) {
        if !self.lease.usable() || self.roll_back(0).await.is_err() {
            return;
        }
        match self.lease.leave_config().await {
            Ok(()) => self.left = true,
            Err(error) => tracing::warn!(%error, "the session is closed instead of kept"),
        }
    }
}
