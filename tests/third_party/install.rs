//! Gets the servers, once, into a folder beside the build. What a machine lacks is said, and skipped or failed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PYTHON: [&str; 2] = ["mcp-server-time==2026.10.19", "mcp-server-git==2026.10.19"];
const NODE: [&str; 3] = [
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@modelcontextprotocol/server-memory@2026.8.31",
    "@modelcontextprotocol/server-everything@2026.8.31",
];

/// Where the programs of all five servers are; none, with the reason printed, when something is missing here.
pub(crate) fn programs() -> Option<Vec<PathBuf>> {
    match all() {
        Ok(bins) => Some(bins),
        Err(why) => {
            let required = std::env::var_os("FLYBALL_REQUIRE_ALL").is_some_and(|v| v == "1");
            assert!(!required, "{why}");
            eprintln!("SKIPPED: {why}");
            None
        }
    }
}

fn all() -> Result<Vec<PathBuf>, String> {
    run(Command::new("git").arg("--version"))?;
    let node = installed("examples-node", &NODE, |dir| {
        run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--prefix"])
            .arg(dir)
            .args(NODE))
    })?;
    let python = installed("examples-python", &PYTHON, |dir| {
        run(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
        run(Command::new(dir.join("bin/python"))
            .args(["-m", "pip", "install", "-q"])
            .args(PYTHON))
    })?;
    Ok(vec![node.join("node_modules/.bin"), python.join("bin")])
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    let me = std::env::current_exe().expect("a running program has a path");
    let deps = me.parent().expect("a test lies in a folder");
    deps.parent().expect("and that in another").to_owned()
}

/// Installs a list of packages if that was not done yet. Whoever comes first does it, others wait.
fn installed(
    kind: &str,
    packages: &[&str],
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let dir = target().join("third-party").join(kind);
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let lock = File::create(dir.join("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let (mark, wanted) = (dir.join("installed"), packages.join("\n"));
    if std::fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(dir);
    }
    install(&dir)?;
    std::fs::write(mark, wanted).map_err(|e| e.to_string())?;
    Ok(dir)
}

/// Runs a command to its end; the last line of its complaints if it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name: String = format!("{command:?}").chars().take(120).collect();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{name}: {}", complaints.lines().last().unwrap_or_default())),
    }
}
