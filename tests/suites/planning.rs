//! What the run of a model plans with and is graded by, for the tests that need no model.
#![allow(dead_code, reason = "the run of a model uses all of it")]

#[path = "../planning/answers.rs"]
pub(crate) mod answers;
#[path = "../planning/ask.rs"]
pub(crate) mod ask;
#[path = "../planning/catalogue.rs"]
pub(crate) mod catalogue;
#[path = "../planning/grade.rs"]
pub(crate) mod grade;
#[path = "../planning/made_up.rs"]
mod made_up;
#[path = "../planning/react.rs"]
mod react;
#[path = "../planning/recall.rs"]
pub(crate) mod recall;
#[path = "../../planner/tests/support/script.rs"]
pub(crate) mod script;
#[path = "../planning/set.rs"]
pub(crate) mod set;
