//! From an intent's words to a draft of a plan.
//!
//! In this order, the first that fits: a runbook's phrase ([`Runbooks::find`], no model), a runbook that the model chooses
//! and fills, a plan that the model writes, a refusal that names what comes close. Read [`FlyballPlanner`] first.
//!
//! Words that were spoken become a text first ([`FlyballPlanner::hear`]); from there on they are words like any other.
//!
//! What a model says is held to the intent's text before anybody sees it: a literal that is not said there and a write
//! that nobody asked for are faults. What is absent on purpose: judging a draft (the engine's check is passed in),
//! approving it, and calling any tool.

mod acts;
mod again;
mod choice;
mod draft;
#[cfg(test)]
mod fixtures;
mod forbidden_lists;
mod grounding;
mod json;
mod left_alone;
pub mod measure;
mod model;
mod negation;
mod plain;
mod planner;
mod prompt;
mod record;
mod retrieve;
mod runbook;
mod speech;
mod verbs;
mod voice;
mod words;

pub use model::{ApiKey, Error, ModelBudget, ModelSettings, Price, Spent};
pub use planner::{Checker, FlyballPlanner};
pub use runbook::{Examined, Param, ParamKind, PhraseMatch, Promoted, Runbook, Runbooks, Source, TestRun, promote};
pub use voice::{AudioKind, Recording, Spoken, Unheard};
