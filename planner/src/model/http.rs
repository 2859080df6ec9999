//! The HTTP side: no retries of its own, no redirects, no quoting of what a server says in an error.

use super::Error;
use async_openai::error::{ApiErrorResponse, OpenAIError};
use async_openai::middleware::HttpRequestFactory;
use reqwest::{Response, Url, redirect};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Longest reply that is read, in bytes.
const LONGEST_REPLY: usize = 4 << 20;

/// A client for one base address. A loopback server is never asked through a proxy of the environment.
pub(super) fn client(base_url: &str, timeout: Duration) -> Result<reqwest::Client, Error> {
    let url = Url::parse(base_url).map_err(|_| Error::BaseUrl)?;
    let host = url
        .host_str()
        .filter(|_| matches!(url.scheme(), "http" | "https"))
        .ok_or(Error::BaseUrl)?;
    let mut builder = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(Duration::from_secs(5))
        // A redirect would carry prompt and key to a place that nobody configured.
        .redirect(redirect::Policy::none());
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(Error::Client)
}

/// Sends once. An error keeps its status and drops its body: async-openai would log it, and it may quote the prompt.
#[derive(Clone)]
pub(super) struct Service {
    http: reqwest::Client,
}

impl Service {
    pub(super) fn new(http: reqwest::Client) -> Self {
        Self { http }
    }
}

impl tower::Service<HttpRequestFactory> for Service {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let http = self.http.clone();
        Box::pin(async move {
            let request = request.build().await?;
            let response = http.execute(request).await.map_err(OpenAIError::Reqwest)?;
            if !response.status().is_success() {
                return Err(bare_error(response.status()));
            }
            read_bounded(response).await
        })
    }
}

fn bare_error(status: reqwest::StatusCode) -> OpenAIError {
    OpenAIError::ApiError(ApiErrorResponse {
        status_code: status,
        api_error: Default::default(),
    })
}

/// The reply in full, if it is JSON of a sane size; what is not is told without its text.
async fn read_bounded(mut response: Response) -> Result<Response, OpenAIError> {
    let mut body: Vec<u8> = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(OpenAIError::Reqwest)? {
        if body.len() + chunk.len() > LONGEST_REPLY {
            return Err(OpenAIError::InvalidArgument("the reply is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice::<super::Reply>(&body)
        .map_err(|error| OpenAIError::JSONDeserialize(error, String::new()))?;
    Ok(Response::from(http::Response::new(body)))
}
