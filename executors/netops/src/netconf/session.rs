//! One NETCONF session: hellos, then requests and replies, one at a time.

use std::time::Duration;

use roxmltree::{Document, Node};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout_at};

use super::framing::Framing;
use super::tree::escape;
use super::{Error, Refusal};
use crate::inventory::{Device, Login};
use crate::ssh::session::Wire;
use crate::ssh::{self, client};

/// The namespace of the protocol itself.
pub const BASE: &str = "urn:ietf:params:xml:ns:netconf:base:1.0";
const NOTIFICATION: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
const BASE_1_1: &str = "urn:ietf:params:netconf:base:1.1";
const HELLO: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><hello xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability><capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>";

/// Longest wait for one reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);
/// yuma123 does not look at a request that comes in the same read as our hello until the next one comes; nothing tells
/// when it has read the hello.
const AFTER_HELLO: Duration = Duration::from_millis(150);

/// What a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit<'a> {
    /// To stay.
    Plain,
    /// Taken back after so many seconds, and when the session ends before that.
    Session {
        seconds: u64,
    },
    /// Taken back after so many seconds, whoever's session ends; the id gives power over it.
    Trial {
        id: &'a str,
        seconds: u64,
    },
    /// Starts the time of a trial anew.
    Extend {
        id: &'a str,
        seconds: u64,
    },
    Confirm {
        id: &'a str,
    },
}

/// Which configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Running,
    Candidate,
    Startup,
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Candidate => "candidate",
            Self::Startup => "startup",
        }
    }
}

/// An open session. Dropping it closes it; the device then drops its locks.
pub struct Session {
    device: String,
    wire: Box<dyn Wire>,
    framing: Framing,
    received: Vec<u8>,
    sent: u64,
    /// The device's number for this session.
    pub id: String,
    capabilities: Vec<String>,
    usable: bool,
    /// Keeps the connection under it.
    _connection: Option<client::Pipe>,
}

impl Session {
    /// Connects to a device of the inventory and opens its `netconf` subsystem.
    pub async fn connect(device: &Device, login: &Login) -> Result<Self, Error> {
        let mut pipe = client::pipe(device, login, "netconf").await?;
        let wire = pipe.wire.take().expect("a new pipe has its wire");
        let mut session = Self::start(&device.name, wire).await?;
        session._connection = Some(pipe);
        Ok(session)
    }

    /// Exchanges hellos over these bytes.
    pub async fn start(device: &str, wire: Box<dyn Wire>) -> Result<Self, Error> {
        let mut session = Self {
            device: device.to_owned(),
            wire,
            framing: Framing::Mark,
            received: Vec::new(),
            sent: 0,
            id: String::new(),
            capabilities: Vec::new(),
            usable: true,
            _connection: None,
        };
        session.send(HELLO, "hello").await?;
        let hello = session.receive("hello", Instant::now() + REPLY_TIMEOUT).await?;
        session.read_hello(&hello)?;
        if session.offers(BASE_1_1) {
            session.framing = Framing::Chunks;
        }
        sleep(AFTER_HELLO).await;
        Ok(session)
    }

