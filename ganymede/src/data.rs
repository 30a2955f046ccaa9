//! Documents of organizations, as their gateways store and fetch them. Owns who may write what, and the forms in which
//! it travels; the bytes themselves are the [store](crate::store)'s.
//!
//! Everything a gateway writes passes the [fence](crate::pool::Fence): what comes under an epoch that is over changes
//! nothing. Repeating an append that was answered or not is fine: what is there is not written twice.

mod append;
mod erase;
mod json;
mod notes;
mod numbering;
mod pull;
mod push;
mod states;

use std::sync::Arc;

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, Epoch, OrgId},
    record::StoredDocument,
};

use self::numbering::Numbering;
pub use self::{
    append::{AppendError, Refusal},
    erase::EraseError,
    json::{DataBody, JsonError, PullAnswer, PushBody},
    notes::NotesError,
    numbering::{Dropped, MixedForms},
    pull::PullError,
    push::PushError,
    states::{GatewayState, StateError, States},
};
use crate::{
    clock::Clock,
    orgs::Orgs,
    pool::{Fence, StaleEpoch},
    store::{Append, LoadError, SnapshotError, Store},
};

/// What [`Data`] needs.
#[derive(Clone)]
pub struct DataParts {
    /// Where documents are kept.
    pub store: Store,
    /// Who may write. The same one that the [pool](crate::pool::Pool) opens and closes.
    pub fence: Fence,
    /// Which projects an organization has.
    pub orgs: Orgs,
    /// What is kept of an organization beside its documents.
    pub states: States,
    /// Reads the time.
    pub clock: Clock,
}

/// A handle to the data of all organizations. Clones share it.
#[derive(Clone)]
pub struct Data {
    inner: Arc<Inner>,
}

struct Inner {
    parts: DataParts,
    numbering: Numbering,
}

/// Why a snapshot was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreSnapshotError {
    /// The writer's epoch is over. Nothing was changed.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] SnapshotError),
}

impl Data {
    /// Data in `parts`.
    pub fn new(parts: DataParts) -> Self {
        Self { inner: Arc::new(Inner { parts, numbering: Numbering::default() }) }
    }

    /// Queues updates of a gateway in this process, whose numbering the store checks. Never waits.
    ///
    /// # Errors
    /// The epoch is over; nothing is queued, and `durable` is dropped uncalled.
    pub fn queue(&self, append: Append) -> Result<(), StaleEpoch> {
        let entry = self.inner.parts.fence.enter(append.key.org, Epoch(append.epoch))?;
        self.inner.parts.store.append(append);
        drop(entry);
        Ok(())
    }

    /// What is stored of a document, for a gateway in this process.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    pub async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, LoadError> {
        self.inner.parts.store.load(key).await
    }

    /// Stores a snapshot of a gateway in this process.
    ///
    /// # Errors
    /// The epoch is over, or the store refuses. What was stored stays.
    pub async fn store_snapshot(
        &self,
        key: &DocumentKey,
        epoch: Epoch,
        covers_seq: u64,
        state: Bytes,
    ) -> Result<(), StoreSnapshotError> {
        let entry = self.inner.parts.fence.enter(key.org, epoch)?;
        self.inner.parts.store.store_snapshot(key, covers_seq, state).await?;
        drop(entry);
        Ok(())
    }

    /// What is kept of an organization beside its documents.
    pub fn states(&self) -> &States {
        &self.inner.parts.states
    }

    /// Whether `epoch` is the one under which the organization is served now.
    pub fn admits(&self, org: OrgId, epoch: Epoch) -> bool {
        self.inner.parts.fence.admits(org, epoch)
    }
}
