//! The server: binds, serves, and stops in order. New requests end first, then calls that change something are waited
//! for, then the servers are closed.

use crate::errors::Code;
use crate::http;
use crate::http::app::App;
use crate::settings::Settings;
use crate::wiring::{self, StartError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long calls that change something get to be answered when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// Why the server did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{address} is no loopback address, and nobody has a named token")]
    Open { address: SocketAddr },
    #[error("cannot listen on {address}: {source}")]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error("the listener failed: {0}")]
    Serve(#[source] std::io::Error),
}

impl Error {
    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::Start(e) => e.code(),
            Self::Open { .. } => Code::OpenWithoutTokens,
            Self::Bind { .. } => Code::CannotListen,
            Self::Serve(_) => Code::Internal,
        }
    }
}

/// Serves until told to stop. `bound` hears the address once requests are answered.
pub async fn serve(
    settings: &Settings,
    program: &Path,
    shutdown: CancellationToken,
    bound: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    let address = settings.listen;
    if !address.ip().is_loopback() && !settings.has_named_tokens() {
        return Err(Error::Open { address });
    }
    let bind_error = |source| Error::Bind { address, source };
    // Bound before anything is started: a second server on the same address must not touch the store.
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    let app = wiring::build(settings, program).await?;
    let router = http::router(app.clone());
    bound(address);
    tracing::info!(%address, writes = settings.writes, "serving");
    let stopping = app.stopping.clone();
    let signal = async move {
        shutdown.cancelled().await;
        stopping.cancel();
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(signal).await;
    stop(&app).await;
    served.map_err(Error::Serve)
}

/// Stops in order. What is still out after the patience is in doubt at the next start.
async fn stop(app: &Arc<App>) {
    app.stopping.cancel();
    app.supervisor.shutdown(DRAIN).await;
    if !app.executors.shutdown(DRAIN).await {
        tracing::warn!("some calls were cut: they will be in doubt at the next start");
    }
    tracing::info!("stopped");
}
