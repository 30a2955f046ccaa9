//! The embedded store as a gateway's journal and as a part of `/api/health`. Only translation.

use std::{collections::BTreeMap, error::Error};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_actors::{Append, GatewayReport, Gateways, Journal, JournalError};
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
pub(crate) struct OwnParts {
    pub(crate) store: Store,
    pub(crate) gateways: Gateways,
}

#[async_trait]
impl Parts for OwnParts {
    async fn parts(&self) -> BTreeMap<&'static str, Part> {
        let gateways = self.gateways.inspect().await;
        let ok = |detail: String| Part { status: Status::Ok, detail };
        BTreeMap::from([
            ("edge", ok("answers".to_owned())),
            ("gateway", ok(describe(&gateways))),
            ("store", describe_store(self.store.status().health)),
        ])
    }
}

fn describe(gateways: &[GatewayReport]) -> String {
    let rooms: usize = gateways.iter().map(|gateway| gateway.rooms.len()).sum();
    let statuses = gateways.iter().flat_map(|gateway| &gateway.rooms);
    let peers: usize = statuses.map(|(_, room)| room.report.peers).sum();
    let resting: usize = gateways.iter().map(|gateway| gateway.resting).sum();
    let failed = if resting == 0 { String::new() } else { format!(", {resting} failed and retried later") };
    format!("{} organizations, {rooms} open documents, {peers} peers{failed}", gateways.len())
}

fn describe_store(health: Health) -> Part {
    match health {
        Health::Healthy => Part { status: Status::Ok, detail: "edits are saved".to_owned() },
        Health::Degraded { error, attempts, .. } => Part {
            status: Status::Degraded,
            detail: format!("edits are accepted and not yet saved: {error} ({attempts} attempts)"),
        },
    }
}
