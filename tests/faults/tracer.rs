//! `strace` on the threads that write the journal: it counts syncs or writes, and at one of them kills the process or fails
//! the call.

use flyball_tests::process::{proc, until};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What happens at a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The process is killed as it asks for the sync: what was written before stands, nobody was told.
    Kill,
    /// The process is killed before a write that a sync would be for. Several threads write, each with a count of its own.
    KillBeforeWrite,
    /// The sync answers EIO.
    Fail,
    /// The sync comes back only after so many seconds.
    Stall(u32),
    /// The same for the file of heads.
    StallHeads(u32),
}

/// A tracer on a running process. Lets go of it when dropped.
pub(crate) struct Tracer(Child);

/// A tracer that does nothing but write down who writes.
pub(crate) struct Counter {
    tracer: Tracer,
    log: PathBuf,
}

impl Counter {
    /// Lets go. The greatest number of writes that one thread has made.
    pub(crate) fn counted(self) -> usize {
        drop(self.tracer);
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut each = BTreeMap::<&str, usize>::new();
        for line in log.lines().filter(|line| line.contains("pwrite64(")) {
            let thread = line.split_whitespace().next().unwrap_or_default();
            *each.entry(thread).or_default() += 1;
        }
        each.into_values().max().unwrap_or_default()
    }
}

/// Whether there is a tracer on this machine.
pub(crate) fn is_here() -> bool {
    let version = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    version.is_ok_and(|s| s.success())
}

impl Tracer {
    /// From now on the `nth` sync (1 is the next) suffers what `at` says, or the `nth` write of any of the writing threads.
    pub(crate) async fn attach(pid: u32, at: At, nth: usize) -> Self {
        let (call, what, name) = match at {
            At::Kill => ("fdatasync", "signal=SIGKILL".to_owned(), "journal-writer"),
            At::KillBeforeWrite => ("pwrite64", "signal=SIGKILL".to_owned(), "sled-io-"),
            At::Fail => ("fdatasync", "error=EIO".to_owned(), "journal-writer"),
            At::Stall(seconds) => ("fdatasync", format!("delay_enter={seconds}s"), "journal-writer"),
            At::StallHeads(seconds) => ("fsync", format!("delay_enter={seconds}s"), "journal-writer"),
        };
        let what = [format!("trace={call}"), format!("inject={call}:{what}:when={nth}")];
        Self::on(pid, name, Path::new("/dev/null"), &what).await
    }

    /// Counts the writes that the journal's threads make from now on.
    pub(crate) async fn count(pid: u32, log: &Path) -> Counter {
        let tracer = Self::on(pid, "sled-io-", log, &["trace=pwrite64".to_owned()]).await;
        let log = log.to_owned();
        Counter { tracer, log }
    }

    /// On the threads whose names begin so.
    async fn on(pid: u32, name: &str, log: &Path, what: &[String]) -> Self {
        let threads = until("the journal's writers", || {
            Some(threads(pid, name)).filter(|t| !t.is_empty())
        })
        .await;
        let tracer = Command::new("strace")
            .args(["-qq", "-o"])
            .arg(log)
            .args(threads.iter().map(|t| format!("-p{t}")))
            .args(what.iter().flat_map(|what| ["-e", what]))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        until("the tracer", || {
            let traced = |t: &u32| proc::status(*t, "TracerPid") == u64::from(tracer.id());
            // It may have struck before it had them all.
            let gone = |t: &u32| !Path::new(&format!("/proc/{pid}/task/{t}")).exists();
            threads.iter().all(|t| traced(t) || gone(t)).then_some(())
        })
        .await;
        Self(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // TERM lets it detach in order; the traced thread goes on.
        proc::signal(self.0.id(), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// The process's threads whose names begin so.
fn threads(pid: u32, name: &str) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let named = tasks.filter_map(|task| {
        let task = task.ok()?;
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let id = task.file_name().to_string_lossy().parse().ok()?;
        comm.starts_with(name).then_some(id)
    });
    named.collect()
}
