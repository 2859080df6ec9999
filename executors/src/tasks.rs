//! Tasks: calls that a server goes on with after it has answered with a handle. The engine follows those that change the
//! world; a read is followed here, for its caller wants an output and nothing can be lost.

use crate::executors::Executors;
use flyball_engine::ports::{Answer, TaskReport};
use flyball_engine::tool::Outcome;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two questions about a read's task, where the server suggests nothing or too much.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Executors {
    /// Asks a server how a task stands.
    pub(crate) async fn ask_for_task(&self, alias: &str, task: &str) -> TaskReport {
        let control = match self.control(alias) {
            Some(control) => control,
            None => {
                return TaskReport::Lost {
                    reason: format!("no server is configured under the alias {alias}"),
                };
            }
        };
        match self.link(alias, Instant::now() + control).await {
            Ok((_, link)) => link.session.task(task, control).await,
            Err(Outcome::NotSent { reason, .. }) => TaskReport::Unreachable { reason },
            Err(other) => TaskReport::Unreachable {
                reason: format!("{other:?}"),
            },
        }
    }

    /// The answer to a read whose server made a task of it: the task's end, if it comes in time.
    pub(crate) async fn read_to_the_end(&self, alias: &str, answer: Answer, deadline: Instant) -> Answer {
        let Outcome::Unknown { task: Some(task), .. } = &answer.outcome else {
            return answer;
        };
        let task = task.clone();
        loop {
            let pause = match self.ask_for_task(alias, &task).await {
                TaskReport::Ended(outcome) => return outcome.into(),
                TaskReport::Lost { reason } => return crate::mcp::unknown(reason).into(),
                TaskReport::Working { poll_after } => poll_after.unwrap_or(PAUSE),
                TaskReport::Unreachable { .. } => PAUSE,
            };
            if Instant::now() + pause >= deadline {
                return crate::mcp::unknown("the task that the server made of it did not end in time").into();
            }
            sleep(pause.clamp(PAUSE / 10, LONGEST_PAUSE)).await;
        }
    }
}
