//! What goes wrong with single calls, as files say: `faults/NAME.json` is `{"kind": …, "tool"?, "name"?, "n"?, "purpose"?}`. The
//! first file (by name) that fits a call is renamed to `NAME.taken` and happens once, whichever process took it.
//!
//! | kind | what happens |
//! |---|---|
//! | `die_before` | the process is killed; the call was read and is not executed |
//! | `die_after` | executed, then killed: no answer |
//! | `cut` | executed, half of the answer is written, then killed |
//! | `hold` | executed; `NAME.held` appears; the answer waits for `NAME.release` |
//! | `slow` | `NAME.held` appears; executed after half of `ms` (1000), answered after all of it |
//! | `land_late` | `NAME.held` appears; executed when `NAME.release` appears, whether anybody still waits or not |
//! | `drip` | executed; the answer comes a byte every `ms` (1000) |
//! | `ask` | it asks for a number of `seconds` before it executes the call, in the way of its era; declined: an error |
//! | `flood` | executed; `bytes` (64 MiB) of noise come before the answer |

use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a held call looks whether it is released.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Faults {
    dir: PathBuf,
    wire: Mutex<Option<Wire>>,
}

/// What happens to the bytes of the next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Cut,
    Drip(Duration),
    Flood(usize),
}

/// A fault that was taken for a call.
pub(crate) struct Fault {
    path: PathBuf,
    spec: Value,
}

impl Fault {
    pub(crate) fn kind(&self) -> &str {
        self.spec["kind"].as_str().unwrap_or_default()
    }

    /// Says that the call is here.
    fn say_held(&self) {
        if let Err(error) = std::fs::write(self.path.with_extension("held"), "") {
            eprintln!("ledger: nobody will hear that a call is held: {error}");
        }
    }

    /// Says that the call is here, and lets half of its time pass.
    pub(crate) async fn first_half(&self) {
        self.say_held();
        self.second_half().await;
    }

    pub(crate) async fn second_half(&self) {
        tokio::time::sleep(self.pause() / 2).await;
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(self.number("ms", 1000))
    }

    fn number(&self, key: &str, default: u64) -> u64 {
        self.spec[key].as_u64().unwrap_or(default)
    }

    /// Says that the call is held, and waits for its release.
    pub(crate) async fn hold(&self) {
        self.say_held();
        let release = self.path.with_extension("release");
        while !release.exists() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn wire(&self) -> Option<Wire> {
        match self.kind() {
            "cut" => Some(Wire::Cut),
            "drip" => Some(Wire::Drip(self.pause())),
            "flood" => Some(Wire::Flood(
                usize::try_from(self.number("bytes", 64 << 20)).unwrap_or(usize::MAX),
            )),
            _ => None,
        }
    }
}

impl Faults {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        let dir = dir.join("faults");
        std::fs::create_dir_all(&dir)?;
        let wire = Mutex::new(None);
        Ok(Self { dir, wire })
    }

    /// Takes the first fault that fits a call.
    pub(crate) fn take(&self, tool: &str, args: &Value, meta: &Value) -> Option<Fault> {
        self.take_of(tool, args, meta, |kind| kind != "ask")
    }

    /// Takes the first question that fits a call.
    pub(crate) fn take_question(&self, tool: &str, args: &Value, meta: &Value) -> Option<Fault> {
        self.take_of(tool, args, meta, |kind| kind == "ask")
    }

    fn take_of(&self, tool: &str, args: &Value, meta: &Value, wanted: fn(&str) -> bool) -> Option<Fault> {
        let files = std::fs::read_dir(&self.dir).ok()?;
        let mut paths: Vec<PathBuf> = files
            .filter_map(|f| Some(f.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "json"))
            .collect();
        paths.sort();
        paths.into_iter().find_map(|path| {
            let spec: Value = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok()?;
            let fits = |key: &str, value: &Value| spec[key].is_null() || spec[key] == *value;
            let fits = wanted(spec["kind"].as_str().unwrap_or_default())
                && fits("tool", &tool.into())
                && fits("name", &args["name"])
                && fits("n", &args["n"])
                && fits("purpose", &meta["io.flyball/purpose"]);
            // Another process may be quicker: then it is its fault, not ours.
            let taken = fits && std::fs::rename(&path, path.with_extension("taken")).is_ok();
            taken.then_some(Fault { path, spec })
        })
    }

    /// From here on the next bytes that are written suffer what the fault says of them.
    pub(crate) fn arm(&self, fault: &Fault) {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner) = fault.wire();
    }

    pub(crate) fn armed(&self) -> Option<Wire> {
        *self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disarm(&self) -> Option<Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Ends this process as nobody can prevent.
pub(crate) fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}
