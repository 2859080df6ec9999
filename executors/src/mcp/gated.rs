//! The HTTP client with a gate before it: no request of any kind, a handshake's or a stream's included, leaves with a
//! credential that was refused. rmcp tries a handshake in several ways, and each would be one more refused sign-in.

use crate::credential::Credential;
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::common::client_side_sse::BoxedSseResponse;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse, StreamableHttpResponseLimits,
};
use std::collections::HashMap;
use std::sync::Arc;

type Error = StreamableHttpError<reqwest::Error>;
type Headers = HashMap<HeaderName, HeaderValue>;

/// A client whose requests pass by a credential's breaker.
#[derive(Clone)]
pub(crate) struct Gated {
    inner: reqwest::Client,
    credential: Arc<Credential>,
}

impl Gated {
    pub(crate) fn new(inner: reqwest::Client, credential: Arc<Credential>) -> Self {
        Self { inner, credential }
    }

    async fn through<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(pass) = self.credential.enter() else {
            // Read by `classify` like the server's own refusal: nothing left, and nothing is to be tried again.
            return Err(Error::UnexpectedServerResponse("HTTP 401: refused before".into()));
        };
        let result = request.await;
        pass.heard(answer(&result));
        result
    }
}

/// Whether the server refused the sign-in. None: it did not answer at all.
fn answer<T>(result: &Result<T, Error>) -> Option<bool> {
    match result {
        Err(Error::AuthRequired(_)) => Some(true),
        Err(Error::UnexpectedServerResponse(text)) => Some(text.starts_with("HTTP 401")),
        Err(Error::Client(error)) => error.status().map(|status| status == StatusCode::UNAUTHORIZED),
        // Whether a server that is broken would have let us in is not known.
        Err(Error::HttpStatus(status)) if status.status >= 500 => None,
        _ => Some(false),
    }
}

impl StreamableHttpClient for Gated {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        auth: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Error> {
        self.through(self.inner.post_message(uri, message, session, auth, headers))
            .await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        auth: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let inner = &self.inner;
        self.through(inner.post_message_with_max_sse_event_size(uri, message, session, auth, headers, most))
            .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        auth: Option<String>,
        headers: Headers,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let inner = &self.inner;
        self.through(inner.post_message_with_response_limits(uri, message, session, auth, headers, limits))
            .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        auth: Option<String>,
        headers: Headers,
    ) -> Result<(), Error> {
        self.through(self.inner.delete_session(uri, session, auth, headers))
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        auth: Option<String>,
        headers: Headers,
    ) -> Result<BoxedSseResponse, Error> {
        self.through(self.inner.get_stream(uri, session, last, auth, headers))
            .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last: Option<String>,
        auth: Option<String>,
        headers: Headers,
        most: usize,
    ) -> Result<BoxedSseResponse, Error> {
        let inner = &self.inner;
        self.through(inner.get_stream_with_max_sse_event_size(uri, session, last, auth, headers, most))
            .await
    }
}
