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

pub struct Net {
    pub sandbox: Sandbox,
    _dir: TempDir,
}

impl Net {
    pub async fn start(devices: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("sandbox"));
        if !devices.is_empty() {
            options.devices = Some(devices.iter().map(|device| (*device).to_owned()).collect());
        }
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            _dir: dir,
        }
    }

    pub fn yaml(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.sandbox.dir().join(file)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    pub async fn raw(&self, request: Value) -> Value {
        control::ask(&self.sandbox.control_socket(), &request)
            .await
            .unwrap()
    }

    /// Asks and expects `ok`.
    pub async fn ask(&self, request: Value) -> Value {
        let reply = self.raw(request.clone()).await;
        assert_eq!(reply["ok"], true, "{request} → {reply}");
        reply
    }

    pub async fn text(&self, device: &str, what: &str) -> String {
        let reply = self
            .ask(json!({"cmd": "show", "device": device, "what": what}))
            .await;
        reply["text"].as_str().unwrap().to_owned()
    }

    pub async fn log(&self, device: &str) -> Vec<Value> {
        self.ask(json!({"cmd": "log", "device": device})).await["entries"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Waits until this many adjacencies are Full.
    pub async fn full(&self, wanted: usize) {
        tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                let reply = self.ask(json!({"cmd": "adjacencies"})).await;
                let full = reply["adjacencies"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|link| link["full"] == true)
                    .count();
                if full == wanted {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("never {wanted} Full"));
    }

    pub async fn connect(&self, device: &str) -> Handle<Client> {
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
        let mut handle = client::connect(Arc::new(config), address, Client { host_key })
            .await
            .unwrap();
        let credentials = self.yaml("credentials.yaml");
        let password = credentials["sandbox"]["password"].as_str().unwrap();
        assert!(
            handle
                .authenticate_password("flyball", password)
                .await
                .unwrap()
                .success()
        );
        handle
    }

    pub async fn shell(&self, device: &str) -> Shell {
        self.shell_of(device, true).await
    }

    pub async fn shell_of(&self, device: &str, pty: bool) -> Shell {
        let handle = self.connect(device).await;
        let channel = handle.channel_open_session().await.unwrap();
        if pty {
            channel
                .request_pty(true, "vt100", 200, 24, 0, 0, &[])
                .await
                .unwrap();
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
    pub async fn exec(&self, device: &str, command: &str) -> (String, u32) {
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

pub struct Client {
    host_key: String,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                Ok(key.to_openssh().unwrap() == self.host_key)
            }
            _ => Ok(false),
        }
    }
}

pub struct Shell {
    channel: Channel<client::Msg>,
    buffer: String,
    over: bool,
    _handle: Handle<Client>,
}

impl Shell {
    pub async fn send(&self, text: &str) {
        self.channel
            .data_bytes(text.as_bytes().to_vec())
            .await
            .unwrap();
    }

    /// Reads until the pattern appears; gives everything up to its end.
    pub async fn expect(&mut self, pattern: &str) -> String {
        let regex = Regex::new(pattern).unwrap();
        loop {
            if let Some(found) = regex.find(&self.buffer) {
                let end = found.end();
                let rest = self.buffer.split_off(end);
                return std::mem::replace(&mut self.buffer, rest);
            }
            assert!(
                !self.over,
                "closed while waiting for {pattern:?}: {:?}",
                self.buffer
            );
            self.read().await;
        }
    }

    /// Reads until the other side is gone; gives everything.
    pub async fn rest(&mut self) -> String {
        while !self.over {
            self.read().await;
        }
        std::mem::take(&mut self.buffer)
    }

    async fn read(&mut self) {
        let message = tokio::time::timeout(Duration::from_secs(10), self.channel.wait()).await;
        match message.unwrap_or_else(|_| panic!("nothing came after {:?}", self.buffer)) {
            Some(ChannelMsg::Data { data }) => {
                self.buffer.push_str(&String::from_utf8_lossy(&data))
            }
            None => self.over = true,
            Some(_) => {}
        }
    }

    /// Types a line and reads up to the pattern.
    pub async fn run(&mut self, line: &str, pattern: &str) -> String {
        self.send(&format!("{line}\r")).await;
        self.expect(pattern).await
    }

    /// Types lines one by one; each must end in a prompt that matches.
    pub async fn lines(&mut self, lines: &[&str], prompt: &str) -> String {
        let mut all = String::new();
        for line in lines {
            all.push_str(&self.run(line, prompt).await);
        }
        all
    }
}
