//! Questions before a call: in the new era the call ends with one and comes again with the answer, in the old one the server
//! asks while the call is out.

use crate::tools::Ledger;
use rmcp::RoleServer;
use rmcp::model::*;
use rmcp::service::RequestContext;
use serde_json::{Value, json};

/// What goes back and forth with a question of the new era.
const STATE: &str = "asked before";

fn form() -> ElicitRequestParams {
    let schema = json!({"type": "object", "required": ["seconds"],
        "properties": {"seconds": {"type": "integer", "description": "for how long"}}});
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "For how many seconds?".to_owned(),
        requested_schema: serde_json::from_value(schema).expect("it is a form's schema"),
    }
}

/// The answer that a call of the new era brings. None: it brings none.
pub(crate) fn answered(request: &CallToolRequestParams) -> Option<ElicitResult> {
    request.request_state.as_deref().filter(|s| *s == STATE)?;
    let answer = request.input_responses.as_ref()?.get("how")?;
    serde_json::from_value(answer.clone()).ok()
}

impl Ledger {
    /// Asks, if that was planted for the call. None: it may be executed.
    pub(crate) async fn asks(
        &self,
        tool: &str,
        args: &Value,
        meta: &Value,
        answered: Option<ElicitResult>,
        context: &RequestContext<RoleServer>,
    ) -> Option<CallToolResponse> {
        if let Some(answer) = answered {
            return refused(&answer);
        }
        self.faults.take_question(tool, args, meta)?;
        if self.modern {
            let ask = InputRequest::Elicitation(ElicitRequest::new(form()));
            let asks = [("how".to_owned(), ask)].into();
            return Some(InputRequiredResult::new(Some(asks), Some(STATE.to_owned())).into());
        }
        let request = ServerRequest::ElicitRequest(ElicitRequest::new(form()));
        match context.peer.send_request(request).await {
            Ok(ClientResult::ElicitResult(answer)) => refused(&answer),
            _ => refused(&ElicitResult::new(ElicitationAction::Cancel)),
        }
    }
}

fn refused(answer: &ElicitResult) -> Option<CallToolResponse> {
    let seconds = answer.content.as_ref().and_then(|c| c["seconds"].as_i64());
    if answer.action == ElicitationAction::Accept && seconds.is_some() {
        return None;
    }
    let text = "nobody said for how long";
    Some(CallToolResult::error(vec![ContentBlock::text(text)]).into())
}
