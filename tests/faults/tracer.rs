//! `strace` on the one thread that writes the journal: it counts syncs, and at one of them kills the process or fails it.

use flyball_tests::process::{proc, until};
use rustix::process::Signal;
use std::process::{Child, Command, Stdio};

/// What happens at a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The process is killed as it asks for the sync: what was written before stands, nobody was told.
    Kill,
    /// The process is killed before the write that the sync would be for.
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
    /// From now on the `nth` sync of the journal's writer (1 is the next) suffers what `at` says.
    pub(crate) async fn attach(pid: u32, at: At, nth: usize) -> Self {
        let thread = until("the journal's writer", || writer_of(pid)).await;
        let (call, what) = match at {
            At::Kill => ("fdatasync", "signal=SIGKILL"),
            At::KillBeforeWrite => ("pwrite64", "signal=SIGKILL"),
            At::Fail => ("fdatasync", "error=EIO"),
        };
        let tracer = Command::new("strace")
            .args(["-qq", "-o", "/dev/null", "-p", &thread.to_string()])
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:{what}:when={nth}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        until("the tracer", || {
            (proc::status(thread, "TracerPid") == u64::from(tracer.id())).then_some(())
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

/// The thread that writes the journal.
fn writer_of(pid: u32) -> Option<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    tasks.filter_map(Result::ok).find_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let id = task.file_name().to_string_lossy().parse().ok()?;
        (name.trim() == "journal-writer").then_some(id)
    })
}
