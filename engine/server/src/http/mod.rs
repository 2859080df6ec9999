//! The REST interface.
pub mod dto;
pub mod problem;
pub mod views;
