//! The actor of one server: it alone starts, links, lists, restarts and stops it. A broken server costs nobody else.

use crate::breaker::Breaker;
use crate::child::death::Deaths;
use crate::child::{self, Child};
use crate::credential::Credential;
use crate::link::{Link, child_key, record_child};
use crate::mcp::{Era, Gated, HandshakeError, Mode, Session, Signals, Wire, http_client};
use crate::settings::{Options, ServerSettings, Transport, origin};
use crate::tools::Tools;
use flyball_engine::canonical::Digest;
use flyball_engine::journal::{ChildRecord, Journal};
use flyball_engine::tool::Incarnation;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// A link that held this long was a good one: its loss starts the pauses anew.
const STEADY: Duration = Duration::from_secs(10);

/// How a server is doing, as its actor publishes it.
#[derive(Clone)]
pub(crate) enum State {
    Starting,
    Up(Arc<Link>),
    Down { retry_at: Instant },
    Stopped,
}

/// What others ask of the actor.
pub(crate) enum Ask {
    /// List the tools again, or try again to reach the server.
    Refresh(oneshot::Sender<Result<(), String>>),
    Stop,
}

/// What the actor tells others.
pub(crate) struct Board {
    pub(crate) state: watch::Sender<State>,
    pub(crate) last_error: watch::Sender<Option<String>>,
    /// When each of its former processes was proven dead.
    pub(crate) deaths: Deaths,
}

/// One server's actor.
pub(crate) struct Server {
    pub(crate) settings: ServerSettings,
    pub(crate) options: Options,
    pub(crate) facts: Arc<dyn Journal>,
    pub(crate) tools: Arc<Tools>,
    pub(crate) board: Arc<Board>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) breaker: Arc<Breaker>,
    /// What it is reached with over HTTP.
    credential: Option<Arc<Credential>>,
    client: Option<reqwest::Client>,
    mode: Option<Mode>,
    failures: u32,
    /// A process that was to die and is not proven to have.
    undead: Option<Child>,
}

/// Why a link is given up.
enum Lost {
    Asked,
    /// The server forgot the session: a new one can be had at once, the old one's calls keep their streams.
    Session,
    Broken(String),
}

impl Server {
    pub(crate) fn new(
        settings: ServerSettings,
        options: Options,
        facts: Arc<dyn Journal>,
        tools: Arc<Tools>,
        asks: mpsc::Receiver<Ask>,
        credential: Option<Arc<Credential>>,
    ) -> Self {
        let breaker = Breaker::new(options.breaker);
        let slots = Arc::new(Semaphore::new(options.in_flight));
        let board = Board {
            state: watch::Sender::new(State::Starting),
            last_error: watch::Sender::new(None),
            deaths: Deaths::default(),
        };
        Self {
            settings,
            options,
            facts,
            tools,
            board: Arc::new(board),
            slots,
            asks,
            breaker,
            credential,
            client: None,
            mode: None,
            failures: 0,
            undead: None,
        }
    }

    /// Runs until asked to stop, or until nobody is left who could ask.
    pub(crate) async fn run(mut self) {
        loop {
            self.board.state.send_replace(State::Starting);
            let signals = Signals::default();
            let lost = match self.connect(&signals).await {
                Ok(link) => self.live(Arc::new(link), signals).await,
                Err(reason) => Lost::Broken(reason),
            };
            let again = match lost {
                Lost::Asked => false,
                Lost::Session => true,
                Lost::Broken(reason) => self.pause(reason).await,
            };
            if !again {
                break;
            }
        }
        self.board.state.send_replace(State::Stopped);
    }

    async fn live(&mut self, link: Arc<Link>, signals: Signals) -> Lost {
        let since = Instant::now();
        self.board.last_error.send_replace(None);
        self.board.state.send_replace(State::Up(Arc::clone(&link)));
        let lost = self.serve(&link, &signals).await;
        self.board.state.send_replace(State::Starting);
        if since.elapsed() >= STEADY {
            self.failures = 0;
        }
        if matches!(lost, Lost::Session) {
            self.retire(link);
        } else {
            self.tear_down(&link).await;
        }
        lost
    }

    async fn serve(&mut self, link: &Arc<Link>, signals: &Signals) -> Lost {
        let relist = Duration::from_millis(self.settings.timeouts.relist_ms);
        let mut next = Instant::now() + relist;
        let mut failed = 0;
        loop {
            let mut waiting = None;
            tokio::select! {
                reason = gone(link) => return Lost::Broken(reason),
                () = link.lost.cancelled() => return Lost::Session,
                () = signals.changed.notified() => {}
                () = link.silent.notified() => {}
                () = sleep_until(next) => {}
                ask = self.asks.recv() => match ask {
                    Some(Ask::Refresh(reply)) => waiting = Some(reply),
                    Some(Ask::Stop) | None => return Lost::Asked,
                },
            }
            let listed = self.list(&link.session).await;
            match &listed {
                Ok(()) => self.breaker.answered(),
                Err(reason) => self.breaker.failed(reason),
            }
            failed = if listed.is_ok() { 0 } else { failed + 1 };
            let pause = if listed.is_ok() { relist } else { self.backoff(failed) };
            next = Instant::now() + pause;
            self.board.last_error.send_replace(listed.clone().err());
            if let Some(reply) = waiting {
                let _ = reply.send(listed.clone());
            }
            // Twice silent and nothing under way that a restart could cut.
            if let Err(reason) = listed
                && failed >= 2
                && self.slots.available_permits() == self.options.in_flight
            {
                return Lost::Broken(reason);
            }
        }
    }

