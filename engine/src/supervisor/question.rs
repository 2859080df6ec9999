//! Questions of servers: what a person is shown of them, and whether an answer fits.

use super::{CommandError, ReadError, Supervisor};
use crate::driver::question::posed;
use crate::fault::Fault;
use crate::ids::IntentId;
use crate::intent::command::{Command, What};
use crate::intent::heard::WORDS;
use crate::intent::meaning::{self, MEANING};
use crate::intent::question::AskedForm;
use crate::intent::state::IntentState;
use crate::journal;
use crate::question::{Form, answer_faults};

impl Supervisor {
    /// The form that a person is to fill in. None: it is gone (shredded).
    pub async fn form(&self, intent: IntentId, asked: &AskedForm) -> Result<Option<Form>, journal::Error> {
        let posed = posed(self.deps.journal.as_ref(), intent, &asked.question).await?;
        Ok(posed.map(|p| p.form))
    }

    /// Refuses an answer that does not fit its form, with everything that is wrong with it.
    pub(super) async fn check_answer(&self, state: &IntentState, command: &Command) -> Result<(), CommandError> {
        let What::Input { request, answer } = &command.what else {
            return Ok(());
        };
        let open = match request.as_str() {
            WORDS => state.open_words().map(|asked| &asked.form),
            MEANING => state.open_meaning().map(|asked| &asked.form),
            _ => state
                .open_questions()
                .find(|(open, ..)| open == request)
                .map(|(_, _, form)| form),
        };
        let Some(asked) = open else { return Ok(()) };
        let form = self.form(state.id, asked).await.map_err(ReadError::from)?;
        let form = form.ok_or_else(|| CommandError::Refused("the question is gone (shredded)".into()))?;
        let faults = match request.as_str() {
            MEANING => meaning::faults(&form, answer),
            _ => answer_faults(&form, answer),
        };
        match faults {
            faults if faults.is_empty() => Ok(()),
            faults => Err(CommandError::BadAnswer(
                faults.into_iter().map(|f| or_decline(f.under("/answer"))).collect(),
            )),
        }
    }
}

/// Whoever wants to say no often says it in the form, which has no place for it.
fn or_decline(fault: Fault) -> Fault {
    match fault.suggestion {
        None => fault.suggest("to say no, decline: --decline, or {\"action\": \"decline\"}"),
        Some(_) => fault,
    }
}
