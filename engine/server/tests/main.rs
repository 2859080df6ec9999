//! The binary as it is run: the server from start to stop, and the check of a faulty folder.

mod check;
mod serve;
