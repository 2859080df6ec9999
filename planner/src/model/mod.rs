//! The model behind an OpenAI-compatible endpoint. One question at a time, answered under a JSON schema. What is not
//! here: what to ask, and what to make of the answer.

mod http;

use crate::json::Ordered;
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use flyball_engine::canonical::Digest;
use flyball_engine::ports::ModelCall;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::{Duration, Instant};
use tokio_retry::RetryIf;
use tokio_retry::strategy::{ExponentialBackoff, jitter};

/// A key that shows itself to nobody but the model's server.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Which model, and where.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Up to and including the version: `http://127.0.0.1:8099/v1`.
    pub base_url: String,
    pub name: String,
    pub api_key: Option<ApiKey>,
    /// For one question, waiting for a server that still loads its model included.
    pub timeout: Duration,
}

/// Why a model cannot be used as it was configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not quoted: an address may carry a password.
    #[error("the model's base_url is no http or https address")]
    BaseUrl,
    #[error("the model's api_key holds a character that no HTTP header can carry")]
    ApiKey,
    #[error("the HTTP client for the model could not be made")]
    Client(#[source] reqwest::Error),
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// There is no answer: asking again is for another day.
    Unreachable(String),
    /// There is an answer, and it is no use: worth another try.
    Unusable(String),
}

impl Problem {
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Unreachable(message) | Self::Unusable(message) => message,
        }
    }
}

/// One turn of a conversation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) content: String,
}

impl Message {
    pub(crate) fn system(content: impl Into<String>) -> Self {
        Self {
            role: "system",
            content: content.into(),
        }
    }
    pub(crate) fn user(content: impl Into<String>) -> Self {
        Self {
            role: "user",
            content: content.into(),
        }
    }
    pub(crate) fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: "assistant",
            content: content.into(),
        }
    }
}

/// What is asked.
pub(crate) struct Question {
    /// `choose`, `slots`, `draft`, `repair`.
    pub(crate) purpose: &'static str,
    pub(crate) messages: Vec<Message>,
    /// The answer's shape.
    pub(crate) schema: Ordered,
    pub(crate) max_tokens: u32,
}

/// What came of asking.
pub(crate) struct Answered {
    pub(crate) call: ModelCall,
    pub(crate) answer: Result<Value, Problem>,
}

/// A model that can be asked.
pub(crate) struct Model {
    client: Client<OpenAIConfig>,
    name: String,
    timeout: Duration,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    response_format: Format<'a>,
    temperature: f32,
    max_tokens: u32,
    stream: bool,
}

#[derive(Serialize)]
struct Format<'a> {
    r#type: &'static str,
    json_schema: Schema<'a>,
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    schema: &'a Ordered,
}

