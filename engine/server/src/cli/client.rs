//! The API as the command line calls it.

use super::args::Global;
use super::{Exit, Failure};
use crate::auth;
use crate::errors::Code;
use crate::http::dto::{EntryView, HaltView};
use crate::http::problem::Problem;
use crate::settings::{self, Settings};
use futures::{Stream, StreamExt};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the data folder that holds the running server's address.
pub const URL_FILE: &str = "server.url";

/// What a stream of events tells.
pub enum Told {
    Entry(Box<EntryView>),
    Halt(HaltView),
}

impl Told {
    /// Reads one event of the stream; none: a comment, or what this version does not know.
    fn read(event: &str) -> Option<Self> {
        let field = |name: &str| event.lines().find_map(|l| l.strip_prefix(name));
        let data = field("data:")?.trim();
        match field("event:").map(str::trim) {
            Some("halt") => serde_json::from_str(data).ok().map(Self::Halt),
            _ => serde_json::from_str(data).ok().map(Self::Entry),
        }
    }
}

/// Calls one server with one token.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// Finds the server and the token: the command line, the environment, then the settings and their data folder.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let settings = match settings(global) {
            Ok(settings) => Some(settings),
            // With the address given, what the settings say is not needed.
            Err(_) if global.url.is_some() && global.config.is_none() => None,
            Err(findings) => {
                let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                return Err(Failure::Usage(findings.join("\n")));
            }
        };
        let data = settings.as_ref().map(|s| s.data.clone());
        let running = || {
            let file = data.as_ref()?.join(URL_FILE);
            std::fs::read_to_string(file).ok().map(|u| u.trim().to_owned())
        };
        let listen = || settings.as_ref().map(|s| format!("http://{}", s.listen));
        let base = global.url.clone().or_else(running).or_else(listen);
        let base = base.unwrap_or_else(|| "http://127.0.0.1:8420".to_owned());
        if base.ends_with(":0") {
            return Err(not_running(data.as_deref()));
        }
        let stored = || {
            let file = auth::admin_token_file(data.as_ref()?);
            std::fs::read_to_string(file).ok().map(|t| t.trim().to_owned())
        };
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| Failure::Internal(e.to_string()))?;
        Ok(Self {
            http,
            base: base.trim_end_matches('/').to_owned(),
            token: variable("FLYBALL_TOKEN").or_else(stored),
        })
    }

    /// A client with everything given, as the demo uses it.
    pub fn with(base: &str, token: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: base.trim_end_matches('/').to_owned(),
            token: Some(token.to_owned()),
        }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Reads a resource.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.request(Method::GET, path).timeout(Duration::from_secs(60)))
            .await
    }

    /// Reads a text.
    pub async fn get_text(&self, path: &str, accept: &str) -> Result<String, Failure> {
        let response = self
            .send(self.request(Method::GET, path).header("accept", accept))
            .await?;
        response.text().await.map_err(|e| self.unreachable(&e))
    }

    /// Sends a body and reads the answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.request(Method::POST, path).json(body)).await
    }

    /// As [`Client::post`], with a key that makes sending it twice harmless.
    pub async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let request = self.request(Method::POST, path).json(body);
        self.read(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    /// As [`Client::post_once`], with a form.
    pub async fn post_form<T: DeserializeOwned>(
        &self,
        path: &str,
        form: reqwest::multipart::Form,
        key: Option<&str>,
    ) -> Result<T, Failure> {
        let request = self.request(Method::POST, path).multipart(form);
        self.read(match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        })
        .await
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes)
            .map_err(|e| Failure::Internal(format!("the server's answer is not understood: {e}")))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::SEE_OTHER {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => Err(Failure::Problem(Box::new(problem))),
            Err(_) => Err(Failure::Internal(format!("{} answered {status}", self.base))),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_connect() {
            "nobody answers there".to_owned()
        } else {
            error.to_string()
        };
        let problem = Problem::new(Code::Unreachable, format!("{}: {why}", self.base));
        Failure::Problem(Box::new(problem))
    }

    /// The entries of an intent after a number, as they come, and what happens to the halt. Ends with the intent.
    pub async fn events(&self, intent: &str, after: u64) -> Result<impl Stream<Item = Told> + use<>, Failure> {
        let request = self.request(Method::GET, &format!("/v1/intents/{intent}/events"));
        let request = request.header("accept", "text/event-stream");
        let response = self.send(request.header("last-event-id", after.to_string())).await?;
        let mut buffer = String::new();
        let chunks = response.bytes_stream().map(move |chunk| {
            // A cut inside a character can only come from a cut stream, which ends here anyway.
            buffer += &chunk
                .map(|c| String::from_utf8_lossy(&c).into_owned())
                .unwrap_or_default();
            let mut told = Vec::new();
            while let Some(end) = buffer.find("\n\n") {
                let event: String = buffer.drain(..end + 2).collect();
                told.extend(Told::read(&event));
            }
            futures::stream::iter(told)
        });
        Ok(chunks.flatten())
    }
}

