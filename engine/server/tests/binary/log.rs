//! The log cannot be written: that stops nothing.

use crate::serve::{Server, flyball};
use std::fs::File;

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = Server::start_logging_to(dir.path(), &["--listen", "127.0.0.1:0"], full.into());
    let (code, text) = flyball(dir.path(), &server.url, &["submit", "make me a coffee"]);
    assert_eq!(code, 3, "{text}");
    assert_eq!(flyball(dir.path(), &server.url, &["halt", "--reason", "storm"]).0, 0);
    assert_eq!(server.stop(), Some(0));
}
