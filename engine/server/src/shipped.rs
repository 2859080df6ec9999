//! Contracts and runbooks that come with the binary. A file of the operator's that names the same thing wins.

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
