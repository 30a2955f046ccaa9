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
    error::SnapshotError,
    inbox::Inbox,
    journal::{Ask, Request},
    options::Merge,
    plan::Plan,
    snapshot::Snapshots,
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
    Fold {
        plan: Plan,
        /// Of the snapshot that is to come of it.
        stamp: Stamp,
    },
}

pub(super) struct Archive {
    pub(super) inbox: Arc<Inbox<Job>>,
    pub(super) journal: Arc<Inbox<Request>>,
    pub(super) snapshots: Snapshots,
    pub(super) merge: Arc<Merge>,
    pub(super) shared: Arc<Shared>,
}

impl Archive {
    pub(super) fn run(self) {
        let mut jobs = VecDeque::new();
        loop {
            let now = Instant::now();
            let closing = self.inbox.take(&mut jobs, now, now + IDLE);
            for job in jobs.drain(..) {
                self.perform(job, closing);
            }
            if closing {
                return;
            }
        }
    }

    fn perform(&self, job: Job, closing: bool) {
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
            Job::Fold { .. } if closing => {}
            Job::Fold { plan, stamp } => {
                let outcome = self.fold(&plan, stamp);
                let key = plan.key;
                let done = outcome.is_ok();
                match outcome {
                    Ok(()) => {
                        self.shared.folded();
                        self.tell(Ask::Stored { key: Arc::clone(&key), covers_seq: stamp.seq });
                    }
                    Err(error) => {
                        self.shared.fold_failed();
                        let DocumentKey { org, project, document } = &*key;
                        tracing::error!(%org, %project, %document, %error, "a document cannot be folded");
                    }
                }
                self.tell(Ask::FoldEnded { key, done });
            }
        }
    }

    /// A room's snapshot takes the place of one that covers as much, because a room may re-create a document, but never of one
    /// that covers more.
    fn store(&self, key: &DocumentKey, stamp: Stamp, state: &Bytes) -> Result<(), SnapshotError> {
        self.merge(Some(state), &[])?;
        if self.snapshots.covered(key)? > stamp.seq {
            return Ok(());
        }
        self.snapshots.write(key, stamp, state)
    }

    fn fold(&self, plan: &Plan, stamp: Stamp) -> Result<(), SnapshotError> {
        let stored = plan.read(&self.snapshots)?;
        if stored.updates.is_empty() {
            return Ok(());
        }
        let state = self.merge(stored.snapshot.as_deref(), &stored.updates)?;
        self.merge(Some(&state), &[])?;
        self.snapshots.write(&plan.key, Stamp { seq: stored.last_seq, ..stamp }, &state)
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
