//! Calls that are out at a server which waits for the answer to a question: each under a name of its own, until somebody
//! goes on with it or lets go of it.

use flyball_engine::ports::Answer;
use flyball_engine::question::Answers;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;

/// An answer for a call that waits, with how long its reply is waited for then, and where to.
pub(crate) struct Resume {
    pub(crate) answers: Answers,
    pub(crate) timeout: Duration,
    pub(crate) reply: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    waiting: HashMap<String, oneshot::Sender<Resume>>,
}

/// The calls that wait, of all servers.
pub(crate) struct Parked {
    /// Names are kept in the journal: those of an engine before this one must name nothing here.
    life: String,
    inner: Mutex<Inner>,
}

impl Parked {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            life: format!("{:x}-{:x}", since.as_nanos(), std::process::id()),
            inner: Mutex::default(),
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Inner) -> T) -> T {
        what(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a call. The receiver hears the answer, or its end when nobody will give one.
    pub(crate) fn park(&self) -> (String, oneshot::Receiver<Resume>) {
        let (to, resumed) = oneshot::channel();
        let name = self.with(|inner| {
            inner.last += 1;
            let name = format!("{}-{}", self.life, inner.last);
            inner.waiting.insert(name.clone(), to);
            name
        });
        (name, resumed)
    }

    /// Hands an answer in. False: no such call waits any more.
    pub(crate) fn resume(&self, name: &str, resume: Resume) -> bool {
        let to = self.with(|inner| inner.waiting.remove(name));
        to.is_some_and(|to| to.send(resume).is_ok())
    }

    /// Nobody will answer, or the call waits no more.
    pub(crate) fn forget(&self, name: &str) {
        self.with(|inner| inner.waiting.remove(name));
    }
}
