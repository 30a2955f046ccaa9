//! The embedded store as a gateway's journal and as a part of `/api/health`. Only translation.

use std::{collections::BTreeMap, error::Error};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_actors::{Append, Journal, JournalError};
use orrery_ganymede::store::{self, Health, Store};
use orrery_protocol::{document, id::DocumentKey, record::StoredDocument};
use orrery_web::health::{Part, Parts, Status};

/// The epoch of every organization while one process serves them all.
const EPOCH: u64 = 1;

/// How the store folds a document that nobody opens: through yrs, which it does not know.
pub(crate) fn merge(snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    Ok(document::merge(snapshot, updates)?)
}

/// The store as a journal.
pub(crate) struct StoreJournal(pub(crate) Store);

#[async_trait]
impl Journal for StoreJournal {
    fn append(&self, append: Append) {
        let Append { key, first_seq, updates, durable } = append;
        self.0.append(store::Append { key, epoch: EPOCH, first_seq, updates, durable });
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        self.0.load(key).await.map_err(|error| JournalError(error.to_string()))
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        self.0.store_snapshot(key, covers_seq, state).await.map_err(|error| JournalError(error.to_string()))
    }
}

/// What `/api/health` says of this process.
pub(crate) struct OwnParts(pub(crate) Store);

impl Parts for OwnParts {
    fn parts(&self) -> BTreeMap<&'static str, Part> {
        let store = match self.0.status().health {
            Health::Healthy => Part { status: Status::Ok, detail: "edits are saved".to_owned() },
            Health::Degraded { error, attempts, .. } => Part {
                status: Status::Degraded,
                detail: format!("edits are accepted and not yet saved: {error} ({attempts} attempts)"),
            },
        };
        BTreeMap::from([("edge", Part { status: Status::Ok, detail: "answers".to_owned() }), ("store", store)])
    }
}