    async fn list(&self, session: &Session) -> Result<(), String> {
        let specs = session.list_tools(&self.settings.alias).await?;
        self.tools.listed(&self.settings.alias, specs).await;
        Ok(())
    }

    // True: try again. False: asked to stop.
    async fn pause(&mut self, reason: String) -> bool {
        self.failures = self.failures.saturating_add(1);
        let wait = self.backoff(self.failures);
        if self.is_refused() {
            return self.wait_for_sign_in(reason).await;
        }
        tracing::warn!(alias = self.settings.alias, reason, ?wait, "server is down");
        self.board.last_error.send_replace(Some(reason));
        let retry_at = Instant::now() + wait;
        self.board.state.send_replace(State::Down { retry_at });
        tokio::select! {
            () = sleep_until(retry_at) => true,
            ask = self.asks.recv() => match ask {
                Some(Ask::Refresh(reply)) => {
                    let _ = reply.send(Err("the server is down; it is tried again now".to_owned()));
                    true
                }
                Some(Ask::Stop) | None => false,
            },
        }
    }

    fn is_refused(&self) -> bool {
        self.credential.as_ref().is_some_and(|c| c.is_refused())
    }

    // Not by itself: each try could lock the account. A person asks for one, or the credential proves good elsewhere.
    async fn wait_for_sign_in(&mut self, reason: String) -> bool {
        tracing::error!(
            alias = self.settings.alias,
            reason,
            "the sign-in was refused: not tried again until it is refreshed"
        );
        self.board.last_error.send_replace(Some(reason));
        let retry_at = Instant::now();
        self.board.state.send_replace(State::Down { retry_at });
        let Some(credential) = self.credential.clone() else {
            return true;
        };
        let mut good_again = credential.good_again();
        tokio::select! {
            _ = good_again.changed() => true,
            ask = self.asks.recv() => match ask {
                Some(Ask::Refresh(reply)) => {
                    let _ = reply.send(Err("the sign-in was refused; it is tried once more now".to_owned()));
                    true
                }
                Some(Ask::Stop) | None => false,
            },
        }
    }

    fn backoff(&self, failures: u32) -> Duration {
        let t = &self.settings.timeouts;
        let doubled = t.backoff_min_ms.saturating_mul(1 << failures.saturating_sub(1).min(20));
        Duration::from_millis(doubled.min(t.backoff_max_ms))
    }

    async fn connect(&mut self, signals: &Signals) -> Result<Link, String> {
        if let Some(child) = &self.undead {
            if !child.is_proven_dead() {
                return Err(format!("its former process {} does not die", child.record.pid));
            }
            self.undead = None;
        }
        let mut mode = match self.mode {
            Some(mode) => mode,
            None => self.known_era().await,
        };
        // What an attempt teaches about the era is used at once: two lessons are all there are.
        for _ in 0..2 {
            match self.attempt(mode, signals).await {
                Ok(link) => return Ok(link),
                Err(HandshakeError { reason, next: None }) => return Err(reason),
                // A refused sign-in teaches nothing about the era.
                Err(HandshakeError { reason, .. }) if self.is_refused() => return Err(reason),
                Err(HandshakeError {
                    reason,
                    next: Some(next),
                }) => {
                    tracing::info!(
                        alias = self.settings.alias,
                        reason,
                        ?next,
                        "the handshake is tried in another way"
                    );
                    self.mode = Some(next);
                    mode = next;
                }
            }
        }
        let last = self.attempt(mode, signals).await;
        last.map_err(|error| {
            self.mode = error.next;
            error.reason
        })
    }

    async fn attempt(&mut self, mode: Mode, signals: &Signals) -> Result<Link, HandshakeError> {
        let link = match self.settings.transport.clone() {
            Transport::Stdio { .. } => self.start_child(mode, signals).await?,
            Transport::Http { url, headers } => self.link_http(&url, &headers, mode, signals).await?,
        };
        // On this transport before any call: the list names the arguments that must be mirrored into headers.
        if let Err(reason) = self.list(&link.session).await {
            self.tear_down(&link).await;
            return Err(HandshakeError { reason, next: None });
        }
        self.keep_era(link.session.era).await;
        Ok(link)
    }

