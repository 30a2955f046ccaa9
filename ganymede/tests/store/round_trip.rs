use std::collections::BTreeSet;

use bytes::Bytes;
use orrery_ganymede::store::{CloseError, Closed, Health, LoadError, SnapshotError};
use orrery_protocol::{
    id::{DocumentKey, OrgId},
    record::StoredDocument,
};
use uuid::Uuid;

use crate::support::{append, content, key, open, queue, state, text, within};

#[tokio::test]
async fn an_unknown_document_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovery) = open(folder.path());
    assert_eq!((recovery.records, recovery.documents, recovery.cut), (0, 0, None));
    assert_eq!(store.load(&key(1)).await.unwrap(), StoredDocument::default());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1), text(2)]).await;
    append(&store, &key(2), 1, vec![Bytes::new()]).await;
    append(&store, &key(1), 3, vec![text(3)]).await;
    let expected = StoredDocument { snapshot: None, updates: vec![text(1), text(2), text(3)], last_seq: 3 };
    assert_eq!(store.load(&key(1)).await.unwrap(), expected);
    store.close().await.unwrap();
    let (store, recovery) = open(folder.path());
    assert_eq!((recovery.records, recovery.documents, recovery.cut), (4, 2, None));
    assert_eq!(store.load(&key(1)).await.unwrap(), expected);
    let empty = StoredDocument { snapshot: None, updates: vec![Bytes::new()], last_seq: 1 };
    assert_eq!(store.load(&key(2)).await.unwrap(), empty);
}

#[tokio::test]
async fn a_load_sees_what_was_queued_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut acknowledged = Vec::new();
    for seq in 1..=200 {
        acknowledged.push(queue(&store, &key(1), 1, seq, vec![text(seq)]));
    }
    let expected: Vec<_> = (1..=200).map(text).collect();
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), expected);
    for (seq, acknowledged) in (1..).zip(acknowledged) {
        assert_eq!(within(acknowledged).await, Ok(seq));
    }
    assert_eq!(store.status().queued_bytes, 0);
    assert_eq!(store.status().health, Health::Healthy);
}

#[tokio::test]
async fn large_and_small_updates_of_many_documents_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let update = |document: u128, seq: u64| {
        let len = if seq == 5 { 700_000 } else { 10 + document as usize };
        Bytes::from(vec![document as u8 ^ seq as u8; len])
    };
    for seq in 1..=10 {
        for document in 0..50 {
            drop(queue(&store, &key(document), 1, seq, vec![update(document, seq)]));
        }
    }
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    for document in 0..50 {
        let expected: Vec<_> = (1..=10).map(|seq| update(document, seq)).collect();
        assert!(content(&store.load(&key(document)).await.unwrap()) == expected, "document {document}");
    }
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_what_it_covers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1), text(2), text(3)]).await;
    store.store_snapshot(&key(1), 2, state(&[text(1), text(2)])).await.unwrap();
    let expected = StoredDocument { snapshot: Some(state(&[text(1), text(2)])), updates: vec![text(3)], last_seq: 3 };
    assert_eq!(store.load(&key(1)).await.unwrap(), expected);
    store.close().await.unwrap();
    let (store, recovery) = open(folder.path());
    assert_eq!(recovery.records, 1);
    assert_eq!(store.load(&key(1)).await.unwrap(), expected);
    append(&store, &key(1), 4, vec![text(4)]).await;
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1), text(2), text(3), text(4)]);
}

#[tokio::test]
async fn a_snapshot_never_goes_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1), text(2)]).await;
    store.store_snapshot(&key(1), 2, state(&[text(1), text(2)])).await.unwrap();
    store.store_snapshot(&key(1), 1, state(&[text(1)])).await.unwrap();
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1), text(2)]);
}

/// A room may build a fresh document that covers as much as the old one.
#[tokio::test]
async fn a_snapshot_that_covers_as_much_takes_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1)]).await;
    store.store_snapshot(&key(1), 1, state(&[text(1)])).await.unwrap();
    store.store_snapshot(&key(1), 1, state(&[text(9)])).await.unwrap();
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(9)]);
}

