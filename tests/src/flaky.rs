//! A way to the world that lets calls be lost, turned away or refused, and remembers when each was tried.

use crate::world::World;
use async_trait::async_trait;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::question::Answers;
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What becomes of a call instead of being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Turned away unread, with the pause that the server asks for.
    TurnedAway { retry_after_ms: Option<u64> },
    /// It never arrived, and nobody can know that.
    LostOnTheWay,
    /// It was made, and its answer is lost.
    AnswerLost,
    /// The server does not know who calls.
    NotSignedIn,
}

struct Inner {
    started: Instant,
    troubles: VecDeque<(String, Trouble)>,
    away: bool,
    tried: Vec<(String, u64)>,
}

/// Stands between an engine and its world. Clones are the same one.
#[derive(Clone)]
pub struct Flaky {
    world: World,
    inner: Arc<Mutex<Inner>>,
}

impl Flaky {
    pub fn before(world: &World) -> Self {
        let inner = Inner {
            started: Instant::now(),
            troubles: VecDeque::new(),
            away: false,
            tried: Vec::new(),
        };
        Self {
            world: world.clone(),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next calls whose words contain `what` come to this, so many of them.
    pub fn trouble(&self, what: &str, trouble: Trouble, times: usize) {
        let troubles = std::iter::repeat_n((what.to_owned(), trouble), times);
        self.inner().troubles.extend(troubles);
    }

    /// The server cannot be had for changes at all, until it can be had again.
    pub fn set_away(&self, away: bool) {
        self.inner().away = away;
    }

    /// When calls whose words contain `what` were tried, in milliseconds since the start: `set a`, `get a`, `check post`.
    pub fn tried(&self, what: &str) -> Vec<u64> {
        let inner = self.inner();
        let tried = inner.tried.iter().filter(|(words, _)| words.contains(what));
        tried.map(|(_, at)| *at).collect()
    }

    /// Waits until a call was tried so many times.
    pub async fn until_tried(&self, what: &str, times: usize) {
        while self.tried(what).len() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn note(&self, words: &str) -> Option<Trouble> {
        let mut inner = self.inner();
        let at = inner.started.elapsed().as_millis() as u64;
        inner.tried.push((words.to_owned(), at));
        drop(inner);
        self.strikes(words)
    }

    fn strikes(&self, words: &str) -> Option<Trouble> {
        let mut inner = self.inner();
        let hit = inner
            .troubles
            .iter()
            .position(|(what, _)| words.contains(what.as_str()))?;
        inner.troubles.remove(hit).map(|(_, trouble)| trouble)
    }
}

fn circuit_open(retry_after_ms: Option<u64>) -> Outcome {
    Outcome::NotSent {
        reason: "the circuit is open".into(),
        retry_after_ms,
    }
}

fn words(request: &ToolRequest) -> String {
    let text = |name: &str| request.args.get(name).and_then(|v| v.as_str()).unwrap_or_default();
    let (device, name) = (text("device"), text("name"));
    format!("{} {device}{name}", request.tool.tool())
}

#[async_trait]
impl ToolExecutor for Flaky {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.world.catalogue()
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        if self.inner().away {
            self.note("ready");
            return Err(circuit_open(None));
        }
        match self.strikes("ready") {
            Some(Trouble::TurnedAway { retry_after_ms }) => Err(circuit_open(retry_after_ms)),
            _ => self.world.ready(server).await,
        }
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        let lost = || Outcome::Unknown {
            reason: "the connection was cut".into(),
            task: None,
            retry_after_ms: None,
        };
        match self.note(&words(&request)) {
            None => self.world.call(request).await,
            Some(Trouble::TurnedAway { retry_after_ms }) => Outcome::NotSent {
                reason: "too many requests".into(),
                retry_after_ms,
            }
            .into(),
            Some(Trouble::LostOnTheWay) => lost().into(),
            Some(Trouble::AnswerLost) => {
                self.world.call(request).await;
                lost().into()
            }
            Some(Trouble::NotSignedIn) => Outcome::Rejected {
                code: 401,
                message: "who are you".into(),
            }
            .into(),
        }
    }

    async fn go_on(&self, request: ToolRequest, answers: Answers) -> Answer {
        match self.note(&words(&request)) {
            None => self.world.go_on(request, answers).await,
            Some(Trouble::TurnedAway { retry_after_ms }) => Outcome::NotSent {
                reason: "too many requests".into(),
                retry_after_ms,
            }
            .into(),
            Some(trouble) => panic!("{trouble:?} is not for answers"),
        }
    }

    async fn dismiss(&self, parked: &str) {
        self.world.dismiss(parked).await;
    }

    async fn is_dead(&self, server: &str, life: &Incarnation) -> bool {
        self.world.is_dead(server, life).await
    }
}
