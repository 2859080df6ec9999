//! What all servers list, and the pins: the digests of the definitions that a person, or the first use, signed off.

use crate::settings::Pinning;
use flyball_engine::canonical::Digest;
use flyball_engine::journal::{Error as JournalError, Journal};
use flyball_engine::tool::{Catalogue, CatalogueTool, PinState, ToolName, ToolSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

const PREFIX: &str = "pin/";
/// A definition of at most this many bytes is kept with its pin.
const KEPT_DEFINITION: usize = 32 * 1024;

/// What a person, or the first use, signed off.
#[derive(Debug, Clone, PartialEq)]
pub struct Pinned {
    pub digest: Digest,
    /// The definition itself: name, description, schemas and annotations. Absent where it was too large to keep.
    pub definition: Option<Value>,
}

/// Why a tool was not pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("no server lists a tool {0}")]
    NoSuchTool(ToolName),
    /// The definition changed between being read and being signed off.
    #[error("the definition of {tool} is {listed} now: read it again before signing it off")]
    Moved { tool: ToolName, listed: Digest },
    #[error("the pin cannot be kept: {0}")]
    Journal(#[from] JournalError),
}

/// The shared catalogue. Writers are the servers' actors; readers never wait for them.
pub(crate) struct Tools {
    facts: Arc<dyn Journal>,
    pinning: Pinning,
    pins: Mutex<BTreeMap<ToolName, Digest>>,
    current: RwLock<Arc<Catalogue>>,
    /// Servers that have listed their tools since the start.
    heard: RwLock<BTreeSet<String>>,
}

impl Tools {
    pub(crate) async fn load(facts: Arc<dyn Journal>, pinning: Pinning) -> Result<Self, JournalError> {
        let mut pins = BTreeMap::new();
        for (key, value) in facts.facts(PREFIX).await? {
            if let Some((name, digest)) = read_pin(&key, &value) {
                pins.insert(name, digest);
            } else {
                return Err(JournalError::Unwritable(format!("fact {key} is no pin")));
            }
        }
        Ok(Self {
            facts,
            pinning,
            pins: Mutex::new(pins),
            current: RwLock::default(),
            heard: RwLock::default(),
        })
    }

    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what a server lists now. Tools that it no longer lists are gone.
    pub(crate) async fn listed(&self, alias: &str, specs: Vec<ToolSpec>) {
        let mut pins = self.pins.lock().await;
        let mut fresh = BTreeMap::new();
        for spec in specs {
            let pin = self.judge(&mut pins, &spec).await;
            if pin == PinState::Changed {
                tracing::warn!(tool = %spec.name, "the definition differs from the pinned one: unusable until signed off");
            }
            fresh.insert(spec.name.clone(), CatalogueTool { spec, pin });
        }
        self.replace(|tools| {
            tools.retain(|name, _| name.server() != alias);
            tools.extend(fresh);
        });
        self.heard
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(alias.to_owned());
    }

    /// Whether a server has listed its tools since the start.
    pub(crate) fn has_listed(&self, alias: &str) -> bool {
        self.heard
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(alias)
    }

    async fn judge(&self, pins: &mut BTreeMap<ToolName, Digest>, spec: &ToolSpec) -> PinState {
        let digest = spec.digest();
        match pins.get(&spec.name) {
            Some(pinned) if *pinned == digest => PinState::Pinned,
            Some(_) => PinState::Changed,
            None if self.pinning == Pinning::Approve => PinState::Unpinned,
            None => match self.keep(pins, spec.name.clone(), digest, spec.definition()).await {
                Ok(()) => PinState::Pinned,
                Err(error) => {
                    tracing::error!(tool = %spec.name, %error, "cannot be pinned: unusable");
                    PinState::Unpinned
                }
            },
        }
    }

    async fn keep(
        &self,
        pins: &mut BTreeMap<ToolName, Digest>,
        name: ToolName,
        digest: Digest,
        definition: Value,
    ) -> Result<(), JournalError> {
        let key = format!("{PREFIX}{name}");
        let mut pin = json!({ "digest": digest });
        // Kept so that a person can see what changed. Beyond this size the digest alone must do.
        if definition.to_string().len() <= KEPT_DEFINITION {
            pin["definition"] = definition;
        }
        self.facts.put_fact(&key, pin).await?;
        pins.insert(name, digest);
        Ok(())
    }

    /// Signs off the definition that the caller has read, named by its digest.
    pub(crate) async fn pin(&self, name: &ToolName, digest: &Digest) -> Result<(), PinError> {
        let mut pins = self.pins.lock().await;
        let catalogue = self.catalogue();
        let tool = catalogue.get(name).ok_or_else(|| PinError::NoSuchTool(name.clone()))?;
        let listed = tool.spec.digest();
        if listed != *digest {
            return Err(PinError::Moved {
                tool: name.clone(),
                listed,
            });
        }
        self.keep(&mut pins, name.clone(), listed, tool.spec.definition())
            .await?;
        self.replace(|tools| {
            if let Some(tool) = tools.get_mut(name) {
                tool.pin = PinState::Pinned;
            }
        });
        Ok(())
    }

    /// What is signed off of a tool; none: nothing is.
    pub(crate) async fn pinned(&self, name: &ToolName) -> Result<Option<Pinned>, JournalError> {
        let fact = self.facts.fact(&format!("{PREFIX}{name}")).await?;
        Ok(fact.and_then(|mut fact| {
            Some(Pinned {
                digest: Digest::parse(fact.get("digest")?.as_str()?)?,
                definition: fact.get_mut("definition").map(Value::take),
            })
        }))
    }

    fn replace(&self, change: impl FnOnce(&mut BTreeMap<ToolName, CatalogueTool>)) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut Arc::make_mut(&mut current).tools);
    }
}

fn read_pin(key: &str, value: &Value) -> Option<(ToolName, Digest)> {
    let name = key.strip_prefix(PREFIX)?.parse().ok()?;
    Some((name, Digest::parse(value.get("digest")?.as_str()?)?))
}

#[cfg(test)]
mod tests;
