//! The HTTP side: no retries of its own, no redirects, no quoting of what a server says in an error.

use super::Error;
use super::answer::Reply;
use async_openai::error::{ApiError, ApiErrorResponse, OpenAIError};
use async_openai::middleware::HttpRequestFactory;
use reqwest::{Response, Url, redirect};
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

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

/// An address as it may be shown: it may carry a password, or a key in its query.
pub(super) fn shown(base_url: &str) -> String {
    let Ok(url) = Url::parse(base_url) else {
        return String::new();
    };
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
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
                return Err(bare_error(response).await);
            }
            read_bounded(response).await
        })
    }
}

/// The error that says this of an account instead of a moment: to wait is no use.
pub(super) const NO_QUOTA: &str = "insufficient_quota";

/// Of an error only what decides what to do next: the status, how long to wait (`param`, in milliseconds), and whether the
/// account is used up (`code`).
async fn bare_error(response: Response) -> OpenAIError {
    let (status, wait) = (response.status(), wait_of(&response));
    let code = match status.as_u16() {
        429 => body(response).await.ok().filter(|body| says(body, NO_QUOTA)),
        _ => None,
    };
    OpenAIError::ApiError(ApiErrorResponse {
        status_code: status,
        api_error: ApiError {
            param: wait.map(|wait| wait.as_millis().to_string()),
            code: code.map(|_| NO_QUOTA.to_owned()),
            ..ApiError::default()
        },
    })
}

fn says(body: &[u8], word: &str) -> bool {
    body.windows(word.len()).any(|window| window == word.as_bytes())
}

/// `Retry-After` in seconds or as a date, or the milliseconds that some servers give beside it.
fn wait_of(response: &Response) -> Option<Duration> {
    let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.trim());
    let number = |name: &str| header(name)?.parse::<f64>().ok();
    let until = || {
        let date = httpdate::parse_http_date(header("retry-after")?).ok()?;
        Some(date.duration_since(SystemTime::now()).ok()?.as_secs_f64())
    };
    let seconds = || number("retry-after").or_else(until);
    let millis = number("retry-after-ms").or_else(|| Some(seconds()? * 1_000.0))?;
    (0.0..=86_400_000.0)
        .contains(&millis)
        .then(|| Duration::from_secs_f64(millis / 1_000.0))
}

/// The reply in full, if it is JSON of a sane size; what is not is told without its text.
async fn read_bounded(response: Response) -> Result<Response, OpenAIError> {
    let body = body(response).await?;
    serde_json::from_slice::<Reply>(&body).map_err(|error| OpenAIError::JSONDeserialize(error, String::new()))?;
    Ok(Response::from(http::Response::new(body)))
}

async fn body(mut response: Response) -> Result<Vec<u8>, OpenAIError> {
    let mut body: Vec<u8> = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(OpenAIError::Reqwest)? {
        if body.len() + chunk.len() > LONGEST_REPLY {
            return Err(OpenAIError::InvalidArgument("the reply is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, value: &str) -> Option<Duration> {
        let response = http::Response::builder().header(name, value).body("");
        wait_of(&Response::from(response.unwrap()))
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_in_milliseconds_or_until_a_date() {
        assert_eq!(asked("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("retry-after-ms", "300"), Some(Duration::from_millis(300)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let wait = asked("retry-after", &date).unwrap();
        assert!((80..=90).contains(&wait.as_secs()), "{wait:?}");
        for nothing in ["soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(asked("retry-after", nothing), None, "{nothing}");
        }
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret_in_it() {
        let shown = |url| super::shown(url);
        assert_eq!(
            shown("https://u:p@models.example:8443/v1/?key=k"),
            "https://models.example:8443/v1"
        );
        assert_eq!(shown("http://127.0.0.1/v1"), "http://127.0.0.1/v1");
    }
}