/// The parts of a reply that are read. Everything may be absent: servers differ.
#[derive(Debug, Default, Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: ReplyMessage,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ReplyMessage {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Model {
    /// Opens nothing yet: a server that is down is found out when it is asked.
    pub(crate) fn new(settings: &ModelSettings) -> Result<Self, Error> {
        let http = http::client(&settings.base_url, settings.timeout)?;
        // From a file it may end with a newline; inside, async-openai would panic on one.
        let key = settings.api_key.as_ref().map_or("", |key| key.0.trim());
        if !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::ApiKey);
        }
        let config = OpenAIConfig::new()
            .with_api_base(settings.base_url.trim_end_matches('/'))
            // Set even when empty: the default would be taken from the environment and sent to whatever server this is.
            .with_org_id("")
            .with_project_id("")
            .with_api_key(key);
        Ok(Self {
            client: Client::build(http.clone(), config).with_http_service(http::Service::new(http)),
            name: settings.name.clone(),
            timeout: settings.timeout,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Asks once. A server that is loading its model or is busy is waited for, no longer than the timeout.
    pub(crate) async fn ask(&self, question: &Question) -> Answered {
        let body = self.body(question);
        let prompt = Digest::of_bytes(&serde_json::to_vec(&body).unwrap_or_default());
        let began = Instant::now();
        let reply = self.send(&body).await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let usage = reply.as_ref().ok().and_then(|reply| reply.usage.as_ref());
        let (input_tokens, output_tokens) = usage.map_or((0, 0), |u| (u.prompt_tokens, u.completion_tokens));
        let (raw, answer) = match reply {
            Ok(reply) => read(reply),
            Err(problem) => (Value::Null, Err(problem)),
        };
        let problem = answer.as_ref().err().map(|problem| problem.message().to_owned());
        tracing::debug!(
            purpose = question.purpose,
            millis,
            input_tokens,
            output_tokens,
            ?problem,
            "model answered"
        );
        let call = ModelCall {
            purpose: question.purpose.to_owned(),
            model: self.name.clone(),
            prompt,
            answer: raw,
            input_tokens,
            output_tokens,
            millis,
            problem,
        };
        Answered { call, answer }
    }

    fn body<'a>(&'a self, question: &'a Question) -> Body<'a> {
        Body {
            model: &self.name,
            messages: &question.messages,
            response_format: Format {
                r#type: "json_schema",
                json_schema: Schema {
                    name: question.purpose,
                    schema: &question.schema,
                },
            },
            temperature: 0.0,
            max_tokens: question.max_tokens,
            stream: false,
        }
    }

    async fn send(&self, body: &Body<'_>) -> Result<Reply, Problem> {
        let delays = ExponentialBackoff::from_millis(2)
            .factor(100)
            .max_delay(Duration::from_secs(5))
            .map(jitter);
        let ask = || async { self.client.chat().create_byot::<_, Reply>(body).await };
        match tokio::time::timeout(self.timeout, RetryIf::start(delays, ask, busy)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(problem_of(&error)),
            Err(_) => {
                let message = format!("the model did not answer within {} s", self.timeout.as_secs_f32());
                Err(Problem::Unreachable(message))
            }
        }
    }
}

/// 503 while the model is loaded, 429 while others are served: neither has begun to work on the question.
fn busy(error: &OpenAIError) -> bool {
    matches!(error, OpenAIError::ApiError(e) if matches!(e.status_code.as_u16(), 429 | 503))
}

/// Names what happened without quoting the server: its words may hold the key or the prompt.
fn problem_of(error: &OpenAIError) -> Problem {
    match error {
        OpenAIError::ApiError(e) => {
            Problem::Unreachable(format!("the model's server answered {}", e.status_code.as_u16()))
        }
        OpenAIError::Reqwest(e) if e.is_connect() => {
            Problem::Unreachable("the model's server cannot be reached".into())
        }
        OpenAIError::Reqwest(e) if e.is_timeout() => Problem::Unreachable("the model did not answer in time".into()),
        OpenAIError::JSONDeserialize(..) => {
            Problem::Unusable("the model's server did not answer in JSON of the expected shape".into())
        }
        _ => Problem::Unreachable("the talk with the model's server broke off".into()),
    }
}

/// The raw answer for the record, and what it says.
fn read(reply: Reply) -> (Value, Result<Value, Problem>) {
    let unusable = |message: &str| Err(Problem::Unusable(message.to_owned()));
    let Some(choice) = reply.choices.into_iter().next() else {
        return (Value::Null, unusable("the reply holds no answer"));
    };
    if let Some(refusal) = choice.message.refusal {
        return (Value::String(refusal), unusable("the model refused to answer"));
    }
    let content = choice.message.content.unwrap_or_default();
    if choice.finish_reason.as_deref() == Some("length") {
        return (
            Value::String(content),
            unusable("the answer was cut off at its token limit"),
        );
    }
    match serde_json::from_str::<Value>(content.trim()) {
        Ok(value) => (value.clone(), Ok(value)),
        Err(_) => (Value::String(content), unusable("the answer is no JSON")),
    }
}
