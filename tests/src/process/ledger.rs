//! The ledger: its process, when it is served over HTTP, and what it says was executed.

use super::folder::Folder;
use super::until;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An executed call.
#[derive(Debug, Clone, Deserialize)]
pub struct Executed {
    pub tool: String,
    pub args: Value,
    /// The engine's key for it; reads have none.
    pub key: Option<String>,
    pub purpose: Option<String>,
    /// When, Unix microseconds.
    pub at_us: u64,
    pub pid: u32,
}

impl Executed {
    /// Whether it could change something.
    pub fn mutates(&self) -> bool {
        matches!(self.tool.as_str(), "set" | "unset" | "noop")
    }
}

/// What was executed, in order. A last line that is not whole yet is left out.
pub fn executed(dir: &Path) -> Vec<Executed> {
    let text = std::fs::read_to_string(dir.join("calls.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|l| serde_json::from_str(l).expect("the ledger writes JSON"))
        .collect()
}

/// Waits until so many calls were executed that `counts` says count.
pub async fn until_executed(dir: &Path, count: usize, counts: impl Fn(&Executed) -> bool) -> Vec<Executed> {
    let file = dir.join("calls.jsonl");
    let mut size = 0;
    until(&format!("{count} executed calls"), || {
        // Only a longer file is read again.
        let now = std::fs::metadata(&file).map_or(0, |m| m.len());
        if now == size && count > 0 {
            return None;
        }
        size = now;
        let calls = executed(dir);
        (calls.iter().filter(|c| counts(c)).count() >= count).then_some(calls)
    })
    .await
}

/// Makes a call go wrong; `spec` as in the ledger's `faults.rs`.
pub fn plant(dir: &Path, name: &str, spec: &Value) {
    let folder = dir.join("faults");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    // Moved into place: the ledger must not read half of it.
    std::fs::write(folder.join(format!("{name}.new")), spec.to_string()).expect("a file can be written");
    std::fs::rename(folder.join(format!("{name}.new")), folder.join(format!("{name}.json")))
        .expect("a file can be moved");
}

/// A fault's mark: `taken`, `held`, `release`.
pub fn mark(dir: &Path, name: &str, mark: &str) -> PathBuf {
    dir.join("faults").join(format!("{name}.{mark}"))
}

pub fn release(dir: &Path, name: &str) {
    std::fs::write(mark(dir, name, "release"), "").expect("a file can be written");
}

/// A ledger over HTTP. Killed with this value.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    /// Starts it and waits for its address, which it keeps over restarts in the same folder.
    pub async fn start(folder: &Folder) -> Self {
        let (dir, mut args) = (folder.ledger_dir(), folder.ledger_args());
        let file = dir.join("url");
        let last = std::fs::read_to_string(&file).unwrap_or_default();
        let address = last
            .strip_prefix("http://")
            .and_then(|u| u.strip_suffix("/mcp"))
            .unwrap_or("127.0.0.1:0");
        args.extend(["--listen".to_owned(), address.to_owned()]);
        let _ = std::fs::remove_file(&file);
        let log = std::fs::File::options().create(true).append(true).open(dir.join("log"));
        let child = Command::new(&folder.programs.ledger)
            .args(args)
            .stdin(Stdio::null())
            .stderr(log.expect("a file can be opened"))
            .spawn()
            .expect("the ledger starts");
        let url = until("the ledger's address", || std::fs::read_to_string(&file).ok()).await;
        Self { child, url }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its death.
    pub async fn died(&mut self) {
        let child = &mut self.child;
        until("the ledger's death", || child.try_wait().expect("a child can be asked")).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
