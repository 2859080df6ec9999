//! The real thing: the program `flyball` as a process of its own, against the ledger, a tool server that keeps a synced
//! list of what it executed (`executors/examples/ledger`). Needs Linux; helpers panic, as tests do.
#![allow(clippy::missing_panics_doc)]

pub mod engine;
pub mod folder;
pub mod ledger;
pub mod proc;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longest wait for anything here: machines that build something beside it are slow.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Where cargo puts this profile's programs: tests lie in `deps`, examples in `examples`.
pub fn target() -> PathBuf {
    let me = std::env::current_exe().expect("this program has a path");
    let folder = me
        .parent()
        .and_then(|p| p.parent())
        .expect("cargo's folders are two deep");
    folder.to_owned()
}

/// The program and the ledger of the same target folder.
#[derive(Debug, Clone)]
pub struct Programs {
    pub flyball: PathBuf,
    pub ledger: PathBuf,
}

impl Programs {
    /// # Errors
    /// How to build what is missing.
    pub fn find() -> Result<Self, String> {
        let target = target();
        let release = if target.ends_with("release") { " --release" } else { "" };
        let found = Self {
            flyball: target.join("flyball"),
            ledger: target.join("examples/ledger"),
        };
        let there = |path: &PathBuf, build: &str| {
            let missing = || format!("{} is not there: cargo build{release} {build}", path.display());
            path.exists().then_some(()).ok_or_else(missing)
        };
        there(&found.flyball, "-p flyball")?;
        there(&found.ledger, "-p flyball-executors --example ledger")?;
        Ok(found)
    }
}

/// Waits until something outside of this process is so.
pub async fn until<T>(what: &str, mut so: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = so() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: did not come to pass");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
