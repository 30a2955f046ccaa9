//! A disk that fails or loses power at the worst moments.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use orrery_protocol::id::{DocumentName, OrgId, ProjectId};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tempfile::TempDir;
use tokio::time;
use uuid::Uuid;

use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

/// Fails as many calls as it is told to.
#[derive(Default)]
struct FailingDisk {
    writes_to_fail: AtomicU32,
    syncs_to_fail: AtomicU32,
}

impl FailingDisk {
    fn fails(left: &AtomicU32) -> bool {
        left.try_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

impl Disk for FailingDisk {
    fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if Self::fails(&self.writes_to_fail) {
            file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if Self::fails(&self.syncs_to_fail) { Err(io::Error::other("the fsync failed")) } else { file.sync_data() }
    }
}

fn options() -> StoreOptions {
    let limits = StoreLimits { commit_interval_ms: 0, retry_delay_ms_max: 5, ..StoreLimits::default() };
    StoreOptions { limits, merge: Arc::new(|_, _| Err("these tests fold nothing".into())) }
}

fn open_on(disk: Arc<dyn Disk>, folder: &Path, options: StoreOptions) -> Result<(Store, Recovery), OpenError> {
    Store::open_on(disk, folder, options, |folder| shelf::open(folder, &SnapshotPlace::Folder))
}

fn key(number: u128) -> Arc<DocumentKey> {
    let document = DocumentName::Board;
    Arc::new(DocumentKey { org: OrgId(Uuid::nil()), project: ProjectId(Uuid::from_u128(number)), document })
}

fn append(store: &Store, key: &Arc<DocumentKey>, seq: u64, update: &[u8], durable: impl FnOnce(u64) + Send + 'static) {
    let updates = vec![Bytes::copy_from_slice(update)];
    store.append(Append { key: Arc::clone(key), epoch: 1, first_seq: seq, updates, durable: Box::new(durable) });
}

fn acknowledgement(store: &Store, key: &Arc<DocumentKey>, seq: u64, update: &[u8]) -> oneshot::Receiver<u64> {
    let (durable, acknowledged) = oneshot::channel();
    append(store, key, seq, update, move |seq| durable.send(seq).expect("the test waits"));
    acknowledged
}

async fn degraded(store: &Store) {
    let deadline = time::Instant::now() + DEADLINE;
    while !matches!(store.status().health, Health::Degraded { attempts: 2.., .. }) {
        assert!(time::Instant::now() < deadline, "the store does not notice that it fails");
        time::sleep(Duration::from_millis(1)).await;
    }
}

async fn acknowledged(receiver: oneshot::Receiver<u64>) -> u64 {
    time::timeout(DEADLINE, receiver).await.expect("it takes too long").expect("it was dropped")
}

async fn updates_after_restart(folder: &TempDir, key: &DocumentKey) -> Vec<Bytes> {
    let (store, recovery) = Store::open(folder.path(), options()).unwrap();
    assert_eq!(recovery.cut, None);
    let stored = store.load(key).await.unwrap();
    store.close().await.unwrap();
    stored.updates
}

#[tokio::test]
async fn a_failing_write_is_retried_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailingDisk::default());
    let (store, _) = open_on(disk.clone(), folder.path(), options()).unwrap();
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 1, b"one")).await, 1);
    disk.writes_to_fail.store(u32::MAX, SeqCst);
    let mut two = acknowledgement(&store, &key(1), 2, b"two");
    degraded(&store).await;
    assert!(two.try_recv().is_err(), "acknowledged while the disk fails");
    assert!(store.status().queued_bytes > 0);
    disk.writes_to_fail.store(0, SeqCst);
    assert_eq!(acknowledged(two).await, 2);
    assert_eq!((store.status().health, store.status().segments), (Health::Healthy, 1));
    store.close().await.unwrap();
    assert_eq!(updates_after_restart(&folder, &key(1)).await, ["one", "two"]);
}

