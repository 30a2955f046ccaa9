//! The same promises with snapshots in the store's folder and in a real object storage; and what only concerns the latter.

use std::{fs, path::Path};

use bytes::Bytes;
use orrery_ganymede::store::{
    Health, LoadError, OpenError, ReadError, S3Place, SnapshotError, SnapshotPlace, Store, StoreLimits,
};

use self::service::{Link, Moto, SECRET};
use crate::support::{append, content, eventually, key, limits, options, state, text};

mod service;

fn open(folder: &Path, place: &SnapshotPlace) -> Store {
    Store::open_at(folder, place, options(limits())).unwrap().0
}

/// Folds at once what nobody touches.
fn folding() -> StoreLimits {
    StoreLimits { segment_bytes: 1, fold_after_ms: 0, ..limits() }
}

async fn texts(store: &Store, document: u128) -> Vec<Bytes> {
    content(&store.load(&key(document)).await.unwrap())
}

fn up_to(last: u64) -> Vec<Bytes> {
    (1..=last).map(text).collect()
}

/// Told on each kind of shelf.
async fn snapshots_take_the_place_of_what_they_cover(place: &SnapshotPlace) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), place);
    assert_eq!(texts(&store, 1).await, up_to(0));
    append(&store, &key(1), 1, up_to(3)).await;
    store.store_snapshot(&key(1), 2, state(&up_to(2))).await.unwrap();
    assert_eq!(texts(&store, 1).await, up_to(3));
    store.store_snapshot(&key(1), 1, state(&up_to(1))).await.unwrap();
    store.store_snapshot(&key(1), 3, state(&up_to(3))).await.unwrap();
    store.close().await.unwrap();
    let store = open(folder.path(), place);
    let stored = store.load(&key(1)).await.unwrap();
    assert_eq!((stored.snapshot, stored.updates.len()), (Some(state(&up_to(3))), 0));
    assert_eq!(store.documents(key(1).org).await.unwrap(), [key(1)].into());
    append(&store, &key(1), 4, vec![text(4)]).await;
    assert_eq!(texts(&store, 1).await, up_to(4));
    // A room may build a document anew.
    store.store_snapshot(&key(1), 4, state(&[text(9), text(8), text(7), text(6)])).await.unwrap();
    store.store_snapshot(&key(1), 4, state(&up_to(4))).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(texts(&open(folder.path(), place), 1).await, up_to(4));
}

async fn folded_documents_hold_no_segment(place: &SnapshotPlace) {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_at(folder.path(), place, options(folding())).unwrap();
    for seq in 1..=4 {
        for document in 0..5 {
            append(&store, &key(document), seq, vec![text(seq)]).await;
        }
    }
    eventually("only the last segment is held", || store.status().segments <= 2).await;
    assert_eq!(store.status().fold_failures, 0);
    store.close().await.unwrap();
    let store = open(folder.path(), place);
    for document in 0..5 {
        assert_eq!(texts(&store, document).await, up_to(4), "{document}");
    }
}

async fn nonsense_is_refused_and_nothing_changes(place: &SnapshotPlace) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), place);
    append(&store, &key(1), 1, up_to(1)).await;
    let ahead = store.store_snapshot(&key(1), 2, state(&up_to(2))).await;
    assert!(matches!(ahead, Err(SnapshotError::Ahead { .. })), "{ahead:?}");
    let nonsense = store.store_snapshot(&key(1), 1, Bytes::from_static(b"\xff\xff\xff\xff?")).await;
    assert!(matches!(nonsense, Err(SnapshotError::Unreadable(_))), "{nonsense:?}");
    assert_eq!(texts(&store, 1).await, up_to(1));
}

/// Each story on each shelf.
macro_rules! on_every_shelf {
    ($($story:ident),+ $(,)?) => {
        mod in_the_folder {
            $(#[tokio::test] async fn $story() { super::$story(&super::SnapshotPlace::Folder).await; })+
        }

        mod in_a_bucket {
            $(#[tokio::test] async fn $story() {
                let Some(moto) = super::Moto::start().await else { return };
                super::$story(&moto.place()).await;
            })+
        }
    };
}

