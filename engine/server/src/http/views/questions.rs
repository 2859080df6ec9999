//! What servers ask, and words that are read back, as a person is shown it.

use super::super::dto::{QuestionView, time};
use flyball_engine::intent::heard::WORDS;
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Error;
use flyball_engine::question::NO_SECRETS;
use flyball_engine::supervisor::Supervisor;

/// Said wherever words are read back.
const UNCONFIRMED: &str = "nothing is changed before a person has said that these are the words";

async fn words(supervisor: &Supervisor, state: &IntentState) -> Result<Option<QuestionView>, Error> {
    let Some(back) = state.open_words() else {
        return Ok(None);
    };
    let form = supervisor.form(state.id, &back.form).await?;
    Ok(form.map(|form| QuestionView {
        request: WORDS.to_owned(),
        kind: WORDS.to_owned(),
        message: form.message,
        schema: form.schema,
        asked_at: time(back.since_ms),
        deadline: time(back.deadline_ms),
        notice: UNCONFIRMED.to_owned(),
        ..QuestionView::default()
    }))
}

/// The questions of an intent that nobody has answered yet.
pub async fn questions(supervisor: &Supervisor, state: &IntentState) -> Result<Vec<QuestionView>, Error> {
    let mut views: Vec<QuestionView> = words(supervisor, state).await?.into_iter().collect();
    for (request, asked, form) in state.open_questions() {
        let Some(form) = supervisor.form(state.id, form).await? else {
            continue;
        };
        views.push(QuestionView {
            request: request.to_owned(),
            kind: "tool".to_owned(),
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
