//! The control socket: JSON lines, one request, one reply.
//!
//! `{"cmd":"devices"}` · `adjacencies` · `show` · `log` · `fault` · `clear` · `release` · `edit` · `wait`.
//! A reply is `{"ok":true,…}` or `{"ok":false,"error":"…"}`.

use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::world::Shared;

/// Answers until told to stop.
pub(crate) async fn serve(listener: UnixListener, world: Shared, shutdown: CancellationToken) {
    let _ = (listener, world, json!(Value::Null));
    shutdown.cancelled().await;
}
