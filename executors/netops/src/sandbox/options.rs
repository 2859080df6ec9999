//! How a sandbox is started.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files go; created with mode 0700.
    pub dir: PathBuf,
    /// Names of the devices to start; none starts all twelve. Links to absent devices are left out.
    pub devices: Option<Vec<String>>,
    /// Makes IOS-like devices ask for this secret at `enable`; it is then written into the credentials file.
    pub enable_secret: Option<String>,
    /// How long a minute of `commit confirmed` is on the Junos-like devices; shorter ones make tests quick. The
    /// inventory tells the drivers.
    pub minute: Duration,
}

impl Options {
    /// All devices, no enable secret.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            devices: None,
            enable_secret: None,
            minute: Duration::from_secs(60),
        }
    }
}
