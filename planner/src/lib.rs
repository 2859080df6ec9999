//! From an intent's words to a draft of a plan.
mod choice {
    pub(crate) const NONE: &str = "none";
}
mod runbook;
mod words;
mod yaml;
pub use runbook::{Param, ParamKind, PhraseMatch, Runbook, Runbooks, Source};
pub use yaml::DocumentFault;
