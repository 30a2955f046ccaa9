use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use orrery_ganymede::store::{Store, StoreLimits, StoreOptions};

use crate::support::{append, content, eventually, key, limits, merge, open, options, queue, state, text, within};

fn small_segments() -> StoreLimits {
    StoreLimits { segment_bytes: 1_000, ..limits() }
}

fn segments(folder: &Path) -> usize {
    fs::read_dir(folder.join("journal")).unwrap().count()
}

async fn fill(store: &Store, document: u128, from: u64, count: u64) {
    for seq in from..from + count {
        append(store, &key(document), seq, vec![text(seq)]).await;
    }
}

#[tokio::test]
async fn a_segment_goes_when_every_document_in_it_has_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), options(small_segments())).unwrap();
    for seq in 1..=50 {
        append(&store, &key(1), seq, vec![text(seq)]).await;
        append(&store, &key(2), seq, vec![text(seq)]).await;
    }
    let before = segments(folder.path());
    assert!(before > 5, "{before}");
    let all: Vec<_> = (1..=50).map(text).collect();
    store.store_snapshot(&key(1), 50, state(&all)).await.unwrap();
    assert_eq!(content(&store.load(&key(2)).await.unwrap()), all);
    assert_eq!(segments(folder.path()), before, "a segment went that the second document needs");
    store.store_snapshot(&key(2), 40, state(&all[..40])).await.unwrap();
    eventually("covered segments go", || segments(folder.path()) <= before / 3).await;
    for _ in 0..2 {
        // The second time from a store that knows only what is on disk.
        let (store, _) = {
            store.close().await.ok();
            open(folder.path())
        };
        assert_eq!(content(&store.load(&key(1)).await.unwrap()), all);
        assert_eq!(content(&store.load(&key(2)).await.unwrap()), all);
        store.close().await.unwrap();
    }
}

/// An epoch must fence even when every record that named it is gone.
#[tokio::test]
async fn an_epoch_outlives_its_segments() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), options(small_segments())).unwrap();
    let mut all = Vec::new();
    for seq in 1..=60 {
        all.push(text(seq));
        assert_eq!(within(queue(&store, &key(1), 9, seq, vec![text(seq)])).await, Ok(seq));
    }
    store.store_snapshot(&key(1), 60, state(&all)).await.unwrap();
    eventually("covered segments go", || segments(folder.path()) == 1).await;
    store.close().await.unwrap();
    for file in fs::read_dir(folder.path().join("journal")).unwrap() {
        assert!(!file.unwrap().path().ends_with("0000000000000001.log"));
    }
    let (store, _) = open(folder.path());
    assert!(within(queue(&store, &key(2), 8, 1, vec![text(1)])).await.is_err());
    assert_eq!(within(queue(&store, &key(2), 9, 1, vec![text(1)])).await, Ok(1));
}

#[tokio::test]
async fn documents_that_nobody_opens_are_folded_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), options(small_segments())).unwrap();
    for document in 1..=20 {
        fill(&store, document, 1, 10).await;
    }
    let before = segments(folder.path());
    store.close().await.unwrap();
    let eager = StoreLimits { fold_after_ms: 0, ..small_segments() };
    let (store, recovery) = Store::open(folder.path(), options(eager)).unwrap();
    assert_eq!((recovery.documents, recovery.records), (20, 200));
    eventually("the journal is folded", || segments(folder.path()) == 1).await;
    assert!(before > 5 && store.status().folds >= 15, "{:?}", store.status());
    assert_eq!(store.status().fold_failures, 0);
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    for document in 1..=20 {
        let stored = store.load(&key(document)).await.unwrap();
        assert_eq!(content(&stored), (1..=10).map(text).collect::<Vec<_>>(), "document {document}");
        fill(&store, document, 11, 1).await;
    }
}

#[tokio::test]
async fn a_journal_that_grows_too_large_is_folded_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bounded = StoreLimits { journal_bytes_max: 20_000, ..small_segments() };
    let (store, _) = Store::open(folder.path(), options(bounded)).unwrap();
    let large = Bytes::from(vec![7; 900]);
    for seq in 1..=40 {
        for document in 1..=5 {
            append(&store, &key(document), seq, vec![large.clone()]).await;
        }
    }
    eventually("the journal is short", || store.status().journal_bytes <= 20_000).await;
    for document in 1..=5 {
        assert!(content(&store.load(&key(document)).await.unwrap()) == vec![large.clone(); 40]);
    }
}

/// It keeps its own segments, but not those of others.
#[tokio::test]
async fn a_document_that_cannot_be_folded_does_not_hold_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits { journal_bytes_max: 20_000, ..small_segments() };
    let poison = Bytes::from_static(b"poison");
    let refuse = poison.clone();
    let picky = move |snapshot: Option<&[u8]>, updates: &[Bytes]| {
        assert!(!updates.contains(&refuse), "a merge may even panic");
        merge(snapshot, updates)
    };
    let (store, _) = Store::open(folder.path(), StoreOptions { limits, merge: Arc::new(picky) }).unwrap();
    append(&store, &key(0), 1, vec![poison.clone()]).await;
    let large = Bytes::from(vec![7; 900]);
    for seq in 1..=40 {
        for document in 1..=5 {
            append(&store, &key(document), seq, vec![large.clone()]).await;
        }
    }
    eventually("the journal is short", || store.status().journal_bytes <= 20_000).await;
    assert!(store.status().fold_failures >= 1);
    store.close().await.unwrap();
    let (store, _) = open(folder.path());
    assert_eq!(content(&store.load(&key(0)).await.unwrap()), [poison]);
    for document in 1..=5 {
        assert!(content(&store.load(&key(document)).await.unwrap()) == vec![large.clone(); 40]);
    }
}
