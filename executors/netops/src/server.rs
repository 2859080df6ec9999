//! Carries the tools over stdio or HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::tools::{self, Reply, Toolbox};

/// Which tools are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Inventory,
    Config,
    Telemetry,
}

impl Role {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Config => "config",
            Self::Telemetry => "telemetry",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let roles = [Self::Inventory, Self::Config, Self::Telemetry];
        let found = roles.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("no role {text}; there are inventory, config, telemetry"))
    }
}

/// What to serve, and how.
#[derive(Debug)]
pub struct ServeOptions {
    pub role: Role,
    pub inventory: PathBuf,
    /// Default: `credentials.yaml` beside the inventory.
    pub credentials: Option<PathBuf>,
    /// HTTP here, path `/mcp`; stdio when absent.
    pub listen: Option<SocketAddr>,
    /// Bearer token that HTTP clients must show. Needed for any address but loopback.
    pub token: Option<String>,
    /// Told the bound address once HTTP answers.
    pub on_bound: Option<oneshot::Sender<SocketAddr>>,
}

/// The server could not start or ended in an unplanned way.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Inventory(#[from] crate::inventory::Error),
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("{0} is not a loopback address: a token is needed")]
    TokenNeeded(SocketAddr),
    #[error("the HTTP server ended: {0}")]
    Http(std::io::Error),
    #[error("the MCP session could not start: {0}")]
    Session(String),
}

/// Longest wait for calls in hand when stopping.
const DRAIN: Duration = Duration::from_secs(25);

/// Serves until `shutdown` is cancelled, or the client on stdio goes. Calls in hand are finished first.
pub async fn serve(options: ServeOptions, shutdown: CancellationToken) -> Result<(), Error> {
    let trusted = options.listen.is_none() || options.token.is_some();
    let toolbox = Toolbox::new(options.role, options.inventory, options.credentials, trusted);
    toolbox.check()?;
    let server = NetopsServer::new(options.role, toolbox);
    let calls = server.calls.clone();
    let ended = match options.listen {
        None => serve_on(server, rmcp::transport::stdio(), shutdown).await,
        Some(address) => serve_http(server, address, options.token, options.on_bound, shutdown).await,
    };
    calls.close();
    if tokio::time::timeout(DRAIN, calls.wait()).await.is_err() {
        tracing::warn!("calls were still running when the server stopped");
    }
    ended
}

/// Serves one client on a pair of streams.
pub async fn serve_on<R, W>(server: NetopsServer, streams: (R, W), shutdown: CancellationToken) -> Result<(), Error>
where
    R: tokio::io::AsyncRead + Send + Unpin + 'static,
    W: tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let calls = server.calls.clone();
    let running = server
        .serve(streams)
        .await
        .map_err(|error| Error::Session(error.to_string()))?;
    let stop = running.cancellation_token();
    let waiting = running.waiting();
    tokio::pin!(waiting);
    tokio::select! {
        ended = &mut waiting => ended.map(drop).map_err(|error| Error::Session(error.to_string())),
        () = shutdown.cancelled() => {
            calls.close();
            let _ = tokio::time::timeout(DRAIN, calls.wait()).await;
            stop.cancel();
            waiting.await.map(drop).map_err(|error| Error::Session(error.to_string()))
        }
    }
}

async fn serve_http(
    server: NetopsServer,
    address: SocketAddr,
    token: Option<String>,
    on_bound: Option<oneshot::Sender<SocketAddr>>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    if token.is_none() && !address.ip().is_loopback() {
        return Err(Error::TokenNeeded(address));
    }
    let bind_error = |source| Error::Bind { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(bind_error)?;
    let bound = listener.local_addr().map_err(bind_error)?;
    let app = router(server, bound, token, shutdown.child_token());
    if let Some(tell) = on_bound {
        // Nobody may be listening for it; the server runs all the same.
        let _ = tell.send(bound);
    }
    let stop = async move { shutdown.cancelled().await };
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await
        .map_err(Error::Http)
}

fn router(server: NetopsServer, bound: SocketAddr, token: Option<String>, stop: CancellationToken) -> Router {
    let hosts = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        bound.ip().to_string(),
    ];
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .enforce_origin_validation()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_cancellation_token(stop);
    let make = move || Ok(server.clone());
    let service = StreamableHttpService::new(make, Arc::new(LocalSessionManager::default()), config);
    let app = Router::new().nest_service("/mcp", service);
    match token {
        Some(token) => app.layer(middleware::from_fn_with_state(Arc::new(digest(&token)), check_token)),
        None => app,
    }
}

async fn check_token(State(expected): State<Arc<[u8; 32]>>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let shown = shown
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    // Digests are compared, so that the time taken says nothing about the token.
    if digest(shown) == *expected {
        return next.run(request).await;
    }
    (
        StatusCode::UNAUTHORIZED,
        [(header::WWW_AUTHENTICATE, "Bearer")],
        "a valid bearer token is needed",
    )
        .into_response()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The MCP handler over a toolbox; clones share it.
#[derive(Clone)]
pub struct NetopsServer {
    role: Role,
    toolbox: Arc<Toolbox>,
    calls: TaskTracker,
}

impl NetopsServer {
    /// Serves the tools of this toolbox.
    pub fn new(role: Role, toolbox: Toolbox) -> Self {
        Self {
            role,
            toolbox: Arc::new(toolbox),
            calls: TaskTracker::new(),
        }
    }

    /// Runs a call to its end even if the client goes: half a change is worse than one nobody waits for.
    async fn run(&self, request: CallToolRequestParams, meta: rmcp::model::JsonObject) -> Option<Reply> {
        let toolbox = Arc::clone(&self.toolbox);
        let call = async move {
            toolbox
                .call(&request.name, request.arguments.unwrap_or_default(), &meta)
                .await
        };
        match self.calls.spawn(call).await {
            Ok(reply) => reply,
            Err(panic) => {
                tracing::error!(%panic, "a tool panicked");
                Some(tools::broken("internal error; see the server's log"))
            }
        }
    }
}

impl ServerHandler for NetopsServer {
    fn get_info(&self) -> ServerConfig {
        let name = format!("flyball-netops-{}", self.role.name());
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new(name, env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.toolbox.tools().to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.toolbox.tools().iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut meta = context.meta.0.0.clone();
        if let Some(own) = &request.meta {
            meta.extend(own.0.0.clone());
        }
        let name = request.name.clone();
        let reply = self.run(request, meta).await;
        let reply = reply.ok_or_else(|| ErrorData::invalid_params(format!("tool not found: {name}"), None))?;
        Ok(CallToolResponse::Complete(result(reply)))
    }
}

fn result(reply: Reply) -> CallToolResult {
    let text = vec![ContentBlock::text(reply.content.to_string())];
    let mut result = if reply.is_error {
        CallToolResult::error(text)
    } else {
        CallToolResult::success(text)
    };
    result.structured_content = Some(reply.content);
    result
}
