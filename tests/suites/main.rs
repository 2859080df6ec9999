//! What the engine promises, as sentences, judged in the world that it changes.

#![allow(clippy::unwrap_used, reason = "an unwrap in a test is an assertion")]

mod approvals;
mod base;
mod brake;
mod chaos;
mod commands;
mod doubt;
mod each_commit;
mod each_step;
mod fleet;
mod forward;
mod grounded;
mod hot;
mod invariants;
mod lease;
mod lease_chaos;
mod lease_life;
mod lease_locks;
mod locks;
mod meaning;
mod mutated;
mod ownership;
mod planning;
mod questions;
mod questions_interrupted;
mod recorded;
mod replan;
mod resume;
mod retrieval;
mod retry;
mod rig;
mod rollback;
mod rollback_dag;
mod rules;
mod send_by;
mod settle;
mod settle_late;
mod settle_persons;
mod settle_phases;
mod settle_tasks;
mod time;
mod undo;
mod voice;
mod wake;
