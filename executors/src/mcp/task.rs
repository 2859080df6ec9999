//! `tasks/get`: how a task stands, and what its end says of the call that it was made of.

use super::classify::{of_error, of_result, unknown};
use super::session::Session;
use flyball_engine::ports::TaskReport;
use rmcp::model::{CallToolResult, ErrorCode, ErrorData, GetTaskParams, JsonObject, TaskPayload};
use rmcp::service::ServiceError;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

impl Session {
    /// Asks about a task. A read: it may be asked as often as wanted.
    pub(crate) async fn task(&self, id: &str, within: Duration) -> TaskReport {
        match timeout(within, self.peer.get_task(GetTaskParams::new(id))).await {
            Ok(Ok(found)) => {
                let poll_after = found.task.task.poll_interval_ms.map(Duration::from_millis);
                of_payload(found.task.payload, poll_after)
            }
            Ok(Err(error)) => of_failure(&error),
            Err(_) => TaskReport::Unreachable {
                reason: format!("no answer to tasks/get within {} ms", within.as_millis()),
            },
        }
    }
}

fn of_payload(payload: TaskPayload, poll_after: Option<Duration>) -> TaskReport {
    match payload {
        TaskPayload::Completed { result } => TaskReport::Ended(of_completed(result)),
        TaskPayload::Failed { error } => TaskReport::Ended(of_failed(error)),
        TaskPayload::Cancelled => TaskReport::Ended(unknown("the server cancelled the task")),
        // One that asks for input goes on as well: until somebody answers, or its time at the server is over.
        _ => TaskReport::Working { poll_after },
    }
}

fn of_completed(result: JsonObject) -> flyball_engine::tool::Outcome {
    match serde_json::from_value::<CallToolResult>(Value::Object(result)) {
        Ok(result) => of_result(result),
        Err(_) => unknown("the result of the task is no result of a tool"),
    }
}

fn of_failed(error: JsonObject) -> flyball_engine::tool::Outcome {
    match serde_json::from_value::<ErrorData>(Value::Object(error)) {
        Ok(error) => of_error(&error).outcome,
        Err(_) => unknown("the task failed, and its error cannot be read"),
    }
}

// A server that answers that it knows no such task, or no tasks, will not know it later. Everything else may pass.
fn of_failure(error: &ServiceError) -> TaskReport {
    let ServiceError::McpError(answer) = error else {
        return TaskReport::Unreachable {
            reason: "the server cannot be asked about its task".to_owned(),
        };
    };
    let reason = format!("error {}: {}", answer.code.0, answer.message);
    let gone = [
        ErrorCode::INVALID_PARAMS,
        ErrorCode::METHOD_NOT_FOUND,
        ErrorCode::RESOURCE_NOT_FOUND,
        ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY,
    ];
    match gone.contains(&answer.code) {
        true => TaskReport::Lost { reason },
        false => TaskReport::Unreachable { reason },
    }
}
