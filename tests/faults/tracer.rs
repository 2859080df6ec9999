//! `strace` on the threads that write the journal: it counts syncs or writes, and at one of them kills the process or fails
//! the call.

use flyball_tests::process::{proc, until};
use rustix::process::Signal;
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
}

/// A tracer on a running process. Lets go of it when dropped.
pub(crate) struct Tracer(Child);

/// Whether there is a tracer on this machine.
pub(crate) fn is_here() -> bool {
    let version = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    version.is_ok_and(|s| s.success())
}

impl Tracer {
    /// From now on the `nth` sync (1 is the next) suffers what `at` says, or the `nth` write of any of the writing threads.
    pub(crate) async fn attach(pid: u32, at: At, nth: usize) -> Self {
        let (call, what, name) = match at {
            At::Kill => ("fdatasync", "signal=SIGKILL", "journal-writer"),
            At::KillBeforeWrite => ("pwrite64", "signal=SIGKILL", "sled-io-"),
            At::Fail => ("fdatasync", "error=EIO", "journal-writer"),
        };
        let threads = until("the journal's writers", || {
            Some(threads(pid, name)).filter(|t| !t.is_empty())
        })
        .await;
        let tracer = Command::new("strace")
            .args(["-qq", "-o", "/dev/null"])
            .args(threads.iter().map(|t| format!("-p{t}")))
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:{what}:when={nth}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        until("the tracer", || {
            let traced = |t: &u32| proc::status(*t, "TracerPid") == u64::from(tracer.id());
            threads.iter().all(traced).then_some(())
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
