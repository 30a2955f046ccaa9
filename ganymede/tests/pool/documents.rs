//! What gateways in other processes append, push and pull.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use orrery_ganymede::{
    data::{AppendError, Data, DataParts, EraseError, PullError, PushError, Refusal},
    pool::{Allocation, StartError},
    store::{Append, SnapshotError, Store, StoreLimits, StoreOptions},
    tokens::GatewayClaims,
};
use orrery_protocol::{
    control::{Deleted, Pull},
    id::{DocumentKey, DocumentName, OrgId, ProjectId},
    record::{
        Record, StoredDocument,
        stream::{self, Documents, RecordReader},
    },
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinSet};
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::World,
};

on_both!(
    what_was_appended_is_pulled,
    repeating_an_append_adds_nothing,
    two_at_once_with_the_same_append_add_it_once,
    an_append_that_cannot_be_is_refused_whole,
    a_stale_gateway_changes_nothing,
    a_snapshot_replaces_what_it_covers_and_nothing_else,
    appends_of_a_gateway_in_the_process_pass_the_same_fence,
    an_organization_is_dissolved_with_its_documents,
    an_organization_whose_documents_cannot_be_erased_is_still_there,
);

/// A world whose documents are kept.
pub(crate) struct Archive {
    pub(crate) world: World,
    pub(crate) data: Data,
    pub(crate) org: OrgId,
    pub(crate) project: ProjectId,
    store: Store,
    _folder: TempDir,
}

impl Archive {
    pub(crate) async fn new(scratch: Scratch) -> Self {
        let world = World::new(scratch).await;
        let org = world.org().await;
        let project = world.orgs.create_project(0, org, world.owner(), "Io").await.unwrap().id;
        world.gateway(2).await;
        let folder = tempfile::tempdir().unwrap();
        let merge = |snapshot: Option<&[u8]>, updates: &[Bytes]| {
            orrery_protocol::document::merge(snapshot, updates).map_err(Into::into)
        };
        let options = StoreOptions { limits: StoreLimits::default(), merge: Arc::new(merge) };
        let (store, _) = Store::open(folder.path(), options).unwrap();
        let clock = world.clock.clone();
        let data = Data::new(DataParts {
            store: store.clone(),
            fence: world.fence.clone(),
            orgs: world.orgs.clone(),
            states: world.states.clone(),
            clock: Arc::new(move || clock.now()),
        });
        Self { world, data, org, project, store, _folder: folder }
    }

    /// The organization's gateway.
    pub(crate) async fn claims(&self) -> (Allocation, GatewayClaims) {
        let allocation = self.world.pool.start(self.org).await.unwrap();
        let claims = self.world.claims(&allocation);
        (allocation, claims)
    }

    pub(crate) fn board(&self) -> DocumentKey {
        DocumentKey { org: self.org, project: self.project, document: DocumentName::Board }
    }

    pub(crate) fn note(&self) -> DocumentKey {
        DocumentKey { document: DocumentName::Named("note".to_owned()), ..self.board() }
    }

    pub(crate) async fn stored(&self, key: &DocumentKey) -> StoredDocument {
        self.store.load(key).await.unwrap()
    }

    pub(crate) async fn content(&self, key: &DocumentKey) -> BTreeMap<String, String> {
        let StoredDocument { snapshot, updates, .. } = self.stored(key).await;
        yjs::content(&orrery_protocol::document::merge(snapshot.as_deref(), &updates).unwrap())
    }
}

/// Yjs documents that are one map.
pub(crate) mod yjs {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use yrs::{Doc, Map, ReadTxn, StateVector, Transact, Update, WriteTxn, updates::decoder::Decode};

    /// The update of a client that writes one entry.
    pub(crate) fn entry(client: u64, key: &str, value: &str) -> Bytes {
        let doc = Doc::with_client_id(client);
        let mut txn = doc.try_transact_mut().unwrap();
        txn.get_or_insert_map("board").insert(&mut txn, key, value);
        txn.encode_state_as_update_v1(&StateVector::default()).into()
    }

    pub(crate) fn content(state: &[u8]) -> BTreeMap<String, String> {
        let doc = Doc::new();
        let mut txn = doc.try_transact_mut().unwrap();
        txn.apply_update(Update::decode_v1(state).unwrap()).unwrap();
        let map = txn.get_or_insert_map("board");
        map.iter(&txn).map(|(key, value)| (key.to_string(), value.to_string(&txn))).collect()
    }
}

