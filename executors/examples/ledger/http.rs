//! Over streamable HTTP. Answers pass through a layer, where they can be cut, slowed down or flooded.

use crate::faults::{Faults, Wire, die};
use crate::tools::Ledger;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type Chunk = Result<Bytes, axum::Error>;

pub(crate) async fn serve(ledger: Ledger, address: SocketAddr, dir: &Path) -> std::io::Result<()> {
    let mut config = StreamableHttpServerConfig::default();
    // Each era in the form that its servers usually have: sessions with event streams, or plain JSON without.
    config.legacy_session_mode = !ledger.modern;
    config.json_response = ledger.modern;
    let faults = ledger.faults.clone();
    let service = StreamableHttpService::new(
        move || Ok(ledger.clone()),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let router = Router::new()
        .nest_service("/mcp", service)
        .layer(from_fn_with_state(faults, suffer));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    // Written beside and moved: whoever reads it reads all of it.
    std::fs::write(dir.join("url.new"), url)?;
    std::fs::rename(dir.join("url.new"), dir.join("url"))?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |tcp| drop(tcp.set_nodelay(true)));
    axum::serve(listener, router).await
}

async fn suffer(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    if faults.armed().is_some() {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    let events = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"text/event-stream"));
    let chunks = body.into_data_stream().flat_map(move |chunk| match chunk {
        // A stream's first event, without data, is no answer.
        Ok(bytes) if !bytes.is_empty() && contains(&bytes, b"\"result\"") => through(bytes, events, &faults),
        other => one(other),
    });
    Response::from_parts(parts, Body::from_stream(chunks))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|w| w == part)
}

fn one(chunk: Chunk) -> BoxStream<'static, Chunk> {
    futures::stream::once(async { chunk }).boxed()
}

fn through(bytes: Bytes, events: bool, faults: &Faults) -> BoxStream<'static, Chunk> {
    match faults.disarm() {
        Some(Wire::Cut) => {
            let half = bytes.slice(..bytes.len() / 2);
            let dying = futures::stream::once(async {
                // The half must have left before the end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                die()
            });
            one(Ok(half)).chain(dying).boxed()
        }
        Some(Wire::Drip(pause)) => drip(bytes, pause).boxed(),
        Some(Wire::Flood(size)) => {
            // Noise that either form allows before its answer.
            let noise = if events {
                [b": ".to_vec(), b"noise ".repeat(170), b"\n\n".to_vec()].concat()
            } else {
                b" ".repeat(1024)
            };
            let count = size.div_ceil(noise.len());
            let noise = futures::stream::repeat(Bytes::from(noise)).take(count).map(Ok);
            noise.chain(one(Ok(bytes))).boxed()
        }
        None => one(Ok(bytes)),
    }
}

fn drip(bytes: Bytes, pause: Duration) -> impl Stream<Item = Chunk> {
    futures::stream::iter(0..bytes.len()).then(move |at| {
        let byte = bytes.slice(at..=at);
        async move {
            tokio::time::sleep(pause).await;
            Ok(byte)
        }
    })
}
