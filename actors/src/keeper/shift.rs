//! The journal of one gateway actor, among those that follow each other while the organization is served here.
//!
//! When a gateway actor fails, its rooms end with it, but one that is at work goes on until it next pauses. Its successor may have
//! loaded the document by then. Both would append under the same numbers, and storage, which takes what comes twice under one
//! number for a repetition, would confirm what it has not.

use std::sync::{Arc, Once, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_protocol::{id::DocumentKey, record::StoredDocument};

use crate::journal::{Append, Journal, JournalError};

/// Lets through what is appended before its end.
pub(super) struct Shift {
    journal: Arc<dyn Journal>,
    /// Held shared while an append is queued, so that at the end each is in the queue or will never be.
    over: RwLock<bool>,
    /// A room may have a whole queue to append.
    told: Once,
}

impl Shift {
    pub(super) fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, over: RwLock::new(false), told: Once::new() }
    }

    /// Nothing more is appended. What was, is in whatever is loaded from now on.
    pub(super) fn end(&self) {
        *self.over.write().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

#[async_trait]
impl Journal for Shift {
    fn append(&self, append: Append) {
        let over = self.over.read().unwrap_or_else(PoisonError::into_inner);
        if *over {
            let DocumentKey { org, project, document } = &*append.key;
            self.told.call_once(|| {
                tracing::warn!(%org, %project, %document, "a room outlived its gateway; what it still took is not saved");
            });
        } else {
            self.journal.append(append);
        }
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        self.journal.load(key).await
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        self.journal.store_snapshot(key, covers_seq, state).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Mutex,
            mpsc::{Receiver, SyncSender, sync_channel},
        },
        thread,
    };

    use super::*;
    use crate::fake::{IO, ORG, visitor::key};

    /// Takes its time to queue an append.
    struct Slow {
        events: SyncSender<&'static str>,
        go_on: Mutex<Receiver<()>>,
    }

    #[async_trait]
    impl Journal for Slow {
        fn append(&self, _: Append) {
            self.events.send("appending").unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            self.events.send("queued").unwrap();
        }

        async fn load(&self, _: &DocumentKey) -> Result<StoredDocument, JournalError> {
            Ok(StoredDocument::default())
        }

        async fn store_snapshot(&self, _: &DocumentKey, _: u64, _: Bytes) -> Result<(), JournalError> {
            Ok(())
        }
    }

    #[test]
    fn an_append_is_queued_before_the_end_or_never() {
        let (events, seen) = sync_channel(8);
        let (let_go_on, go_on) = sync_channel(1);
        let shift = Shift::new(Arc::new(Slow { events: events.clone(), go_on: Mutex::new(go_on) }));
        let append = || {
            let durable = Box::new(|_| {});
            shift.append(Append { key: Arc::new(key(ORG, IO)), first_seq: 1, updates: vec![Bytes::new()], durable });
        };
        thread::scope(|threads| {
            threads.spawn(append);
            assert_eq!(seen.recv(), Ok("appending"));
            let ender = events.clone();
            let shift = &shift;
            threads.spawn(move || {
                ender.send("ending").unwrap();
                shift.end();
                ender.send("over").unwrap();
            });
            assert_eq!(seen.recv(), Ok("ending"));
            let_go_on.send(()).unwrap();
        });
        append();
        drop((shift, events));
        assert_eq!(seen.iter().collect::<Vec<_>>(), ["queued", "over"], "and nothing of the second append");
    }
}
