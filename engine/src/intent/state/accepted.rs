//! The plan that was accepted, read back from its entry.

use super::Blobs;
use crate::canonical::Digest;
use crate::contract::Contracts;
use crate::intent::event::{Event, PlanSource};
use crate::payload::Payload;
use crate::plan::Plan;
use crate::tool::ToolName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The accepted plan with what it is held to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub plan: Arc<Plan>,
    pub digest: Digest,
    pub source: PlanSource,
    pub contracts: Arc<Contracts>,
    pub pins: BTreeMap<ToolName, Digest>,
    /// How often another plan may be asked for, should this one fail.
    #[serde(default)]
    pub replans: u32,
}

impl Accepted {
    pub(super) fn read(event: &Event, blobs: &dyn Blobs) -> Result<Self, String> {
        let Event::PlanAccepted {
            plan,
            contracts,
            digest,
            source,
            pins,
            replans,
            ..
        } = event
        else {
            return Err("no plan was accepted".into());
        };
        Ok(Self {
            plan: Arc::new(typed(plan, blobs, "plan")?),
            contracts: Arc::new(typed(contracts, blobs, "contracts")?),
            digest: digest.clone(),
            source: source.clone(),
            pins: pins.clone(),
            replans: *replans,
        })
    }
}

fn typed<T: serde::de::DeserializeOwned>(payload: &Payload, blobs: &dyn Blobs, what: &str) -> Result<T, String> {
    let bytes = payload.blob().and_then(|digest| blobs.bytes(digest));
    let value: Value = payload
        .value(bytes.as_deref())
        .ok_or_else(|| format!("the {what} cannot be read"))?;
    serde_json::from_value(value).map_err(|e| format!("the {what} has another form: {e}"))
}
