//! One life of a server: its session, its process if it has one, and the calls under way in it.

use crate::breaker::Breaker;
use crate::child::Child;
use crate::mcp::{Again, Ended, Heard, Pending, Posed, Session, not_sent, unknown};
use crate::parked::Parked;
use crate::settings::Timeouts;
use flyball_engine::journal::{Error as JournalError, Journal};
use flyball_engine::ports::{Answer, Clock};
use flyball_engine::question::Answers;
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
    /// What was answered, where the server ended the call with a question.
    pub(crate) answers: Option<Answers>,
    pub(crate) slots: Arc<Semaphore>,
    /// Mutating calls of all servers.
    pub(crate) all: Arc<watch::Sender<usize>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) parked: Arc<Parked>,
    /// The one by which the engine said until when the call may leave.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Whoever waits for a call, and until when.
struct Waiting {
    reply: oneshot::Sender<Answer>,
    deadline: Instant,
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
        if self.request.is_late(self.clock.now_ms()) {
            return answer(reply, not_sent("its time to be sent passed before it left").into());
        }
        let count = self.count();
        let (args, meta) = (
            std::mem::take(&mut self.request.args),
            std::mem::take(&mut self.request.meta),
        );
        let tool = self.request.tool.tool();
        let again = Again {
            answers: self.answers.as_ref(),
            mutating: self.request.mutating,
        };
        match self.link.session.send(tool, args, meta, again, left(deadline)).await {
            Ok(pending) => self.follow(pending, Waiting { reply, deadline }, slot, count).await,
            Err(outcome) => answer(reply, outcome.into()),
        }
    }

    fn count(&self) -> Option<Count> {
        self.request.mutating.then(|| Count::new(&self.link, &self.all))
    }

    // A call that is out, through as many questions as its server asks within it.
    async fn follow(
        mut self,
        mut pending: Pending,
        mut waiting: Waiting,
        slot: OwnedSemaphorePermit,
        mut count: Option<Count>,
    ) {
        loop {
            match pending.hear(left(waiting.deadline)).await {
                Some(Heard::Ended(ended)) => {
                    if ended.session_lost {
                        self.link.lost.cancel();
                    }
                    self.breaker.heard(Some(&ended));
                    return answer(waiting.reply, ended.outcome.into());
                }
                Some(Heard::Asked(posed)) if self.request.mutating => {
                    // A graceful stop waits for calls, not for people.
                    drop(count.take());
                    match self.hold(&mut pending, posed, waiting.reply).await {
                        Some(again) => waiting = again,
                        None => return,
                    }
                    count = self.count();
                }
                Some(Heard::Asked(posed)) => {
                    // A read that asks is no read: whoever made it hears so, and the server that nobody answers.
                    let question = posed.question(String::new());
                    answer(waiting.reply, Outcome::NeedsInput { question }.into());
                    return pending.cancel(self.timeouts.control()).await;
                }
                None => return self.give_up(pending, waiting.reply, (slot, count)).await,
            }
        }
    }

    async fn give_up(
        self,
        pending: Pending,
        reply: oneshot::Sender<Answer>,
        held: (OwnedSemaphorePermit, Option<Count>),
    ) {
        let outcome = unknown(format!("no reply within {} ms", self.request.timeout_ms));
        self.breaker.heard(None);
        self.link.silent.notify_one();
        if self.request.mutating {
            self.wait_on(pending, outcome, reply, held).await;
        } else {
            answer(reply, outcome.into());
            pending.cancel(self.timeouts.control()).await;
        }
    }

    // The server waits for a person. The call stays out, and so do its slot and its stream, until somebody goes on with it,
    // nobody will, or the server waits no more.
    async fn hold(
        &mut self,
        pending: &mut Pending,
        mut posed: Posed,
        reply: oneshot::Sender<Answer>,
    ) -> Option<Waiting> {
        let (name, resumed) = self.parked.park();
        let question = posed.question(name.clone());
        self.breaker.heard(Some(
            &Outcome::NeedsInput {
                question: question.clone(),
            }
            .into(),
        ));
        let (tx, late) = oneshot::channel();
        let late = Some(late);
        let outcome = Outcome::NeedsInput { question };
        answer(reply, Answer { outcome, late });
        let ended = tokio::select! {
            resume = resumed => match resume {
                Ok(resume) => {
                    posed.answer(&resume.answers.by_key);
                    self.request.timeout_ms = u64::try_from(resume.timeout.as_millis()).unwrap_or(u64::MAX);
                    let deadline = Instant::now() + resume.timeout;
                    return Some(Waiting { reply: resume.reply, deadline });
                }
                Err(_) => {
                    drop(posed);
                    self.end_of(pending).await
                }
            },
            ended = pending.end() => Some(ended),
            () = posed.withdrawn() => self.end_of(pending).await,
        };
        self.parked.forget(&name);
        // A cut connection counts here: it tells that nobody can answer any more.
        let outcome = ended.map_or_else(|| unknown("its server asked, and said no more"), |e| e.outcome);
        let _ = tx.send(outcome);
        None
    }

    // Nobody waits any more, but the call goes on and its reply may settle it. Its slot stays taken until then.
    async fn wait_on(
        self,
        mut pending: Pending,
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
        // A cut connection is no reply: it teaches nothing that the timeout did not.
        if let Some(ended) = self.end_of(&mut pending).await.filter(teaches) {
            let _ = tx.send(ended.outcome);
        }
    }

    // The end of a call that nobody waits for. What its server asks now is dismissed.
    async fn end_of(&self, pending: &mut Pending) -> Option<Ended> {
        let late = Instant::now() + Duration::from_millis(self.timeouts.late_ms);
        timeout_at(late, pending.end()).await.ok()
    }
}

fn teaches(ended: &Ended) -> bool {
    ended.answered || !matches!(ended.outcome, Outcome::Unknown { .. })
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn answer(reply: oneshot::Sender<Answer>, answer: Answer) {
    let _ = reply.send(answer);
}
