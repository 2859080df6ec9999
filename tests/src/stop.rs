//! An engine's hands, which stop in the middle of anything as those of a stopped process do, and go on later.

use crate::clock::PausedClock;
use crate::world::World;
use async_trait::async_trait;
use flyball_engine::ports::{Answer, Clock, ToolExecutor};
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;

/// The world, reached through hands that stop. Whatever is asked of them from the moment of the stop on stands still;
/// a call that was on its way leaves only if it is still in time, as any executor of ours looks.
pub struct Hands {
    world: World,
    clock: PausedClock,
    moves: AtomicU32,
    stop_at: u32,
    stopped: watch::Sender<bool>,
    goes_on: watch::Sender<bool>,
}

impl Hands {
    /// They stop at the `stop_at`-th thing that is asked of them, counted from 1.
    pub fn of(world: &World, stop_at: u32) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            clock: PausedClock::start(),
            moves: AtomicU32::new(0),
            stop_at,
            stopped: watch::Sender::new(false),
            goes_on: watch::Sender::new(false),
        })
    }

    /// Waits for the stop.
    pub async fn until_stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        let _ = stopped.wait_for(|s| *s).await;
    }

    /// The process goes on where it stood.
    pub fn go_on(&self) {
        self.goes_on.send_replace(true);
    }

    async fn may_move(&self) {
        if self.moves.fetch_add(1, Ordering::SeqCst) + 1 >= self.stop_at {
            self.stopped.send_replace(true);
            let _ = self.goes_on.subscribe().wait_for(|g| *g).await;
        }
    }
}

#[async_trait]
impl ToolExecutor for Hands {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.world.catalogue()
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        self.may_move().await;
        self.world.ready(server).await
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        self.may_move().await;
        if request.is_late(self.clock.now_ms()) {
            let reason = "its time to be sent passed".to_owned();
            return Outcome::NotSent {
                reason,
                retry_after_ms: None,
            }
            .into();
        }
        let answer = self.world.call(request).await;
        // The answer may come to a process that stands still.
        self.may_move().await;
        answer
    }

    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool {
        self.world.is_dead(server, incarnation).await
    }
}
