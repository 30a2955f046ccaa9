//! The journal's thread: takes requests in order, commits appends in groups, answers the rest. Owns the index and the
//! segments, so that neither needs a lock. Reads no snapshot content and writes none.

use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, OrgId},
    record::{PAYLOAD_BYTES_MAX, RecordKind, Stamp},
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    Append,
    archive::{Fold, Job},
    error::{CloseError, LoadError, ReadError, SnapshotError},
    inbox::Inbox,
    index::{Document, Index, Refused},
    options::StoreLimits,
    plan::Plan,
    recover::Lock,
    shelf::SnapshotShelf,
    status::{Health, Shared},
    upkeep::Upkeep,
    writer::{Writer, now_ms},
};

const RETRY_DELAY_FIRST: Duration = Duration::from_millis(10);

/// What the thread is asked to do.
pub(super) enum Request {
    Append(Append),
    Ask(Ask),
}

/// What it does after the appends that were queued before are durable.
pub(super) enum Ask {
    Load {
        key: Arc<DocumentKey>,
        reply: oneshot::Sender<Result<Plan, LoadError>>,
    },
    Store(NewSnapshot),
    /// Which documents of an organization have records.
    Documents {
        org: OrgId,
        reply: oneshot::Sender<Vec<DocumentKey>>,
    },
    /// The archive has a snapshot on disk.
    Stored {
        key: Arc<DocumentKey>,
        covers_seq: u64,
    },
    /// The archive is done with the document that it was given to fold.
    FoldEnded {
        key: Arc<DocumentKey>,
        done: bool,
    },
    Close {
        reply: oneshot::Sender<Result<(), CloseError>>,
    },
}

/// A snapshot on its way to the disk.
pub(super) struct NewSnapshot {
    pub(super) key: Arc<DocumentKey>,
    pub(super) covers_seq: u64,
    pub(super) state: Bytes,
    pub(super) reply: oneshot::Sender<Result<(), SnapshotError>>,
    /// Bounds how many there are.
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct Journal {
    pub(super) inbox: Arc<Inbox<Request>>,
    pub(super) archive: Arc<Inbox<Job>>,
    pub(super) archive_thread: JoinHandle<()>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: StoreLimits,
    pub(super) shelf: Arc<dyn SnapshotShelf>,
    pub(super) index: Index,
    pub(super) writer: Writer,
    pub(super) upkeep: Upkeep,
    pub(super) batch: Batch,
    /// Held for as long as files may be written.
    pub(super) lock: Lock,
}

/// Appends that were accepted and are not durable.
#[derive(Default)]
pub(super) struct Batch {
    appends: Vec<Append>,
    bytes: usize,
    next_commit: Option<Instant>,
}

/// The pauses between attempts.
struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    fn new(limits: &StoreLimits) -> Self {
        Self { next: RETRY_DELAY_FIRST, max: limits.retry_delay_max().max(RETRY_DELAY_FIRST) }
    }

    fn next(&mut self) -> Duration {
        let doubled = (self.next * 2).min(self.max);
        mem::replace(&mut self.next, doubled)
    }
}

impl Journal {
    /// Ends when the store is closed or dropped.
    pub(super) fn run(mut self) {
        let mut requests = VecDeque::new();
        let mut asks = Vec::new();
        let mut closers = Vec::new();
        let mut saved = true;
        loop {
            let now = Instant::now();
            let wake_at = self.upkeep(now);
            let not_before = self.batch.next_commit.unwrap_or(now);
            let closing = self.inbox.take(&mut requests, not_before, wake_at);
            saved &= self.turn(&mut requests, &mut asks);
            for ask in asks.drain(..) {
                self.answer(ask, &mut closers);
            }
            if closing || !saved {
                break;
            }
        }
        self.end(saved, closers);
    }

