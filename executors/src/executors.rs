//! All servers together: the engine's [`ToolExecutor`].

use crate::breaker::{Breaker, CircuitStatus, Entry, Trial};
use crate::child::{identity, survivors};
use crate::credential::{Credential, CredentialStatus};
use crate::link::{Call, Link};
use crate::mcp::{Era, not_sent, rejected, unknown};
use crate::parked::{Parked, Resume};
use crate::schema::OutputSchemas;
use crate::server::{Ask, Board, Server, State};
use crate::settings::{Options, ServerSettings, Timeouts, Transport};
use crate::tools::{PinError, Pinned, Tools};
use async_trait::async_trait;
use flyball_engine::canonical::Digest;
use flyball_engine::journal::{Error as JournalError, Journal};
use flyball_engine::ports::{Answer, Clock, TaskReport, ToolExecutor};
use flyball_engine::question::Answers;
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, PinState, ToolName, ToolRequest};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How long after our start what needs a server waits for it, before it takes the server for missing.
const SETTLE: Duration = Duration::from_secs(10);

/// How a server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Starting,
    Up,
    /// Linked, but the last listing of its tools failed.
    Degraded,
    /// Not reachable; tried again by itself.
    Down,
    Stopped,
}

/// A server as `/v1/servers` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct ServerStatus {
    pub alias: String,
    pub health: Health,
    pub era: Option<Era>,
    /// Name and version that the server gives itself. Not to be relied on.
    pub server: Option<String>,
    pub pid: Option<u32>,
    /// Tools listed last, and how many of them are unusable for their pin.
    pub tools: usize,
    pub unusable_tools: usize,
    pub last_error: Option<String>,
    pub circuit: CircuitStatus,
    /// What it is reached with, over HTTP.
    pub credential: Option<CredentialStatus>,
}

