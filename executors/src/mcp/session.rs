//! One handshake's worth of a server: list tools, call them, close. Every wait has a bound of our own, for rmcp's may hang.

use super::classify::{Ended, classify, not_sent, unknown};
use super::line_cap::LineCap;
use super::questions::{Listener, Listeners, Posed};
use super::{Era, Gated, MAX_REPLY, http};
use crate::child::Pipes;
use crate::settings::Timeouts;
use flyball_engine::question::Answers;
use flyball_engine::tool::{Outcome, ToolName, ToolSpec};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, ElicitRequestParams,
    ElicitResult, ElicitationCapability, FormElicitationCapability, Implementation, JsonObject, MetaObject,
    PaginatedRequestParams, ProtocolVersion, RequestMetaObject, ServerResult, SubscriptionFilter, Tool,
};
use rmcp::service::{
    ClientCacheConfig, ClientInitializeError, ClientLifecycleMode, NotificationContext, PeerRequestOptions,
    RequestContext, RequestHandle, RunningService, RunningServiceCancellationToken, ServiceError,
};
use rmcp::{ClientHandler, ClientServiceExt, ErrorData, Peer, RoleClient};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Tools that one server may list, and pages they may come in.
const MAX_TOOLS: usize = 10_000;
const MAX_PAGES: usize = 1_000;

/// How to open: by trying, or as known from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Auto,
    Known(Era),
}

/// What to open a session over.
pub(crate) enum Wire<'a> {
    Pipes(Pipes),
    Http {
        client: Gated,
        url: &'a str,
        headers: &'a BTreeMap<String, String>,
        in_flight: usize,
    },
}

/// Why there is no session, and how the next attempt should be made if this one taught that.
#[derive(Debug)]
pub(crate) struct HandshakeError {
    pub(crate) reason: String,
    pub(crate) next: Option<Mode>,
}

/// What a session tells its owner.
#[derive(Clone, Default)]
pub(crate) struct Signals {
    /// The list of tools has changed, or may have.
    pub(crate) changed: Arc<Notify>,
}

/// An open session.
pub(crate) struct Session {
    pub(super) peer: Peer<RoleClient>,
    pub(crate) era: Era,
    pub(crate) server: String,
    /// Set when the link is gone for good.
    ended: CancellationToken,
    close: Mutex<Option<RunningServiceCancellationToken>>,
    listener: CancellationToken,
    /// The calls that are out, to which a server's question may belong.
    calls: Arc<Listeners>,
    control: Duration,
}

#[derive(Clone)]
struct Handler {
    signals: Signals,
    calls: Arc<Listeners>,
}

impl ClientHandler for Handler {
    // Neither roots nor sampling: a server must then not ask for them. Forms are, for there is an operator who can be asked
    // to fill one in. Tasks are: the only crash-proof way to a result is a handle that outlives us.
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("flyball", env!("CARGO_PKG_VERSION"));
        let mut capabilities = ClientCapabilities::default();
        let tasks = (rmcp::model::TASKS_EXTENSION_ID.to_owned(), Default::default());
        capabilities.extensions = Some([tasks].into_iter().collect());
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(FormElicitationCapability::new()));
        ClientConfig::new(capabilities, us).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }

    // Only servers of the old era ask so, while the call is out. What a handler waits for holds nothing else up.
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(self.calls.ask(request, &context).await)
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.signals.changed.notify_one();
    }
}

fn lifecycle(mode: Mode) -> ClientLifecycleMode {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    match mode {
        Mode::Known(Era::Legacy) => ClientLifecycleMode::Initialize,
        Mode::Known(Era::Modern) => ClientLifecycleMode::Discover { preferred_versions },
        Mode::Auto => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
    }
}

impl Session {
    /// Opens a session within the start timeout.
    pub(crate) async fn open(
        wire: Wire<'_>,
        mode: Mode,
        timeouts: &Timeouts,
        signals: Signals,
    ) -> Result<Self, HandshakeError> {
        let calls = Arc::<Listeners>::default();
        let handler = Handler {
            signals: signals.clone(),
            calls: Arc::clone(&calls),
        };
        let plain = |reason: String| HandshakeError { reason, next: None };
        let mode_of = lifecycle(mode);
        let opening = async {
            match wire {
                Wire::Pipes(pipes) => {
                    let transport = (LineCap::new(pipes.stdout, MAX_REPLY), pipes.stdin);
                    Ok(handler.serve_with_lifecycle(transport, mode_of).await)
                }
                Wire::Http {
                    client,
                    url,
                    headers,
                    in_flight,
                } => {
                    let transport = http::transport(client, url, headers, in_flight)?;
                    Ok(handler.serve_with_lifecycle(transport, mode_of).await)
                }
            }
        };
        match timeout(timeouts.start(), opening).await {
            Err(_) => Err(plain(format!("no handshake within {} ms", timeouts.start_ms))),
            Ok(Err(why)) => Err(plain(why)),
            Ok(Ok(Err(error))) => Err(HandshakeError {
                next: next_mode(mode, &error),
                reason: handshake_text(error),
            }),
            Ok(Ok(Ok(running))) => Ok(Self::run(running, timeouts.control(), signals, calls).await),
        }
    }

