//! A world one of whose servers takes its time to come up.

use crate::world::World;
use async_trait::async_trait;
use flyball_engine::ports::{Answer, ToolExecutor};
use flyball_engine::tool::{Catalogue, Incarnation, Outcome, ToolRequest};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;

/// The world is up; a server beside it, which has no tools yet, is not until told so.
pub struct Coming {
    world: World,
    up: watch::Sender<bool>,
}

impl Coming {
    pub fn with(world: &World) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            up: watch::Sender::new(false),
        })
    }

    /// The other server has come up.
    pub fn come_up(&self) {
        self.up.send_replace(true);
    }
}

#[async_trait]
impl ToolExecutor for Coming {
    fn catalogue(&self) -> Arc<Catalogue> {
        self.world.catalogue()
    }

    async fn settled(&self, servers: Option<&BTreeSet<String>>) {
        if servers.is_none_or(|s| s.iter().any(|alias| alias != "world")) {
            let _ = self.up.subscribe().wait_for(|up| *up).await;
        }
    }

    async fn ready(&self, server: &str) -> Result<Incarnation, Outcome> {
        self.world.ready(server).await
    }

    async fn call(&self, request: ToolRequest) -> Answer {
        self.world.call(request).await
    }

    async fn is_dead(&self, server: &str, incarnation: &Incarnation) -> bool {
        self.world.is_dead(server, incarnation).await
    }
}