    async fn start_child(&mut self, mode: Mode, signals: &Signals) -> Result<Link, HandshakeError> {
        let plain = |reason: String| HandshakeError { reason, next: None };
        let (child, pipes) = child::start(&self.settings, &self.options)
            .await
            .map_err(|e| plain(format!("the process cannot be started: {e}")))?;
        self.board.deaths.watch(self.life(&child.record), child.handle());
        let recorded = record_child(&child, self.facts.as_ref()).await;
        if let Err(error) = &recorded {
            tracing::error!(alias = self.settings.alias, %error, "no child record: only reads go through");
        }
        match Session::open(Wire::Pipes(pipes), mode, &self.settings.timeouts, signals.clone()).await {
            Ok(session) => {
                let incarnation = self.life(&child.record);
                Ok(Link::new(session, Some(child), incarnation, recorded.is_ok()))
            }
            Err(mut error) => {
                self.bury(&child).await;
                error.reason = with_last_words(error.reason, &child).await;
                Err(error)
            }
        }
    }

    // What is said of a child says nothing of a server that runs elsewhere, so that one's life must not be read as a child's.
    fn life(&self, record: &ChildRecord) -> Incarnation {
        match self.settings.transport {
            Transport::Stdio { remote: true, .. } => Incarnation(format!("remote:{}", record.incarnation().0)),
            _ => record.incarnation(),
        }
    }

    async fn link_http(
        &mut self,
        url: &str,
        headers: &BTreeMap<String, String>,
        mode: Mode,
        signals: &Signals,
    ) -> Result<Link, HandshakeError> {
        let plain = |reason: String| HandshakeError { reason, next: None };
        let client = match &self.client {
            Some(client) => client.clone(),
            None => http_client(&self.settings.timeouts).map_err(plain)?,
        };
        let credential = self.credential.clone();
        let credential = credential.ok_or_else(|| plain("it is not reached over HTTP".to_owned()))?;
        let wire = Wire::Http {
            client: Gated::new(client.clone(), credential),
            url,
            headers,
            in_flight: self.options.in_flight,
        };
        let session = Session::open(wire, mode, &self.settings.timeouts, signals.clone()).await?;
        let incarnation = Incarnation(origin(url));
        self.client = Some(client);
        Ok(Link::new(session, None, incarnation, true))
    }

    // Calls that are under way in a forgotten session keep their streams; it is closed behind the last of them.
    fn retire(&self, link: Arc<Link>) {
        let limit = Duration::from_millis(self.settings.timeouts.late_ms);
        tokio::spawn(async move {
            let mut mutating = link.mutating.subscribe();
            let _ = timeout(limit, mutating.wait_for(|n| *n == 0)).await;
            link.session.close().await;
        });
    }

    async fn tear_down(&mut self, link: &Link) {
        link.session.close().await;
        if let Some(child) = &link.child {
            self.bury(child).await;
        }
    }

    async fn bury(&mut self, child: &Child) {
        if child.end(self.settings.timeouts.drain()).await {
            self.board.deaths.note(self.life(&child.record));
            self.forget_child().await;
        } else {
            self.undead = Some(child.handle());
        }
    }

    async fn forget_child(&self) {
        if let Err(error) = self.facts.remove_fact(&child_key(&self.settings.alias)).await {
            tracing::warn!(alias = self.settings.alias, %error, "a dead child's record stays");
        }
    }

    fn era_key(&self) -> String {
        format!("era/{}", self.settings.alias)
    }

    // Another command or address is another server, whatever its alias.
    fn identity(&self) -> Digest {
        let what = match &self.settings.transport {
            Transport::Stdio { command, args, .. } => json!({"command": command, "args": args}),
            Transport::Http { url, .. } => json!({"url": origin(url)}),
        };
        Digest::of_value(&what)
    }

    async fn known_era(&self) -> Mode {
        let fact: Value = match self.facts.fact(&self.era_key()).await {
            Ok(Some(fact)) => fact,
            _ => return Mode::Auto,
        };
        let same = fact.get("server").and_then(Value::as_str) == Some(self.identity().as_str());
        let era = fact
            .get("era")
            .and_then(|e| serde_json::from_value::<Era>(e.clone()).ok());
        match era.filter(|_| same) {
            Some(era) => Mode::Known(era),
            None => Mode::Auto,
        }
    }

    async fn keep_era(&mut self, era: Era) {
        self.mode = Some(Mode::Known(era));
        // No sync for what is known: calls wait for this.
        if self.known_era().await == Mode::Known(era) {
            return;
        }
        let fact = json!({"era": era, "server": self.identity()});
        if let Err(error) = self.facts.put_fact(&self.era_key(), fact).await {
            tracing::warn!(alias = self.settings.alias, %error, "the era is not kept");
        }
    }
}

async fn gone(link: &Link) -> String {
    let Some(child) = &link.child else {
        link.session.ended().await;
        return "the connection was closed".to_owned();
    };
    tokio::select! {
        biased;
        how = child.exited() => with_last_words(format!("the process ended ({how})"), child).await,
        () = link.session.ended() => "the process closed its output".to_owned(),
    }
}

async fn with_last_words(reason: String, child: &Child) -> String {
    match child.last_words().await {
        Some(words) => format!("{reason}; it last wrote: {words}"),
        None => reason,
    }
}
