//! What may be configured of the store. Owns the defaults and their bounds.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Builds the state of a document from a snapshot and the updates after it. The store knows nothing of Yjs; this does.
///
/// It must refuse a snapshot that it cannot read: the store calls it with every new snapshot before the old one and its
/// records go.
pub type Merge = dyn Fn(Option<&[u8]>, &[Bytes]) -> Result<Bytes, Box<dyn Error + Send + Sync>> + Send + Sync;

/// Sizes and clocks of the store. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreLimits {
    /// Under load, the shortest time between the starts of two commits, in milliseconds. At most 1,000.
    pub commit_interval_ms: u64,
    /// Most bytes of one write to the journal, unless a single append is larger.
    pub commit_bytes_max: usize,
    /// A segment that has reached this size is followed by a new one. At most 1 GiB.
    pub segment_bytes: u64,
    /// Above this size of the whole journal, documents that hold old segments are folded at once. Never enforced by
    /// losing or refusing anything: a document that cannot be folded keeps its segments.
    pub journal_bytes_max: u64,
    /// Documents that still hold a segment this long after it was filled are folded, in milliseconds. At most 30 days.
    pub fold_after_ms: u64,
    /// Longest pause between two attempts of a failing write, in milliseconds. At most 60,000.
    pub retry_delay_ms_max: u64,
    /// Most documents being read at once.
    pub loads_max: usize,
    /// Most snapshots waiting to be written.
    pub snapshots_queued_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            commit_interval_ms: 30,
            commit_bytes_max: 8 << 20,
            segment_bytes: 64 << 20,
            journal_bytes_max: 512 << 20,
            fold_after_ms: 300_000,
            retry_delay_ms_max: 5_000,
            loads_max: 64,
            snapshots_queued_max: 32,
        }
    }
}

impl StoreLimits {
    /// Offsets within a segment are 32 bits wide; a segment may exceed its size by one write.
    const SEGMENT_BYTES_MAX: u64 = 1 << 30;
    pub(super) const COMMIT_BYTES_MAX: usize = 1 << 30;

    pub(super) const fn segment_bytes(&self) -> u64 {
        at_most(self.segment_bytes, Self::SEGMENT_BYTES_MAX)
    }

    pub(super) const fn commit_bytes(&self) -> usize {
        if self.commit_bytes_max > Self::COMMIT_BYTES_MAX { Self::COMMIT_BYTES_MAX } else { self.commit_bytes_max }
    }

    pub(super) const fn commit_interval(&self) -> Duration {
        Duration::from_millis(at_most(self.commit_interval_ms, 1_000))
    }

    pub(super) const fn fold_after(&self) -> Duration {
        Duration::from_millis(at_most(self.fold_after_ms, 30 * 24 * 3_600_000))
    }

    pub(super) const fn retry_delay_max(&self) -> Duration {
        Duration::from_millis(at_most(self.retry_delay_ms_max, 60_000))
    }
}

const fn at_most(value: u64, max: u64) -> u64 {
    if value > max { max } else { value }
}

/// Everything a store needs beside its folder.
#[derive(Clone)]
pub struct StoreOptions {
    /// Sizes and clocks.
    pub limits: StoreLimits,
    /// How a document is built from what is stored of it.
    pub merge: Arc<Merge>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}
