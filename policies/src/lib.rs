//! Who may do what: Cedar policies, approvals, retries.
//!
//! [`Policies`] answers the three questions that the engine asks through its port `Policy`: may this expanded plan run,
//! need a person, or is it refused ([`judge`](flyball_engine::ports::Policy::judge)); may this caller do that to an
//! intent (`may`); shall this call be tried again (`retry`). Policies are text that the operator owns, added to the
//! shipped `defaults/*.cedar` and checked against `flyball.cedarschema` at load.
//!
//! What no policy can lift stands in code and in the schema: `writes: off` refuses every change, unknown principals may
//! nothing, only people approve, and whatever cannot be decided is refused. This package reads no clock, opens no
//! socket and touches the disk only while loading.

mod fault;
mod flatten;
mod library;
mod settings;

pub use fault::PolicyFault;
pub use flatten::flatten;
pub use library::PolicyInfo;
pub use settings::{PolicySettings, Role, UserKind, UserSettings};
