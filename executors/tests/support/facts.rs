//! A journal that keeps facts and nothing else: all that executors use of one. It can be made to refuse writes.

use async_trait::async_trait;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::journal::*;
use flyball_engine::{canonical::Digest, journal};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

#[derive(Default)]
pub struct Facts {
    kept: Mutex<BTreeMap<String, Value>>,
    pub unwritable: AtomicBool,
}

impl Facts {
    fn writable(&self) -> Result<(), journal::Error> {
        match self.unwritable.load(Ordering::SeqCst) {
            true => Err(journal::Error::Unwritable("the disk is full".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Journal for Facts {
    async fn put_fact(&self, key: &str, value: Value) -> Result<(), journal::Error> {
        self.writable()?;
        self.kept.lock().unwrap().insert(key.to_owned(), value);
        Ok(())
    }
    async fn fact(&self, key: &str) -> Result<Option<Value>, journal::Error> {
        Ok(self.kept.lock().unwrap().get(key).cloned())
    }
    async fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, journal::Error> {
        let kept = self.kept.lock().unwrap();
        let found = kept.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
    async fn remove_fact(&self, key: &str) -> Result<(), journal::Error> {
        self.writable()?;
        self.kept.lock().unwrap().remove(key);
        Ok(())
    }

    async fn create(&self, _: NewIntent) -> Result<Created, journal::Error> {
        unreachable!("executors write no entries")
    }
    async fn claim(&self, _: IntentId) -> Result<Epoch, journal::Error> {
        unreachable!("executors claim nothing")
    }
    async fn commit(&self, _: IntentId, _: Epoch, _: Seq, _: Commit) -> Result<(), journal::Error> {
        unreachable!("executors write no entries")
    }
    async fn read(&self, _: IntentId, _: Seq, _: usize) -> Result<Vec<StoredEntry>, journal::Error> {
        unreachable!("executors read no entries")
    }
    async fn head(&self, _: IntentId) -> Result<Head, journal::Error> {
        unreachable!("executors read no entries")
    }
    async fn checkpoint(&self, _: IntentId) -> Result<Option<Checkpoint>, journal::Error> {
        unreachable!("executors read no entries")
    }
    async fn blob(&self, _: IntentId, _: &Digest) -> Result<Option<Vec<u8>>, journal::Error> {
        unreachable!("executors read no blobs")
    }
    async fn list(&self, _: Filter) -> Result<Vec<IntentRow>, journal::Error> {
        unreachable!("executors list no intents")
    }
    async fn row(&self, _: IntentId) -> Result<Option<IntentRow>, journal::Error> {
        unreachable!("executors list no intents")
    }
    async fn locks(&self) -> Result<Vec<Lock>, journal::Error> {
        unreachable!("executors take no locks")
    }
    async fn post(&self, _: IntentId, _: Command) -> Result<(), journal::Error> {
        unreachable!("executors post no commands")
    }
    async fn inbox(&self, _: IntentId) -> Result<Vec<Command>, journal::Error> {
        unreachable!("executors post no commands")
    }
    fn watch(&self, _: IntentId) -> watch::Receiver<u64> {
        unreachable!("executors watch no intents")
    }
    fn watch_all(&self) -> watch::Receiver<u64> {
        unreachable!("executors watch no intents")
    }
    fn syncs(&self) -> u64 {
        0
    }
}