/// The settings leave the port to the system, so that only a running server's own file says where it answers.
fn not_running(data: Option<&Path>) -> Failure {
    let data = data.map(|d| format!(" {}", d.display())).unwrap_or_default();
    let detail = format!("no server is running with the data directory{data}; start one with: flyball serve");
    Failure::Problem(Box::new(Problem::new(Code::Unreachable, detail)))
}

impl Failure {
    /// The exit code of a failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Internal(_) => Exit::Failed,
            Self::Problem(p) if p.code == Code::Unreachable.as_str() => Exit::Unreachable,
            Self::Problem(p) => match p.status {
                400 | 413 | 415 | 422 => Exit::Usage,
                401 | 403 => Exit::Refused,
                _ => Exit::Failed,
            },
        }
    }
}

/// The settings file that a command works with.
pub fn settings_file(global: &Global, dir: Option<&Path>) -> (PathBuf, bool) {
    match (dir, &global.config) {
        (Some(dir), _) if dir.is_file() => (dir.to_owned(), true),
        (Some(dir), _) => (dir.join("flyball.yaml"), false),
        (None, Some(file)) => (file.clone(), true),
        (None, None) => (PathBuf::from("flyball.yaml"), false),
    }
}

/// Reads the settings with the environment over them.
pub fn settings(global: &Global) -> Result<Settings, Vec<crate::finding::Finding>> {
    let (file, must_exist) = settings_file(global, None);
    settings::read_file(&file, must_exist, &environment())
}

/// The environment, as far as it is text. An empty variable of ours is as one that is not set.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(k, v): (std::ffi::OsString, std::ffi::OsString)| Some((k.into_string().ok()?, v.into_string().ok()?));
    let is_set = |(name, value): &(String, String)| !(name.starts_with("FLYBALL_") && value.is_empty());
    std::env::vars_os().filter_map(text).filter(is_set).collect()
}

/// A variable of ours, if it is set to anything.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_server_and_a_port_it_is_said_that_none_is_running() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("flyball.yaml");
        std::fs::write(&config, "listen: 127.0.0.1:0\n").unwrap();
        let global = Global {
            url: None,
            config: Some(config),
            json: false,
            no_color: true,
        };
        let Err(failure) = Client::new(&global) else {
            panic!("there is no server to call")
        };
        assert_eq!(failure.exit(), Exit::Unreachable);
        let Failure::Problem(problem) = failure else {
            panic!("{failure:?}")
        };
        assert!(
            problem.detail.contains("no server is running with the data directory"),
            "{problem:?}"
        );
        assert!(problem.detail.contains("flyball-data"), "{problem:?}");
    }

    #[test]
    fn a_settings_file_that_is_named_and_not_there_is_no_reason_to_ask_somebody_else() {
        let dir = tempfile::tempdir().unwrap();
        let global = Global {
            url: None,
            config: Some(dir.path().join("nosuch.yaml")),
            json: false,
            no_color: true,
        };
        let Err(Failure::Usage(told)) = Client::new(&global) else {
            panic!("it was not said")
        };
        assert!(told.contains("nosuch.yaml"), "{told}");
    }
}
