//! Right after the engine's start servers are still coming up. What is due waits for those that it may call, and for no
//! others: a server that hangs holds up its own intents only. Until a server has listed its tools the catalogue says
//! nothing of them, and what an approval binds to could not be compared.

use super::Driver;
use crate::intent::effects::Work;
use crate::intent::state::Accepted;
use std::collections::BTreeSet;

/// Which servers a driver has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Met {
    None,
    /// Those that the accepted plan can come to call.
    Own,
    /// All: any could have what a plan needs.
    All,
}

impl Driver {
    /// Waits for the servers that this work needs and that were not waited for before. True: look again what is due.
    pub(super) async fn meet_servers(&mut self, work: &[Work]) -> bool {
        let needed = work.iter().map(needs).max().unwrap_or(Met::None);
        if needed <= self.met {
            return false;
        }
        let own = match (needed, &self.ledger.state.accepted) {
            (Met::Own, Some(accepted)) => Some(servers_of(accepted)),
            _ => None,
        };
        // It is known what is due; the rest is waiting.
        self.pickup = None;
        self.deps.executor.settled(own.as_ref()).await;
        self.met = needed;
        true
    }
}

fn needs(work: &Work) -> Met {
    match work {
        Work::Plan { .. } => Met::All,
        Work::Expand { .. } | Work::Judge | Work::RequestApproval => Met::None,
        _ => Met::Own,
    }
}

fn servers_of(accepted: &Accepted) -> BTreeSet<String> {
    let named = accepted.contracts.contracts.keys().chain(accepted.pins.keys());
    let all = accepted.plan.tools().chain(named);
    all.map(|tool| tool.server().to_owned()).collect()
}
