//! A child's standard error: drained line by line, so that a talkative server never stalls on a full pipe.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ChildStderr;
use std::sync::{Arc, Mutex, PoisonError};

/// A line is cut after this many bytes.
const LINE: u64 = 16 * 1024;
/// A log file is set aside as `ALIAS.log.1` after this many bytes.
const FILE: u64 = 10 * 1024 * 1024;

/// The last lines, for status messages.
#[derive(Default)]
pub(super) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    pub(super) fn last(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().rev().find(|l| !l.trim().is_empty())?;
        Some(line.trim().chars().take(200).collect())
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == 8 {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Drains until the child closes its standard error.
pub(super) fn drain(alias: &str, stderr: Option<ChildStderr>, dir: Option<&Path>) -> Arc<Tail> {
    let tail = Arc::new(Tail::default());
    let Some(stderr) = stderr else { return tail };
    let mut file = dir.and_then(|d| LogFile::open(d, alias));
    let (alias, kept) = (alias.to_owned(), Arc::clone(&tail));
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while matches!(reader.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            match &mut file {
                Some(file) => file.write(&text),
                None => tracing::debug!(alias, line = text, "server wrote"),
            }
            kept.push(text);
            line.clear();
        }
    });
    tail
}

struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
}

impl LogFile {
    fn open(dir: &Path, alias: &str) -> Option<Self> {
        let path = dir.join(format!("{alias}.log"));
        let open = || {
            std::fs::create_dir_all(dir)?;
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let size = file.metadata()?.len();
            std::io::Result::Ok((file, size))
        };
        match open() {
            Ok((file, size)) => Some(Self { path, file, size }),
            Err(error) => {
                tracing::warn!(alias, %error, "no log file for this server: its lines go to tracing");
                None
            }
        }
    }

    fn write(&mut self, line: &str) {
        if self.size > FILE {
            self.rotate();
        }
        if writeln!(self.file, "{line}").is_ok() {
            self.size += line.len() as u64 + 1;
        }
    }

    fn rotate(&mut self) {
        let old = self.path.with_extension("log.1");
        if std::fs::rename(&self.path, old).is_ok()
            && let Ok(file) = OpenOptions::new().create(true).append(true).open(&self.path)
        {
            self.file = file;
            self.size = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_set_aside_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(dir.path(), "s").unwrap();
        log.write("before");
        log.size = FILE + 1;
        log.write("after");
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("s.log.1"), "before\n");
        assert_eq!(read("s.log"), "after\n");
    }
}
