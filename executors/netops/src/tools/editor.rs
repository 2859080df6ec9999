//! Changes that take effect together: lock, edit a candidate, validate, commit. What differs between kinds of devices is
//! behind [`Editor`]; the order of things is here and in [`super::commit`].

use async_trait::async_trait;

use super::candidate::SetEditor;
use super::change::{LineResult, RefusedLine, Written};
use super::fleet::View;
use super::netconf::TreeEditor;
use super::reply::Fault;
use super::terms::Terms;
use crate::inventory::Device;
use crate::platform::Platform;
use crate::platform::commits::Standing;
use crate::platform::{commits, redact};

/// What became of one request to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    Yes(Option<String>),
    /// The device said no; nothing came of it.
    No(String),
    /// Sent, and no answer seen.
    Unknown(String),
}

/// How a candidate is put into force, or what is done about one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How<'a> {
    /// To stay. The key names the call.
    Now {
        key: &'a str,
    },
    /// Taken back by the device after so many seconds.
    Trial {
        lease: &'a str,
        seconds: u64,
        comment: &'a str,
    },
    /// Once more so many seconds, from now.
    Extend {
        lease: &'a str,
        seconds: u64,
    },
    Confirm {
        lease: &'a str,
    },
    Cancel {
        lease: &'a str,
    },
}

/// A device's candidate, locked for us. Dropping it ends the session, and with it lock and edits.
#[async_trait]
pub(super) trait Editor: Send {
    /// Digest of the running configuration.
    async fn base(&mut self) -> Result<String, Fault>;
    /// Puts one element of `lines` into the candidate.
    async fn load(&mut self, line: &str) -> Done;
    /// Validates the candidate as a whole.
    async fn check(&mut self) -> Done;
    /// Commits, or confirms, extends, cancels a commit.
    async fn commit(&mut self, how: &How<'_>) -> Done;
    /// What the device says of the lease's commit.
    async fn standing(&mut self, lease: &str) -> Result<Standing, Fault>;
    /// Drops what is not committed, unlocks, and gives the session back.
    async fn leave(self: Box<Self>);
}

/// Locks the candidate. Refuses one that holds somebody else's edits, and a device on which another commit than that of
/// `lease` waits to be confirmed: any commit of ours would confirm it.
pub(super) async fn open(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    lease: Option<&str>,
) -> Result<Box<dyn Editor>, Fault> {
    if let Some(of) = view.held().holder(&device.name) {
        return Err(Fault::Locked {
            device: device.name.clone(),
            holder: format!("this server, for lease {of}"),
        });
    }
    match device.platform {
        Platform::Junos => SetEditor::open(view, device, credential, lease).await,
        Platform::Netconf => TreeEditor::open(view, device, credential, lease).await,
        platform => Err(Fault::Conflict(format!(
            "{}: {} has no candidate configuration, so no commit on trial",
            device.name,
            platform.name()
        ))),
    }
}

/// Fills the candidate and validates it. What is refused is told in `written`, and the editor is not given back.
pub(super) async fn fill(
    mut editor: Box<dyn Editor>,
    lines: &[String],
    terms: &Terms,
    written: &mut Written,
) -> Option<Box<dyn Editor>> {
    for line in lines {
        let done = if terms.is_over() {
            Done::No("not sent: the call took too long".to_owned())
        } else {
            written.sent += 1;
            editor.load(line).await
        };
        if !note(written, line, done) {
            editor.leave().await;
            return None;
        }
    }
    let checked = editor.check().await;
    if let Done::No(message) | Done::Unknown(message) = checked {
        written.refused = Some(refused("commit check", &message));
        editor.leave().await;
        return None;
    }
    Some(editor)
}

/// Notes a line's result; false if it is not in the candidate. An edit without an answer is undone with its session.
fn note(written: &mut Written, line: &str, done: Done) -> bool {
    let (ok, message) = match done {
        Done::Yes(message) => (true, message),
        Done::No(message) | Done::Unknown(message) => {
            written.refused = Some(refused(line, &message));
            (false, Some(message))
        }
    };
    written.lines.push(LineResult {
        line: redact::line(line),
        ok,
        message: message.map(|message| redact::line(&message)),
    });
    ok
}

/// The device's no, without secrets.
pub(super) fn refused(line: &str, message: &str) -> RefusedLine {
    RefusedLine {
        line: redact::line(line),
        message: redact::line(message),
    }
}

/// Changes a device for good, all lines in one commit: one that is refused leaves nothing in.
pub(super) async fn write(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    terms: &Terms,
    lines: &[String],
    before: &str,
) -> Result<Written, Fault> {
    let mut editor = open(view, device, credential, None).await?;
    let mut written = Written::untouched(device, before.to_owned());
    refuse_if_moved(&mut editor, device, before).await?;
    let Some(mut editor) = fill(editor, lines, terms, &mut written).await else {
        return Ok(written);
    };
    if let Err(fault) = terms.admit(view, device) {
        editor.leave().await;
        return Err(fault);
    }
    let key = terms.key.as_deref().unwrap_or("-");
    let done = editor.commit(&How::Now { key }).await;
    settle(editor, done, before, &mut written).await;
    Ok(written)
}

/// What was looked at must still be there once the candidate is locked.
pub(super) async fn refuse_if_moved(editor: &mut Box<dyn Editor>, device: &Device, before: &str) -> Result<(), Fault> {
    let found = editor.base().await?;
    if found == before {
        return Ok(());
    }
    Err(Fault::BaseMoved {
        device: device.name.clone(),
        expected: before.to_owned(),
        found,
    })
}

/// Tells what a commit came to, reads what is in force now, and leaves.
pub(super) async fn settle(mut editor: Box<dyn Editor>, done: Done, before: &str, written: &mut Written) {
    match done {
        Done::Yes(_) => match editor.base().await {
            Ok(base) => {
                written.changed = base != before;
                written.base = Some(base);
            }
            Err(fault) => doubt(written, format!("committed, and then: {fault}")),
        },
        Done::No(message) => written.refused = Some(refused("commit", &message)),
        Done::Unknown(error) => doubt(written, error),
    }
    editor.leave().await;
}

fn doubt(written: &mut Written, why: String) {
    written.changed = true;
    written.base = None;
    written.unknown = Some(why);
}

/// The comment of a commit: what the caller says, then our mark, so that it ends with the lease's id.
pub(super) fn comment(how: &How<'_>) -> String {
    let (said, phase, id) = match how {
        How::Now { key } => ("", "apply", *key),
        How::Trial { lease, comment, .. } => (*comment, "do", *lease),
        How::Extend { lease, .. } => ("", "extend", *lease),
        How::Confirm { lease } => ("", "confirm", *lease),
        How::Cancel { lease } => ("", "cancel", *lease),
    };
    let plain = |c: char| c.is_alphanumeric() || " ._:/,()-".contains(c);
    let said: String = said.chars().filter(|c| plain(*c)).take(120).collect();
    let mark = commits::mark(phase, id);
    format!("{} {mark}", said.trim()).trim().to_owned()
}
