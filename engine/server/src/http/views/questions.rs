//! What servers ask, as a person is shown it.

use super::super::dto::{QuestionView, time};
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Error;
use flyball_engine::question::NO_SECRETS;
use flyball_engine::supervisor::Supervisor;

/// The questions of an intent that nobody has answered yet.
pub async fn questions(supervisor: &Supervisor, state: &IntentState) -> Result<Vec<QuestionView>, Error> {
    let mut views = Vec::new();
    for (request, asked, form) in state.open_questions() {
        let Some(form) = supervisor.form(state.id, form).await? else {
            continue;
        };
        views.push(QuestionView {
            request: request.to_owned(),
            item: asked.call.item.to_string(),
            phase: asked.call.phase.as_str().to_owned(),
            server: asked.tool.server().to_owned(),
            tool: asked.tool.to_string(),
            message: form.message,
            schema: form.schema,
            asked_at: time(asked.since_ms),
            deadline: time(asked.deadline_ms),
            notice: NO_SECRETS.to_owned(),
        });
    }
    Ok(views)
}
