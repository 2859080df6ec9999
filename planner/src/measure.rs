//! The question for a plan, as it would be put, without anybody being asked: for measuring retrieval and prompts, and for
//! comparing with other ways to plan over the same tools.

use crate::choice::Asked;
use crate::draft;
use crate::grounding::Ground;
use crate::{prompt, retrieve};
use flyball_engine::intent::event::ToolsRetrieved;
use flyball_engine::ports::PlanningContext;
use serde_json::Value;

/// What a model would be asked for a plan.
#[derive(Debug, Clone)]
pub struct DraftQuestion {
    pub tools: ToolsRetrieved,
    /// The tools as the prompt tells them, one a line.
    pub tool_lines: Vec<String>,
    /// Role and content, the intent last.
    pub messages: Vec<(&'static str, String)>,
    /// The shape of the answer.
    pub schema: Value,
    /// Estimated, of all messages.
    pub prompt_tokens: u64,
}

/// The question that this intent would lead to.
pub fn draft_question(text: &str, context: &PlanningContext) -> DraftQuestion {
    let ground = Ground::of(text);
    let found = retrieve::tools(text, &ground, context);
    let asked = Asked {
        text,
        alarm: &Value::Null,
        ground: &ground,
        context,
        tried: &[],
    };
    let question = draft::question(&asked, &found.tools);
    let messages: Vec<(&'static str, String)> = question.messages.into_iter().map(|m| (m.role, m.content)).collect();
    DraftQuestion {
        tool_lines: found
            .tools
            .iter()
            .map(|tool| prompt::tool(tool, &context.contracts))
            .collect(),
        tools: found.record,
        prompt_tokens: messages.iter().map(|(_, content)| prompt::tokens(content)).sum(),
        messages,
        schema: serde_json::to_value(&question.schema).unwrap_or_default(),
    }
}