pub(crate) struct Handle {
    pub(crate) timeouts: Timeouts,
    board: Arc<Board>,
    is_remote: bool,
    slots: Arc<Semaphore>,
    asks: mpsc::Sender<Ask>,
    breaker: Arc<Breaker>,
    credential: Option<Arc<Credential>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The servers of an installation and the calls to them.
pub struct Executors {
    servers: BTreeMap<String, Handle>,
    tools: Arc<Tools>,
    facts: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    mutating: Arc<watch::Sender<usize>>,
    stopping: AtomicBool,
    schemas: OutputSchemas,
    parked: Arc<Parked>,
    /// By then every process of an engine before us was dead.
    started: Instant,
}

impl Executors {
    /// Starts an actor per server and returns at once; servers come up, or do not, on their own. Two entries with one
    /// alias: the last wins. Run [`crate::fence_previous`] before. `facts` keeps child records, pins and eras. `clock`: the
    /// engine's own, by which it says until when a call may leave.
    pub async fn start(
        servers: Vec<ServerSettings>,
        facts: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, JournalError> {
        let tools = Arc::new(Tools::load(Arc::clone(&facts), options.pinning).await?);
        let by_alias: BTreeMap<String, ServerSettings> = servers.into_iter().map(|s| (s.alias.clone(), s)).collect();
        let credentials = Credential::of_all(by_alias.values());
        let start = |settings: ServerSettings| {
            let (asks, inbox) = mpsc::channel(16);
            let timeouts = settings.timeouts.clone();
            let credential = credentials.get(&settings.alias).cloned();
            let (facts, tools) = (Arc::clone(&facts), Arc::clone(&tools));
            let is_remote = matches!(settings.transport, Transport::Stdio { remote: true, .. });
            let server = Server::new(settings, options.clone(), facts, tools, inbox, credential.clone());
            let breaker = Arc::clone(&server.breaker);
            let (board, slots) = (Arc::clone(&server.board), Arc::clone(&server.slots));
            Handle {
                timeouts,
                board,
                is_remote,
                slots,
                asks,
                breaker,
                credential,
                task: Mutex::new(Some(tokio::spawn(server.run()))),
            }
        };
        Ok(Self {
            servers: by_alias.into_iter().map(|(alias, s)| (alias, start(s))).collect(),
            tools,
            facts,
            clock,
            mutating: Arc::new(watch::Sender::new(0)),
            stopping: AtomicBool::new(false),
            schemas: OutputSchemas::default(),
            parked: Arc::new(Parked::new()),
            started: Instant::now(),
        })
    }

    /// Waits until every server is up or known to be down, at most so long.
    pub async fn all_settled(&self, within: Duration) {
        self.settle(Instant::now() + within, |_| true).await;
    }

    async fn settle(&self, deadline: Instant, wanted: impl Fn(&str) -> bool) {
        for (_, server) in self.servers.iter().filter(|(alias, _)| wanted(alias)) {
            let mut state = server.board.state.subscribe();
            let _ = timeout_at(deadline, state.wait_for(|s| !matches!(s, State::Starting))).await;
        }
    }

    /// How the servers are doing, by alias.
    pub fn status(&self) -> Vec<ServerStatus> {
        let catalogue = self.tools.catalogue();
        self.servers
            .iter()
            .map(|(alias, s)| status(alias, s, &catalogue))
            .collect()
    }

    /// Signs off a tool's definition, named by the digest that the person read.
    pub async fn pin(&self, tool: &ToolName, digest: &Digest) -> Result<(), PinError> {
        self.tools.pin(tool, digest).await
    }

    /// What is signed off of a tool; none: nothing is.
    pub async fn pinned(&self, tool: &ToolName) -> Result<Option<Pinned>, JournalError> {
        self.tools.pinned(tool).await
    }

    /// Whether a server of this alias is configured.
    pub fn knows(&self, alias: &str) -> bool {
        self.servers.contains_key(alias)
    }

    /// Lists a server's tools again, or tries at once to reach it again when it is down. `Err`: the reason that they could
    /// not be listed.
    pub async fn refresh(&self, alias: &str) -> Result<(), String> {
        let server = self.servers.get(alias).ok_or_else(|| no_server(alias))?;
        // Whoever asks for this has put the credential right, or wants to know whether it is.
        if let Some(credential) = &server.credential {
            credential.try_again();
        }
        let (tx, rx) = oneshot::channel();
        let gone = || format!("server {alias} is stopped");
        server.asks.send(Ask::Refresh(tx)).await.map_err(|_| gone())?;
        rx.await.map_err(|_| gone())?
    }

    /// Stops: no new calls, mutating ones under way get `drain` to be answered, then every link is closed and every child
    /// seen to its end. True when no mutating call was cut.
    pub async fn shutdown(&self, drain: Duration) -> bool {
        self.stopping.store(true, Ordering::Release);
        let mut mutating = self.mutating.subscribe();
        let drained = timeout(drain, mutating.wait_for(|n| *n == 0)).await.is_ok();
        for server in self.servers.values() {
            let _ = server.asks.try_send(Ask::Stop);
        }
        for server in self.servers.values() {
            let task = server.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(task) = task {
                let bound = server.timeouts.start() + 2 * server.timeouts.drain() + Duration::from_secs(10);
                let _ = timeout(bound, task).await;
            }
        }
        drained
    }

    // A link that calls can go through now; waits while one is being made.
    pub(crate) async fn link(&self, alias: &str, deadline: Instant) -> Result<(&Handle, Arc<Link>), Outcome> {
        let server = self
            .servers
            .get(alias)
            .ok_or_else(|| rejected(-32601, no_server(alias)))?;
        if self.stopping.load(Ordering::Acquire) {
            return Err(not_sent("the engine is stopping"));
        }
        let mut state = server.board.state.subscribe();
        let is_decided = |s: &State| match s {
            State::Starting => false,
            State::Up(link) => link.is_usable(),
            State::Down { .. } | State::Stopped => true,
        };
        let decided = match timeout_at(deadline, state.wait_for(is_decided)).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => State::Stopped,
            Err(_) => State::Starting,
        };
        if server.credential.as_ref().is_some_and(|c| c.is_refused()) {
            return Err(refused_sign_in(alias));
        }
        match decided {
            State::Up(link) => Ok((server, link)),
            State::Starting => Err(not_sent(format!("server {alias} is still starting"))),
            State::Stopped => Err(not_sent(format!("server {alias} is stopped"))),
            State::Down { retry_at } => Err(down(alias, server, retry_at)),
        }
    }

    /// How long a question to a server may take. None: there is no such server.
    pub(crate) fn control(&self, alias: &str) -> Option<Duration> {
        self.servers.get(alias).map(|s| s.timeouts.control())
    }

    fn usable(&self, tool: &ToolName) -> Result<(), Outcome> {
        match self.tools.catalogue().get(tool).map(|t| t.pin) {
            Some(PinState::Pinned) => Ok(()),
            Some(PinState::Unpinned) => Err(rejected(-32602, format!("{tool} was not signed off yet"))),
            Some(PinState::Changed) => Err(rejected(
                -32602,
                format!("the definition of {tool} has changed since it was signed off"),
            )),
            None => Err(rejected(
                -32602,
                format!("tool not found: the server does not list {tool}"),
            )),
        }
    }

