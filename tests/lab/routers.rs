//! The real routers: up while this process lives, used by one test at a time, and as new for each.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// The script that holds the lab. It is never dropped: the end of this process closes its input, and it ends the lab.
static HOLDER: Mutex<Option<Child>> = Mutex::const_new(None);

/// The routers, for one test.
pub(crate) struct Routers {
    dir: TempDir,
    _alone: MutexGuard<'static, Option<Child>>,
}

impl Routers {
    /// The routers with their first configuration; `None`, and the reason printed, where they cannot run.
    pub(crate) async fn fresh() -> Option<Self> {
        if let Err(reason) = possible() {
            return skip(&reason);
        }
        let mut holder = HOLDER.lock().await;
        if holder.is_none() {
            match hold() {
                Ok(child) => *holder = Some(child),
                Err(reason) => return skip(&reason),
            }
        }
        lab(&["heal"]);
        Some(Self {
            dir: inventory(),
            _alone: holder,
        })
    }

    pub(crate) fn inventory_path(&self) -> PathBuf {
        self.dir.path().join("inventory.yaml")
    }

    /// Breaks something: `lab fault KIND ROUTER [PEER]`.
    pub(crate) fn fault(&self, words: &[&str]) {
        lab(&[&["fault"], words].concat());
    }

    /// What the router itself says is in force, read past the tools.
    pub(crate) fn running(&self, router: &str) -> String {
        lab(&["vty", router, "show running-config"])
    }

    /// Types configuration lines as somebody else would.
    pub(crate) fn edit(&self, router: &str, lines: &[&str]) {
        lab(&[&["vty", router, "configure terminal"], lines].concat());
    }

    /// Takes away, or gives back, the right to write the startup configuration.
    pub(crate) fn let_save(&self, router: &str, allowed: bool) {
        let folder = Self::startup(router).parent().unwrap().to_owned();
        for (path, free) in [(Self::startup(router), 0o660), (folder.clone(), 0o2775)] {
            let owner = if allowed { "frr" } else { "root" };
            run(Command::new("chown").arg(owner).arg(&path));
            let mode = if allowed { free } else { 0o555 };
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
    }

    /// The file that the router would start with.
    pub(crate) fn startup(router: &str) -> PathBuf {
        Path::new("/etc/frr").join(format!("lab-{router}/frr.conf"))
    }
}

fn possible() -> Result<(), String> {
    if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return Err("it needs root, to make network namespaces".into());
    }
    for tool in ["/usr/lib/frr/ospfd", "/usr/sbin/sshd", "/usr/bin/vtysh"] {
        if !Path::new(tool).exists() {
            return Err(format!("{tool} is not installed"));
        }
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the one line that a skipped test leaves behind")]
fn skip<T>(reason: &str) -> Option<T> {
    assert!(
        std::env::var_os("FLYBALL_REQUIRE_ALL").is_none_or(|v| v != "1"),
        "the lab is required, but {reason}"
    );
    println!("SKIPPED: no lab of real routers: {reason}");
    None
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}

fn hold() -> Result<Child, String> {
    let mut child = Command::new(folder().join("hold"))
        .arg(folder().join("lab"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C ends the tests, and then their end ends the lab; it must not end the script first.
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = String::new();
    let out = child.stdout.take().expect("asked for above");
    BufReader::new(out)
        .read_line(&mut said)
        .map_err(|error| error.to_string())?;
    match said.trim() {
        "ready" => Ok(child),
        other => Err(format!("it did not start: {other}")),
    }
}

fn lab(args: &[&str]) -> String {
    run(Command::new(folder().join("lab")).args(args))
}

fn run(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{command:?}: {said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    said
}

/// Inventory and credentials of the routers that are up.
fn inventory() -> TempDir {
    let drawn: Value = serde_json::from_str(&lab(&["inventory"])).unwrap();
    let key = std::fs::read_to_string("/run/lab/hostkey.pub").unwrap();
    let routers = drawn["routers"].as_array().unwrap();
    let devices: Vec<Value> = routers
        .iter()
        .map(|router| device(router, drawn["links"].as_array().unwrap(), key.trim()))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    // JSON is YAML.
    std::fs::write(
        dir.path().join("inventory.yaml"),
        json!({"devices": devices}).to_string(),
    )
    .unwrap();
    let password = std::env::var("LAB_PASS").unwrap_or_else(|_| "labpass".into());
    let credentials = json!({"lab": {"username": routers[0]["user"], "password": password}});
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(dir.path().join("credentials.yaml"))
        .unwrap();
    file.write_all(credentials.to_string().as_bytes()).unwrap();
    dir
}

fn device(router: &Value, links: &[Value], key: &str) -> Value {
    let end = |link: &Value, near: &str, far: &str| {
        let of = |side: &str, what: &str| link[format!("{side}{what}")].as_str().unwrap().to_owned();
        json!({
            "interface": of(near, "_if"), "address": format!("{}/30", of(near, "_ip")),
            "peer": of(far, ""), "peer_interface": of(far, "_if"),
        })
    };
    let ends: Vec<Value> = links
        .iter()
        .filter_map(|link| match &router["name"] {
            name if *name == link["a"] => Some(end(link, "a", "b")),
            name if *name == link["b"] => Some(end(link, "b", "a")),
            _ => None,
        })
        .collect();
    json!({
        "name": router["name"], "role": router["role"], "site": "lab", "platform": "frr", "os_version": "8.4.4",
        "address": router["mgmt"], "port": 22, "host_key": key, "credentials": "lab", "writable": true,
        "loopback": router["loopback"], "links": ends,
    })
}