#[tokio::test]
async fn a_snapshot_that_claims_or_holds_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1)]).await;
    let ahead = store.store_snapshot(&key(1), 2, state(&[text(1)])).await;
    assert!(matches!(ahead, Err(SnapshotError::Ahead { covers_seq: 2, last_seq: 1 })), "{ahead:?}");
    let nonsense = store.store_snapshot(&key(1), 1, Bytes::from_static(b"\xff\xff\xff\xff?")).await;
    assert!(matches!(nonsense, Err(SnapshotError::Unreadable(_))), "{nonsense:?}");
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1)]);
}

#[tokio::test]
async fn an_append_that_does_not_follow_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    append(&store, &key(1), 1, vec![text(1)]).await;
    for (first_seq, updates) in [(1, vec![text(1)]), (3, vec![text(3)]), (u64::MAX, vec![text(0)]), (2, vec![])] {
        assert!(within(queue(&store, &key(1), 1, first_seq, updates)).await.is_err(), "{first_seq}");
    }
    append(&store, &key(1), 2, vec![text(2)]).await;
    assert_eq!(content(&store.load(&key(1)).await.unwrap()), [text(1), text(2)]);
    assert_eq!(store.status().refused, 4);
    assert_eq!(store.status().queued_bytes, 0);
}

/// The epoch belongs to the organization, and is remembered through a restart.
#[tokio::test]
async fn an_older_epoch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(within(queue(&store, &key(1), 4, 1, vec![text(1)])).await, Ok(1));
    assert!(within(queue(&store, &key(2), 3, 1, vec![text(1)])).await.is_err());
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    assert!(within(queue(&store, &key(2), 3, 1, vec![text(1)])).await.is_err());
    assert_eq!(within(queue(&store, &key(2), 4, 1, vec![text(1)])).await, Ok(1));
    assert_eq!(within(queue(&store, &key(1), 5, 2, vec![text(2)])).await, Ok(2));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let acknowledged = queue(&store, &key(1), 1, 1, vec![text(1)]);
    store.close().await.unwrap();
    assert_eq!(within(acknowledged).await, Ok(1));
    assert!(matches!(store.load(&key(1)).await, Err(LoadError::Closed(Closed))));
    assert!(matches!(store.store_snapshot(&key(1), 1, state(&[])).await, Err(SnapshotError::Closed(Closed))));
    assert_eq!(store.close().await, Err(CloseError::Closed(Closed)));
    assert!(within(queue(&store, &key(1), 1, 2, vec![text(2)])).await.is_err());
}

#[tokio::test]
async fn a_receiver_that_panics_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let key = std::sync::Arc::new(key(1));
    let durable = Box::new(|_| panic!("on purpose"));
    store.append(orrery_ganymede::store::Append {
        key: std::sync::Arc::clone(&key),
        epoch: 1,
        first_seq: 1,
        updates: vec![text(1)],
        durable,
    });
    append(&store, &key, 2, vec![text(2)]).await;
    assert_eq!(content(&store.load(&key).await.unwrap()), [text(1), text(2)]);
}

#[tokio::test]
async fn the_documents_of_an_organization_are_those_of_which_anything_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let org = key(1).org;
    assert_eq!(store.documents(org).await.unwrap(), [].into());
    store.load(&key(9)).await.unwrap();
    let elsewhere = DocumentKey { org: OrgId(Uuid::from_u128(8)), ..key(1) };
    for document in [&key(1), &key(2), &elsewhere] {
        append(&store, document, 1, vec![text(1)]).await;
    }
    store.store_snapshot(&key(2), 1, state(&[text(1)])).await.unwrap();
    let queued = queue(&store, &key(3), 1, 1, vec![text(1)]);
    let expected = BTreeSet::from([key(1), key(2), key(3)]);
    assert_eq!(store.documents(org).await.unwrap(), expected, "in the journal, in a snapshot, on the way");
    assert_eq!(within(queued).await, Ok(1));
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(store.documents(org).await.unwrap(), expected);
    assert_eq!(store.documents(elsewhere.org).await.unwrap(), [elsewhere].into());
}
