//! A journal that remembers that its store has given up writing. A store writes nothing any more after its first error,
//! until the process is started again: who asks before they write must learn that too.

use async_trait::async_trait;
use flyball_engine::canonical::Digest;
use flyball_engine::ids::IntentId;
use flyball_engine::intent::command::Command;
use flyball_engine::journal::{
    Checkpoint, Commit, Created, Epoch, Error, Filter, Head, IntentRow, Journal, Lock, NewIntent, Seq, StoredEntry,
};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The store, and why it does not write any more.
pub(crate) struct Standing {
    store: Arc<dyn Journal>,
    given_up: OnceLock<String>,
}

impl Standing {
    pub(crate) fn over(store: Arc<dyn Journal>) -> Self {
        Self {
            store,
            given_up: OnceLock::new(),
        }
    }

    fn noted<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Unwritable(why)) = &done {
            self.given_up.get_or_init(|| why.clone());
        }
        done
    }
}

#[async_trait]
impl Journal for Standing {
    async fn create(&self, new: NewIntent) -> Result<Created, Error> {
        self.noted(self.store.create(new).await)
    }
    async fn claim(&self, intent: IntentId) -> Result<Epoch, Error> {
        self.noted(self.store.claim(intent).await)
    }
    async fn commit(&self, intent: IntentId, epoch: Epoch, expected: Seq, commit: Commit) -> Result<(), Error> {
        self.noted(self.store.commit(intent, epoch, expected, commit).await)
    }
    async fn read(&self, intent: IntentId, after: Seq, limit: usize) -> Result<Vec<StoredEntry>, Error> {
        self.noted(self.store.read(intent, after, limit).await)
    }
    async fn head(&self, intent: IntentId) -> Result<Head, Error> {
        self.noted(self.store.head(intent).await)
    }
    async fn checkpoint(&self, intent: IntentId) -> Result<Option<Checkpoint>, Error> {
        self.noted(self.store.checkpoint(intent).await)
    }
    async fn blob(&self, intent: IntentId, digest: &Digest) -> Result<Option<Vec<u8>>, Error> {
        self.noted(self.store.blob(intent, digest).await)
    }
    async fn shred(&self, intent: IntentId) -> Result<(), Error> {
        self.noted(self.store.shred(intent).await)
    }
    async fn list(&self, filter: Filter) -> Result<Vec<IntentRow>, Error> {
        self.noted(self.store.list(filter).await)
    }
    async fn row(&self, intent: IntentId) -> Result<Option<IntentRow>, Error> {
        self.noted(self.store.row(intent).await)
    }
    async fn locks(&self) -> Result<Vec<Lock>, Error> {
        self.noted(self.store.locks().await)
    }
    async fn post(&self, intent: IntentId, command: Command) -> Result<(), Error> {
        self.noted(self.store.post(intent, command).await)
    }
    async fn was_posted(&self, intent: IntentId, command: &str) -> Result<bool, Error> {
        self.noted(self.store.was_posted(intent, command).await)
    }
    async fn inbox(&self, intent: IntentId) -> Result<Vec<Command>, Error> {
        self.noted(self.store.inbox(intent).await)
    }
    async fn addressed(&self) -> Result<Vec<IntentId>, Error> {
        self.noted(self.store.addressed().await)
    }
    async fn put_fact(&self, key: &str, value: Value) -> Result<(), Error> {
        self.noted(self.store.put_fact(key, value).await)
    }
    async fn fact(&self, key: &str) -> Result<Option<Value>, Error> {
        self.noted(self.store.fact(key).await)
    }
    async fn facts(&self, prefix: &str) -> Result<Vec<(String, Value)>, Error> {
        self.noted(self.store.facts(prefix).await)
    }
    async fn remove_fact(&self, key: &str) -> Result<(), Error> {
        self.noted(self.store.remove_fact(key).await)
    }
    fn watch(&self, intent: IntentId) -> watch::Receiver<u64> {
        self.store.watch(intent)
    }
    fn watch_all(&self) -> watch::Receiver<u64> {
        self.store.watch_all()
    }
    fn syncs(&self) -> u64 {
        self.store.syncs()
    }
    fn writing_for(&self) -> Option<Duration> {
        self.store.writing_for()
    }
    fn unwritable(&self) -> Option<String> {
        self.store.unwritable().or_else(|| self.given_up.get().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyball_engine::journal::memory::InMemoryJournal;

    #[tokio::test]
    async fn a_store_that_has_refused_one_write_counts_as_one_that_writes_nothing_any_more() {
        let store = Arc::new(InMemoryJournal::new());
        let journal = Standing::over(store.clone());
        journal.put_fact("a", Value::Null).await.unwrap();
        assert_eq!(journal.unwritable(), None);
        store.refuse_writes(Some("no space left"));
        journal.put_fact("b", Value::Null).await.unwrap_err();
        assert_eq!(journal.unwritable().as_deref(), Some("no space left"));
        assert_eq!(journal.fact("a").await.unwrap(), Some(Value::Null), "reads go on");
    }
}
