//! Copies of a device's configuration: keep one under a name, compare with it, go back to it. The copy itself is never
//! an answer: see [`super::shelf`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::Planner;
use super::fleet::{Found, View, refuse_without_terminal, running};
use super::reply::Fault;
use super::terms::Terms;
use crate::inventory::Device;
use crate::platform::config::Config;
use crate::platform::{Platform, difference, model, redact};

/// Keeps a copy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeepConfig {
    /// Device name or management address.
    pub device: String,
    /// Lower-case letters, digits, dots, dashes and underscores. A copy of this name is replaced.
    pub name: String,
    /// Instead of the running configuration: the digest of a copy that is kept already.
    pub base: Option<String>,
}

/// Which copy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneKept {
    /// Device name or management address.
    pub device: String,
    /// The name under which the copy is kept.
    pub name: String,
}

/// A copy that is kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Kept {
    pub name: String,
    /// Digest of the configuration.
    pub base: String,
    /// When it was taken.
    pub at: String,
}

/// The copies of a device.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AllKept {
    pub device: String,
    /// Digest of the running configuration.
    pub base: String,
    pub kept: Vec<Kept>,
}

/// What keeping came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeptOne {
    pub device: String,
    #[serde(flatten)]
    pub kept: Kept,
}

/// What dropping came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Dropped {
    pub device: String,
    pub name: String,
}

/// The running configuration beside a copy.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Compared {
    pub device: String,
    pub name: String,
    /// Digest of the running configuration.
    pub base: String,
    /// Digest of the copy.
    pub kept: String,
    pub same: bool,
    /// Lines that only the copy has, each with its stanza.
    pub missing: Vec<String>,
    /// Lines that only the running configuration has.
    pub extra: Vec<String>,
    /// Lines that differ and are not shown: they are not understood, or hold a secret.
    pub hidden: usize,
}

async fn present(view: &View, device: &Device) -> Result<Config, Fault> {
    if device.platform == Platform::Netconf {
        return Err(refuse_without_terminal(device));
    }
    let texts = view.read(device, &[device.platform.words().running]).await?;
    running(device, &texts[0])
}

fn check_name(name: &str) -> Result<(), Fault> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts && name.len() <= 63 && name.chars().all(inner) {
        return Ok(());
    }
    Err(Fault::Arguments(format!("{name:?} is no name for a copy")))
}

/// `keep_config`.
pub(super) async fn keep(view: &View, device: &Device, asked: &KeepConfig, terms: &Terms) -> Result<KeptOne, Fault> {
    check_name(&asked.name)?;
    terms.admit_reading(view, device)?;
    let copy = match &asked.base {
        Some(base) => view.shelf().point(&device.name, &asked.name, base)?,
        None => {
            let config = present(view, device).await?;
            terms.admit_reading(view, device)?;
            let shelf = view.shelf();
            shelf.keep(&device.name, &asked.name, &config.digest(), &config.text())?
        }
    };
    Ok(KeptOne {
        device: device.name.clone(),
        kept: Kept {
            name: asked.name.clone(),
            base: copy.base,
            at: copy.at,
        },
    })
}

/// `drop_kept`.
pub(super) fn forget(view: &View, device: &Device, asked: &OneKept, terms: &Terms) -> Result<Dropped, Fault> {
    terms.admit_reading(view, device)?;
    view.shelf().drop_name(&device.name, &asked.name)?;
    Ok(Dropped {
        device: device.name.clone(),
        name: asked.name.clone(),
    })
}

/// `get_kept`.
pub(super) async fn all(view: &View, device: &Device) -> Result<AllKept, Fault> {
    let config = present(view, device).await?;
    let names = view.shelf().names(&device.name)?.into_iter();
    let kept = names.map(|(name, copy)| Kept {
        name,
        base: copy.base,
        at: copy.at,
    });
    Ok(AllKept {
        device: device.name.clone(),
        base: config.digest(),
        kept: kept.collect(),
    })
}

/// `compare_kept`.
pub(super) async fn compare(view: &View, device: &Device, asked: &OneKept) -> Result<Compared, Fault> {
    let (text, kept) = view.shelf().open(&device.name, &asked.name)?;
    let config = present(view, device).await?;
    let found = difference::between(device.platform, &config, &Config::parse(&text));
    Ok(Compared {
        device: device.name.clone(),
        name: asked.name.clone(),
        base: config.digest(),
        kept,
        same: found == difference::Difference::default(),
        missing: found.missing,
        extra: found.extra,
        hidden: found.hidden,
    })
}

/// A change to what a copy says.
pub(super) struct Restore {
    wanted: Config,
}

impl Restore {
    pub(super) fn to(view: &View, device: &Device, asked: &OneKept) -> Result<Self, Fault> {
        if device.platform == Platform::Netconf {
            return Err(refuse_without_terminal(device));
        }
        let (text, _) = view.shelf().open(&device.name, &asked.name)?;
        Ok(Self {
            wanted: Config::parse(&text),
        })
    }
}

impl Planner for Restore {
    /// Only lines that are understood and hold no secret: others could neither be shown nor taken back.
    fn lines(&self, device: &Device, found: &Found) -> Result<Vec<String>, Fault> {
        let lines = difference::lines(device.platform, &found.config, &self.wanted);
        let exists = |name: &str| found.has_interface(name);
        let foreseen = model::foresee(device.platform, &found.config, &exists, &lines)?;
        let secret = lines.iter().filter(|line| redact::has_secret(line)).count();
        let strange = foreseen.irreversible.len().max(secret);
        if strange > 0 {
            return Err(Fault::Conflict(format!(
                "{}: {strange} of the lines that differ are not understood or hold a secret; restore these by hand first",
                device.name
            )));
        }
        Ok(lines)
    }
}
