//! The one way in which a device is changed: look, compare, foresee, send line by line, look again.

use schemars::JsonSchema;
use serde::Serialize;

use super::editor;
use super::fleet::{Found, View};
use super::hollow;
use super::netconf;
use super::reply::Fault;
use super::terms::Terms;
use crate::inventory::Device;
use crate::platform::Platform;
use crate::platform::config::Config;
use crate::platform::deny;
use crate::platform::model::{self, Foreseen};
use crate::ssh::pool::Lease;
use crate::ssh::session::Outcome;

/// The exact change, not made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Preview {
    pub device: String,
    pub platform: String,
    /// Native configuration lines as they would be sent.
    pub lines: Vec<String>,
    /// Native lines that lead exactly back.
    pub reverse: Vec<String>,
    /// Lines for which no exact way back is known.
    pub irreversible: Vec<String>,
    /// Digest of the configuration that the change is made against.
    pub base: String,
    /// Nothing would change.
    pub unchanged: bool,
}

/// What became of a change.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Written {
    pub device: String,
    /// The running configuration is not what it was.
    pub changed: bool,
    /// One result per line that was sent.
    pub lines: Vec<LineResult>,
    /// Lines sent, refused ones included.
    pub sent: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedLine>,
    /// Lines sent after a refusal, to take back stanzas that this call had opened and left empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken_back: Vec<String>,
    /// Why it is not known what the device did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// Digest of the configuration afterwards; absent when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
}

impl Written {
    /// Whether anything but a clean success happened.
    pub(super) fn is_error(&self) -> bool {
        self.refused.is_some() || self.unknown.is_some()
    }

    pub(super) fn untouched(device: &Device, base: String) -> Self {
        let device = device.name.clone();
        Self {
            device,
            changed: false,
            lines: vec![],
            sent: 0,
            refused: None,
            taken_back: vec![],
            unknown: None,
            base: Some(base),
        }
    }
}

/// One line and the device's word on it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LineResult {
    pub line: String,
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The line at which the device said no; what stands before it is in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct RefusedLine {
    pub line: String,
    pub message: String,
}

/// Makes the lines of a change from what was found on the device.
pub(super) trait Planner: Send + Sync {
    /// Native lines, none if the device is as wanted already.
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault>;

    /// The lines as they were given, of changes that are nothing but lines.
    fn raw(&self) -> Option<&[String]> {
        None
    }
}

/// A change as it would be made, and the digest of the configuration that it would be made on.
pub(super) struct Looked {
    pub foreseen: Foreseen,
    pub base: String,
}

/// Looks at the device and plays the change.
pub(super) async fn look(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    planner: &dyn Planner,
) -> Result<Looked, Fault> {
    if device.platform == Platform::Netconf {
        return netconf::look(view, device, credential, planner.raw()).await;
    }
    let (_lease, found) = view.find(device, credential).await?;
    Ok(Looked {
        foreseen: foresee(device, &found, planner)?,
        base: found.config.digest(),
    })
}

/// Renders a change and its way back.
pub(super) async fn preview(view: &View, device: &Device, planner: &dyn Planner) -> Result<Preview, Fault> {
    let Looked { foreseen, base } = look(view, device, None, planner).await?;
    Ok(Preview {
        device: device.name.clone(),
        platform: device.platform.name().to_owned(),
        base,
        lines: foreseen.lines,
        reverse: foreseen.reverse,
        irreversible: foreseen.irreversible,
        unchanged: foreseen.unchanged,
    })
}

/// Changes a device. A fault means that nothing was sent.
pub(super) async fn write(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    terms: &Terms,
    planner: &dyn Planner,
) -> Result<Written, Fault> {
    terms.admit(view, device)?;
    let _alone = view.writer(device).await;
    if device.platform.has_candidate() {
        return write_as_one(view, device, credential, terms, planner).await;
    }
    let (mut lease, found) = view.find(device, credential).await?;
    let before = found.config.digest();
    terms.check_base(device, &before)?;
    let foreseen = foresee(device, &found, planner)?;
    if foreseen.unchanged {
        return Ok(Written::untouched(device, before));
    }
    terms.admit(view, device)?;
    lease.enter_config().await?;
    let mut written = send(&mut lease, device, &foreseen, terms).await;
    let after = look_again(&mut lease, device, &before, &mut written).await;
    if let (true, Some(after)) = (written.refused.is_some() && !terms.is_over(), after) {
        let accepted = written.lines.iter().filter(|l| l.ok).map(|l| l.line.as_str());
        let empty = hollow::left_behind(device.platform, &found.config, &after, accepted);
        take_back(&mut lease, device, &before, &mut written, empty).await;
    }
    Ok(written)
}