pub(crate) fn entries<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub(crate) fn updates(claims: &GatewayClaims, key: &DocumentKey, first_seq: u64, updates: &[Bytes]) -> Vec<Record> {
    let mut body = Vec::new();
    stream::put_updates(&mut body, claims.epoch, key, first_seq, updates).unwrap();
    read(&body)
}

fn snapshot(claims: &GatewayClaims, key: &DocumentKey, covers_seq: u64, state: &[u8]) -> Vec<Record> {
    let mut body = Vec::new();
    stream::put_snapshot(&mut body, claims.epoch, key, covers_seq, state).unwrap();
    read(&body)
}

fn read(body: &[u8]) -> Vec<Record> {
    let mut reader = RecordReader::new(1 << 20);
    reader.feed(body);
    std::iter::from_fn(|| reader.next_record().unwrap()).collect()
}

fn pulled(body: &[u8]) -> BTreeMap<DocumentKey, StoredDocument> {
    let mut documents = Documents::default();
    for record in read(body) {
        documents.add(record).unwrap();
    }
    documents.into_inner()
}

fn everything(org: OrgId) -> Pull {
    Pull { organization_id: org, project: None, document: None }
}

async fn what_was_appended_is_pulled(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { data, org, project, .. } = &archive;
    assert!(data.pull(&claims, &everything(*org)).await.unwrap().is_empty(), "a new organization has nothing");
    let (board, note) = (archive.board(), archive.note());
    let [one, two, other] = [yjs::entry(1, "a", "1"), yjs::entry(2, "b", "2"), yjs::entry(3, "n", "x")];
    let mut records = updates(&claims, &board, 1, &[one.clone(), two.clone()]);
    records.extend(updates(&claims, &note, 1, std::slice::from_ref(&other)));
    let appended = data.append(&claims, records).await.unwrap();
    assert_eq!((appended.sequence, appended.records), (1, 3));
    let whole = pulled(&data.pull(&claims, &everything(*org)).await.unwrap());
    let stored = |updates: Vec<Bytes>| StoredDocument { snapshot: None, last_seq: updates.len() as u64, updates };
    let both = [(board.clone(), stored(vec![one, two])), (note.clone(), stored(vec![other.clone()]))];
    assert_eq!(whole, BTreeMap::from(both));
    let project_only = Pull { project: Some(*project), ..everything(*org) };
    assert_eq!(pulled(&data.pull(&claims, &project_only).await.unwrap()), whole);
    let nothing = Pull { project: Some(ProjectId(Uuid::nil())), ..everything(*org) };
    assert!(data.pull(&claims, &nothing).await.unwrap().is_empty(), "no such project");
    let named = Pull { project: Some(*project), document: Some(note.document.clone()), ..everything(*org) };
    let named = pulled(&data.pull(&claims, &named).await.unwrap());
    assert_eq!(named, BTreeMap::from([(note, stored(vec![other]))]));
    let nowhere = Pull { document: Some(DocumentName::Board), ..everything(*org) };
    assert!(matches!(data.pull(&claims, &nowhere).await, Err(PullError::NoProject)));
}

/// A gateway that got no answer asks again, and not always with the same records.
async fn repeating_an_append_adds_nothing(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let board = archive.board();
    let all: Vec<Bytes> = (1..=5).map(|client| yjs::entry(client, &client.to_string(), "x")).collect();
    for (first, last) in [(1, 3), (1, 3), (2, 3), (3, 5), (1, 5), (5, 5)] {
        let records = updates(&claims, &board, first as u64, &all[first - 1..last]);
        let appended = archive.data.append(&claims, records).await.unwrap();
        assert_eq!(appended.sequence, last as u64, "{first} to {last}");
    }
    assert_eq!(archive.stored(&board).await, StoredDocument { snapshot: None, updates: all, last_seq: 5 });
}

async fn two_at_once_with_the_same_append_add_it_once(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let board = archive.board();
    let all: Vec<Bytes> = (1..=20).map(|client| yjs::entry(client, &client.to_string(), "x")).collect();
    let mut appends = JoinSet::new();
    for _ in 0..8 {
        let (data, records) = (archive.data.clone(), updates(&claims, &board, 1, &all));
        appends.spawn(async move { data.append(&claims, records).await.unwrap().sequence });
    }
    assert_eq!(appends.join_all().await, [20; 8]);
    assert_eq!(archive.stored(&board).await.updates, all);
}

