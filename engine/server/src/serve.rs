//! The server: binds, serves, and stops in order. At the signal nothing new is sent to any tool; requests under way end
//! beside that, within their own time, so that no client can hold the engine; then the servers are closed.

use crate::errors::Code;
use crate::http;
use crate::http::app::App;
use crate::settings::Settings;
use crate::wiring::{self, StartError};
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long calls that change something get to be answered when the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// How long requests under way get to be answered when the server stops. A client that sends nothing more waits in vain.
const HTTP_DRAIN: Duration = Duration::from_secs(5);

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
    let graceful = shutdown.clone().cancelled_owned();
    let mut serving = pin!(
        axum::serve(listener, router)
            .with_graceful_shutdown(graceful)
            .into_future()
    );
    let failed = tokio::select! {
        served = &mut serving => Some(served),
        () = shutdown.cancelled() => None,
    };
    // Ends the open event streams, which would outlast any patience.
    app.stopping.cancel();
    let Some(served) = failed else {
        let (answered, ()) = tokio::join!(tokio::time::timeout(HTTP_DRAIN, serving), stop(&app));
        return match answered {
            Ok(served) => served.map_err(Error::Serve),
            Err(_) => {
                tracing::warn!("some requests were cut off: they were not complete after {HTTP_DRAIN:?}");
                Ok(())
            }
        };
    };
    stop(&app).await;
    served.map_err(Error::Serve)
}

/// Stops in order. What is still out after the patience is in doubt at the next start.
async fn stop(app: &Arc<App>) {
    app.supervisor.shutdown(DRAIN).await;
    if !app.executors.shutdown(DRAIN).await {
        tracing::warn!("some calls were cut: they will be in doubt at the next start");
    }
    tracing::info!("stopped");
}
