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

mod cedar;
mod fault;
mod flatten;
mod judge;
mod library;
mod may;
mod principals;
mod retry;
mod rules;
mod settings;

pub use fault::PolicyFault;
pub use flatten::flatten;
pub use library::PolicyInfo;
pub use retry::RetrySettings;
pub use settings::{PolicySettings, Role, UserKind, UserSettings};

use cedar_policy::Entities;
use flyball_engine::actor::Actor;
use flyball_engine::intent::Request;
use flyball_engine::intent::event::RuleApplied;
use flyball_engine::ports::{Policy, Proposal, RetryBudget, RetryGranted, RetryQuestion, Verdict};
use library::Library;
use principals::Principals;
use std::time::Duration;

/// The loaded policies and the principals they speak of. Immutable: a change of rules is a new one.
pub struct Policies {
    library: Library,
    principals: Principals,
    entities: Entities,
    writes: bool,
    approval_ttl: Duration,
    retry: RetrySettings,
}

impl Policies {
    /// Reads and checks everything; on a mistake all of them are told and nothing is loaded.
    pub fn load(settings: PolicySettings) -> Result<Self, Vec<PolicyFault>> {
        let (library, principals) = match (Library::load(&settings), Principals::new(&settings.users)) {
            (Ok(library), Ok(principals)) => (library, principals),
            (library, principals) => {
                let faults = [library.err(), principals.err()];
                return Err(faults.into_iter().flatten().flatten().collect());
            }
        };
        Ok(Self {
            entities: cedar::principal_entities(&principals),
            library,
            principals,
            writes: settings.writes,
            approval_ttl: settings.approval_ttl,
            retry: settings.retry,
        })
    }

    /// Every rule that may stand in a verdict: Flyball's own first, then the loaded policies by file and line.
    pub fn explain(&self) -> Vec<PolicyInfo> {
        let mut loaded: Vec<PolicyInfo> = self.library.infos.values().cloned().collect();
        loaded.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        rules::own_rules().chain(loaded).collect()
    }

    /// Whether this actor could approve an intent of their own now, so that the record must say so.
    pub fn own_approval_allowed(&self, actor: &Actor) -> bool {
        may::own_approval_allowed(self, actor)
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("policies", &self.library.infos.len())
            .field("users", &self.principals.users().count())
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

impl Policy for Policies {
    fn judge(&self, proposal: &Proposal) -> Verdict {
        judge::judge(self, proposal)
    }

    fn may(&self, actor: &Actor, action: &str, request: Option<&Request>) -> Result<RuleApplied, RuleApplied> {
        may::may(self, actor, action, request)
    }

    fn retry(&self, question: &RetryQuestion<'_>) -> Option<RetryGranted> {
        retry::retry(&self.retry, question)
    }

    fn retry_budget(&self) -> RetryBudget {
        self.retry.budget()
    }
}
