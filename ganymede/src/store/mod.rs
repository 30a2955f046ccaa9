//! The durable document store: what is acknowledged here survives `kill -9` and loss of power. Owns the data folder's `journal`
//! and `documents`; knows nothing of Yjs, of rooms or of gateways.
//!
//! ```text
//!  append ──┐                  journal thread                          archive thread
//!  load ────┼──> inbox ──> validate, one write + fsync for all ──┐
//!  snapshot ┘                │            acknowledge            │
//!                            │ journal/{n}.log, shared by all documents
//!                            └── snapshots, folds ──> inbox ──> verify, put on the shelf: files or objects
//!                                         <── covered ─────────────────┘ then old segments go
//! ```
//!
//! - An append is acknowledged after the fsync of its write, in order; one fsync serves every document.
//! - The journal's thread alone owns the index and the segments; it reads no document and writes no snapshot.
//! - What a snapshot covers is forgotten only after that snapshot is where it is kept and was read back.
//! - A document nobody opens is *folded*: its snapshot and updates become a new snapshot, so that it holds no old segment.
//! - The journal is local and decides what is acknowledged. A service that keeps snapshots may be away for as long as the
//!   disk has room for the journal.
//! - A failing disk loses nothing: everything is retried for ever, nothing is acknowledged meanwhile, and the status says so.

mod adopt;
mod archive;
mod disk;
mod error;
mod files;
mod inbox;
mod index;
mod journal;
#[cfg(feature = "object-storage")]
mod objects;
mod options;
mod outage;
mod plan;
mod recover;
#[cfg(feature = "object-storage")]
mod s3;
mod scan;
mod segment;
mod shelf;
mod snapshot;
mod status;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread,
};

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, OrgId},
    record::{StoredDocument, records_bytes_max},
};
use tokio::{
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
};

#[cfg(feature = "object-storage")]
pub use self::shelf::S3Place;
use self::{
    archive::Archive,
    disk::{Disk, RealDisk},
    inbox::Inbox,
    journal::{Ask, Batch, Journal, NewSnapshot, Request},
    outage::Outage,
    recover::{Folder, Recovered},
    shelf::SnapshotShelf,
    status::Shared,
    upkeep::Upkeep,
    writer::Writer,
};
pub use self::{
    error::{CloseError, Closed, Corruption, FileError, LoadError, ObjectError, OpenError, ReadError, SnapshotError},
    options::{Merge, StoreLimits, StoreOptions},
    recover::{Cut, Recovery},
    shelf::SnapshotPlace,
    status::{Health, StoreStatus},
};

/// Updates of one document that shall become durable.
pub struct Append {
    /// The document.
    pub key: Arc<DocumentKey>,
    /// Epoch of the organization under which they were accepted. Older than one seen before: refused.
    pub epoch: u64,
    /// Number of the first update: one more than the last one appended, starting at 1. Anything else is refused.
    pub first_seq: u64,
    /// The updates, in order. At least one.
    pub updates: Vec<Bytes>,
    /// Called from the store's thread when all of them are durable, with the number of the last; it must not block. Never
    /// called, but dropped, if the append was refused, which is a defect of the caller and an error in the log, or if the
    /// store ended first.
    pub durable: Box<dyn FnOnce(u64) + Send>,
}

impl Append {
    /// What it costs to keep and to write.
    fn bytes(&self) -> usize {
        records_bytes_max(&self.updates)
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, epoch, first_seq, updates, .. } = self;
        write!(f, "Append({key}, epoch {epoch}, from {first_seq}, {} updates)", updates.len())
    }
}

/// A handle to the store. Clones share it. When the last one is dropped without [`Store::close`], what is queued is still
/// written, but nobody waits for it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    inbox: Arc<Inbox<Request>>,
    shared: Arc<Shared>,
    shelf: Arc<dyn SnapshotShelf>,
    loads: Semaphore,
    snapshot_permits: Arc<Semaphore>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("status", &self.status()).finish()
    }
}