on_every_shelf!(
    snapshots_take_the_place_of_what_they_cover,
    folded_documents_hold_no_segment,
    nonsense_is_refused_and_nothing_changes,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_host_is_lost_another_goes_on_and_the_first_may_not_come_back() {
    let Some(moto) = Moto::start().await else { return };
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(first.path(), &moto.place());
    append(&store, &key(1), 1, up_to(3)).await;
    store.store_snapshot(&key(1), 2, state(&up_to(2))).await.unwrap();
    store.close().await.unwrap();
    assert!(!first.path().join("documents").read_dir().unwrap().any(|_| true), "a snapshot is in the folder too");
    let store = open(second.path(), &moto.place());
    assert_eq!(texts(&store, 1).await, up_to(2));
    append(&store, &key(1), 3, vec![text(33)]).await;
    store.close().await.unwrap();
    let refused = Store::open_at(first.path(), &moto.place(), options(limits())).unwrap_err();
    assert!(
        matches!(&refused, OpenError::NotOwner { place, .. } if place == "s3://orrery-test/some/where"),
        "{refused}"
    );
    open(second.path(), &moto.place()).close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_moves_from_its_folder_to_a_bucket_and_not_back() {
    let Some(moto) = Moto::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &SnapshotPlace::Folder);
    for document in 0..3 {
        append(&store, &key(document), 1, up_to(2)).await;
        store.store_snapshot(&key(document), 2, state(&up_to(2))).await.unwrap();
    }
    append(&store, &key(0), 3, vec![text(3)]).await;
    store.close().await.unwrap();
    let store = open(folder.path(), &moto.place());
    fs::remove_dir_all(folder.path().join("documents")).unwrap();
    assert_eq!(texts(&store, 0).await, up_to(3));
    assert_eq!(texts(&store, 1).await, up_to(2));
    store.close().await.unwrap();
    let refused = Store::open(folder.path(), options(limits())).unwrap_err();
    assert!(matches!(refused, OpenError::SnapshotsElsewhere { .. }), "{refused}");
    assert!(refused.to_string().contains("s3://orrery-test/some/where"), "{refused}");
    // Nor may documents of one's own be mixed with another's.
    let other = tempfile::tempdir().unwrap();
    open(other.path(), &SnapshotPlace::Folder).close().await.unwrap();
    let refused = Store::open_at(other.path(), &moto.place(), options(limits())).unwrap_err();
    assert!(matches!(refused, OpenError::NotOwner { .. }), "{refused}");
    open(other.path(), &SnapshotPlace::Folder).close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_service_is_away_updates_are_saved_and_when_it_is_back_documents_are_folded() {
    let Some(moto) = Moto::start().await else { return };
    let link = Link::to(&moto).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_at(folder.path(), &link.place(), options(folding())).unwrap();
    append(&store, &key(1), 1, up_to(1)).await;
    store.store_snapshot(&key(1), 1, state(&up_to(1))).await.unwrap();
    link.cut();
    append(&store, &key(1), 2, vec![text(2)]).await;
    append(&store, &key(2), 1, up_to(2)).await;
    eventually("it is noticed", || matches!(store.status().snapshots, Health::Degraded { attempts: 3.., .. })).await;
    assert_eq!(store.status().health, Health::Healthy);
    let refused = store.store_snapshot(&key(2), 2, state(&up_to(2))).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::Read(ReadError::Object(_))), "{refused}");
    let refused = store.load(&key(1)).await.unwrap_err();
    assert!(matches!(refused, LoadError::Read(ReadError::Object(_))), "{refused}");
    assert!(refused.to_string().starts_with("s3://orrery-test/some/where/documents/"), "{refused}");
    assert!(!format!("{refused:?}").contains(SECRET), "{refused:?}");
    // What has no snapshot is read from the journal alone.
    assert_eq!(texts(&store, 2).await, up_to(2));
    append(&store, &key(2), 3, vec![text(3)]).await;
    link.mend();
    eventually("it is noticed", || store.status().snapshots == Health::Healthy).await;
    append(&store, &key(2), 4, vec![text(4)]).await;
    eventually("everything is folded", || store.status().segments <= 2).await;
    assert_eq!(texts(&store, 1).await, up_to(2));
    assert_eq!(texts(&store, 2).await, up_to(4));
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_not_read_back_counts_for_nothing() {
    let Some(moto) = Moto::start().await else { return };
    let link = Link::to(&moto).await;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &link.place());
    append(&store, &key(1), 1, up_to(3)).await;
    link.cut_after_upload();
    let refused = store.store_snapshot(&key(1), 3, state(&up_to(3))).await.unwrap_err();
    assert!(link.is_cut(), "it was not uploaded");
    assert!(matches!(refused, SnapshotError::Read(ReadError::Object(_))), "{refused}");
    assert!(moto.names().await.iter().any(|name| name.contains("/unverified/")), "{:?}", moto.names().await);
    store.close().await.unwrap();
    link.mend();
    let (store, recovery) = Store::open_at(folder.path(), &link.place(), options(limits())).unwrap();
    assert_eq!(recovery.records, 3, "the journal forgot what no snapshot covers");
    assert_eq!(texts(&store, 1).await, up_to(3));
    store.store_snapshot(&key(1), 3, state(&up_to(3))).await.unwrap();
    assert!(!moto.names().await.iter().any(|name| name.contains("/unverified/")), "{:?}", moto.names().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_and_a_damaged_object_are_named() {
    let Some(moto) = Moto::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &moto.place());
    append(&store, &key(1), 1, up_to(2)).await;
    store.store_snapshot(&key(1), 2, state(&up_to(2))).await.unwrap();
    let names = moto.names().await;
    let name = names.iter().find(|name| name.contains("/documents/")).expect("the snapshot");
    for (damage, reason) in [(Some("not a snapshot"), ""), (None, "the object is missing")] {
        match damage {
            Some(content) => moto.put(name, content).await,
            None => moto.delete(name).await,
        }
        let refused = store.load(&key(1)).await.unwrap_err();
        assert!(matches!(refused, LoadError::Read(ReadError::Corrupt(_))), "{refused}");
        let text = refused.to_string();
        assert!(text.starts_with(&format!("s3://orrery-test/{name}")) && text.contains(reason), "{text}");
    }
    store.close().await.unwrap();
    // The journal happens to have all of them still.
    let (store, _) = Store::open_at(folder.path(), &moto.place(), options(limits())).unwrap();
    assert_eq!(texts(&store, 1).await, up_to(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_bucket_is_not_taken_for_a_new_one() {
    let Some(moto) = Moto::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), &moto.place());
    append(&store, &key(1), 1, up_to(1)).await;
    store.store_snapshot(&key(1), 1, state(&up_to(1))).await.unwrap();
    store.close().await.unwrap();
    for name in moto.names().await {
        moto.delete(&name).await;
    }
    let refused = Store::open_at(folder.path(), &moto.place(), options(limits())).unwrap_err();
    assert!(matches!(refused, OpenError::NotOwner { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_says_whether_it_can_be_reached() {
    let Some(moto) = Moto::start().await else { return };
    let link = Link::to(&moto).await;
    let before = moto.names().await;
    link.place().reach().unwrap();
    let SnapshotPlace::S3(place) = link.place() else { panic!("it is a bucket") };
    let nobodys = SnapshotPlace::S3(S3Place { bucket: "nobodys".to_owned(), ..place });
    let refused = nobodys.reach().unwrap_err();
    assert!(refused.to_string().starts_with("s3://nobodys/"), "{refused}");
    link.cut();
    assert!(matches!(link.place().reach(), Err(OpenError::Object(_))));
    assert_eq!(moto.names().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there_is_named_and_the_folder_stays_as_it_was() {
    let Some(moto) = Moto::start().await else { return };
    let link = Link::to(&moto).await;
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), &SnapshotPlace::Folder).close().await.unwrap();
    link.cut();
    let refused = Store::open_at(folder.path(), &link.place(), options(limits())).unwrap_err();
    assert!(matches!(refused, OpenError::Object(_)), "{refused}");
    assert!(refused.to_string().starts_with("s3://orrery-test/some/where/documents"), "{refused}");
    open(folder.path(), &SnapshotPlace::Folder).close().await.unwrap();
}
