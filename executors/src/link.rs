//! One life of a server: its session, its process if it has one, and the calls under way in it.

use crate::breaker::Breaker;
use crate::child::Child;
use crate::mcp::{Ended, Session, not_sent, unknown};
use crate::settings::Timeouts;
use flyball_engine::journal::{Error as JournalError, Journal};
use flyball_engine::ports::Answer;
use flyball_engine::tool::{Incarnation, Outcome, ToolRequest};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// A link that calls may go through.
pub(crate) struct Link {
    pub(crate) session: Session,
    pub(crate) child: Option<Child>,
    pub(crate) incarnation: Incarnation,
    /// Whether the child's record is synced. Without it nothing mutating goes through.
    recorded: AtomicBool,
    /// Set when the server no longer knows the session.
    pub(crate) lost: CancellationToken,
    /// Set when a call got no answer in time: the actor then looks whether the server lives.
    pub(crate) silent: Arc<tokio::sync::Notify>,
    /// Mutating calls under way, those whose caller gave up included.
    pub(crate) mutating: watch::Sender<usize>,
}

/// Key of the fact that holds a server's child record.
pub(crate) fn child_key(alias: &str) -> String {
    format!("{}{alias}", crate::child::fence::PREFIX)
}

impl Link {
    pub(crate) fn new(session: Session, child: Option<Child>, incarnation: Incarnation, recorded: bool) -> Self {
        Self {
            session,
            child,
            incarnation,
            recorded: AtomicBool::new(recorded),
            lost: CancellationToken::new(),
            silent: Arc::default(),
            mutating: watch::Sender::new(0),
        }
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.session.is_ended() && !self.lost.is_cancelled() && self.child.as_ref().is_none_or(|c| !c.is_gone())
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    /// Makes sure that the child's record is synced. Nothing to do for a server without a process.
    pub(crate) async fn record(&self, facts: &dyn Journal) -> Result<(), JournalError> {
        if let Some(child) = &self.child
            && !self.is_recorded()
        {
            record_child(child, facts).await?;
        }
        self.recorded.store(true, Ordering::Release);
        Ok(())
    }
}

pub(crate) async fn record_child(child: &Child, facts: &dyn Journal) -> Result<(), JournalError> {
    let value = serde_json::to_value(&child.record).expect("a record of strings and numbers serialises");
    facts.put_fact(&child_key(&child.record.alias), value).await
}

/// Counts a mutating call in the link and in all servers together, until dropped.
struct Count(Arc<Link>, Arc<watch::Sender<usize>>);

impl Count {
    fn new(link: &Arc<Link>, all: &Arc<watch::Sender<usize>>) -> Self {
        link.mutating.send_modify(|n| *n += 1);
        all.send_modify(|n| *n += 1);
        Self(Arc::clone(link), Arc::clone(all))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.mutating.send_modify(|n| *n -= 1);
        self.1.send_modify(|n| *n -= 1);
    }
}

/// A call on its way through a link.
pub(crate) struct Call {
    pub(crate) link: Arc<Link>,
    pub(crate) request: ToolRequest,
    pub(crate) slots: Arc<Semaphore>,
    /// Mutating calls of all servers.
    pub(crate) all: Arc<watch::Sender<usize>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) breaker: Arc<Breaker>,
}

impl Call {
    /// Sends and waits. The work is done in a task of its own: a caller that goes away must not cut a mutating call, for
    /// over HTTP the end of its stream would be its cancellation.
    pub(crate) async fn run(self) -> Answer {
        let (tx, rx) = oneshot::channel();
        tokio::spawn(self.drive(tx));
        rx.await
            .unwrap_or_else(|_| unknown("the call's task ended early").into())
    }

    async fn drive(mut self, reply: oneshot::Sender<Answer>) {
        let deadline = Instant::now() + Duration::from_millis(self.request.timeout_ms);
        let slot = match timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(slot)) => slot,
            _ => {
                return answer(
                    reply,
                    not_sent("as many calls as allowed are in flight on this server").into(),
                );
            }
        };
        // The process may have slept since the engine last looked, and another engine may own the intent by now.
        if self.request.send_by_ms().is_some_and(|by| now_ms() > by) {
            return answer(reply, not_sent("its time to be sent passed before it left").into());
        }
        let count = self.request.mutating.then(|| Count::new(&self.link, &self.all));
        let (args, meta) = (
            std::mem::take(&mut self.request.args),
            std::mem::take(&mut self.request.meta),
        );
        let tool = self.request.tool.tool();
        let sent = self.link.session.send(tool, args, meta, left(deadline)).await;
        let mut pending = match sent {
            Ok(pending) => pending,
            Err(outcome) => return answer(reply, outcome.into()),
        };
        if let Some(ended) = pending.wait(left(deadline)).await {
            if ended.session_lost {
                self.link.lost.cancel();
            }
            self.breaker.heard(Some(&ended));
            return answer(reply, ended.outcome.into());
        }
        let outcome = unknown(format!("no reply within {} ms", self.request.timeout_ms));
        self.breaker.heard(None);
        self.link.silent.notify_one();
        if self.request.mutating {
            self.wait_on(pending, outcome, reply, (slot, count)).await;
        } else {
            answer(reply, outcome.into());
            pending.cancel(self.timeouts.control()).await;
        }
    }

    // Nobody waits any more, but the call goes on and its reply may settle it. Its slot stays taken until then.
    async fn wait_on(
        self,
        mut pending: crate::mcp::Pending,
        outcome: Outcome,
        reply: oneshot::Sender<Answer>,
        _held: (OwnedSemaphorePermit, Option<Count>),
    ) {
        let (tx, late) = oneshot::channel();
        answer(
            reply,
            Answer {
                outcome,
                late: Some(late),
            },
        );
        let ended = pending.wait(Duration::from_millis(self.timeouts.late_ms)).await;
        // A cut connection is no reply: it teaches nothing that the timeout did not.
        if let Some(ended) = ended.filter(teaches) {
            let _ = tx.send(ended.outcome);
        }
    }
}

fn teaches(ended: &Ended) -> bool {
    ended.answered || !matches!(ended.outcome, Outcome::Unknown { .. })
}

/// Unix milliseconds.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn answer(reply: oneshot::Sender<Answer>, answer: Answer) {
    let _ = reply.send(answer);
}