async fn an_append_that_cannot_be_is_refused_whole(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let (board, note) = (archive.board(), archive.note());
    let update = yjs::entry(1, "a", "1");
    let one = std::slice::from_ref(&update);
    let good = || updates(&claims, &note, 1, one);
    let foreign = DocumentKey { org: OrgId(Uuid::from_u128(1)), ..board.clone() };
    let append = async |more: Vec<Record>| archive.data.append(&claims, [good(), more].concat()).await.unwrap_err();
    let gap = append(updates(&claims, &board, 2, one)).await;
    assert!(matches!(gap, AppendError::Gap { given: 2, last: 0, .. }), "{gap:?}");
    let refused = |error: AppendError, expected| {
        let AppendError::Refused { position, reason } = error else { panic!("{error:?}") };
        assert_eq!((position, reason), expected);
    };
    refused(append(updates(&claims, &foreign, 1, one)).await, (2, Refusal::Foreign));
    refused(append(snapshot(&claims, &board, 1, &update)).await, (2, Refusal::WrongKind));
    refused(append(updates(&claims, &board, 0, one)).await, (2, Refusal::OutOfOrder));
    let skipping = [updates(&claims, &board, 1, one), updates(&claims, &board, 3, one)].concat();
    refused(append(skipping).await, (3, Refusal::OutOfOrder));
    assert_eq!(archive.stored(&note).await, StoredDocument::default(), "what came before it is not there either");
    archive.data.append(&claims, good()).await.unwrap();
}

/// GW-18: a paused gateway that wakes after its organization went elsewhere.
async fn a_stale_gateway_changes_nothing(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let board = archive.board();
    let (old, stale) = archive.claims().await;
    let Archive { data, world, .. } = &archive;
    let append = |claims: &GatewayClaims, seq, client| updates(claims, &board, seq, &[yjs::entry(client, "a", "x")]);
    data.append(&stale, append(&stale, 1, 1)).await.unwrap();
    let moved = world.pool.drain(old.slot).await.unwrap().unwrap();
    let fresh = world.claims(&moved);
    data.append(&fresh, append(&fresh, 2, 2)).await.unwrap();
    let before = archive.stored(&board).await;
    let refused = data.append(&stale, append(&stale, 2, 3)).await;
    assert!(matches!(refused, Err(AppendError::Stale(_))), "{refused:?}");
    let mixed = data.append(&fresh, append(&stale, 3, 3)).await;
    assert!(matches!(mixed, Err(AppendError::Stale(_))), "a record of an old epoch: {mixed:?}");
    let pushed = data.push(&stale, snapshot(&stale, &board, 2, &yjs::entry(1, "a", "x"))).await;
    assert!(matches!(pushed, Err(PushError::Stale(_))), "{pushed:?}");
    let pulled = data.pull(&stale, &everything(archive.org)).await;
    assert!(matches!(pulled, Err(PullError::Stale(_))), "{pulled:?}");
    assert!(data.disable_shutdown(&stale, true).await.is_err());
    assert_eq!(archive.stored(&board).await, before);
    data.append(&fresh, append(&fresh, 3, 4)).await.unwrap();
}

/// Fault 1 of earlier systems: autosave erased what was not opened.
async fn a_snapshot_replaces_what_it_covers_and_nothing_else(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let (board, note) = (archive.board(), archive.note());
    let [one, two, other] = [yjs::entry(1, "a", "1"), yjs::entry(2, "b", "2"), yjs::entry(3, "n", "x")];
    let mut records = updates(&claims, &board, 1, &[one.clone(), two.clone()]);
    records.extend(updates(&claims, &note, 1, std::slice::from_ref(&other)));
    archive.data.append(&claims, records).await.unwrap();
    let state = orrery_protocol::document::merge(None, &[one]).unwrap();
    let pushed = archive.data.push(&claims, snapshot(&claims, &board, 1, &state)).await.unwrap();
    assert_eq!((pushed.success, pushed.size_bytes), (true, state.len() as u64));
    assert_eq!(pushed.stored_at, "2026-11-21T18:00:00Z");
    assert_eq!(archive.stored(&board).await, StoredDocument { snapshot: Some(state), updates: vec![two], last_seq: 2 });
    assert_eq!(archive.stored(&note).await.updates, [other]);
    assert_eq!(archive.content(&board).await, entries([("a", "1"), ("b", "2")]));
    let ahead = archive.data.push(&claims, snapshot(&claims, &board, 9, &yjs::entry(1, "a", "1"))).await;
    assert!(matches!(ahead, Err(PushError::Snapshot(SnapshotError::Ahead { .. }))), "{ahead:?}");
    let wrong = archive.data.push(&claims, updates(&claims, &board, 3, &[yjs::entry(1, "a", "1")])).await;
    assert!(matches!(wrong, Err(PushError::Refused { position: 1, reason: Refusal::WrongKind })), "{wrong:?}");
}

