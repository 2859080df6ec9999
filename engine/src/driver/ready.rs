//! The last look before a call is recorded: its server is there, in a life that the entry can name, or the call is put off.

use super::act::Dispatch;
use super::facts::Facts;
use super::job::ItemJob;
use super::need::misfit;
use super::work::Told;
use crate::ids::{CallId, Phase};
use crate::intent::event::{Event, FaultEffect};
use crate::tool::{Outcome, ToolName};
use serde_json::{Map, Value};

/// How long a call may wait between being recorded and being sent.
pub(super) const SEND_WITHIN_MS: i64 = 5_000;

/// A call that cannot be sent. If an earlier attempt may have landed, that is all the more in doubt.
pub(super) fn unrepeatable(call: CallId, attempt: u32, fault: String, unproven: bool) -> Facts {
    if unproven {
        let reason = format!("it cannot be repeated: {fault}");
        return Facts::of(Event::CallInDoubt {
            call,
            attempt,
            reason,
            answered: false,
            dead_since_ms: None,
        });
    }
    unsendable(call, attempt, fault)
}

/// A call that cannot be sent, and no attempt of which was.
fn unsendable(call: CallId, attempt: u32, fault: String) -> Facts {
    Facts::of(Event::CallFailed {
        call,
        attempt,
        fault,
        effect: FaultEffect::None,
        output: None,
    })
}

/// Makes sure that the server is there, and names the life of it that the call goes to.
#[allow(
    clippy::too_many_arguments,
    reason = "each is a different thing that the entry must name"
)]
pub(super) async fn ready(
    job: ItemJob,
    call: CallId,
    attempt: u32,
    tool: ToolName,
    args: Map<String, Value>,
    expect_base: Option<String>,
    timeout_ms: u64,
    epoch: u64,
) -> Told {
    match job.deps.executor.ready(tool.server()).await {
        Ok(incarnation) => {
            let first = matches!(call.phase, Phase::Do | Phase::Prepare);
            if job.unchecked
                && first
                && let Some(fault) = misfit(&job)
            {
                let unproven = job.unproven.contains(&call.phase);
                return Told::Facts(unrepeatable(call, attempt, fault, unproven));
            }
            let now = job.deps.clock.now_ms();
            let timeout_ms = job.patience.attempt_ms(timeout_ms);
            let (send_by_ms, deadline_ms) = (now + SEND_WITHIN_MS, now + timeout_ms as i64);
            let dispatch = Dispatch {
                job,
                call,
                attempt,
                tool,
                args,
                incarnation,
                expect_base,
                send_by_ms,
                deadline_ms,
                timeout_ms,
                epoch,
                goes_on: None,
            };
            Told::Ready {
                facts: Facts::default(),
                dispatch: Box::new(dispatch),
            }
        }
        Err(outcome) => {
            let why = match &outcome {
                Outcome::NotSent { reason, .. } | Outcome::Unknown { reason, .. } => reason.clone(),
                Outcome::Rejected { message, .. } => message.clone(),
                _ => "it does not answer".to_owned(),
            };
            let fault = format!("server {:?} cannot be had: {why}", tool.server());
            let fault = match job
                .patience
                .put_off(&tool, job.contracts.of(&tool).effect, &outcome)
                .await
            {
                Ok(_) => fault,
                Err(refused) => refused.to(fault),
            };
            let unproven = job.unproven.contains(&call.phase);
            Told::Facts(unrepeatable(call, attempt, fault, unproven))
        }
    }
}
