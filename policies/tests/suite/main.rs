//! Sentences about who may do what.

mod given;
mod judging;
mod loading;
mod permissions;
mod retrying;