    fn note_violation(&self, tool: &ToolName, output: &serde_json::Value) {
        let catalogue = self.tools.catalogue();
        let broken = catalogue
            .get(tool)
            .and_then(|t| self.schemas.violation(&t.spec, output));
        if let Some(why) = broken {
            tracing::warn!(%tool, why, "the output breaks the schema that the tool announces");
        }
    }

    // Lets a call through the server's circuit. A change waits for a read of our own if the circuit is to be tried.
    async fn circuit(&self, server: &Handle, mutating: bool, deadline: Instant) -> Result<Option<Trial>, Outcome> {
        match server.breaker.enter(mutating) {
            Entry::Go => Ok(None),
            Entry::Trial(trial) => Ok(Some(trial)),
            Entry::Refused(outcome) => Err(outcome),
            Entry::ReadFirst(trial) => {
                let (tx, rx) = oneshot::channel();
                let read = async {
                    server.asks.send(Ask::Refresh(tx)).await.ok()?;
                    rx.await.ok()
                };
                let read = timeout_at(deadline, read).await;
                drop(trial);
                match read {
                    Ok(Some(Ok(()))) => Ok(None),
                    Ok(Some(Err(why))) => Err(not_sent(format!("circuit open: {why}"))),
                    _ => Err(not_sent("circuit open: the server does not answer a read")),
                }
            }
        }
    }

    async fn prepare(&self, request: &ToolRequest) -> Result<(&Handle, Arc<Link>, Option<Trial>), Outcome> {
        let deadline = Instant::now() + Duration::from_millis(request.timeout_ms);
        let (server, link) = self.link(request.tool.server(), deadline).await?;
        self.usable(&request.tool)?;
        if request
            .incarnation
            .as_ref()
            .is_some_and(|wanted| *wanted != link.incarnation)
        {
            return Err(not_sent("the server was restarted since"));
        }
        let trial = self.circuit(server, request.mutating, deadline).await?;
        if request.mutating && !link.is_recorded() {
            return Err(not_sent(
                "the server's process could not be recorded: no record, no action",
            ));
        }
        Ok((server, link, trial))
    }

    async fn send(&self, mut request: ToolRequest, answers: Option<Answers>) -> Answer {
        let before = Instant::now();
        let (server, link, _trial) = match self.prepare(&request).await {
            Ok(prepared) => prepared,
            Err(outcome) => return outcome.into(),
        };
        let waited = u64::try_from(before.elapsed().as_millis()).unwrap_or(u64::MAX);
        request.timeout_ms = request.timeout_ms.saturating_sub(waited);
        let tool = request.tool.clone();
        let call = Call {
            link,
            request,
            answers,
            slots: Arc::clone(&server.slots),
            all: Arc::clone(&self.mutating),
            timeouts: server.timeouts.clone(),
            breaker: Arc::clone(&server.breaker),
            parked: Arc::clone(&self.parked),
            clock: Arc::clone(&self.clock),
        };
        let reads = !call.request.mutating;
        let deadline = before + Duration::from_millis(waited.saturating_add(call.request.timeout_ms));
        let mut answer = call.run().await;
        if reads {
            answer = self.read_to_the_end(tool.server(), answer, deadline).await;
        }
        self.note_output(&tool, &answer);
        answer
    }

    // Hands an answer in to a call that is out, and waits on for its reply.
    async fn hand_in(&self, parked: &str, request: &ToolRequest, answers: Answers) -> Answer {
        let (reply, heard) = oneshot::channel();
        let timeout = Duration::from_millis(request.timeout_ms);
        let resume = Resume {
            answers,
            timeout,
            reply,
        };
        if !self.parked.resume(parked, resume) {
            return unknown("the server does not wait for the answer to its question any more").into();
        }
        let answer = heard.await;
        let answer = answer.unwrap_or_else(|_| unknown("the call's task ended early").into());
        self.note_output(&request.tool, &answer);
        answer
    }

    fn note_output(&self, tool: &ToolName, answer: &Answer) {
        if let Outcome::Done { output } = &answer.outcome {
            self.note_violation(tool, output);
        }
    }
}

#[async_trait]
impl ToolExecutor for Executors {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.tools.catalogue()
    }