    async fn run(
        running: RunningService<RoleClient, Handler>,
        control: Duration,
        signals: Signals,
        calls: Arc<Listeners>,
    ) -> Self {
        let peer = running.peer().clone();
        // A list from memory would hide that a tool's definition has changed.
        peer.set_response_cache_config(ClientCacheConfig::disabled()).await;
        let info = peer.peer_info();
        let modern = info.as_ref().is_some_and(|i| !i.protocol_version.has_initialize());
        let named = info.as_ref().and_then(|i| i.server_info.as_ref());
        let session = Self {
            era: if modern { Era::Modern } else { Era::Legacy },
            server: named.map_or_else(String::new, |s| format!("{} {}", s.name, s.version)),
            ended: CancellationToken::new(),
            close: Mutex::new(Some(running.cancellation_token())),
            listener: CancellationToken::new(),
            peer,
            calls,
            control,
        };
        let ended = session.ended.clone();
        tokio::spawn(async move {
            let _ = running.waiting().await;
            ended.cancel();
        });
        let announces = info
            .and_then(|i| i.capabilities.tools.clone())
            .and_then(|t| t.list_changed);
        if modern && announces == Some(true) {
            session.listen(signals);
        }
        session
    }

    // A modern server tells of changed tools only on a stream that is asked for, and again after each loss of it.
    fn listen(&self, signals: Signals) {
        let (peer, control, stop) = (self.peer.clone(), self.control, self.listener.clone());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            let filter = || SubscriptionFilter::builder().tools_list_changed().build();
            let mut pause = Duration::from_millis(500);
            while !peer.is_transport_closed() {
                if let Ok(Ok(mut subscription)) = timeout(control, peer.listen(filter())).await {
                    pause = Duration::from_millis(500);
                    // What happened before the stream was open was not told.
                    signals.changed.notify_one();
                    while let Ok(Some(_)) = subscription.next().await {
                        signals.changed.notify_one();
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }));
    }

    /// Resolves when the link is gone.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ended.is_cancelled() || self.peer.is_transport_closed()
    }

    /// Closes the link, within the control timeout. What is under way in it ends unknown.
    pub(crate) async fn close(&self) {
        self.listener.cancel();
        let token = self.close.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(token) = token {
            token.cancel();
        }
        let _ = timeout(self.control, self.ended()).await;
    }

    /// The server's tools as it lists them now.
    pub(crate) async fn list_tools(&self, alias: &str) -> Result<Vec<ToolSpec>, String> {
        let listing = timeout(self.control, self.list_pages());
        let tools = listing
            .await
            .map_err(|_| "tools were not listed in time".to_owned())??;
        Ok(tools.into_iter().filter_map(|tool| spec(alias, tool)).collect())
    }

    async fn list_pages(&self) -> Result<Vec<Tool>, String> {
        let (mut tools, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let params = cursor.map(|c| PaginatedRequestParams::default().with_cursor(Some(c)));
            let page = self.peer.list_tools(params).await;
            let page = page.map_err(list_error)?;
            tools.extend(page.tools);
            if tools.len() > MAX_TOOLS {
                return Err(format!("more than {MAX_TOOLS} tools are listed"));
            }
            cursor = page.next_cursor.filter(|c| !c.is_empty());
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(format!("tools are listed in more than {MAX_PAGES} pages"))
    }

    /// Hands a call to the link. `Err`: it certainly never left.
    pub(crate) async fn send(
        &self,
        tool: &str,
        args: Map<String, Value>,
        meta: Map<String, Value>,
        again: Again<'_>,
        within: Duration,
    ) -> Result<Pending, Outcome> {
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(JsonObject::from_iter(args));
        if let Some(answers) = again.answers {
            params = params.with_input_responses(answers.by_key.clone());
            // Opaque: sent back as it came, and not at all where none came.
            params.request_state.clone_from(&answers.state);
        }
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let listener = self.calls.listen(again.mutating);
        let options = PeerRequestOptions::no_options().with_meta(own_meta(meta));
        match timeout(within, self.peer.send_request_with_option(request, options)).await {
            Ok(Ok(handle)) => {
                listener.is_of(handle.id.clone());
                Ok(Pending { handle, listener })
            }
            Ok(Err(_)) => Err(not_sent("the link to the server is closed")),
            Err(_) => Err(not_sent("the queue to the server is full")),
        }
    }
}

