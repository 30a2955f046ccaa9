//! What becomes of the documents of an organization that is deleted.

use bytes::Bytes;
use orrery_protocol::id::OrgId;

use super::Data;
use crate::{
    database::DatabaseError,
    store::{LoadError, SnapshotError},
};

/// A Yjs update without structs and without deletions: the state of an empty document.
const EMPTY: Bytes = Bytes::from_static(&[0, 0]);

/// Why documents of an organization are still there. What was erased before stays erased; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The store cannot say what there is.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store refused.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Data {
    /// Replaces every document of an organization, which nobody serves, by an empty one. Safe to repeat. Updates that were
    /// acknowledged before leave the journal with the segments that hold them.
    ///
    /// A snapshot that covers them all, rather than none: without one the records that are still in the journal would be
    /// the document again after the next start.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn erase(&self, org: OrgId) -> Result<(), EraseError> {
        let store = &self.inner.parts.store;
        for key in store.documents(org).await? {
            let last_seq = store.load(&key).await?.last_seq;
            store.store_snapshot(&key, last_seq, EMPTY).await?;
        }
        Ok(())
    }
}
