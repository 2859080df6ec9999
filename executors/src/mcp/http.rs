//! Streamable HTTP: one pooled client per server, and nothing that is sent twice behind our back.

use super::{Gated, MAX_REPLY};
use crate::settings::Timeouts;
use http::{HeaderName, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

pub(super) type HttpTransport = StreamableHttpClientTransport<Gated>;

/// A client for a server's whole life; links come and go, connections are reused.
pub(crate) fn client(timeouts: &Timeouts) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_millis(timeouts.connect_ms))
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_nodelay(true)
        .pool_idle_timeout(Duration::from_secs(90))
        .pool_max_idle_per_host(256)
        // A redirected call would be a second sending, perhaps to somebody else.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|e| format!("no HTTP client: {e}"))
}

/// A transport over the client. The message of an error names the header, never its value.
pub(crate) fn transport(
    client: Gated,
    url: &str,
    headers: &BTreeMap<String, String>,
    in_flight: usize,
) -> Result<HttpTransport, String> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    config.custom_headers = parse(headers)?;
    // The default of 16 would queue inside rmcp, where a call that waits already counts as sent.
    config.max_concurrent_requests = in_flight;
    config.channel_buffer_capacity = in_flight;
    // The hidden second POST after a 404 is ours to decide on.
    config.reinit_on_expired_session = false;
    // Without bound a killed server's calls would never end. Some attempts must be made: a server may cut a stream on
    // purpose and let us come back for the reply.
    config.retry_config = Arc::new(bounded());
    config.max_json_response_size = MAX_REPLY;
    config.max_sse_event_size = MAX_REPLY;
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

fn bounded() -> ExponentialBackoff {
    let mut backoff = ExponentialBackoff::default();
    backoff.max_times = Some(3);
    backoff.base_duration = Duration::from_millis(200);
    backoff.max_delay = Some(Duration::from_secs(1));
    backoff
}

fn parse(headers: &BTreeMap<String, String>) -> Result<HashMap<HeaderName, HeaderValue>, String> {
    let one = |(name, value): (&String, &String)| {
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| format!("{name:?} is no header name"))?;
        let mut value = HeaderValue::try_from(value.as_str())
            .map_err(|_| format!("the value of header {name} has characters that no header may have"))?;
        value.set_sensitive(true);
        Ok((parsed, value))
    };
    headers.iter().map(one).collect()
}
