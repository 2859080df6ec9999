//! Child processes of servers: started through the guard, watched, drained, and provably dead before anything else.

pub(crate) mod death;
pub(crate) mod fence;
pub(crate) mod identity;
mod log;
mod spawner;
mod survivors;

pub(crate) use survivors::survivors;

use crate::settings::{Options, ServerSettings, Transport};
use flyball_engine::journal::ChildRecord;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io;
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use survivors::Life;
use tokio::sync::watch;

/// What a child inherits from our environment. Everything else must be named in its settings.
const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// A running child.
pub(crate) struct Child {
    pub(crate) record: ChildRecord,
    exit: watch::Receiver<Option<Exit>>,
    tail: Arc<log::Tail>,
}

/// How a child ended.
#[derive(Debug, Clone)]
struct Exit {
    how: String,
    /// All that it had started is dead too, whatever signs of its origin that had lost meanwhile.
    with_all: bool,
}

/// A child's ends of its pipes, for the transport.
pub(crate) struct Pipes {
    pub(crate) stdin: tokio::process::ChildStdin,
    pub(crate) stdout: tokio::process::ChildStdout,
}

/// Starts a server's child. Needs a tokio runtime, for its pipes.
pub(crate) async fn start(settings: &ServerSettings, options: &Options) -> io::Result<(Child, Pipes)> {
    let alias = settings.alias.as_str();
    let mut process = spawner::spawn(command(&settings.transport, options)?).await?;
    let record = match identity::record(alias, process.id()) {
        Ok(record) => record,
        Err(why) => {
            let _ = process.kill();
            let _ = process.wait();
            return Err(why);
        }
    };
    let (stdin, stdout) = take_pipes(&mut process)?;
    let tail = log::drain(alias, process.stderr.take(), options.log_dir.as_deref());
    let exit = watch_exit(process, record.clone(), settings.timeouts.drain());
    tracing::info!(alias, pid = record.pid, "server process started");
    let pipes = Pipes {
        stdin: tokio::process::ChildStdin::from_std(stdin)?,
        stdout: tokio::process::ChildStdout::from_std(stdout)?,
    };
    Ok((Child { record, exit, tail }, pipes))
}

fn take_pipes(process: &mut Process) -> io::Result<(ChildStdin, ChildStdout)> {
    match (process.stdin.take(), process.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok((stdin, stdout)),
        _ => Err(io::Error::other("a child was started without pipes")),
    }
}

fn command(transport: &Transport, options: &Options) -> io::Result<Command> {
    let Transport::Stdio {
        command,
        args,
        env,
        cwd,
        ..
    } = transport
    else {
        return Err(io::Error::other(
            "only a server over standard input and output has a process",
        ));
    };
    let mut guarded = Command::new(&options.guard);
    guarded.args(["guard", "--parent", &std::process::id().to_string(), "--"]);
    // In settings `flyball` means this very binary, whatever PATH says.
    match command.as_str() {
        "flyball" => guarded.arg(&options.guard),
        other => guarded.arg(other),
    };
    guarded.args(args).env_clear();
    guarded.envs(
        INHERITED
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?))),
    );
    guarded.envs(env);
    if let Some(dir) = cwd {
        guarded.current_dir(dir);
    }
    guarded
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(guarded)
}

// A thread per child: it waits without reaping, so that the pid stays the child's own while the rest of its session gets
// its time to finish and is put down. Only then is the child reaped and said to be gone.
fn watch_exit(mut process: Process, record: ChildRecord, drain: Duration) -> watch::Receiver<Option<Exit>> {
    let (tx, rx) = watch::channel(None);
    std::thread::spawn(move || {
        let mut life = Life::of(&record);
        wait_without_reaping(record.pid);
        let mut with_all = end_stragglers(&mut life, drain);
        let status = process.wait();
        let how = status.map_or_else(|e| format!("cannot be waited for: {e}"), |s| s.to_string());
        tracing::info!(
            alias = record.alias,
            pid = record.pid,
            how,
            with_all,
            "server process ended"
        );
        tx.send_replace(Some(Exit {
            how: how.clone(),
            with_all,
        }));
        while !with_all {
            std::thread::sleep(Duration::from_millis(100));
            with_all = life.survivors().is_ok_and(|s| s.is_empty());
            tx.send_replace(Some(Exit {
                how: how.clone(),
                with_all,
            }));
        }
    });
    rx
}

/// True when nobody is left.
fn end_stragglers(life: &mut Life<'_>, drain: Duration) -> bool {
    for (what, wait) in [(Signal::TERM, drain), (Signal::KILL, Duration::from_secs(1))] {
        let deadline = Instant::now() + wait;
        for s in life.survivors().unwrap_or_default() {
            signal(s.pid, what);
            signal(s.pid, Signal::CONT);
        }
        while Instant::now() < deadline {
            if life.survivors().is_ok_and(|s| s.is_empty()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    false
}

fn wait_without_reaping(pid: u32) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let Some(pid) = as_pid(pid) else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = as_pid(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Sends a signal to a recorded life and all of its group. The caller has just seen that the life goes on.
fn signal_life(record: &ChildRecord, what: Signal) {
    signal(record.pid, what);
    if let Some(group) = as_pid(record.pid) {
        let _ = kill_process_group(group, what);
    }
}

impl Child {
    /// Resolves when the process has ended, with how.
    pub(crate) async fn exited(&self) -> String {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.as_ref().map(|exit| exit.how.clone()).unwrap_or_default(),
            Err(_) => "unknown".to_owned(),
        }
    }

    /// Another handle to the same child.
    pub(crate) fn handle(&self) -> Self {
        Self {
            record: self.record.clone(),
            exit: self.exit.clone(),
            tail: Arc::clone(&self.tail),
        }
    }

    /// Whether the process has ended and was reaped.
    pub(crate) fn is_gone(&self) -> bool {
        self.exit.borrow().is_some()
    }

    /// The last line it wrote to standard error, for a status message. For a child that has ended.
    pub(crate) async fn last_words(&self) -> Option<String> {
        self.tail.last().await
    }

    /// Sees the child to its end: time to finish after its input was closed, TERM, time again, KILL. True when it is
    /// proven dead with all that it started. At most twice `drain` and five seconds.
    pub(crate) async fn end(&self, drain: Duration) -> bool {
        for step in [None, Some(Signal::TERM), Some(Signal::KILL)] {
            if let Some(what) = step
                && !self.is_gone()
            {
                signal_life(&self.record, what);
                // A stopped process gets neither TERM nor its chance to finish before it is continued.
                if what == Signal::TERM {
                    signal_life(&self.record, Signal::CONT);
                }
            }
            let wait = if step == Some(Signal::KILL) {
                Duration::from_secs(5)
            } else {
                drain
            };
            if tokio::time::timeout(wait, self.exited()).await.is_ok() {
                return self.is_proven_dead();
            }
        }
        false
    }

    /// Whether no process of this life is left.
    pub(crate) fn is_proven_dead(&self) -> bool {
        let with_all = self.exit.borrow().as_ref().is_some_and(|exit| exit.with_all);
        with_all && survivors(&self.record).is_ok_and(|s| s.is_empty())
    }
}
