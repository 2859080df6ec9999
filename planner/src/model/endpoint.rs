//! One endpoint: the request, and how often it is sent. Only what was not worked on is sent again, never longer than the
//! question may take, and no sooner than the server asks.

use super::answer::{Reply, read};
use super::{Error, Message, ModelSettings, Price, Problem, Question, Spent, http};
use crate::json::Ordered;
use crate::prompt;
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use flyball_engine::canonical::Digest;
use flyball_engine::ports::ModelCall;
use serde::Serialize;
use serde_json::Value;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_retry::RetryIf;
use tokio_retry::strategy::{ExponentialBackoff, jitter};

/// How often a question is sent that a server failed over. One that is busy is waited for as long as the question may take.
const TRIES_OVER_FAILURES: u32 = 3;

/// A model that can be asked.
pub(crate) struct Endpoint {
    pub(super) client: Client<OpenAIConfig>,
    pub(super) name: String,
    /// Where it is, without what may be secret in an address.
    pub(super) address: String,
    timeout: Duration,
    pub(super) price: Price,
    /// How long its server asked to be left alone when it last answered nothing, in milliseconds.
    wait_ms: AtomicU64,
}

/// Why a server was asked for nothing.
pub(super) enum Failed {
    Error(OpenAIError),
    /// It took longer than it may.
    Late(String),
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

impl Endpoint {
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
            address: http::shown(&settings.base_url),
            timeout: settings.timeout,
            price: settings.price,
            wait_ms: AtomicU64::new(0),
        })
    }

    /// What a question takes at most.
    pub(super) fn most(&self, question: &Question) -> Spent {
        let (input, output) = (asked_tokens(question), u64::from(question.max_tokens));
        Spent {
            tokens: input + output,
            cost: self.price.of(input, output),
        }
    }

    /// Asks once. A server that is loading its model or is busy is waited for, no longer than the timeout.
    pub(super) async fn ask(&self, question: &Question) -> (ModelCall, Spent, Result<Value, Problem>) {
        let body = self.body(question);
        let prompt = Digest::of_bytes(&serde_json::to_vec(&body).unwrap_or_default());
        let began = Instant::now();
        let reply = self.send(&body).await;
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answered = reply.is_ok();
        let usage = reply.as_ref().ok().and_then(|reply| reply.usage.as_ref());
        let told = usage.map(|u| (u.prompt_tokens, u.completion_tokens));
        let (raw, answer) = match reply {
            Ok(reply) => read(reply),
            Err(problem) => (Value::Null, Err(problem)),
        };
        // A server that does not count is counted for, so that it is not free.
        let counted = || (asked_tokens(question), prompt::tokens(&raw.to_string()));
        let (input_tokens, output_tokens) = told
            .filter(|told| *told != (0, 0))
            .unwrap_or_else(|| if answered { counted() } else { (0, 0) });
        let problem = answer.as_ref().err().map(|problem| problem.message().to_owned());
        tracing::debug!(
            purpose = question.purpose,
            millis,
            input_tokens,
            output_tokens,
            ?problem,
            "model answered"
        );
        let spent = Spent {
            tokens: input_tokens + output_tokens,
            cost: self.price.of(input_tokens, output_tokens),
        };
        let call = ModelCall {
            purpose: question.purpose.to_owned(),
            model: self.name.clone(),
            prompt,
            answer: raw,
            input_tokens,
            output_tokens,
            cost: spent.cost,
            millis,
            problem,
            faults: Vec::new(),
        };
        (call, spent, answer)
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
        let ask = || async { self.client.chat().create_byot::<_, Reply>(body).await };
        self.wait_ms.store(0, Ordering::Relaxed);
        self.persist(ask).await.map_err(|failed| match failed {
            Failed::Error(error) => {
                let wait = wait_of(&error).unwrap_or_default().as_millis();
                self.wait_ms
                    .store(u64::try_from(wait).unwrap_or(u64::MAX), Ordering::Relaxed);
                problem_of(&error)
            }
            Failed::Late(why) => Problem::Unreachable(why),
        })
    }

    /// How long its server asked to be left alone when it was last asked.
    pub(super) fn asked_to_wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms.load(Ordering::Relaxed))
    }

    /// Asks until there is an answer or asking is no use any more.
    pub(super) async fn persist<T, F>(&self, ask: impl FnMut() -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, OpenAIError>>,
    {
        let until = Instant::now() + self.timeout;
        let (wait, failures) = (AtomicU64::new(0), AtomicU32::new(0));
        let delays = ExponentialBackoff::from_millis(2)
            .factor(100)
            .max_delay(Duration::from_secs(5))
            .map(jitter)
            .map(|delay| delay.max(Duration::from_millis(wait.swap(0, Ordering::Relaxed))));
        let again = |error: &OpenAIError| {
            let asked_for = wait_of(error).unwrap_or_default();
            wait.store(
                u64::try_from(asked_for.as_millis()).unwrap_or(u64::MAX),
                Ordering::Relaxed,
            );
            let worth_it = match trouble(error) {
                Trouble::Busy => true,
                Trouble::Failure => failures.fetch_add(1, Ordering::Relaxed) + 1 < TRIES_OVER_FAILURES,
                Trouble::Final => false,
            };
            // A wait that is longer than the question may take is an answer: no.
            worth_it && Instant::now() + asked_for < until
        };
        match tokio::time::timeout(self.timeout, RetryIf::start(delays, ask, again)).await {
            Ok(answered) => answered.map_err(Failed::Error),
            Err(_) => {
                let within = self.timeout.as_secs_f32();
                Err(Failed::Late(format!("the model did not answer within {within} s")))
            }
        }
    }
}

