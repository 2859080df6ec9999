//! Whole configurations: read, save, and raw lines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::{self, Planner, Terms};
use super::fleet::{Found, View};
use super::reply::Fault;
use crate::inventory::Device;
use crate::platform::config::Config;
use crate::platform::{Platform, redact, refusal};

/// Raw configuration lines for one device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyLines {
    /// Device name or management address.
    pub device: String,
    /// Native configuration lines, stanza headers included; no mode changes, no exec commands.
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
    /// The running configuration equals the startup configuration.
    pub saved: bool,
}

/// What saving came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Saved {
    pub device: String,
    /// Read back: the startup configuration equals the running one.
    pub saved: bool,
    /// They differ although the device was told to save.
    pub differs: bool,
    /// The device's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why it is not known whether it saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

impl Saved {
    /// Anything but a save that was read back.
    pub(super) fn is_error(&self) -> bool {
        !self.saved || self.message.is_some() || self.unknown.is_some()
    }
}

/// Most raw lines in one call.
const MOST_LINES: usize = 500;

impl Planner for ApplyLines {
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
    let words = device.platform.words();
    let texts = view.read(device, &[words.running, words.startup]).await?;
    let running = super::fleet::running(device, &texts[0])?;
    let startup = Config::parse(&texts[1]);
    let shown = if which == Which::Running {
        running.text()
    } else {
        startup.text()
    };
    Ok(ConfigText {
        device: device.name.clone(),
        which,
        config: if open { shown } else { redact::text(&shown) },
        redacted: !open,
        base: running.digest(),
        saved: same(&running, &startup),
    })
}

/// `save`: tells the device to, and believes only what it reads back.
pub(super) async fn save(view: &View, device: &Device, terms: &Terms) -> Result<Saved, Fault> {
    change::refuse_unless_writable(device)?;
    terms.check_time(device)?;
    let _alone = view.writer(device).await;
    let words = device.platform.words();
    let (mut lease, texts) = view.read_with(device, None, &[words.running]).await?;
    terms.check_base(device, &super::fleet::running(device, &texts[0])?)?;
    terms.check_time(device)?;
    let mut saved = Saved {
        device: device.name.clone(),
        saved: false,
        differs: true,
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
    match get(view, device, Which::Startup, false).await {
        Ok(read) => (saved.saved, saved.differs) = (read.saved, !read.saved),
        Err(fault) => saved.unknown = Some(format!("saved or not could not be read back: {fault}")),
    }
    Ok(saved)
}

/// A refusal, or no word that it worked.
fn refused_to_save(platform: Platform, text: &str) -> Option<String> {
    let done = if platform == Platform::Vrp {
        "successfully"
    } else {
        "[OK]"
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
