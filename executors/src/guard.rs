//! `flyball guard --parent PID -- COMMAND ARGS…`: the process that becomes a child server.
//!
//! It asks the kernel to be sent TERM when the engine dies, takes a session of its own so that a terminal's Ctrl-C does not
//! reach it, marks its environment so that everything it starts can be found again, in the session or not, and then becomes
//! the command. Doing this in a program of its own is what makes it possible without unsafe code (`pre_exec` is unsafe).

use crate::child::identity;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal, setsid};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Why the command was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("usage: guard --parent PID -- COMMAND [ARGS…]")]
    Usage,
    #[error("the death signal cannot be set: {0}")]
    DeathSignal(#[source] rustix::io::Errno),
    #[error("no session of its own: {0}")]
    Session(#[source] rustix::io::Errno),
    #[error("this process cannot be named: {0}")]
    Mark(#[source] std::io::Error),
    #[error("the engine that started this server is gone")]
    Orphaned,
    #[error("{command:?} cannot be started: {source}")]
    Exec {
        command: OsString,
        #[source]
        source: std::io::Error,
    },
}

/// Becomes the command. Returns only when that failed. `args` are those after the word `guard`.
///
/// Call it on the main thread, before any other thread exists.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<std::convert::Infallible, Error> {
    let (parent, command, rest) = parse(args)?;
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(Error::DeathSignal)?;
    // The engine may have died before the signal was asked for: then nobody would ever send it.
    if getppid() != Some(parent) {
        return Err(Error::Orphaned);
    }
    setsid().map_err(Error::Session)?;
    let mark = identity::own_mark().map_err(Error::Mark)?;
    let source = Command::new(&command).args(rest).env(identity::MARK, mark).exec();
    Err(Error::Exec { command, source })
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<(Pid, OsString, Vec<OsString>), Error> {
    let mut args = args.into_iter();
    let flag = args.next().ok_or(Error::Usage)?;
    let pid = args.next().ok_or(Error::Usage)?;
    let dashes = args.next().ok_or(Error::Usage)?;
    if flag != "--parent" || dashes != "--" {
        return Err(Error::Usage);
    }
    let pid: i32 = pid.to_str().and_then(|s| s.parse().ok()).ok_or(Error::Usage)?;
    let parent = Pid::from_raw(pid).filter(|_| pid > 0).ok_or(Error::Usage)?;
    let command = args.next().ok_or(Error::Usage)?;
    Ok((parent, command, args.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn only_the_exact_form_is_accepted() {
        for text in [
            "",
            "--parent 1",
            "--parent x -- ls",
            "--parent 0 -- ls",
            "--parent 1 ls -l",
            "--parent 1 --",
        ] {
            assert!(matches!(parse(words(text)), Err(Error::Usage)), "{text}");
        }
        let (_, command, rest) = parse(words("--parent 1 -- ls -l --")).unwrap();
        assert_eq!((command, rest), ("ls".into(), words("-l --")));
    }
}
