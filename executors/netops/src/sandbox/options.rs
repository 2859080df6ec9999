//! How a sandbox is started.

use std::path::PathBuf;

/// Settings of a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files go; created with mode 0700.
    pub dir: PathBuf,
    /// Names of the devices to start; none starts all ten. Links to absent devices are left out.
    pub devices: Option<Vec<String>>,
    /// Makes IOS-like devices ask for this secret at `enable`; it is then written into the credentials file.
    pub enable_secret: Option<String>,
}

impl Options {
    /// All devices, no enable secret.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            devices: None,
            enable_secret: None,
        }
    }
}
