//! Documents that are lists of texts: their merge needs no Yjs, and whatever is lost, doubled or out of order shows.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use orrery_ganymede::store::{Append, Recovery, Store, StoreLimits, StoreOptions};
use orrery_protocol::{
    id::{DocumentKey, DocumentName, OrgId, ProjectId},
    record::StoredDocument,
};
use tokio::{sync::oneshot, time};
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(30);

/// A state is `[length u32, bytes]*`; merging appends.
pub(crate) fn merge(
    snapshot: Option<&[u8]>,
    updates: &[Bytes],
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let mut state = snapshot.unwrap_or_default().to_vec();
    split(&state).ok_or("not a state")?;
    for update in updates {
        state.extend_from_slice(&(update.len() as u32).to_le_bytes());
        state.extend_from_slice(update);
    }
    Ok(state.into())
}

fn split(mut state: &[u8]) -> Option<Vec<Bytes>> {
    let mut updates = Vec::new();
    while !state.is_empty() {
        let (len, rest) = state.split_first_chunk::<4>()?;
        let (update, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        updates.push(Bytes::copy_from_slice(update));
        state = rest;
    }
    Some(updates)
}

/// A state that holds these updates.
pub(crate) fn state(updates: &[Bytes]) -> Bytes {
    merge(None, updates).unwrap()
}

/// Every update of a document, whether it lies in the snapshot or after it.
pub(crate) fn content(stored: &StoredDocument) -> Vec<Bytes> {
    let mut updates = split(stored.snapshot.as_deref().unwrap_or_default()).expect("a state");
    updates.extend(stored.updates.iter().cloned());
    assert_eq!(updates.len() as u64, stored.last_seq, "an update was lost or doubled");
    updates
}

pub(crate) fn limits() -> StoreLimits {
    StoreLimits { commit_interval_ms: 0, retry_delay_ms_max: 20, ..StoreLimits::default() }
}

pub(crate) fn options(limits: StoreLimits) -> StoreOptions {
    StoreOptions { limits, merge: Arc::new(merge) }
}

pub(crate) fn open(folder: &Path) -> (Store, Recovery) {
    Store::open(folder, options(limits())).unwrap()
}

pub(crate) fn key(number: u128) -> DocumentKey {
    let document = DocumentName::Named(format!("file-{number}"));
    DocumentKey { org: OrgId(Uuid::from_u128(7)), project: ProjectId(Uuid::from_u128(number % 3)), document }
}

pub(crate) fn text(number: u64) -> Bytes {
    Bytes::from(format!("update {number}"))
}

/// Queues updates and hands out their acknowledgement.
pub(crate) fn queue(
    store: &Store,
    key: &DocumentKey,
    epoch: u64,
    first_seq: u64,
    updates: Vec<Bytes>,
) -> oneshot::Receiver<u64> {
    let (durable, acknowledged) = oneshot::channel();
    let durable = Box::new(move |seq| {
        // A test that gave up waiting.
        let _ = durable.send(seq);
    });
    store.append(Append { key: Arc::new(key.clone()), epoch, first_seq, updates, durable });
    acknowledged
}

/// Appends updates and waits until they are acknowledged.
pub(crate) async fn append(store: &Store, key: &DocumentKey, first_seq: u64, updates: Vec<Bytes>) {
    let last_seq = first_seq + updates.len() as u64 - 1;
    let acknowledged = queue(store, key, 1, first_seq, updates);
    assert_eq!(within(acknowledged).await, Ok(last_seq));
}

/// Fails the test instead of hanging it.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    time::timeout(DEADLINE, future).await.expect("it takes too long")
}

/// Waits for a condition that nothing announces.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(time::Instant::now() < deadline, "never: {what}");
        time::sleep(Duration::from_millis(1)).await;
    }
}