// The protocol's own keys are set by the link.
fn own_meta(meta: Map<String, Value>) -> RequestMetaObject {
    let ours = meta
        .into_iter()
        .filter(|(key, _)| !key.starts_with("io.modelcontextprotocol/") && key != "progressToken");
    RequestMetaObject(MetaObject(ours.collect()))
}

/// What a request to call a tool says besides the call.
#[derive(Clone, Copy)]
pub(crate) struct Again<'a> {
    /// What was answered to the question with which the server ended the call.
    pub(crate) answers: Option<&'a Answers>,
    pub(crate) mutating: bool,
}

/// A call under way.
pub(crate) struct Pending {
    handle: RequestHandle<RoleClient>,
    listener: Listener,
}

/// What is heard of a call under way.
pub(crate) enum Heard {
    Ended(Ended),
    /// Its server asks, and waits.
    Asked(Posed),
}

impl Pending {
    /// Waits for the reply, however long it takes. What the server asks meanwhile is dismissed: nobody listens.
    pub(crate) async fn end(&mut self) -> Ended {
        loop {
            tokio::select! {
                biased;
                reply = &mut self.handle.rx => return classify(flat(reply)),
                posed = self.listener.asked() => drop(posed),
            }
        }
    }

    /// Waits for the reply, or for a question before it. None: neither came in time, and the call goes on.
    pub(crate) async fn hear(&mut self, time: Duration) -> Option<Heard> {
        let heard = async {
            tokio::select! {
                biased;
                reply = &mut self.handle.rx => Heard::Ended(classify(flat(reply))),
                posed = self.listener.asked() => Heard::Asked(posed),
            }
        };
        timeout(time, heard).await.ok()
    }

    /// Tells the server that nobody waits any more. Bounded: the message may get stuck behind a full pipe.
    pub(crate) async fn cancel(self, within: Duration) {
        let _ = timeout(
            within,
            self.handle.cancel(Some("nobody waits for this any more".to_owned())),
        )
        .await;
    }
}

fn flat(
    reply: Result<Result<ServerResult, ServiceError>, oneshot::error::RecvError>,
) -> Result<ServerResult, ServiceError> {
    reply.unwrap_or(Err(ServiceError::TransportClosed))
}

fn list_error(error: ServiceError) -> String {
    match classify(Err(error)).outcome {
        Outcome::NotSent { reason, .. } | Outcome::Unknown { reason, .. } => reason,
        Outcome::Rejected { message, .. } => message,
        _ => "tools cannot be listed".to_owned(),
    }
}

// Names end up in prompts, plans and keys; the protocol allows these characters and no others.
fn spec(alias: &str, tool: Tool) -> Option<ToolSpec> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if tool.name.is_empty() || tool.name.len() > 128 || !tool.name.chars().all(good) {
        tracing::warn!(alias, "a tool with a name that the protocol does not allow is left out");
        return None;
    }
    Some(ToolSpec {
        name: ToolName::new(alias, tool.name),
        description: tool.description.map(Into::into).unwrap_or_default(),
        input_schema: Value::Object((*tool.input_schema).clone()),
        output_schema: tool.output_schema.map(|s| Value::Object((*s).clone())),
        annotations: tool.annotations.and_then(|a| serde_json::to_value(a).ok()),
    })
}

// A server that needs longer than rmcp's fixed ten seconds answers the first question when rmcp has already asked the
// second; that ends the handshake for good, but it tells the era. So do some other failures.
fn next_mode(tried: Mode, error: &ClientInitializeError) -> Option<Mode> {
    use ClientInitializeError as E;
    match (tried, error) {
        (Mode::Auto, E::ConflictInitResponseId(..)) => Some(Mode::Known(Era::Modern)),
        (
            Mode::Auto,
            E::UncorrelatedErrorResponse { .. }
            | E::ConnectionClosed(_)
            | E::LegacyFallbackFailed { .. }
            // It knows the question, and answers that it speaks older versions only.
            | E::NoCompatibleProtocolVersion { .. },
        ) => Some(Mode::Known(Era::Legacy)),
        (Mode::Known(_), E::TransportError { .. }) | (Mode::Auto, _) => None,
        (Mode::Known(_), _) => Some(Mode::Auto),
    }
}

fn handshake_text(error: ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => list_error(ServiceError::TransportSend(error)),
        ClientInitializeError::ConnectionClosed(_) => {
            "the server closed the connection during the handshake".to_owned()
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => handshake_text(*fallback),
        other => {
            let Outcome::Unknown { reason, .. } = unknown(format!("handshake failed: {other}")) else {
                return "handshake failed".to_owned();
            };
            reason
        }
    }
}
