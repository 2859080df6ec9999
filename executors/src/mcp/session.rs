//! One handshake's worth of a server: list tools, call them, close. Every wait has a bound of our own, for rmcp's may hang.

use super::classify::{Ended, classify, not_sent, unknown};
use super::line_cap::LineCap;
use super::{Era, Gated, MAX_REPLY, http};
use crate::child::Pipes;
use crate::settings::Timeouts;
use flyball_engine::tool::{Outcome, ToolName, ToolSpec};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest, Implementation,
    JsonObject, MetaObject, PaginatedRequestParams, ProtocolVersion, RequestMetaObject, ServerResult,
    SubscriptionFilter, Tool,
};
use rmcp::service::{
    ClientCacheConfig, ClientInitializeError, ClientLifecycleMode, NotificationContext, PeerRequestOptions,
    RequestHandle, RunningService, RunningServiceCancellationToken, ServiceError,
};
use rmcp::{ClientHandler, ClientServiceExt, Peer, RoleClient};
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
    control: Duration,
}

#[derive(Clone)]
struct Handler {
    signals: Signals,
}

impl ClientHandler for Handler {
    // Neither roots nor sampling nor elicitation: a server must then not ask for them. Tasks are: the only crash-proof way
    // to a result is a handle that outlives us.
    fn get_info(&self) -> ClientConfig {
        let us = Implementation::new("flyball", env!("CARGO_PKG_VERSION"));
        let mut capabilities = ClientCapabilities::default();
        let tasks = (rmcp::model::TASKS_EXTENSION_ID.to_owned(), Default::default());
        capabilities.extensions = Some([tasks].into_iter().collect());
        ClientConfig::new(capabilities, us).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
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
        let handler = Handler {
            signals: signals.clone(),
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
            Ok(Ok(Ok(running))) => Ok(Self::run(running, timeouts.control(), signals).await),
        }
    }

    async fn run(running: RunningService<RoleClient, Handler>, control: Duration, signals: Signals) -> Self {
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
        within: Duration,
    ) -> Result<Pending, Outcome> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(
            CallToolRequestParams::new(tool.to_owned()).with_arguments(JsonObject::from_iter(args)),
        ));
        let options = PeerRequestOptions::no_options().with_meta(own_meta(meta));
        match timeout(within, self.peer.send_request_with_option(request, options)).await {
            Ok(Ok(handle)) => Ok(Pending { handle }),
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

/// A call under way.
pub(crate) struct Pending {
    handle: RequestHandle<RoleClient>,
}

impl Pending {
    /// Waits for the reply for so long. None: not yet, and the call goes on.
    pub(crate) async fn wait(&mut self, time: Duration) -> Option<Ended> {
        let reply = timeout(time, &mut self.handle.rx).await.ok()?;
        Some(classify(flat(reply)))
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
