//! Questions of the engine's own to a person, about the words of an intent: whether they were heard right, and which of
//! several things they mean.

use super::facts::Facts;
use super::question::posed;
use super::{Deps, DriveError, Driver};
use crate::intent::event::Event;
use crate::intent::heard::{self, WORDS};
use crate::intent::meaning::{self, MEANING, Meaning};
use crate::intent::state::IntentState;
use crate::question::{Form, Posed};

/// Asks whether the words that were heard are those that were spoken.
pub(super) fn read_back(deps: &Deps, state: &IntentState) -> Facts {
    let mut facts = Facts::default();
    let form = heard::read_back(state.request.wish.words());
    ask(&mut facts, deps, WORDS, form, None);
    facts
}

/// Asks which of several things the words mean.
pub(super) fn which_is_meant(facts: &mut Facts, deps: &Deps, words: &str, meanings: &[Meaning]) {
    let kept = serde_json::to_string(meanings).expect("our own types serialise");
    ask(facts, deps, MEANING, meaning::which(words, meanings), Some(kept));
}

fn ask(facts: &mut Facts, deps: &Deps, request: &str, form: Form, state: Option<String>) {
    let posed = Posed {
        key: request.to_owned(),
        form,
        state,
        parked: None,
    };
    let posed = serde_json::to_value(posed).expect("a question serialises");
    let question = facts.payload(posed, false);
    let patience = i64::try_from(deps.policy.answer_ttl().as_millis()).unwrap_or(i64::MAX);
    facts.push(Event::InputRequested {
        request: request.to_owned(),
        call: None,
        question,
        tool: None,
        deadline_ms: Some(deps.clock.now_ms().saturating_add(patience)),
        held: false,
    });
}

impl Driver {
    /// What is meant, as a person has said. None: nobody had to say, or what was said is gone (shredded) and is asked again.
    pub(super) async fn meant(&mut self) -> Result<Option<Meaning>, DriveError> {
        let Some(form) = self.ledger.state.meaning.as_ref().map(|asked| asked.form.clone()) else {
            return Ok(None);
        };
        let Some(answer) = self.optional(form.answer).await? else {
            return Ok(None);
        };
        let posed = posed(self.deps.journal.as_ref(), self.ledger.state.id, &form.question).await?;
        let kept = posed.and_then(|posed| posed.state);
        let meanings: Option<Vec<Meaning>> = kept.and_then(|kept| serde_json::from_str(&kept).ok());
        Ok(meanings.and_then(|all| meaning::chosen(all, &answer)))
    }
}
