//! From an intent's words to a draft of a plan.
mod words;
mod yaml;
pub use yaml::DocumentFault;