    fn has_listed(&self, server: &str) -> bool {
        // One that is not in the settings never will.
        !self.servers.contains_key(server) || self.tools.has_listed(server)
    }

    async fn settled(&self, servers: Option<&BTreeSet<String>>) {
        let wanted = |alias: &str| servers.is_none_or(|s| s.contains(alias));
        self.settle(self.started + SETTLE, wanted).await;
    }

    async fn ready(&self, alias: &str) -> Result<Incarnation, Outcome> {
        let start = self.servers.get(alias).map_or(Duration::ZERO, |s| s.timeouts.start());
        let (_, link) = self.link(alias, Instant::now() + start).await?;
        let recorded = link.record(self.facts.as_ref()).await;
        recorded.map_err(|e| not_sent(format!("the server's process cannot be recorded: {e}")))?;
        Ok(link.incarnation.clone())
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        self.send(request, None).await
    }

    async fn go_on(&self, request: ToolRequest, answers: Answers) -> Answer {
        match answers.parked.clone() {
            Some(parked) => self.hand_in(&parked, &request, answers).await,
            None => self.send(request, Some(answers)).await,
        }
    }

    async fn dismiss(&self, parked: &str) {
        self.parked.forget(parked);
    }

    async fn dead_for(&self, alias: &str, incarnation: &Incarnation) -> Option<Duration> {
        if !self.is_dead(alias, incarnation).await {
            return None;
        }
        if let Some(at) = self.servers.get(alias).and_then(|s| s.board.deaths.when(incarnation)) {
            return Some(at.elapsed());
        }
        // A process of an engine before us was dead before we started; one of ours is, from now on, at least.
        let ours = identity::parse_incarnation(alias, incarnation).is_some_and(|record| identity::is_younger(&record));
        Some(if ours { Duration::ZERO } else { self.started.elapsed() })
    }

    async fn task(&self, alias: &str, task: &str) -> TaskReport {
        self.ask_for_task(alias, task).await
    }

    async fn is_dead(&self, alias: &str, incarnation: &Incarnation) -> bool {
        let server = self.servers.get(alias);
        // That it runs elsewhere may have been said after the call was sent.
        if server.is_some_and(|s| s.is_remote || s.board.deaths.is_watched(incarnation)) {
            return false;
        }
        // What runs behind a URL or elsewhere can never be proven dead: its life is no record of a process of ours.
        match identity::parse_incarnation(alias, incarnation) {
            Some(record) => survivors(&record).is_ok_and(|s| s.is_empty()),
            None => false,
        }
    }
}

fn no_server(alias: &str) -> String {
    format!("no server is configured under the alias {alias}")
}

fn refused_sign_in(alias: &str) -> Outcome {
    rejected(
        401,
        format!(
            "the sign-in to server {alias} was refused; so that no account is locked it is not tried again until a person \
             refreshes the server"
        ),
    )
}

fn down(alias: &str, server: &Handle, retry_at: Instant) -> Outcome {
    let why = server.board.last_error.borrow().clone().unwrap_or_default();
    let wait = retry_at.saturating_duration_since(Instant::now()).as_millis();
    Outcome::NotSent {
        reason: format!("server {alias} is down: {why}"),
        retry_after_ms: u64::try_from(wait).ok(),
    }
}

fn status(alias: &str, server: &Handle, catalogue: &Catalogue) -> ServerStatus {
    let state = server.board.state.borrow().clone();
    let last_error = server.board.last_error.borrow().clone();
    let link = match &state {
        State::Up(link) => Some(link),
        _ => None,
    };
    let tools: Vec<_> = catalogue
        .tools
        .iter()
        .filter(|(name, _)| name.server() == alias)
        .collect();
    ServerStatus {
        alias: alias.to_owned(),
        health: match &state {
            State::Starting => Health::Starting,
            State::Up(_) if last_error.is_some() => Health::Degraded,
            State::Up(_) => Health::Up,
            State::Down { .. } => Health::Down,
            State::Stopped => Health::Stopped,
        },
        era: link.map(|l| l.session.era),
        server: link.map(|l| l.session.server.clone()).filter(|s| !s.is_empty()),
        pid: link.and_then(|l| l.child.as_ref()).map(|c| c.record.pid),
        tools: tools.len(),
        unusable_tools: tools.iter().filter(|(_, t)| t.pin != PinState::Pinned).count(),
        last_error,
        circuit: server.breaker.status(),
        credential: server.credential.as_ref().map(|c| c.status()),
    }
}
