//! `tasks/get`: how a task stands, and what its end says of the call that it was made of.

use super::classify::{of_error, of_result, unknown};
use super::session::Session;
use flyball_engine::ports::TaskReport;
use rmcp::model::{
    CallToolResult, ErrorCode, ErrorData, GetTaskParams, InputRequest, InputRequests, JsonObject, TaskPayload,
    UpdateTaskParams,
};
use rmcp::service::ServiceError;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

impl Session {
    /// Asks about a task. A read: it may be asked as often as wanted. What the task asks in its turn is dismissed.
    pub(crate) async fn task(&self, id: &str, within: Duration) -> TaskReport {
        match timeout(within, self.peer.get_task(GetTaskParams::new(id))).await {
            Ok(Ok(found)) => {
                let poll_after = found.task.task.poll_interval_ms.map(Duration::from_millis);
                if let TaskPayload::InputRequired { input_requests } = &found.task.payload {
                    self.dismiss_in_task(id, input_requests, within).await;
                }
                of_payload(found.task.payload, poll_after)
            }
            Ok(Err(error)) => of_failure(&error),
            Err(_) => TaskReport::Unreachable {
                reason: format!("no answer to tasks/get within {} ms", within.as_millis()),
            },
        }
    }
}

impl Session {
    // A form within a task is brought to nobody; left open, the task would wait until its time is over.
    async fn dismiss_in_task(&self, id: &str, asked: &InputRequests, within: Duration) {
        let forms = asked.iter().filter(|(_, r)| matches!(r, InputRequest::Elicitation(_)));
        let dismissed = forms
            .map(|(key, _)| (key.clone(), json!({"action": "cancel"})))
            .collect();
        let told = timeout(within, self.peer.update_task(UpdateTaskParams::new(id, dismissed))).await;
        tracing::warn!(
            told = matches!(told, Ok(Ok(()))),
            "a question within a task is dismissed"
        );
    }
}

fn of_payload(payload: TaskPayload, poll_after: Option<Duration>) -> TaskReport {
    match payload {
        TaskPayload::Completed { result } => TaskReport::Ended(of_completed(result)),
        TaskPayload::Failed { error } => TaskReport::Ended(of_failed(error)),
        TaskPayload::Cancelled => TaskReport::Ended(unknown("the server cancelled the task")),
        // One that asks for input goes on as well: without it, or until its time at the server is over.
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
