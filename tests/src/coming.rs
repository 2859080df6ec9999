//! The world seen by an engine that starts before its servers do.

use crate::world::World;
use async_trait::async_trait;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Which server is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// One that no plan here calls: it hangs, so that the engine waits for it.
    Another,
    /// The world's own: it is known to be down, so that the engine does not wait, and its tools are not listed.
    Own,
}

/// The world with a server that is not there yet.
pub struct Coming {
    world: World,
    late: Late,
    up: watch::Sender<bool>,
}

impl Coming {
    /// Another server hangs at its start.
    pub fn with(world: &World) -> Arc<Self> {
        Self::of(world, Late::Another)
    }

    /// The world itself is down.
    pub fn down(world: &World) -> Arc<Self> {
        Self::of(world, Late::Own)
    }

    fn of(world: &World, late: Late) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            late,
            up: watch::Sender::new(false),
        })
    }

    /// The server has come up.
    pub fn come_up(&self) {
        self.up.send_replace(true);
    }

    fn is_down(&self) -> bool {
        self.late == Late::Own && !*self.up.borrow()
    }

    fn refused() -> Outcome {
        Outcome::NotSent {
            reason: "connection refused".into(),
            retry_after_ms: None,
        }
    }
}

#[async_trait]
impl ToolExecutor for Coming {
    fn catalogue(&self) -> Arc<Catalogue> {
        if self.is_down() {
            return Arc::default();
        }
        self.world.catalogue()
    }

    fn has_listed(&self, _: &str) -> bool {
        !self.is_down()
    }

    async fn settled(&self, servers: Option<&BTreeSet<String>>) {
        let waited_for = servers.is_none_or(|s| s.iter().any(|alias| alias != "world"));
        if self.late == Late::Another && waited_for {
            let _ = self.up.subscribe().wait_for(|up| *up).await;
        }
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        if self.is_down() {
            return Err(Self::refused());
        }
        self.world.ready(server).await
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        if self.is_down() {
            return Self::refused().into();
        }
        self.world.call(request).await
    }

    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool {
        self.world.is_dead(server, incarnation).await
    }
}
