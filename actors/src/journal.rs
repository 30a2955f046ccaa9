//! What a gateway asks of durable storage. In one process it is the embedded store; elsewhere, Ganymede over the network.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use orrery_protocol::{id::DocumentKey, record::StoredDocument};

/// Storage failed for this call; asking again may succeed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JournalError(pub String);

/// Updates for one document, in order.
pub struct Append {
    /// The document.
    pub key: Arc<DocumentKey>,
    /// Sequence of the first update; the others follow without a gap.
    pub first_seq: u64,
    /// The updates, v1.
    pub updates: Vec<Bytes>,
    /// Called once, with the highest durable sequence, when all of them survive the end of any process.
    pub durable: Box<dyn FnOnce(u64) + Send>,
}

/// Durable storage as a gateway sees it.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes updates for storage. Never blocks and never fails: failures are retried until they succeed, and callers
    /// bound what is not durable.
    fn append(&self, append: Append);

    /// The document with everything appended before this call.
    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError>;

    /// Stores a whole state that covers all updates up to `covers_seq`.
    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError>;
}
