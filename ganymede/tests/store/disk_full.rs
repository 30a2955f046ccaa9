use bytes::Bytes;
use orrery_ganymede::store::{Health, SnapshotError};

use crate::{
    folder::Mounted,
    support::{append, content, eventually, key, open, queue, state, within},
};

#[tokio::test]
async fn a_full_disk_withholds_acknowledgements_and_recovers_by_itself() {
    let mounted = Mounted::new("size=1m");
    let (store, _) = open(mounted.folder.path());
    let block = Bytes::from(vec![1; 100_000]);
    append(&store, &key(1), 1, vec![block.clone()]).await;
    let waiting: Vec<_> = (2..=21).map(|seq| queue(&store, &key(1), 1, seq, vec![block.clone()])).collect();
    eventually("the store is degraded", || matches!(store.status().health, Health::Degraded { attempts: 3.., .. }))
        .await;
    let status = store.status();
    let Health::Degraded { error, .. } = status.health else { panic!("it recovered on a full disk") };
    assert!(error.contains("No space left on device"), "{error}");
    assert!(status.queued_bytes > 1_000_000, "{}", status.queued_bytes);

    mounted.remount("size=64m");
    for (seq, waiting) in (2..).zip(waiting) {
        assert_eq!(within(waiting).await, Ok(seq));
    }
    assert_eq!((store.status().health, store.status().queued_bytes), (Health::Healthy, 0));
    store.close().await.unwrap();
    let (store, recovery) = open(mounted.folder.path());
    assert_eq!((recovery.records, recovery.cut), (21, None));
    assert!(content(&store.load(&key(1)).await.unwrap()) == vec![block; 21]);
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_leaves_everything_as_it_was() {
    let mounted = Mounted::new("size=1m");
    let (store, _) = open(mounted.folder.path());
    let block = Bytes::from(vec![1; 300_000]);
    append(&store, &key(1), 1, vec![block.clone()]).await;
    let fits = state(std::slice::from_ref(&block));
    store.store_snapshot(&key(1), 1, fits.clone()).await.unwrap();
    append(&store, &key(1), 2, vec![block.clone()]).await;
    let large = state(&[block.clone(), block.clone()]);
    let error = store.store_snapshot(&key(1), 2, large.clone()).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Read(_)), "{error}");
    let stored = store.load(&key(1)).await.unwrap();
    assert!(stored.snapshot == Some(fits) && stored.updates == [block]);

    mounted.remount("size=64m");
    store.store_snapshot(&key(1), 2, large.clone()).await.unwrap();
    assert!(store.load(&key(1)).await.unwrap().snapshot == Some(large));
}
