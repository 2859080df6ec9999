//! The truth: one line for each executed call. The values that `set` and `unset` change are what these lines say, so
//! that state and truth cannot differ and both outlive any process.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) struct Book {
    inner: Mutex<Inner>,
    synced: bool,
}

struct Inner {
    file: File,
    /// Up to where the lines are in `values`, bytes: another process may have written since.
    known: u64,
    values: BTreeMap<String, String>,
}

impl Book {
    pub(crate) fn open(dir: &Path, synced: bool) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join("calls.jsonl");
        let file = File::options().read(true).append(true).create(true).open(path)?;
        let (known, values) = (0, BTreeMap::new());
        let inner = Mutex::new(Inner { file, known, values });
        Ok(Self { inner, synced })
    }

    /// Executes a call: notes it, and with that it has happened. None: there is no such tool.
    ///
    /// # Errors
    /// The line could not be written; whether it was is then not known.
    pub(crate) fn execute(&self, tool: &str, args: &Value, meta: &Value) -> io::Result<Option<Value>> {
        if !super::tools::NAMES.contains(&tool) {
            return Ok(None);
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // A server that is being replaced may still have a call in hand.
        inner.file.lock()?;
        let done = inner.execute(tool, args, meta, self.synced);
        inner.file.unlock()?;
        done.map(Some)
    }
}

impl Inner {
    fn execute(&mut self, tool: &str, args: &Value, meta: &Value, synced: bool) -> io::Result<Value> {
        self.catch_up()?;
        let name = args["name"].as_str().unwrap_or_default();
        let was = self.state_of(name);
        let at_us = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_micros();
        let line = json!({
            "tool": tool,
            "args": args,
            "key": meta["io.flyball/key"],
            "epoch": meta["io.flyball/epoch"],
            "purpose": meta["io.flyball/purpose"],
            "at_us": u64::try_from(at_us).unwrap_or(u64::MAX),
            "pid": std::process::id(),
        });
        self.file.write_all(format!("{line}\n").as_bytes())?;
        if synced {
            self.file.sync_all()?;
        }
        self.catch_up()?;
        Ok(match tool {
            "get" => was,
            "set" | "unset" => json!({"was": was, "is": self.state_of(name)}),
            _ => json!({"args": args}),
        })
    }

    fn state_of(&self, name: &str) -> Value {
        match self.values.get(name) {
            Some(value) => json!({"present": true, "value": value}),
            None => json!({"present": false}),
        }
    }

    fn catch_up(&mut self) -> io::Result<()> {
        let mut news = String::new();
        self.file.seek(SeekFrom::Start(self.known))?;
        self.file.read_to_string(&mut news)?;
        self.known += news.len() as u64;
        for line in news.lines() {
            let call: Value = serde_json::from_str(line)?;
            let (args, text) = (&call["args"], |key: &str| {
                call["args"][key].as_str().unwrap_or_default().to_owned()
            });
            match call["tool"].as_str() {
                Some("set") if args["value"].is_string() => drop(self.values.insert(text("name"), text("value"))),
                Some("unset") => drop(self.values.remove(&text("name"))),
                _ => {}
            }
        }
        Ok(())
    }
}
