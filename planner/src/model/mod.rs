//! Models behind OpenAI-compatible endpoints, in order of preference. One question at a time, answered under a JSON schema
//! and within a budget. What is not here: what to ask, and what to make of the answer.

mod answer;
mod budget;
mod endpoint;
mod hearing;
mod http;

pub use budget::{ModelBudget, Spent};

use crate::json::Ordered;
use crate::record::Record;
pub(crate) use budget::Purse;
pub(crate) use endpoint::Endpoint;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an endpoint that could not be reached is passed over while there is another.
const REST: Duration = Duration::from_secs(30);

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
    pub price: Price,
}

/// What a million tokens cost, in whatever unit the budget is in.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Price {
    pub input: f64,
    pub output: f64,
    /// What a minute of speech costs, beside what its tokens do.
    pub minute: f64,
}

impl Price {
    fn of(self, input_tokens: u64, output_tokens: u64) -> f64 {
        (self.input * input_tokens as f64 + self.output * output_tokens as f64) / 1e6
    }

    fn of_speech(self, millis: u64) -> f64 {
        self.minute * millis as f64 / 60_000.0
    }
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
    /// The model refuses, or says nothing: another one may.
    Withheld(String),
}

impl Problem {
    /// What to tell when the next one gave no answer either: that a model refused says more than that another was away.
    fn or_else(self, next: Self) -> Self {
        match self {
            Self::Withheld(_) => self,
            _ => next,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Unreachable(message) | Self::Unusable(message) | Self::Withheld(message) => message,
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

/// The models that may be asked, the preferred one first.
pub(crate) struct Models {
    endpoints: Vec<Endpoint>,
    /// Until when each is passed over.
    resting: Mutex<Vec<Option<Instant>>>,
    purse: Arc<Purse>,
}

impl Models {
    /// Opens nothing yet: a server that is down is found out when it is asked. None: no model is configured.
    pub(crate) fn new(settings: &[ModelSettings], purse: Arc<Purse>) -> Result<Option<Self>, Error> {
        let endpoints = settings.iter().map(Endpoint::new).collect::<Result<Vec<_>, _>>()?;
        let resting = Mutex::new(vec![None; endpoints.len()]);
        Ok((!endpoints.is_empty()).then_some(Self {
            endpoints,
            resting,
            purse,
        }))
    }

    /// Holds what is asked to a budget.
    pub(crate) fn hold_to(&mut self, purse: Arc<Purse>) {
        self.purse = purse;
    }

    /// Asks one endpoint after the other until one answers the question. Each that was asked is in the record.
    pub(crate) async fn ask(&self, question: &Question, record: &mut Record) -> Result<Value, Problem> {
        let mut last = Problem::Unreachable("no model is configured".into());
        for at in self.awake() {
            let endpoint = &self.endpoints[at];
            let most = endpoint.most(question);
            if let Err(why) = self.purse.allows(record.spent, most).await {
                // The next may cost less.
                last = last.or_else(Problem::Unreachable(why));
                continue;
            }
            let (call, spent, answer) = endpoint.ask(question).await;
            record.call(call, spent);
            self.purse.spend(spent).await;
            record.nearly = self.purse.nearly(record.spent).await;
            match answer {
                Err(problem @ Problem::Unreachable(_)) => {
                    self.rest(at, Some(Instant::now() + endpoint.asked_to_wait().max(REST)));
                    last = last.or_else(problem);
                }
                Err(problem @ Problem::Withheld(_)) => {
                    self.rest(at, None);
                    last = problem;
                }
                answer => {
                    self.rest(at, None);
                    return answer;
                }
            }
        }
        Err(last)
    }

    /// The endpoints in the order in which to ask them: those that rest only if nobody else is there.
    fn awake(&self) -> Vec<usize> {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let awake = |at: &usize| resting[*at].is_none_or(|until| until <= now);
        let all: Vec<usize> = (0..self.endpoints.len()).collect();
        let up: Vec<usize> = all.iter().copied().filter(awake).collect();
        if up.is_empty() { all } else { up }
    }

    fn rest(&self, at: usize, until: Option<Instant>) {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)[at] = until;
    }
}
