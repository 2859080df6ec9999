//! Facts on their way into the journal: events, the blobs they name, and the values behind both.

use crate::canonical::Digest;
use crate::intent::event::Event;
use crate::intent::state::Blobs;
use crate::payload::{Blob, Payload};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Events with the blobs that belong into the same commit.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) events: Vec<Event>,
    pub(super) blobs: Vec<Blob>,
}

impl Facts {
    pub(super) fn of(event: Event) -> Self {
        Self {
            events: vec![event],
            blobs: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn extend(&mut self, other: Facts) {
        self.events.extend(other.events);
        self.blobs.extend(other.blobs);
    }

    /// Wraps a value for an event. `sealed`: it may hold a device's secrets.
    pub(super) fn payload(&mut self, value: Value, sealed: bool) -> Payload {
        let (payload, blob) = if sealed {
            let (payload, blob) = Payload::seal(&value, rand::random());
            (payload, Some(blob))
        } else {
            Payload::open(value)
        };
        self.blobs.extend(blob);
        payload
    }
}

/// Bytes of blobs that this driver has seen: what the fold and later steps read.
#[derive(Debug, Default)]
pub(crate) struct Seen(HashMap<Digest, Arc<Vec<u8>>>);

impl Seen {
    pub(super) fn remember(&mut self, blob: &Blob) {
        self.0.insert(blob.digest.clone(), Arc::new(blob.bytes.clone()));
    }

    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.0.get(digest).cloned()
    }

    pub(super) fn insert(&mut self, digest: Digest, bytes: Vec<u8>) {
        self.0.insert(digest, Arc::new(bytes));
    }
}

impl Blobs for Seen {
    fn bytes(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.0.get(digest).map(|b| b.as_ref().clone())
    }
}