impl Store {
    /// Opens the store in `folder`, creating it if need be, and locks it for this process. Blocks while it reads the journal.
    ///
    /// # Errors
    /// If another process has it, if it is not writable, or if something acknowledged cannot be read; then nothing is changed.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<(Self, Recovery), OpenError> {
        Self::open_at(folder, &SnapshotPlace::Folder, options)
    }

    /// Opens the store in `folder` with its snapshots at `place`. See [`Store::open`].
    ///
    /// A folder without documents goes on from the snapshots that are there, and from then on no other folder may. One with
    /// documents brings its own there, if nobody else's are.
    ///
    /// # Errors
    /// Also if the service does not answer, or if the snapshots there belong to another folder.
    pub fn open_at(folder: &Path, place: &SnapshotPlace, options: StoreOptions) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(Arc::new(RealDisk), folder, options, |folder| shelf::open(folder, place))
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        options: StoreOptions,
        open_shelf: impl FnOnce(&Path) -> Result<Arc<dyn SnapshotShelf>, OpenError>,
    ) -> Result<(Self, Recovery), OpenError> {
        let StoreOptions { limits, merge } = options;
        let folder = Folder::open(path)?;
        let shelf = open_shelf(path)?;
        let Recovered { index, held, recovery } = folder.recover(&*disk, &*shelf)?;
        let Folder { lock, journal: journal_folder } = folder;
        let inner = Inner {
            inbox: Arc::new(Inbox::new()),
            shared: Arc::new(Shared::new()),
            shelf: Arc::clone(&shelf),
            loads: Semaphore::new(limits.loads_max.max(1)),
            snapshot_permits: Arc::new(Semaphore::new(limits.snapshots_queued_max.max(1))),
        };
        let archive_inbox = Arc::new(Inbox::new());
        let archive = Archive {
            inbox: Arc::clone(&archive_inbox),
            journal: Arc::clone(&inner.inbox),
            shelf: Arc::clone(&shelf),
            outage: Outage::new(limits.retry_delay_max()),
            waiting: None,
            merge,
            shared: Arc::clone(&inner.shared),
        };
        let spawn_failed = |error: io::Error| FileError::at(path)(error);
        let archive_thread =
            thread::Builder::new().name("store-archive".to_owned()).spawn(|| archive.run()).map_err(spawn_failed)?;
        let writer = Writer::new(disk, journal_folder, limits.segment_bytes(), held);
        inner.shared.journal(writer.count(), writer.bytes());
        let journal = Journal {
            inbox: Arc::clone(&inner.inbox),
            archive: archive_inbox,
            archive_thread,
            shared: Arc::clone(&inner.shared),
            limits,
            shelf,
            index,
            writer,
            upkeep: Upkeep::default(),
            batch: Batch::default(),
            lock,
        };
        let thread = thread::Builder::new().name("store-journal".to_owned());
        thread.spawn(|| run_guarded(journal)).map_err(spawn_failed)?;
        Ok((Self { inner: Arc::new(inner) }, recovery))
    }

    /// Queues updates. Never blocks and never fails; the caller bounds what is in flight.
    pub fn append(&self, append: Append) {
        let bytes = append.bytes();
        self.inner.shared.queued(bytes);
        if self.inner.inbox.push(Request::Append(append)).is_err() {
            self.inner.shared.settled(bytes);
            tracing::error!("an append after the store was closed is lost");
        }
    }

    /// What is stored of a document, including every append queued before. Waits for those to be durable.
    ///
    /// # Errors
    /// If it cannot be read or is damaged; other documents are not affected.
    pub async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, LoadError> {
        let _permit = self.inner.loads.acquire().await.map_err(|_| Closed)?;
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Load { key: Arc::new(key.clone()), reply })?;
        let plan = answer.await.map_err(|_| Closed)??;
        let shelf = Arc::clone(&self.inner.shelf);
        let read = spawn_blocking(move || plan.read(&*shelf)).await.map_err(|_| Closed)?;
        Ok(read?)
    }

    /// The documents of an organization of which anything is stored, in order, including every append queued before. Waits
    /// for those to be durable.
    ///
    /// # Errors
    /// If the snapshots cannot be listed.
    pub async fn documents(&self, org: OrgId) -> Result<BTreeSet<DocumentKey>, LoadError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Documents { org, reply })?;
        // Records first: what a snapshot covers in the meantime is on the shelf by then.
        let held = answer.await.map_err(|_| Closed)?;
        let shelf = Arc::clone(&self.inner.shelf);
        let kept = spawn_blocking(move || shelf.documents(org)).await.map_err(|_| Closed)??;
        Ok(held.into_iter().chain(kept).collect())
    }

    /// Replaces the document's snapshot by `state`, which contains every update up to `covers_seq`. When it returns, the
    /// snapshot is durable. One that covers less than what is stored changes nothing and is fine.
    ///
    /// # Errors
    /// If it cannot be read back or written, or claims updates that were not appended. What was stored stays.
    pub async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), SnapshotError> {
        let permit = Arc::clone(&self.inner.snapshot_permits).acquire_owned().await.map_err(|_| Closed)?;
        let (reply, answer) = oneshot::channel();
        let key = Arc::new(key.clone());
        self.ask(Ask::Store(NewSnapshot { key, covers_seq, state, reply, permit }))?;
        answer.await.map_err(|_| Closed)?
    }

    /// How it is doing now.
    pub fn status(&self) -> StoreStatus {
        self.inner.shared.status()
    }

    /// Makes everything queued durable, waits for snapshots under way, and gives the folder free.
    ///
    /// # Errors
    /// If the disk still refuses: what could not be written was never acknowledged.
    pub async fn close(&self) -> Result<(), CloseError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Close { reply })?;
        self.inner.inbox.close();
        answer.await.map_err(|_| Closed)?
    }

    fn ask(&self, ask: Ask) -> Result<(), Closed> {
        self.inner.inbox.push(Request::Ask(ask)).map_err(|_| Closed)
    }
}

/// A panic in the journal's thread is a defect. It must not leave callers waiting: every later request fails.
fn run_guarded(journal: Journal) {
    let inbox = Arc::clone(&journal.inbox);
    let archive = Arc::clone(&journal.archive);
    let shared = Arc::clone(&journal.shared);
    if catch_unwind(AssertUnwindSafe(|| journal.run())).is_err() {
        shared.failed(&io::Error::other("the store's thread panicked"));
        archive.close();
        drop(inbox.shut());
    }
}