/// After a failed fsync the kernel may have dropped the pages and report success the next time.
#[tokio::test]
async fn after_a_failed_fsync_everything_goes_into_a_new_segment() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailingDisk::default());
    let (store, _) = open_on(disk.clone(), folder.path(), options()).unwrap();
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 1, b"one")).await, 1);
    disk.syncs_to_fail.store(1, SeqCst);
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 2, b"two")).await, 2);
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 3, b"three")).await, 3);
    assert_eq!((store.status().health, store.status().segments), (Health::Healthy, 2));
    let stored = store.load(&key(1)).await.unwrap();
    assert_eq!((stored.updates, stored.last_seq), (vec!["one".into(), "two".into(), "three".into()], 3));
    store.close().await.unwrap();
    assert_eq!(updates_after_restart(&folder, &key(1)).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_disk_that_fails_for_long_leaves_no_heap_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailingDisk::default());
    let (store, _) = open_on(disk.clone(), folder.path(), options()).unwrap();
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 1, b"one")).await, 1);
    for _ in 0..8 {
        // The header of the new segment gets its fsync, the records do not.
        disk.syncs_to_fail.store(1, SeqCst);
        let (seq, store) = (store.load(&key(1)).await.unwrap().last_seq + 1, &store);
        assert_eq!(acknowledged(acknowledgement(store, &key(1), seq, b"more")).await, seq);
    }
    drop(store.load(&key(1)).await.unwrap());
    assert_eq!(store.status().segments, 9, "one for each failure that followed a success");
    disk.syncs_to_fail.store(u32::MAX, SeqCst);
    let last = acknowledgement(&store, &key(1), 10, b"last");
    degraded(&store).await;
    assert_eq!(fs::read_dir(folder.path().join("journal")).unwrap().count(), 10, "nine segments and one unborn");
    disk.syncs_to_fail.store(0, SeqCst);
    assert_eq!(acknowledged(last).await, 10);
    store.close().await.unwrap();
    assert_eq!(updates_after_restart(&folder, &key(1)).await.len(), 10);
}

/// An attempt that removed a segment may have failed after that, with too many files open to sync the folder.
#[tokio::test]
async fn a_segment_that_is_gone_already_is_no_reason_to_keep_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options();
    options.limits.segment_bytes = 1;
    options.merge = Arc::new(|snapshot, _| Ok(Bytes::copy_from_slice(snapshot.unwrap_or_default())));
    let (store, _) = Store::open(folder.path(), options).unwrap();
    for seq in 1..=3 {
        assert_eq!(acknowledged(acknowledgement(&store, &key(1), seq, b"update")).await, seq);
    }
    fs::remove_file(folder.path().join("journal/0000000000000001.log")).unwrap();
    store.store_snapshot(&key(1), 3, Bytes::from_static(b"state")).await.unwrap();
    let deadline = time::Instant::now() + DEADLINE;
    while store.status().segments > 1 {
        assert!(time::Instant::now() < deadline, "the journal grows for ever");
        time::sleep(Duration::from_millis(1)).await;
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn closing_while_the_disk_fails_says_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FailingDisk::default());
    let (store, _) = open_on(disk.clone(), folder.path(), options()).unwrap();
    assert_eq!(acknowledged(acknowledgement(&store, &key(1), 1, b"one")).await, 1);
    disk.writes_to_fail.store(u32::MAX, SeqCst);
    let two = acknowledgement(&store, &key(1), 2, b"two");
    let closed = time::timeout(DEADLINE, store.close()).await.expect("closing hangs");
    assert!(matches!(closed, Err(CloseError::Unsaved { bytes: 1.., .. })), "{closed:?}");
    assert!(two.await.is_err(), "acknowledged though it was not written");
    assert_eq!(updates_after_restart(&folder, &key(1)).await, ["one"]);
}

/// What was acknowledged of each document.
type Acknowledged = HashMap<Arc<DocumentKey>, u64>;