    /// Makes everything appended durable and leaves the rest in `asks`. False when closing while the disk refuses.
    fn turn(&mut self, requests: &mut VecDeque<Request>, asks: &mut Vec<Ask>) -> bool {
        let mut saved = true;
        for request in requests.drain(..) {
            match request {
                Request::Append(append) => {
                    self.admit(append);
                    if self.batch.bytes >= self.limits.commit_bytes() {
                        saved = saved && self.commit();
                    }
                }
                Request::Ask(ask) => asks.push(ask),
            }
        }
        saved && self.commit()
    }

    fn admit(&mut self, append: Append) {
        match self.accept(&append) {
            Ok(()) => {
                self.batch.bytes += append.bytes();
                self.batch.appends.push(append);
            }
            Err(refused) => {
                self.shared.settled(append.bytes());
                self.shared.refused();
                let DocumentKey { org, project, document } = &*append.key;
                tracing::error!(%org, %project, %document, %refused, "an append is refused; its caller has a defect");
            }
        }
    }

    fn accept(&mut self, append: &Append) -> Result<(), Refused> {
        if append.updates.is_empty() {
            return Err(Refused::Empty);
        }
        let bytes = append.bytes();
        if bytes > StoreLimits::COMMIT_BYTES_MAX || append.updates.iter().any(|update| update.len() > PAYLOAD_BYTES_MAX)
        {
            return Err(Refused::TooLarge { bytes });
        }
        self.look_up_for_append(&append.key)?;
        self.index.accept(&append.key, append.epoch, append.first_seq, append.updates.len())
    }

    /// A document that was loaded is in the index. For another one the system may refuse now, with too many files open, and
    /// not later: an append cannot fail for that.
    fn look_up_for_append(&mut self, key: &Arc<DocumentKey>) -> Result<(), Refused> {
        let mut backoff = Backoff::new(&self.limits);
        loop {
            match self.look_up(key) {
                Ok(_) => return Ok(()),
                Err(ReadError::Corrupt(error)) => return Err(Refused::Unreadable(error.to_string())),
                Err(error @ (ReadError::File(_) | ReadError::Object(_))) => {
                    self.shared.failed(&error);
                    if self.inbox.pause(backoff.next()) {
                        return Err(Refused::Unreadable(error.to_string()));
                    }
                }
            }
        }
    }

    /// Enters a document that only has a snapshot, or nothing, into the index.
    fn look_up(&mut self, key: &Arc<DocumentKey>) -> Result<&mut Document, ReadError> {
        if !self.index.documents.contains_key(key) {
            let covered = self.shelf.covered(key)?;
            self.index.documents.insert(Arc::clone(key), Document::new(covered));
        }
        Ok(self.index.documents.get_mut(key).expect("it was just entered"))
    }

    /// Retries until the batch is durable, or gives up when closing.
    fn commit(&mut self) -> bool {
        if self.batch.appends.is_empty() {
            return true;
        }
        self.batch.next_commit = Some(Instant::now() + self.limits.commit_interval());
        let mut backoff = Backoff::new(&self.limits);
        let mut last_attempt = false;
        let written = loop {
            match self.writer.write(&self.batch.appends, || self.index.fences()) {
                Ok(written) => break written,
                Err(error) => self.shared.failed(&error),
            }
            if last_attempt {
                return false;
            }
            last_attempt = self.inbox.pause(backoff.next());
        };
        let mut places = self.writer.places();
        for append in &self.batch.appends {
            let document = self.index.documents.get_mut(&append.key).expect("accepted documents are in the index");
            document.records.extend(places.by_ref().take(append.updates.len()));
        }
        drop(places);
        self.shared.settled(mem::take(&mut self.batch.bytes));
        let records = self.batch.appends.iter().map(|append| append.updates.len()).sum();
        self.shared.committed(records, written.bytes, written.fsync);
        for append in self.batch.appends.drain(..) {
            let last_seq = append.first_seq + (append.updates.len() - 1) as u64;
            let durable = append.durable;
            if catch_unwind(AssertUnwindSafe(|| durable(last_seq))).is_err() {
                tracing::error!(document = %append.key, "the receiver of an acknowledgement panicked");
            }
        }
        true
    }

