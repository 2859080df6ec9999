//! One `netconfd` and one `sshd` on a free port, in a folder of their own, ended by their pids.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flyball_netops::Role;
use flyball_netops::inventory::{Files, Inventory};
use flyball_netops::netconf::session::Session;
use flyball_netops::tools::{Reply, Toolbox};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

const NETCONFD: &str = "/usr/sbin/netconfd";
const SUBSYSTEM: &str = "/usr/sbin/netconf-subsystem";
const SSHD: &str = "/usr/sbin/sshd";
/// The only device of the inventory.
pub(crate) const DEVICE: &str = "nc-1";

pub(crate) struct Server {
    dir: TempDir,
    netconfd: Child,
    sshd: Child,
    pub(crate) tools: Toolbox,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in [&mut self.sshd, &mut self.netconfd] {
            // Ended by itself is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What is missing on this machine.
fn missing() -> Option<&'static str> {
    [NETCONFD, SUBSYSTEM, SSHD]
        .into_iter()
        .find(|path| !Path::new(path).exists())
}

impl Server {
    /// A server whose configuration holds one contact; `None`, said aloud, where it cannot be had.
    pub(crate) async fn start() -> Option<Self> {
        if let Some(path) = missing() {
            let required = std::env::var("FLYBALL_REQUIRE_ALL").is_ok_and(|set| set == "1");
            assert!(!required, "{path} is missing; install netconfd and openssh-server");
            eprintln!("SKIPPED: {path} is missing (Debian: netconfd, openssh-server)");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("fb-nc").tempdir().unwrap();
        let port = free_port();
        let user = user();
        files(dir.path(), port, &user);
        let netconfd = netconfd(dir.path(), port, &user);
        let sshd = sshd(dir.path());
        let tools = Toolbox::new(Role::Config, dir.path().join("inventory.yaml"), None, true);
        let server = Self {
            dir,
            netconfd,
            sshd,
            tools,
        };
        server.until_ready(port);
        server.contact("before").await;
        Some(server)
    }

    fn until_ready(&self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let ready = || self.dir.path().join("ncx.sock").exists() && TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !ready() {
            assert!(Instant::now() < deadline, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The inventory file, with the credentials beside it.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.dir.path().join("inventory.yaml")
    }

    pub(crate) fn log(&self) -> String {
        ["netconfd.log", "sshd.log"]
            .map(|file| std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_default())
            .concat()
    }

    /// Tools of another process over the same device.
    pub(crate) fn other(&self) -> Toolbox {
        Toolbox::new(Role::Config, self.inventory(), None, true)
    }

    /// A session of somebody else's.
    pub(crate) async fn session(&self) -> Session {
        let inventory = Inventory::load(&Files::new(self.inventory(), None)).unwrap();
        let device = inventory.resolve(DEVICE).unwrap();
        let login = inventory.login(&device.credentials).unwrap();
        Session::connect(device, login)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Sets the contact for good.
    pub(crate) async fn contact(&self, name: &str) {
        let reply = self.call("apply_lines", change(name), json!({})).await;
        assert!(!reply.is_error, "{}\n{}", reply.content, self.log());
    }

    /// The contact in force.
    pub(crate) async fn now(&self) -> String {
        let config = self.ok("get_config", one()).await["config"]
            .as_str()
            .unwrap()
            .to_owned();
        let contact = config.lines().find_map(|line| line.trim().strip_prefix("contact = "));
        contact.unwrap_or_default().to_owned()
    }

    pub(crate) async fn call(&self, tool: &str, args: Value, meta: Value) -> Reply {
        self.tools.call(tool, object(args), &object(meta)).await.unwrap()
    }

    pub(crate) async fn ok(&self, tool: &str, args: Value) -> Value {
        let reply = self.call(tool, args, json!({})).await;
        assert!(!reply.is_error, "{tool}: {}", reply.content);
        reply.content
    }

    pub(crate) async fn leased(&self, tool: &str, args: Value, id: &str, seconds: u64) -> Value {
        let reply = self.call(tool, args, lease(id, seconds)).await;
        assert!(!reply.is_error, "{tool}: {}", reply.content);
        reply.content
    }

    pub(crate) async fn refused(&self, tool: &str, args: Value, id: &str) -> Value {
        let reply = self.call(tool, args, lease(id, 30)).await;
        assert!(reply.is_error, "{tool}: {}", reply.content);
        reply.content
    }

    /// Asks again until the contact is as wanted. Not for what a timer does: see [`Self::until_over`].
    pub(crate) async fn until(&self, wanted: &str) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.now().await != wanted {
            assert!(Instant::now() < deadline, "never {wanted}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks what became of a lease's trial until the device has taken it back; what it then says. Only that question leaves
    /// the device in peace for long enough: asked for its configuration faster than once a second, netconfd never looks at
    /// its timers (`select` must find nothing for a second).
    pub(crate) async fn until_over(&self, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let said = self.leased("get_commit", change("trial"), id, 30).await;
            if said["state"] == "reverted" {
                return said;
            }
            assert!(Instant::now() < deadline, "never taken back: {said}\n{}", self.log());
        }
    }
}

pub(crate) fn body(contact: &str) -> String {
    format!("<system xmlns=\"urn:ietf:params:xml:ns:yang:ietf-system\"><contact>{contact}</contact></system>")
}

pub(crate) fn change(contact: &str) -> Value {
    json!({"device": DEVICE, "lines": [body(contact)]})
}

pub(crate) fn one() -> Value {
    json!({"device": DEVICE})
}

pub(crate) fn lease(id: &str, seconds: u64) -> Value {
    json!({"io.flyball/lease": {"id": id, "seconds": seconds}})
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

fn key(path: &Path) -> String {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read_to_string(path.with_extension("pub")).unwrap()
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn files(dir: &Path, port: u16, user: &str) {
    let host_key = key(&dir.join("host"));
    let at = |name: &str| dir.join(name).display().to_string();
    private(&dir.join("authorized"), &key(&dir.join("user")));
    let sshd = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile {}\nAuthorizedKeysFile {}\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nSubsystem netconf \"{SUBSYSTEM} --ncxserver-sockname={port}@{}\"\n",
        at("host"),
        at("sshd.pid"),
        at("authorized"),
        at("ncx.sock")
    );
    std::fs::write(dir.join("sshd_config"), sshd).unwrap();
    let inventory = json!({"devices": [{
        "name": DEVICE, "platform": "netconf", "address": "127.0.0.1", "port": port, "host_key": host_key.trim(),
        "credentials": "netconf", "writable": true
    }]});
    std::fs::write(dir.join("inventory.yaml"), inventory.to_string()).unwrap();
    let credentials = json!({"netconf": {"username": user, "key_file": at("user")}});
    private(&dir.join("credentials.yaml"), &credentials.to_string());
}

fn netconfd(dir: &Path, port: u16, user: &str) -> Child {
    let at = |name: &str| dir.join(name).display().to_string();
    Command::new(NETCONFD)
        .args([
            "--module=ietf-system",
            "--no-startup",
            "--target=candidate",
            "--log-level=info",
        ])
        .arg(format!("--superuser={user}"))
        .arg(format!("--ncxserver-sockname={}", at("ncx.sock")))
        .arg(format!("--port={port}"))
        .arg(format!("--log={}", at("netconfd.log")))
        .current_dir(dir)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn sshd(dir: &Path) -> Child {
    // Its home without rights, where Debian's service would have made it. There already is fine.
    let _ = std::fs::create_dir("/run/sshd");
    Command::new(SSHD)
        .arg("-D")
        .arg("-E")
        .arg(dir.join("sshd.log"))
        .arg("-f")
        .arg(dir.join("sshd_config"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