/// At every fsync of the journal it keeps a copy of the folder as a machine that loses power at that moment may leave it: of
/// what was written since the last fsync any sectors may be missing.
struct PowerCuts {
    folder: PathBuf,
    synced: Mutex<HashMap<u64, u64>>,
    random: Mutex<StdRng>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    copies: Mutex<Vec<(TempDir, Acknowledged)>>,
}

impl Disk for PowerCuts {
    fn sync(&self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let durable = self.synced.lock().unwrap().get(&metadata.ino()).copied().unwrap_or(0);
        let copy = tempfile::tempdir()?;
        fs::create_dir(copy.path().join("journal"))?;
        for entry in fs::read_dir(self.folder.join("journal"))? {
            let entry = entry?;
            let mut bytes = fs::read(entry.path())?;
            if entry.metadata()?.ino() == metadata.ino() {
                self.lose_sectors(&mut bytes, durable as usize);
            }
            fs::write(copy.path().join("journal").join(entry.file_name()), bytes)?;
        }
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        self.copies.lock().unwrap().push((copy, acknowledged));
        file.sync_data()?;
        self.synced.lock().unwrap().insert(metadata.ino(), metadata.len());
        Ok(())
    }
}

impl PowerCuts {
    fn lose_sectors(&self, bytes: &mut Vec<u8>, durable: usize) {
        let mut random = self.random.lock().unwrap();
        if random.random_bool(0.3) {
            bytes.truncate(random.random_range(durable..=bytes.len()));
        }
        let mut start = durable;
        while start < bytes.len() {
            let end = (start + 1).next_multiple_of(512).min(bytes.len());
            if random.random_bool(0.3) {
                bytes[start..end].fill(0);
            }
            start = end;
        }
    }
}

#[tokio::test]
async fn a_power_cut_at_any_fsync_loses_nothing_acknowledged() {
    for seed in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(PowerCuts {
            folder: folder.path().to_owned(),
            synced: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            acknowledged: Arc::default(),
            copies: Mutex::default(),
        });
        let mut options = options();
        options.limits.segment_bytes = 8 << 10;
        let (store, _) = open_on(disk.clone(), folder.path(), options).unwrap();
        let mut random = StdRng::seed_from_u64(seed);
        let mut appended: HashMap<u128, u64> = HashMap::new();
        for _ in 0..20 {
            for _ in 0..random.random_range(1..12) {
                let document = random.random_range(0..4);
                let seq = appended.entry(document).or_default();
                *seq += 1;
                let update = vec![*seq as u8; random.random_range(0..1500)];
                let (key, acknowledged) = (key(document), Arc::clone(&disk.acknowledged));
                append(&store, &key.clone(), *seq, &update, move |seq| {
                    acknowledged.lock().unwrap().insert(key, seq);
                });
            }
            drop(store.load(&key(0)).await.unwrap());
        }
        store.close().await.unwrap();
        for (cut, (copy, acknowledged)) in disk.copies.lock().unwrap().drain(..).enumerate() {
            check_after_power_cut(copy.path(), &acknowledged, &format!("seed {seed}, cut {cut}"));
        }
    }
}

fn check_after_power_cut(folder: &Path, acknowledged: &Acknowledged, when: &str) {
    let opened = Folder::open(folder).unwrap();
    let shelf = shelf::open(folder, &SnapshotPlace::Folder).unwrap();
    let recovered = opened.recover(&RealDisk, &*shelf).unwrap_or_else(|error| panic!("{when}: {error}"));
    for (key, last) in acknowledged {
        let document = &recovered.index.documents[key];
        assert!(document.durable() >= *last, "{when}: {key} has {} of {last}", document.durable());
        let segments = recovered.held.iter().map(|held| Arc::clone(&held.segment)).collect();
        let records = document.records.iter().copied().collect();
        let plan = plan::Plan { key: Arc::clone(key), covered: document.covered, records, segments };
        let stored = plan.read(&*shelf).unwrap();
        for (seq, update) in (1u64..).zip(&stored.updates) {
            assert!(update.iter().all(|byte| *byte == seq as u8), "{when}: update {seq} of {key}");
        }
    }
}