/// The same where all lines take effect together.
async fn write_as_one(
    view: &View,
    device: &Device,
    credential: Option<&str>,
    terms: &Terms,
    planner: &dyn Planner,
) -> Result<Written, Fault> {
    let Looked { foreseen, base } = look(view, device, credential, planner).await?;
    terms.check_base(device, &base)?;
    if foreseen.unchanged {
        return Ok(Written::untouched(device, base));
    }
    terms.admit(view, device)?;
    editor::write(view, device, credential, terms, &foreseen.lines, &base).await
}

fn foresee(device: &Device, found: &Found, planner: &dyn Planner) -> Result<Foreseen, Fault> {
    let lines = planner.lines(device, found)?;
    let exists = |name: &str| found.has_interface(name);
    deny::check(device.platform, &lines, &[], None)?;
    let foreseen = model::foresee(device.platform, &found.config, &exists, &lines)?;
    deny::check(device.platform, &lines, &foreseen.places, found.management.as_deref())?;
    Ok(foreseen)
}

async fn send(lease: &mut Lease, device: &Device, foreseen: &Foreseen, terms: &Terms) -> Written {
    let mut written = Written::untouched(device, String::new());
    written.base = None;
    for (at, line) in foreseen.lines.iter().enumerate() {
        if terms.is_over() {
            refuse(&mut written, line, "not sent: the call took too long".to_owned());
            break;
        }
        let stanza = foreseen.places.get(at + 1).map_or("", |place| &place.stanza);
        written.sent += 1;
        let (ok, message) = match lease.configure(line).await {
            // The next line belongs into a stanza, and the device did not open it: it would land elsewhere.
            Outcome::Accepted { at_top: true, .. } if !stanza.is_empty() => {
                refuse(&mut written, line, format!("the device did not enter `{stanza}`"))
            }
            Outcome::Accepted { message, .. } => (true, message),
            Outcome::Refused { message } => refuse(&mut written, line, message),
            Outcome::Unknown { error } => {
                written.unknown = Some(error.to_string());
                (false, Some("no answer seen".into()))
            }
        };
        let (line, message) = (line.clone(), message.map(|m| crate::platform::redact::line(&m)));
        written.lines.push(LineResult { line, ok, message });
        if !ok {
            break;
        }
    }
    written
}

fn refuse(written: &mut Written, line: &str, message: String) -> (bool, Option<String>) {
    written.refused = Some(RefusedLine {
        line: line.to_owned(),
        message: message.clone(),
    });
    (false, Some(message))
}

/// Leaves configuration mode and reads what is there now. Not being able to is a doubt, never a success.
async fn look_again(lease: &mut Lease, device: &Device, before: &str, written: &mut Written) -> Option<Config> {
    if written.unknown.is_some() || !lease.usable() {
        written.changed = written.lines.iter().any(|line| line.ok);
        return None;
    }
    match read_back(lease, device).await {
        Ok(config) => {
            let base = config.digest();
            written.changed = base != before;
            written.base = Some(base);
            Some(config)
        }
        Err(fault) => {
            written.changed = true;
            written.base = None;
            written.unknown = Some(format!("the configuration could not be read back: {fault}"));
            None
        }
    }
}

async fn read_back(lease: &mut Lease, device: &Device) -> Result<Config, Fault> {
    lease.leave_config().await?;
    let answer = lease.run(device.platform.words().running).await?;
    super::fleet::running(device, &answer.text)
}

/// The way into a refused line is no configuration that anybody asked for: an OSPF process without a network.
async fn take_back(lease: &mut Lease, device: &Device, before: &str, written: &mut Written, lines: Vec<String>) {
    if lines.is_empty() || lease.enter_config().await.is_err() {
        return;
    }
    for line in lines {
        let outcome = lease.configure(&line).await;
        written.taken_back.push(line);
        if let Outcome::Unknown { error } = outcome {
            written.unknown = Some(error.to_string());
            written.base = None;
            return;
        }
    }
    look_again(lease, device, before, written).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_when_empty_is_not_required_by_the_output_schema() {
        let schema = schemars::schema_for!(Written).to_value();
        let written = Written {
            device: "r1".to_owned(),
            changed: false,
            lines: vec![],
            sent: 0,
            refused: None,
            taken_back: vec![],
            unknown: None,
            base: None,
        };
        let said = serde_json::to_value(written).unwrap();
        let required = schema["required"].as_array().unwrap();
        let missing: Vec<_> = required
            .iter()
            .filter(|key| said.get(key.as_str().unwrap()).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
