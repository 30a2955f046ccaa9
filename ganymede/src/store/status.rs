//! How the store is doing, for health checks and metrics. Owns the numbers that other threads may see.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

/// Whether what must be written can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Healthy,
    /// It cannot. Nothing of it is acknowledged; attempts go on.
    Degraded {
        /// Since when.
        since: SystemTime,
        /// What the system said last.
        error: String,
        /// Failed attempts so far.
        attempts: u64,
    },
}

impl Health {
    /// Counts a failed attempt.
    fn fail(&mut self, error: &dyn Error) -> u64 {
        let (since, before) = match self {
            Self::Healthy => (SystemTime::now(), 0),
            Self::Degraded { since, attempts, .. } => (*since, *attempts),
        };
        *self = Self::Degraded { since, error: error.to_string(), attempts: before + 1 };
        before + 1
    }
}

/// How the store is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// Whether updates reach the disk.
    pub health: Health,
    /// Whether a service that keeps snapshots can be reached. While it cannot, updates are saved as ever, the journal grows
    /// and attempts go on.
    pub snapshots: Health,
    /// Bytes of updates appended and not yet durable.
    pub queued_bytes: usize,
    /// Files of the journal.
    pub segments: usize,
    /// Size of the journal, in bytes.
    pub journal_bytes: u64,
    /// Duration of the last fsync of the journal.
    pub last_fsync: Duration,
    /// Commits since the store opened.
    pub commits: u64,
    /// Appends refused since the store opened, each a defect of its caller.
    pub refused: u64,
    /// Documents folded since the store opened.
    pub folds: u64,
    /// Failed attempts to fold a document since the store opened.
    pub fold_failures: u64,
}

#[derive(Debug)]
pub(super) struct Shared {
    health: Mutex<Health>,
    snapshots: Mutex<Health>,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) segments: AtomicUsize,
    pub(super) journal_bytes: AtomicU64,
    pub(super) last_fsync_us: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) folds: AtomicU64,
    pub(super) fold_failures: AtomicU64,
}

impl Shared {
    pub(super) const fn new() -> Self {
        Self {
            health: Mutex::new(Health::Healthy),
            snapshots: Mutex::new(Health::Healthy),
            queued_bytes: AtomicUsize::new(0),
            segments: AtomicUsize::new(0),
            journal_bytes: AtomicU64::new(0),
            last_fsync_us: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            folds: AtomicU64::new(0),
            fold_failures: AtomicU64::new(0),
        }
    }

    pub(super) fn status(&self) -> StoreStatus {
        StoreStatus {
            health: self.health.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            snapshots: self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            queued_bytes: self.queued_bytes.load(Relaxed),
            segments: self.segments.load(Relaxed),
            journal_bytes: self.journal_bytes.load(Relaxed),
            last_fsync: Duration::from_micros(self.last_fsync_us.load(Relaxed)),
            commits: self.commits.load(Relaxed),
            refused: self.refused.load(Relaxed),
            folds: self.folds.load(Relaxed),
            fold_failures: self.fold_failures.load(Relaxed),
        }
    }

    pub(super) fn queued(&self, bytes: usize) {
        self.queued_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn settled(&self, bytes: usize) {
        self.queued_bytes.fetch_sub(bytes, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
        metrics::counter!("orrery_store_refused_appends_total").increment(1);
    }

    pub(super) fn journal(&self, segments: usize, bytes: u64) {
        self.segments.store(segments, Relaxed);
        self.journal_bytes.store(bytes, Relaxed);
        metrics::gauge!("orrery_store_segments").set(segments as f64);
        metrics::gauge!("orrery_store_journal_bytes").set(bytes as f64);
    }

    pub(super) fn committed(&self, records: usize, bytes: usize, fsync: Duration) {
        self.commits.fetch_add(1, Relaxed);
        self.last_fsync_us.store(u64::try_from(fsync.as_micros()).unwrap_or(u64::MAX), Relaxed);
        metrics::counter!("orrery_store_commits_total").increment(1);
        metrics::counter!("orrery_store_records_total").increment(records as u64);
        metrics::counter!("orrery_store_written_bytes_total").increment(bytes as u64);
        metrics::histogram!("orrery_store_fsync_seconds").record(fsync.as_secs_f64());
        metrics::gauge!("orrery_store_queued_bytes").set(self.queued_bytes.load(Relaxed) as f64);
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Health::Degraded { attempts, .. } = &*health {
            tracing::info!(attempts, "the store writes again");
            *health = Health::Healthy;
            metrics::gauge!("orrery_store_degraded").set(0.0);
        }
    }

    /// One failed attempt. Only the first of a row is worth a warning.
    pub(super) fn failed(&self, error: &dyn Error) {
        metrics::counter!("orrery_store_write_failures_total").increment(1);
        metrics::gauge!("orrery_store_degraded").set(1.0);
        match self.health.lock().unwrap_or_else(PoisonError::into_inner).fail(error) {
            1 => tracing::error!(%error, "the store cannot write; updates are kept in memory and retried"),
            attempts => tracing::debug!(%error, attempts, "the store still cannot write"),
        }
    }

    /// One failed attempt to reach the service that keeps snapshots.
    pub(super) fn snapshots_failed(&self, error: &dyn Error) {
        metrics::counter!("orrery_store_snapshot_failures_total").increment(1);
        metrics::gauge!("orrery_store_snapshots_degraded").set(1.0);
        match self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).fail(error) {
            1 => tracing::error!(%error, "snapshots cannot be stored; updates are saved in the journal, which grows"),
            attempts => tracing::debug!(%error, attempts, "snapshots still cannot be stored"),
        }
    }

    pub(super) fn snapshots_recovered(&self) {
        tracing::info!("snapshots are stored again");
        metrics::gauge!("orrery_store_snapshots_degraded").set(0.0);
        *self.snapshots.lock().unwrap_or_else(PoisonError::into_inner) = Health::Healthy;
    }

    pub(super) fn folded(&self) {
        self.folds.fetch_add(1, Relaxed);
        metrics::counter!("orrery_store_folds_total").increment(1);
    }

    pub(super) fn fold_failed(&self) {
        self.fold_failures.fetch_add(1, Relaxed);
        metrics::counter!("orrery_store_fold_failures_total").increment(1);
    }
}