fn asked_tokens(question: &Question) -> u64 {
    question
        .messages
        .iter()
        .map(|message| prompt::tokens(&message.content))
        .sum()
}

/// What kind of trouble an error is.
enum Trouble {
    /// Loading its model, or busy with others: it has not begun to work on the question.
    Busy,
    /// It may work the next time.
    Failure,
    /// It will be the same however often it is asked.
    Final,
}

fn trouble(error: &OpenAIError) -> Trouble {
    let OpenAIError::ApiError(e) = error else {
        return Trouble::Final;
    };
    match e.status_code.as_u16() {
        429 if e.api_error.code.as_deref() == Some(http::NO_QUOTA) => Trouble::Final,
        429 | 503 | 529 => Trouble::Busy,
        408 | 500 | 502 | 504 => Trouble::Failure,
        _ => Trouble::Final,
    }
}

/// How long the server asks to be left alone.
pub(super) fn wait_of(error: &OpenAIError) -> Option<Duration> {
    match error {
        OpenAIError::ApiError(e) => Some(Duration::from_millis(e.api_error.param.as_ref()?.parse().ok()?)),
        _ => None,
    }
}

/// Names what happened without quoting the server: its words may hold the key or the prompt.
pub(super) fn problem_of(error: &OpenAIError) -> Problem {
    match error {
        OpenAIError::ApiError(e) if e.api_error.code.as_deref() == Some(http::NO_QUOTA) => {
            Problem::Unreachable("the account at the model's server is used up".into())
        }
        OpenAIError::ApiError(e) => {
            let wait = wait_of(error).map(|wait| format!(" and asks to wait {} s", wait.as_secs_f32()));
            let wait = wait.unwrap_or_default();
            Problem::Unreachable(format!("the model's server answered {}{wait}", e.status_code.as_u16()))
        }
        OpenAIError::Reqwest(e) if e.is_connect() => {
            Problem::Unreachable("the model's server cannot be reached".into())
        }
        OpenAIError::Reqwest(e) if e.is_timeout() => Problem::Unreachable("the model did not answer in time".into()),
        OpenAIError::JSONDeserialize(..) => {
            // A login page, say: the server's doing, not the model's, so that the next one is asked.
            Problem::Unreachable("the model's server did not answer in JSON of the expected shape".into())
        }
        _ => Problem::Unreachable("the talk with the model's server broke off".into()),
    }
}
