//! Questions that servers ask while a call is out.

use super::IntentState;
use crate::intent::event::Event;

impl IntentState {
    /// Opens and closes questions. All other events are facts that stand for themselves: they change nothing that drives.
    pub(super) fn fold_question(&mut self, event: &Event) {
        match event {
            Event::InputRequested { request, .. } => {
                self.questions.insert(request.clone());
            }
            Event::InputGiven { request, .. } => {
                self.questions.remove(request);
            }
            _ => {}
        }
    }
}