    fn read_hello(&mut self, text: &str) -> Result<(), Error> {
        let document = Document::parse(text).map_err(|error| self.unreadable("hello", &error.to_string()))?;
        let all = || document.descendants().filter(|node| node.is_element());
        let texts = |name: &'static str| {
            all()
                .filter(move |node| node.tag_name().name() == name)
                .filter_map(|node| Some(node.text()?.trim().to_owned()))
        };
        self.capabilities = texts("capability").collect();
        self.id = texts("session-id").next().unwrap_or_default();
        if self.capabilities.is_empty() {
            return Err(self.unreadable("hello", "no capabilities"));
        }
        Ok(())
    }

    /// Whether the device offers a capability, parameters aside.
    pub fn offers(&self, capability: &str) -> bool {
        let plain = |offered: &String| offered.split('?').next() == Some(capability);
        self.capabilities.iter().any(plain)
    }

    /// Refuses if the device lacks `urn:ietf:params:netconf:capability:NAME`.
    pub fn need(&self, name: &str) -> Result<(), Error> {
        if self.offers(&format!("urn:ietf:params:netconf:capability:{name}")) {
            return Ok(());
        }
        Err(Error::NotOffered {
            device: self.device.clone(),
            capability: name.to_owned(),
        })
    }

    /// False once an answer was missed.
    pub fn usable(&self) -> bool {
        self.usable
    }

    /// Locks a configuration.
    pub async fn lock(&mut self, store: Store) -> Result<(), Error> {
        self.ask("lock", &target("lock", store)).await.map(drop)
    }

    /// Unlocks it.
    pub async fn unlock(&mut self, store: Store) -> Result<(), Error> {
        self.ask("unlock", &target("unlock", store)).await.map(drop)
    }

    /// A whole configuration: the `<data>` element.
    pub async fn get_config(&mut self, store: Store) -> Result<String, Error> {
        let name = store.name();
        let reply = self
            .ask(
                "get-config",
                &format!("<get-config><source><{name}/></source></get-config>"),
            )
            .await?;
        let document = Document::parse(&reply).expect("was read before");
        let data = document
            .root_element()
            .children()
            .find(|node| node.has_tag_name((BASE, "data")));
        let range = data.ok_or_else(|| self.unreadable("get-config", "no data"))?.range();
        Ok(with_namespaces(&document, &reply[range]))
    }

    /// Merges the XML of a `<config>` body into the candidate.
    pub async fn edit_config(&mut self, body: &str) -> Result<(), Error> {
        let request = format!(
            "<edit-config><target><candidate/></target><default-operation>merge</default-operation><config xmlns:nc=\"{BASE}\">{body}</config></edit-config>"
        );
        self.ask("edit-config", &request).await.map(drop)
    }

    /// Validates the candidate.
    pub async fn validate(&mut self) -> Result<(), Error> {
        let request = "<validate><source><candidate/></source></validate>";
        self.ask("validate", request).await.map(drop)
    }

    /// Makes the candidate equal to the running configuration.
    pub async fn discard(&mut self) -> Result<(), Error> {
        self.ask("discard-changes", "<discard-changes/>").await.map(drop)
    }

    /// Puts the candidate into force, or confirms or extends what is.
    pub async fn commit(&mut self, how: Commit<'_>) -> Result<(), Error> {
        let trial = |seconds: u64| format!("<confirmed/><confirm-timeout>{seconds}</confirm-timeout>");
        let inside = match how {
            Commit::Plain => String::new(),
            Commit::Session { seconds } => trial(seconds),
            Commit::Trial { id, seconds } => format!("{}<persist>{}</persist>", trial(seconds), escape(id)),
            Commit::Extend { id, seconds } => {
                let id = escape(id);
                format!("{}<persist>{id}</persist><persist-id>{id}</persist-id>", trial(seconds))
            }
            Commit::Confirm { id } => format!("<persist-id>{}</persist-id>", escape(id)),
        };
        self.ask("commit", &format!("<commit>{inside}</commit>"))
            .await
            .map(drop)
    }

    /// Puts back what was there before the trial of this id.
    pub async fn cancel(&mut self, id: &str) -> Result<(), Error> {
        let request = format!("<cancel-commit><persist-id>{}</persist-id></cancel-commit>", escape(id));
        self.ask("cancel-commit", &request).await.map(drop)
    }

    /// What happened to commits on trial since `since` (RFC 3339), oldest first: `start`, `extend`, `cancel`, `timeout` or
    /// `complete`, each with its time. The session is of no other use afterwards.
    pub async fn trials(mut self, since: &str, within: Duration) -> Result<Vec<(String, String)>, Error> {
        let request = format!(
            "<create-subscription xmlns=\"{NOTIFICATION}\"><filter type=\"subtree\"><netconf-confirmed-commit xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-notifications\"/></filter><startTime>{}</startTime></create-subscription>",
            escape(since)
        );
        self.ask("create-subscription", &request).await?;
        let deadline = Instant::now() + within;
        let mut events = Vec::new();
        loop {
            let text = self.receive("the replay of events", deadline).await?;
            let document =
                Document::parse(&text).map_err(|error| self.unreadable("notification", &error.to_string()))?;
            let word = |name: &str| {
                let mut all = document.descendants();
                all.find(|node| node.tag_name().name() == name)
                    .map(|node| node.text().unwrap_or_default().trim().to_owned())
            };
            if word("replayComplete").is_some() {
                return Ok(events);
            }
            events.extend(word("confirm-event").zip(word("eventTime")));
        }
    }

    /// Ends the session as the protocol wants it.
    pub async fn close(mut self) {
        if self.usable {
            // Gone is gone, however.
            let _ = self.ask("close-session", "<close-session/>").await;
        }
    }

    async fn ask(&mut self, operation: &str, request: &str) -> Result<String, Error> {
        self.sent += 1;
        let id = self.sent;
        self.usable = false;
        self.send(
            &format!("<rpc message-id=\"{id}\" xmlns=\"{BASE}\">{request}</rpc>"),
            operation,
        )
        .await?;
        let reply = self.receive(operation, Instant::now() + REPLY_TIMEOUT).await?;
        let document = Document::parse(&reply).map_err(|error| self.unreadable(operation, &error.to_string()))?;
        let root = document.root_element();
        if !root.has_tag_name((BASE, "rpc-reply")) || root.attribute("message-id") != Some(&id.to_string()) {
            return Err(self.unreadable(operation, "it is not the reply to this request"));
        }
        self.usable = true;
        match refusal(root) {
            Some(refusal) => Err(Error::Refused {
                device: self.device.clone(),
                refusal: Box::new(refusal),
            }),
            None => Ok(reply),
        }
    }

    async fn send(&mut self, message: &str, operation: &str) -> Result<(), Error> {
        let bytes = self.framing.encode(message);
        let written = async {
            self.wire.write_all(&bytes).await?;
            self.wire.flush().await
        };
        written.await.map_err(|_| self.cut(operation))
    }

    async fn receive(&mut self, operation: &str, deadline: Instant) -> Result<String, Error> {
        loop {
            let taken = self.framing.take(&mut self.received);
            if let Some(message) = taken.map_err(|error| self.unreadable(operation, &error.to_string()))? {
                return Ok(message);
            }
            match timeout_at(deadline, self.wire.read_buf(&mut self.received)).await {
                Ok(Ok(n)) if n > 0 => {}
                Ok(_) => return Err(self.cut(operation)),
                Err(_) => {
                    return Err(Error::Ssh(ssh::Error::Timeout {
                        device: self.device.clone(),
                        line: operation.to_owned(),
                        seconds: REPLY_TIMEOUT.as_secs(),
                    }));
                }
            }
        }
    }

    fn cut(&self, operation: &str) -> Error {
        Error::Ssh(ssh::Error::Cut {
            device: self.device.clone(),
            line: operation.to_owned(),
        })
    }

    fn unreadable(&self, operation: &str, reason: &str) -> Error {
        Error::Unreadable {
            device: self.device.clone(),
            operation: operation.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

fn target(operation: &str, store: Store) -> String {
    format!("<{operation}><target><{}/></target></{operation}>", store.name())
}

/// The part of a document as a document of its own: what the root declares goes along.
fn with_namespaces(document: &Document<'_>, part: &str) -> String {
    let mut declared = String::new();
    for namespace in document.root_element().namespaces() {
        let (name, uri) = (namespace.name(), escape(namespace.uri()));
        if name == Some("xml") {
            continue;
        }
        let attribute = name.map_or_else(|| "xmlns".to_owned(), |name| format!("xmlns:{name}"));
        declared.push_str(&format!(" {attribute}=\"{uri}\""));
    }
    format!("<part{declared}>{part}</part>")
}

/// The first error of a reply; warnings are none.
fn refusal(reply: Node<'_, '_>) -> Option<Refusal> {
    let errors = reply.children().filter(|node| node.has_tag_name((BASE, "rpc-error")));
    let text = |error: Node<'_, '_>, name: &str| {
        let found = error.descendants().find(|node| node.tag_name().name() == name);
        found.and_then(|node| node.text()).map(|text| text.trim().to_owned())
    };
    let grave = |error: &Node<'_, '_>| text(*error, "error-severity").as_deref() != Some("warning");
    let error = errors.into_iter().find(grave)?;
    Some(Refusal {
        tag: text(error, "error-tag").unwrap_or_default(),
        app_tag: text(error, "error-app-tag").unwrap_or_default(),
        path: text(error, "error-path").unwrap_or_default(),
        message: text(error, "error-message").unwrap_or_default(),
        session: text(error, "session-id"),
    })
}
