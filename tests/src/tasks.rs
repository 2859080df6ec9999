//! Calls that the world goes on with as tasks.

use crate::world::World;
use flyball_engine::ports::TaskReport;
use flyball_engine::tool::{Outcome, ToolRequest};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// Executed, and said so.
    Done,
    /// Nothing was executed, and said so.
    Refused,
    /// Executed, but all that is told is that it was cancelled.
    Cancelled,
    /// Executed, and then the server knows no such task.
    Lost,
}

/// What the server says of its tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    reports: BTreeMap<String, TaskReport>,
    asked: BTreeMap<String, u32>,
}

impl World {
    pub(crate) fn begin_task(&self, request: ToolRequest, ms: u64, end: TaskEnd) -> Outcome {
        let mut inner = self.inner();
        let task = format!("task-{}", inner.tasks.reports.len() + 1);
        let working = TaskReport::Working {
            poll_after: Some(Duration::from_millis(200)),
        };
        inner.tasks.reports.insert(task.clone(), working);
        let (world, id) = (self.clone(), task.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if end != TaskEnd::Refused {
                world.execute(&request, None);
            }
            world.landed(&request);
            world.inner().tasks.reports.insert(id, report(end));
        });
        Outcome::Unknown {
            reason: "the server goes on with this call as a task".into(),
            task: Some(task),
            retry_after_ms: None,
        }
    }

    pub(crate) fn report_task(&self, task: &str) -> TaskReport {
        let mut inner = self.inner();
        *inner.tasks.asked.entry(task.to_owned()).or_default() += 1;
        let report = inner.tasks.reports.get(task).cloned();
        report.unwrap_or_else(|| self::report(TaskEnd::Lost))
    }

    /// How often the world was asked about its tasks.
    pub fn asked_about_tasks(&self) -> u32 {
        self.inner().tasks.asked.values().sum()
    }
}

fn report(end: TaskEnd) -> TaskReport {
    match end {
        TaskEnd::Done => TaskReport::Ended(Outcome::Done {
            output: json!({"ok": true}),
        }),
        TaskEnd::Refused => TaskReport::Ended(Outcome::ToolError {
            output: json!({"text": "refused", "sent": 0}),
        }),
        TaskEnd::Cancelled => TaskReport::Ended(Outcome::Unknown {
            reason: "the server cancelled the task".into(),
            task: None,
            retry_after_ms: None,
        }),
        TaskEnd::Lost => TaskReport::Lost {
            reason: "no such task".into(),
        },
    }
}