async fn appends_of_a_gateway_in_the_process_pass_the_same_fence(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (old, stale) = archive.claims().await;
    let key = Arc::new(archive.board());
    let append = |epoch: u64, first_seq| {
        let (done, durable) = oneshot::channel();
        let updates = vec![yjs::entry(first_seq, "a", "x")];
        let durable_once = Box::new(move |seq| done.send(seq).unwrap());
        (Append { key: Arc::clone(&key), epoch, first_seq, updates, durable: durable_once }, durable)
    };
    let (first, durable) = append(old.epoch.0, 1);
    archive.data.queue(first).unwrap();
    assert_eq!(durable.await, Ok(1));
    let moved = archive.world.pool.drain(old.slot).await.unwrap().unwrap();
    let (late, never) = append(stale.epoch.0, 2);
    assert!(archive.data.queue(late).is_err());
    assert!(never.await.is_err(), "it is never called");
    let late = archive.data.store_snapshot(&key, stale.epoch, 1, yjs::entry(1, "a", "x")).await;
    assert!(late.is_err());
    let (next, durable) = append(moved.epoch.0, 2);
    archive.data.queue(next).unwrap();
    assert_eq!(durable.await, Ok(2));
    assert_eq!(archive.data.load(&key).await.unwrap().last_seq, 2);
}

async fn an_organization_is_dissolved_with_its_documents(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    let (_, claims) = archive.claims().await;
    let Archive { world, data, org, store, .. } = &archive;
    let (board, note) = (archive.board(), archive.note());
    let secret = yjs::entry(1, "a", "a secret of theirs");
    let mut records = updates(&claims, &board, 1, std::slice::from_ref(&secret));
    records.extend(updates(&claims, &note, 1, std::slice::from_ref(&secret)));
    data.append(&claims, records).await.unwrap();
    let other = world.org().await;
    let elsewhere = DocumentKey { org: other, ..board.clone() };
    let theirs = world.claims(&world.pool.start(other).await.unwrap());
    data.append(&theirs, updates(&theirs, &elsewhere, 1, std::slice::from_ref(&secret))).await.unwrap();

    let asked = Deleted { organizations: [*org, other, OrgId(Uuid::from_u128(9))].into(), ..Deleted::default() };
    assert_eq!(world.pool.deleted(&asked).await.unwrap(), Deleted::default());
    assert!(world.pool.dissolve(*org, data.erase(*org)).await.unwrap());
    let deleted = Deleted { organizations: [*org].into(), ..Deleted::default() };
    assert_eq!(world.pool.deleted(&asked).await.unwrap(), deleted, "what is left of it elsewhere can go");
    assert_eq!(world.orgs.org(*org).await.unwrap(), None);
    assert_eq!(world.orgs.project(archive.project).await.unwrap(), None);
    assert_eq!((world.hosts.serving(*org), world.hosts.serving(other)), (0, 1));
    assert!(matches!(world.pool.start(*org).await, Err(StartError::UnknownOrg(_))), "nothing starts it again");
    let late = data.append(&claims, updates(&claims, &board, 2, std::slice::from_ref(&secret))).await;
    assert!(matches!(late, Err(AppendError::Stale(_))), "{late:?}");
    for key in [&board, &note] {
        let stored = store.load(key).await.unwrap();
        assert!(stored.updates.is_empty(), "{key}");
        assert_eq!(stored.snapshot.as_deref(), Some(&[0, 0][..]), "{key}: an empty document");
    }
    assert_eq!(store.load(&elsewhere).await.unwrap().updates, [secret]);
    assert!(!world.pool.dissolve(*org, data.erase(*org)).await.unwrap(), "it is gone");
}

async fn an_organization_whose_documents_cannot_be_erased_is_still_there(scratch: Scratch) {
    let archive = Archive::new(scratch).await;
    archive.claims().await;
    let Archive { world, data, org, store, .. } = &archive;
    store.close().await.unwrap();
    let failed = world.pool.dissolve(*org, data.erase(*org)).await;
    assert!(matches!(failed, Err(EraseError::Load(_))), "{failed:?}");
    assert!(world.orgs.org(*org).await.unwrap().is_some());
    assert_eq!(world.hosts.serving(*org), 0);
    world.pool.start(*org).await.unwrap();
}
