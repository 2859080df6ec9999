//! What the kernel says of a process.

use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

/// Linux counts the time of processes in hundredths of a second, on every machine Rust builds for.
const TICK: Duration = Duration::from_millis(10);

/// The state of a socket that only listens, as `/proc/net/tcp` has it.
const LISTENS: &str = "0A";

fn pid_of(pid: u32) -> Pid {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id is positive")
}

/// Sends a signal. A process that is gone already hears nothing.
pub fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(pid_of(pid), signal);
}

/// Stops a process, and waits until each of its threads is stopped: one that has not been told yet may go on for a while.
pub async fn stop(pid: u32) {
    signal(pid, Signal::STOP);
    let stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('T')
    };
    super::until("the process has stopped", || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        tasks.flatten().all(stopped).then_some(())
    })
    .await;
}

/// User and system time of a process, its children apart.
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces; after it the third field is the first.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u32> = fields.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    let ticks = fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    TICK * ticks
}

/// A line of `/proc/PID/status`, its first number.
pub fn status(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// How often the process's threads gave up the processor by themselves, that is, how often they had woken up.
pub fn wakeups(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks
        .filter_map(|task| {
            let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let line = status
                .lines()
                .find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}

/// A line for each thread of a process: its name, its state, and where in the kernel it waits.
pub fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let line = |task: std::fs::DirEntry| {
        let of = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let stat = of("stat");
        let state = stat.rsplit(')').next().unwrap_or_default().split_whitespace().next();
        let (name, state) = (of("comm"), state.unwrap_or("gone"));
        format!(
            "{} {state} {} {}",
            name.trim(),
            of("wchan").trim(),
            of("syscall").trim()
        )
    };
    tasks.flatten().map(line).collect()
}

/// The processes that a process has started and that still live.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    let each = tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("children")).ok());
    let all: Vec<String> = each.collect();
    all.iter()
        .flat_map(|c| c.split_whitespace())
        .filter_map(|p| p.parse().ok())
        .collect()
}

/// Whether a process lives: a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with('Z')
}

/// Bytes that were written to a process's standard input, a pipe, and that it has not read.
pub fn unread_on_stdin(pid: u32) -> u64 {
    // The same pipe, opened once more: it is asked, not read.
    let pipe = std::fs::File::open(format!("/proc/{pid}/fd/0")).expect("its standard input is open");
    rustix::io::ioctl_fionread(&pipe).expect("a pipe says what it holds")
}

/// Bytes that have come to a local TCP port and that nobody has read, on connections that were not accepted yet as well.
pub fn unread_at(port: u16) -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let queued = sockets.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ours = words.get(1)?.ends_with(&local) && *words.get(3)? != LISTENS;
        let (_, received) = words.get(4)?.split_once(':')?;
        u64::from_str_radix(received, 16).ok().filter(|_| ours)
    });
    queued.sum()
}
