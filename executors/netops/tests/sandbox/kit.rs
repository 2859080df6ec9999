//! A small SSH client and a sandbox to point it at.

use std::sync::Arc;
use std::time::Duration;

use flyball_netops::sandbox::{Options, Sandbox, control};
use regex::Regex;
use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Net {
    pub(crate) sandbox: Sandbox,
    dir: TempDir,
}

impl Net {
    pub(crate) async fn start(devices: &[&str]) -> Self {
        Self::start_with(devices, |_| ()).await
    }

    pub(crate) async fn start_with(devices: &[&str], set: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("sandbox"));
        if !devices.is_empty() {
            options.devices = Some(devices.iter().map(|device| (*device).to_owned()).collect());
        }
        set(&mut options);
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            dir,
        }
    }

    /// Stops the sandbox and removes its files.
    pub(crate) async fn stop(self) {
        self.sandbox.shutdown().await;
        self.dir.close().unwrap();
    }

    /// Waits until a device has this many sessions.
    pub(crate) async fn sessions(&self, device: &str, wanted: u64) {
        self.until(json!({"cmd": "devices"}), |reply| {
            let devices = reply["devices"].as_array().unwrap();
            devices
                .iter()
                .any(|entry| entry["name"] == device && entry["sessions"] == wanted)
        })
        .await;
    }

    /// Asks again until the reply is as wanted.
    async fn until(&self, request: Value, wanted: impl Fn(&Value) -> bool) {
        let asking = async {
            while !wanted(&self.ask(request.clone()).await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(10), asking).await;
        asked.unwrap_or_else(|_| panic!("{request} never became as wanted"));
    }

    pub(crate) fn yaml(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.sandbox.dir().join(file)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    pub(crate) async fn raw(&self, request: Value) -> Value {
        control::ask(&self.sandbox.control_socket(), &request).await.unwrap()
    }

    /// Asks and expects `ok`.
    pub(crate) async fn ask(&self, request: Value) -> Value {
        let reply = self.raw(request.clone()).await;
        assert_eq!(reply["ok"], true, "{request} → {reply}");
        reply
    }

    pub(crate) async fn text(&self, device: &str, what: &str) -> String {
        let reply = self.ask(json!({"cmd": "show", "device": device, "what": what})).await;
        reply["text"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn log(&self, device: &str) -> Vec<Value> {
        self.ask(json!({"cmd": "log", "device": device})).await["entries"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Waits until this many adjacencies are Full.
    pub(crate) async fn full(&self, wanted: usize) {
        self.until(json!({"cmd": "adjacencies"}), |reply| {
            reply["adjacencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|link| link["full"] == true)
                .count()
                == wanted
        })
        .await;
    }

    /// A connection that is not logged in yet; the host key must be the inventory's.
    async fn open(&self, device: &str) -> Handle<Client> {
        let inventory = self.yaml("inventory.yaml");
        let entry = inventory["devices"]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == device)
            .unwrap();
        let address = (
            entry["address"].as_str().unwrap(),
            u16::try_from(entry["port"].as_u64().unwrap()).unwrap(),
        );
        let config = client::Config {
            nodelay: true,
            ..client::Config::default()
        };
        let host_key = entry["host_key"].as_str().unwrap().to_owned();
        client::connect(Arc::new(config), address, Client { host_key })
            .await
            .unwrap()
    }

    pub(crate) async fn login(&self, device: &str, user: &str, password: &str) -> bool {
        self.open(device)
            .await
            .authenticate_password(user, password)
            .await
            .unwrap()
            .success()
    }

    pub(crate) async fn connect(&self, device: &str) -> Handle<Client> {
        let mut handle = self.open(device).await;
        let credentials = self.yaml("credentials.yaml");
        let login = &credentials["sandbox"];
        let (user, password) = (login["username"].as_str().unwrap(), login["password"].as_str().unwrap());
        assert!(handle.authenticate_password(user, password).await.unwrap().success());
        handle
    }

    pub(crate) async fn shell(&self, device: &str) -> Shell {
        self.shell_of(device, true).await
    }

    pub(crate) async fn shell_of(&self, device: &str, pty: bool) -> Shell {
        let handle = self.connect(device).await;
        let channel = handle.channel_open_session().await.unwrap();
        if pty {
            channel.request_pty(true, "vt100", 200, 24, 0, 0, &[]).await.unwrap();
        }
        channel.request_shell(true).await.unwrap();
        Shell {
            channel,
            buffer: String::new(),
            over: false,
            _handle: handle,
        }
    }

    /// A single command; its output and exit status.
    pub(crate) async fn exec(&self, device: &str, command: &str) -> (String, u32) {
        let handle = self.connect(device).await;
        let mut channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, command).await.unwrap();
        let (mut text, mut status) = (String::new(), u32::MAX);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => text.push_str(&String::from_utf8_lossy(&data)),
                ChannelMsg::ExitStatus { exit_status } => status = exit_status,
                _ => {}
            }
        }
        (text, status)
    }
}

pub(crate) struct Client {
    host_key: String,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => Ok(key.to_openssh().unwrap() == self.host_key),
            _ => Ok(false),
        }
    }
}

pub(crate) struct Shell {
    channel: Channel<client::Msg>,
    buffer: String,
    over: bool,
    _handle: Handle<Client>,
}

impl Shell {
    pub(crate) async fn send(&self, text: &str) {
        self.channel.data_bytes(text.as_bytes().to_vec()).await.unwrap();
    }

    /// Reads until the pattern appears; gives everything up to its end.
    pub(crate) async fn expect(&mut self, pattern: &str) -> String {
        let regex = Regex::new(pattern).unwrap();
        loop {
            if let Some(found) = regex.find(&self.buffer) {
                let end = found.end();
                let rest = self.buffer.split_off(end);
                return std::mem::replace(&mut self.buffer, rest);
            }
            assert!(!self.over, "closed while waiting for {pattern:?}: {:?}", self.buffer);
            self.read().await;
        }
    }

    /// Reads until the other side is gone; gives everything.
    pub(crate) async fn rest(&mut self) -> String {
        while !self.over {
            self.read().await;
        }
        std::mem::take(&mut self.buffer)
    }

    async fn read(&mut self) {
        let message = tokio::time::timeout(Duration::from_secs(10), self.channel.wait()).await;
        match message.unwrap_or_else(|_| panic!("nothing came after {:?}", self.buffer)) {
            Some(ChannelMsg::Data { data }) => self.buffer.push_str(&String::from_utf8_lossy(&data)),
            None => self.over = true,
            Some(_) => {}
        }
    }

    /// Types a line and reads up to the pattern.
    pub(crate) async fn run(&mut self, line: &str, pattern: &str) -> String {
        self.send(&format!("{line}\r")).await;
        self.expect(pattern).await
    }

    /// Types lines one by one; each must end in a prompt that matches.
    pub(crate) async fn lines(&mut self, lines: &[&str], prompt: &str) -> String {
        let mut all = String::new();
        for line in lines {
            all.push_str(&self.run(line, prompt).await);
        }
        all
    }
}

/// An IOS shell in privileged mode without paging and syslog lines.
pub(crate) async fn ios(net: &Net, device: &str) -> Shell {
    let mut shell = net.shell(device).await;
    shell.expect(&format!("{device}>")).await;
    shell.run("enable", "#").await;
    shell.run("terminal length 0", "#").await;
    shell.run("ter no mon", "mon\r\n.*#").await;
    shell
}
