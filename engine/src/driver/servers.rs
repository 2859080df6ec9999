//! Right after the engine's start servers are still coming up. What is due waits for those that it may call, and for no
//! others: a server that hangs holds up its own intents only. Until a server has listed its tools the catalogue says
//! nothing of them, and what an approval binds to could not be compared.

use super::{DriveError, Driver};
use crate::intent::effects::{Due, Work};
use crate::intent::state::Accepted;
use crate::ports::Clock;
use std::collections::BTreeSet;
use std::time::Duration;

/// Which servers a driver has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Met {
    None,
    /// Those that the accepted plan can come to call.
    Own,
    /// All: any could have what a plan needs.
    All,
}

/// What came of waiting.
pub(super) enum Waited {
    /// They are there, or known not to be.
    Met,
    /// Something else came: look again what is due.
    LookAgain,
    /// The supervisor stops.
    Stop,
}

impl Driver {
    /// Waits for the servers that this work needs and that were not waited for before. What people ask and what the clock
    /// brings meanwhile is heard first: a pause that was acknowledged stops what would be sent once they are there.
    pub(super) async fn meet_servers(&mut self, due: &Due) -> Result<Waited, DriveError> {
        let needed = due.work.iter().map(needs).max().unwrap_or(Met::None);
        if needed <= self.met {
            return Ok(Waited::Met);
        }
        let own = match (needed, &self.ledger.state.accepted) {
            (Met::Own, Some(accepted)) => Some(servers_of(accepted)),
            _ => None,
        };
        // It is known what is due; the rest is waiting.
        self.pickup = None;
        let mut inbox = self.deps.journal.watch(self.ledger.id);
        let mut stopping = self.signals.stopping.clone();
        let (before, executor, clock) = (
            self.ledger.state.seq,
            self.deps.executor.clone(),
            self.deps.clock.clone(),
        );
        loop {
            let wake = due.wake_ms.map(|at| (at - clock.now_ms()).max(0));
            self.take_commands().await?;
            if self.ledger.state.seq != before {
                return Ok(Waited::LookAgain);
            }
            tokio::select! {
                () = executor.settled(own.as_ref()) => {
                    self.met = needed;
                    return Ok(Waited::LookAgain);
                }
                () = sleep(clock.as_ref(), wake) => return Ok(Waited::LookAgain),
                _ = inbox.changed() => {}
                _ = stopping.wait_for(|stop| *stop) => return Ok(Waited::Stop),
            }
        }
    }
}

/// For ever, where there is no time to wake at.
async fn sleep(clock: &dyn Clock, ms: Option<i64>) {
    match ms {
        Some(ms) => clock.sleep(Duration::from_millis(ms.unsigned_abs())).await,
        None => std::future::pending().await,
    }
}

fn needs(work: &Work) -> Met {
    match work {
        Work::Plan { .. } => Met::All,
        Work::Expand { .. } | Work::Judge | Work::ReadBack | Work::RequestApproval => Met::None,
        _ => Met::Own,
    }
}

fn servers_of(accepted: &Accepted) -> BTreeSet<String> {
    let named = accepted.contracts.contracts.keys().chain(accepted.pins.keys());
    let all = accepted.plan.tools().chain(named);
    all.map(|tool| tool.server().to_owned()).collect()
}
