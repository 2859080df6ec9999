//! Whole configurations: read, save, and raw lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Planner;
use super::fleet::{Found, View};
use super::reply::Fault;
use super::terms::Terms;
use crate::inventory::Device;
use crate::platform::config::Config;
use crate::platform::{Platform, redact, refusal};

/// Raw configuration lines for one device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyLines {
    /// Device name or management address.
    pub device: String,
    /// Native configuration lines, stanza headers included; no mode changes, no exec commands. junos: set and delete
    /// lines. netconf: one element, the XML that belongs into `<config>`.
    pub lines: Vec<String>,
}

/// Which configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetConfig {
    /// Device name or management address.
    pub device: String,
    #[serde(default)]
    pub which: Which,
}

/// The one in force, or the one that a restart would load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Which {
    #[default]
    Running,
    Startup,
}

/// A configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ConfigText {
    pub device: String,
    pub which: Which,
    /// Normalised: one blank of indentation per level, no comments.
    pub config: String,
    /// Secrets were taken out of `config`.
    pub redacted: bool,
    /// Digest of the running configuration.
    pub base: String,
    /// The running configuration equals the startup configuration. Absent where the device does not show the latter (frr):
    /// what it once confirmed to have saved says nothing of now, and would be forgotten with this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<bool>,
}

/// What saving came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Saved {
    pub device: String,
    /// The startup configuration equals the running one.
    pub saved: bool,
    /// They differ although the device was told to save.
    pub differs: bool,
    /// `saved` was read from the device. Otherwise (frr, which does not show what it saved) it is the device's word.
    pub read_back: bool,
    /// The device's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why it is not known whether it saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl Saved {
    /// What is committed is saved.
    fn by_commit(device: &Device) -> Self {
        Self {
            device: device.name.clone(),
            saved: true,
            differs: false,
            read_back: true,
            message: None,
            unknown: None,
        }
    }

    /// Anything but a save that was read back.
    pub(super) fn is_error(&self) -> bool {
        !self.saved || self.message.is_some() || self.unknown.is_some()
    }
}

/// Most raw lines in one call.
const MOST_LINES: usize = 500;

impl Planner for ApplyLines {
    fn raw(&self) -> Option<&[String]> {
        Some(&self.lines)
    }

    fn lines(&self, _device: &Device, _found: &Found) -> Result<Vec<String>, Fault> {
        check_lines(&self.lines)?;
        Ok(self.lines.iter().map(|line| line.trim().to_owned()).collect())
    }
}

/// Bounds of a list of raw lines.
pub(super) fn check_lines(lines: &[String]) -> Result<(), Fault> {
    if lines.len() > MOST_LINES {
        return Err(Fault::Arguments(format!("at most {MOST_LINES} lines in one call")));
    }
    Ok(())
}

/// `get_config`. `open` shows secrets.
pub(super) async fn get(view: &View, device: &Device, which: Which, open: bool) -> Result<ConfigText, Fault> {
    if device.platform == Platform::Netconf {
        return super::netconf::config(view, device, which, open).await;
    }
    let words = device.platform.words();
    let texts = view.read(device, &[words.running, words.startup]).await?;
    let running = super::fleet::running(device, &texts[0])?;
    let startup = startup(device, &texts[1]);
    let saved = startup.as_ref().map(|startup| same(&running, startup));
    let shown = match (which, startup) {
        (Which::Running, _) => running.text(),
        (Which::Startup, Some(startup)) => startup.text(),
        (Which::Startup, None) => {
            return Err(Fault::Unreadable {
                device: device.name.clone(),
                line: words.startup.to_owned(),
            });
        }
    };
    Ok(ConfigText {
        device: device.name.clone(),
        which,
        config: if open { shown } else { redact::text(&shown) },
        redacted: !open,
        base: running.digest(),
        saved,
    })
}

/// The printed startup configuration. vtysh knows the command and prints nothing, whatever was saved.
fn startup(device: &Device, text: &str) -> Option<Config> {
    let config = Config::parse(text);
    (device.platform != Platform::Frr || !config.nodes.is_empty()).then_some(config)
}

/// `save`: tells the device to, and believes what it reads back; where nothing can be read back, a clear confirmation.
pub(super) async fn save(view: &View, device: &Device, terms: &Terms) -> Result<Saved, Fault> {
    terms.admit(view, device)?;
    let _alone = view.writer(device).await;
    let words = device.platform.words();
    let (mut lease, texts) = view.read_with(device, None, &[words.running]).await?;
    let before = super::fleet::running(device, &texts[0])?;
    terms.check_base(device, &before.digest())?;
    terms.admit(view, device)?;
    if device.platform.has_candidate() {
        return Ok(Saved::by_commit(device));
    }
    let mut saved = Saved {
        device: device.name.clone(),
        saved: false,
        differs: true,
        read_back: false,
        message: None,
        unknown: None,
    };
    match lease.run(words.save).await {
        Ok(answer) => saved.message = refused_to_save(device.platform, &answer.text),
        Err(error) => {
            saved.unknown = Some(error.to_string());
            return Ok(saved);
        }
    }
    drop(lease);
    match compare(view, device).await {
        Ok((running, read_back)) => {
            // What was saved is what was there before and after; it is no evidence if it changed meanwhile.
            let confirmed = || saved.message.is_none() && running == before.digest();
            let equal = read_back.unwrap_or_else(confirmed);
            (saved.saved, saved.differs, saved.read_back) = (equal, !equal, read_back.is_some());
        }
        Err(fault) => saved.unknown = Some(format!("saved or not could not be read back: {fault}")),
    }
    Ok(saved)
}

/// Digest of the running configuration, and whether the startup configuration equals it, where the device shows that.
async fn compare(view: &View, device: &Device) -> Result<(String, Option<bool>), Fault> {
    let words = device.platform.words();
    let texts = view.read(device, &[words.running, words.startup]).await?;
    let running = super::fleet::running(device, &texts[0])?;
    let equal = startup(device, &texts[1]).map(|startup| same(&running, &startup));
    Ok((running.digest(), equal))
}

/// A refusal, or no word that it worked.
fn refused_to_save(platform: Platform, text: &str) -> Option<String> {
    let done = match platform {
        // Nothing is sent: a commit has saved it.
        Platform::Junos | Platform::Netconf => return None,
        Platform::Vrp => "successfully",
        Platform::Ios => "[OK]",
        // Followed by `[OK]` only if the file's owner could be set as well; preceded by a complaint if no copy of the
        // old file could be kept. Written it is.
        Platform::Frr if text.contains("Integrated configuration saved to") => return None,
        Platform::Frr => "[OK]",
    };
    let unconfirmed = || (!text.contains(done)).then(|| "the device did not confirm".to_owned());
    refusal::find(platform, text).or_else(unconfirmed)
}

/// Equal but for lines that only one of the two forms prints.
fn same(running: &Config, startup: &Config) -> bool {
    let plain = |config: &Config| {
        let mut config = config.clone();
        config
            .nodes
            .retain(|node| !node.line.starts_with("frr version") && !node.line.starts_with("frr defaults"));
        config.digest()
    };
    plain(running) == plain(startup)
}