    /// Called when everything appended before is durable. A reply that nobody waits for any more is dropped.
    fn answer(&mut self, ask: Ask, closers: &mut Vec<oneshot::Sender<Result<(), CloseError>>>) {
        match ask {
            Ask::Load { key, reply } => drop(reply.send(self.plan(key).map_err(LoadError::from))),
            Ask::Store(snapshot) => self.store(snapshot),
            Ask::Documents { org, reply } => drop(reply.send(self.index.documents_of(org))),
            Ask::Stored { key, covers_seq } => self.stored(&key, covers_seq),
            Ask::FoldEnded { key, done } => self.upkeep.fold_ended(key, done),
            Ask::Close { reply } => closers.push(reply),
        }
    }

    fn plan(&mut self, key: Arc<DocumentKey>) -> Result<Plan, ReadError> {
        let document = self.look_up(&key)?;
        let (covered, records) = (document.covered, Vec::from_iter(document.records.iter().copied()));
        document.in_use = true;
        if covered == 0 && records.is_empty() {
            // Documents that were opened and never written leave nothing behind.
            self.index.documents.remove(&key);
        }
        let segments = records.first().map(|first| self.writer.segments_from(first.segment)).unwrap_or_default();
        Ok(Plan { key, covered, records, segments })
    }

    /// The plan to fold a document, without which it would not be looked at again.
    pub(super) fn fold_job(&mut self, key: &Arc<DocumentKey>) -> Option<Job> {
        let document = self.index.documents.get(key)?;
        let first = document.records.front()?;
        let segments = self.writer.segments_from(first.segment);
        let records = document.records.iter().copied().collect();
        let stamp = self.stamp(key, document.durable());
        let plan = Plan { key: Arc::clone(key), covered: document.covered, records, segments };
        Some(Job::Fold(Fold { plan, stamp }))
    }

    fn store(&mut self, snapshot: NewSnapshot) {
        let NewSnapshot { key, covers_seq, state, reply, permit } = snapshot;
        let (covered, last_seq) = match self.look_up(&key) {
            Ok(document) => (document.covered, document.durable()),
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        if covers_seq > last_seq {
            drop(reply.send(Err(SnapshotError::Ahead { covers_seq, last_seq })));
        } else if covers_seq < covered {
            drop(reply.send(Ok(())));
        } else {
            let stamp = self.stamp(&key, covers_seq);
            // The archive outlives this thread's loop; a push cannot fail.
            drop(self.archive.push(Job::Snapshot { key, stamp, state, reply, permit }));
        }
    }

    fn stamp(&self, key: &DocumentKey, seq: u64) -> Stamp {
        let epoch = self.index.epochs.get(&key.org).copied().unwrap_or(0);
        Stamp { kind: RecordKind::Snapshot, position: 0, epoch, seq, time_ms: now_ms() }
    }

    fn stored(&mut self, key: &Arc<DocumentKey>, covers_seq: u64) {
        let Some(document) = self.index.documents.get_mut(key) else { return };
        for location in document.cover(covers_seq) {
            self.writer.release(location);
        }
        if document.records.is_empty() && !document.in_use {
            self.index.documents.remove(key);
        }
    }

    fn end(self, saved: bool, mut closers: Vec<oneshot::Sender<Result<(), CloseError>>>) {
        for request in self.inbox.shut() {
            if let Request::Ask(Ask::Close { reply }) = request {
                closers.push(reply);
            }
        }
        let outcome = if saved {
            Ok(())
        } else {
            let status = self.shared.status();
            let error = match status.health {
                Health::Degraded { error, .. } => error,
                Health::Healthy => String::new(),
            };
            tracing::error!(bytes = status.queued_bytes, %error, "the store closes with unsaved updates");
            Err(CloseError::Unsaved { bytes: status.queued_bytes, error })
        };
        self.archive.close();
        if self.archive_thread.join().is_err() {
            tracing::error!("the archive's thread panicked");
        }
        // Whoever waits may unmount the folder, or let another process have it.
        drop(self.writer);
        drop(self.lock);
        for reply in closers {
            drop(reply.send(outcome.clone()));
        }
    }
}
