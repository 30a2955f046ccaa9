//! The archive's thread: verifies and writes snapshots, folds documents. Owns the order of snapshots of one document, because
//! it is the only one that writes them. A large document holds up other snapshots, never a commit.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use orrery_protocol::{id::DocumentKey, record::Stamp};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    error::{ReadError, SnapshotError},
    inbox::Inbox,
    journal::{Ask, Request},
    options::Merge,
    outage::Outage,
    plan::Plan,
    shelf::SnapshotShelf,
    status::Shared,
};

const IDLE: Duration = Duration::from_secs(3600);

pub(super) enum Job {
    Snapshot {
        key: Arc<DocumentKey>,
        stamp: Stamp,
        state: Bytes,
        reply: oneshot::Sender<Result<(), SnapshotError>>,
        permit: OwnedSemaphorePermit,
    },
    Fold(Fold),
}

/// A document that is to become a snapshot.
pub(super) struct Fold {
    pub(super) plan: Plan,
    /// Of the snapshot that is to come of it.
    pub(super) stamp: Stamp,
}

pub(super) struct Archive {
    pub(super) inbox: Arc<Inbox<Job>>,
    pub(super) journal: Arc<Inbox<Request>>,
    pub(super) shelf: Arc<dyn SnapshotShelf>,
    pub(super) outage: Outage,
    /// The fold under way, while the service that keeps snapshots is away.
    pub(super) waiting: Option<Fold>,
    pub(super) merge: Arc<Merge>,
    pub(super) shared: Arc<Shared>,
}

impl Archive {
    pub(super) fn run(mut self) {
        let mut jobs = VecDeque::new();
        loop {
            let now = Instant::now();
            let retry_at = self.outage.retry_at().filter(|_| self.waiting.is_some());
            let closing = self.inbox.take(&mut jobs, now, retry_at.unwrap_or(now + IDLE));
            for job in jobs.drain(..) {
                self.perform(job, closing);
            }
            if closing {
                return;
            }
            self.try_again();
        }
    }

    fn perform(&mut self, job: Job, closing: bool) {
        match job {
            Job::Snapshot { key, stamp, state, reply, permit } => {
                let outcome = self.store(&key, stamp, &state);
                drop(permit);
                if outcome.is_ok() {
                    metrics::counter!("orrery_store_snapshots_total").increment(1);
                    self.tell(Ask::Stored { key, covers_seq: stamp.seq });
                }
                drop(reply.send(outcome));
            }
            // It will be folded after the next start.
            Job::Fold(_) if closing => {}
            Job::Fold(fold) => self.fold(fold),
        }
    }

    /// A room's snapshot takes the place of one that covers as much, because a room may re-create a document, but never of one
    /// that covers more. A room makes its next one by itself: it is told of a failure at once, and a gateway can let go of an
    /// organization whatever becomes of the service. What was not stored is folded later.
    fn store(&mut self, key: &DocumentKey, stamp: Stamp, state: &Bytes) -> Result<(), SnapshotError> {
        self.outage.check(Instant::now())?;
        self.merge(Some(state), &[])?;
        if self.shelf.covered(key)? > stamp.seq {
            return Ok(());
        }
        let written = self.shelf.write(key, &stamp, state);
        self.notice(&written);
        written
    }

    fn try_again(&mut self) {
        if self.outage.retry_at().is_none_or(|retry_at| retry_at <= Instant::now())
            && let Some(fold) = self.waiting.take()
        {
            self.fold(fold);
        }
    }

    /// Nobody comes back with a fold but this thread.
    fn fold(&mut self, fold: Fold) {
        let outcome = self.write_folded(&fold);
        self.notice(&outcome);
        let key = Arc::clone(&fold.plan.key);
        let done = outcome.is_ok();
        match outcome {
            Ok(()) => {
                self.shared.folded();
                self.tell(Ask::Stored { key: Arc::clone(&key), covers_seq: fold.stamp.seq });
            }
            Err(SnapshotError::Read(ReadError::Object(_))) => {
                self.waiting = Some(fold);
                return;
            }
            Err(error) => {
                self.shared.fold_failed();
                let DocumentKey { org, project, document } = &*key;
                tracing::error!(%org, %project, %document, %error, "a document cannot be folded");
            }
        }
        self.tell(Ask::FoldEnded { key, done });
    }

    fn write_folded(&self, Fold { plan, stamp }: &Fold) -> Result<(), SnapshotError> {
        let stored = plan.read(&*self.shelf)?;
        if stored.updates.is_empty() {
            return Ok(());
        }
        let state = self.merge(stored.snapshot.as_deref(), &stored.updates)?;
        self.merge(Some(&state), &[])?;
        self.shelf.write(&plan.key, &Stamp { seq: stored.last_seq, ..*stamp }, &state)
    }

    /// Keeps in mind whether the service that keeps snapshots is there.
    fn notice(&mut self, outcome: &Result<(), SnapshotError>) {
        match outcome {
            Err(SnapshotError::Read(ReadError::Object(error))) => {
                self.shared.snapshots_failed(error);
                self.outage.failed(error, Instant::now());
            }
            Ok(()) if self.outage.ended() => self.shared.snapshots_recovered(),
            Ok(()) | Err(_) => {}
        }
    }

    /// A panic in here is the fault of one document.
    fn merge(&self, snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, SnapshotError> {
        match catch_unwind(AssertUnwindSafe(|| (self.merge)(snapshot, updates))) {
            Ok(merged) => merged.map_err(|error| SnapshotError::Unreadable(error.to_string())),
            Err(_) => Err(SnapshotError::Unreadable("merging panicked".to_owned())),
        }
    }

    fn tell(&self, ask: Ask) {
        // A journal that has ended reads the snapshots at its next start.
        drop(self.journal.push(Request::Ask(ask)));
    }
}
