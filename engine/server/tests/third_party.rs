//! The example as its README has it: five servers that nobody here wrote, and a plan across four of them from the
//! command line.

#![allow(clippy::print_stderr, reason = "a skipped test says why")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "../../../tests/third_party/install.rs"]
mod install;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The binary in a folder, with nothing of our environment but what is given.
fn binary(dir: &Path, path: &OsStr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyball"));
    command.current_dir(dir).env_clear().env("PATH", path);
    command
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(dir: &Path, path: &OsStr) -> Self {
        let mut child = binary(dir, path)
            .arg("serve")
            .env("FLYBALL_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }

    /// Asks it to stop in order, and waits for its exit code.
    fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command's exit code, and all that it says.
fn said(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(std::fs::copy(from, to).unwrap()),
        }
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").current_dir(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The folder as the README makes it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), dir.path());
    let workspace = dir.path().join("workspace");
    std::fs::create_dir(&workspace).unwrap();
    git(&workspace, &["init", "-q", "-b", "main"]);
    git(&workspace, &["config", "user.name", "Olga"]);
    git(&workspace, &["config", "user.email", "olga@example.net"]);
    git(&workspace, &["commit", "-q", "--allow-empty", "-m", "Begin"]);
    dir
}

#[test]
fn the_example_runs_from_the_command_line_and_a_second_time_sends_nothing() {
    let Some(programs) = install::programs() else { return };
    let dir = folder();
    let inherited = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&inherited))).unwrap();
    let (code, text) = said(binary(dir.path(), &path).arg("check"));
    assert_eq!(code, 0, "{text}");

    let mut server = Server::start(dir.path(), &path);
    let words = [
        "submit",
        "--plan",
        "plans/announce-maintenance.json",
        "--url",
        &server.url,
    ];
    let (code, text) = said(binary(dir.path(), &path).args(words));
    assert_eq!(code, 0, "{text}");
    let workspace = dir.path().join("workspace");
    assert_eq!(
        git(&workspace, &["log", "--format=%s"]),
        "Announce the maintenance of bj-core-1\nBegin\n"
    );
    assert_eq!(git(&workspace, &["status", "--porcelain"]), "");
    assert!(dir.path().join("memory.jsonl").exists());

    let (code, text) = said(binary(dir.path(), &path).args(words));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("nothing was sent"), "{text}");
    assert_eq!(git(&workspace, &["rev-list", "--count", "HEAD"]).trim(), "2");
    assert_eq!(server.stop(), Some(0));
}
