//! What may end the demo before its time: Ctrl-C, SIGTERM, or nobody who reads any more.

use crate::cli::output::reader_gone;
use crate::cli::{Exit, Failure};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Listens from its making on, so that nothing ends the process without the stage being struck.
pub(super) struct Ending {
    interrupt: Signal,
    terminate: Signal,
    reader: CancellationToken,
}

impl Ending {
    pub(super) fn listen() -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::Internal(format!("signals cannot be heard: {e}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            reader: reader_gone(),
        })
    }

    /// Waits for one of them, and says which exit code goes with it.
    pub(super) async fn come(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Terminated,
            () = self.reader.cancelled() => Exit::Failed,
        }
    }
}
