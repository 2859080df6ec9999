//! What servers ask, and what is asked about an intent's words, as a person is shown it.

use super::super::dto::{QuestionView, time};
use flyball_engine::intent::heard::WORDS;
use flyball_engine::intent::meaning::MEANING;
use flyball_engine::intent::state::IntentState;
use flyball_engine::journal::Error;
use flyball_engine::question::NO_SECRETS;
use flyball_engine::supervisor::Supervisor;

/// Said wherever words are read back.
const UNCONFIRMED: &str = "nothing is changed before a person has said that these are the words";
/// Said wherever words can mean several things.
const UNDECIDED: &str = "nothing is planned before it is said what is meant";

/// What the engine itself asks about the intent's words.
async fn own(supervisor: &Supervisor, state: &IntentState) -> Result<Vec<QuestionView>, Error> {
    let asked = [
        (WORDS, state.open_words(), UNCONFIRMED),
        (MEANING, state.open_meaning(), UNDECIDED),
    ];
    let mut views = Vec::new();
    for (kind, asked, notice) in asked {
        let Some(asked) = asked else { continue };
        let form = supervisor.form(state.id, &asked.form).await?;
        views.extend(form.map(|form| QuestionView {
            request: kind.to_owned(),
            kind: kind.to_owned(),
            message: form.message,
            schema: form.schema,
            asked_at: time(asked.since_ms),
            deadline: time(asked.deadline_ms),
            notice: notice.to_owned(),
            ..QuestionView::default()
        }));
    }
    Ok(views)
}

/// The questions of an intent that nobody has answered yet.
pub async fn questions(supervisor: &Supervisor, state: &IntentState) -> Result<Vec<QuestionView>, Error> {
    let mut views = own(supervisor, state).await?;
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
