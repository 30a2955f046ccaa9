//! Keeps the journal short: removes segments that snapshots cover, and has documents folded that would hold one for ever
//! because nobody opens them. Owns when and which, not how.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use orrery_protocol::id::DocumentKey;

use super::journal::Journal;

/// Between looks at a journal that needs none.
const IDLE: Duration = Duration::from_secs(3600);
/// Between looks at a journal that cannot be made shorter now.
const NEXT_ROUND: Duration = Duration::from_secs(1);
/// After something failed.
const RETRY: Duration = Duration::from_secs(30);

/// Where the folding stands.
#[derive(Default)]
pub(super) struct Upkeep {
    /// One document at a time is with the archive.
    folding: bool,
    /// Documents still to fold in this round; the oldest segment's are last.
    round: Vec<Arc<DocumentKey>>,
    /// Documents that could not be folded, and when they are tried again. They hold up nobody else.
    failed: HashMap<Arc<DocumentKey>, Instant>,
}

impl Upkeep {
    pub(super) fn fold_ended(&mut self, key: Arc<DocumentKey>, done: bool) {
        self.folding = false;
        if done {
            self.failed.remove(&key);
        } else {
            self.failed.insert(key, Instant::now() + RETRY);
        }
    }
}

impl Journal {
    /// Does what is due and says when to look again.
    pub(super) fn upkeep(&mut self, now: Instant) -> Instant {
        let too_large = self.writer.bytes() > self.limits.journal_bytes_max;
        if let Err(error) = self.writer.remove_covered(too_large) {
            tracing::warn!(%error, "a segment that is not needed any more could not be removed");
            return now + RETRY;
        }
        self.shared.journal(self.writer.count(), self.writer.bytes());
        let oldest = self.writer.filled().filter(|held| held.live > 0).map(|held| held.filled_at).min();
        let Some(filled_at) = oldest.filter(|_| !self.upkeep.folding) else { return now + IDLE };
        let due = if too_large { now } else { filled_at + self.limits.fold_after() };
        if due > now {
            return due;
        }
        self.fold_next(now, too_large);
        if self.upkeep.folding { now + IDLE } else { now + NEXT_ROUND }
    }

    fn fold_next(&mut self, now: Instant, too_large: bool) {
        let fold_after = self.limits.fold_after();
        let due = self.writer.filled().take_while(|held| too_large || held.filled_at + fold_after <= now);
        let Some(last_due) = due.last().map(|held| held.segment.number()) else { return };
        if self.upkeep.round.is_empty() {
            self.upkeep.round = self.round(now, last_due);
        }
        while let Some(key) = self.upkeep.round.pop() {
            let first = self.index.documents.get(&key).and_then(|document| document.records.front());
            // It may have got a snapshot of its own meanwhile.
            if first.is_some_and(|first| first.segment <= last_due)
                && let Some(job) = self.fold_job(&key)
            {
                self.upkeep.folding = self.archive.push(job).is_ok();
                return;
            }
        }
    }

    /// The documents that hold a segment up to `last_due`.
    fn round(&self, now: Instant, last_due: u64) -> Vec<Arc<DocumentKey>> {
        let holders = self.index.documents.iter().filter_map(|(key, document)| {
            let first = document.records.front()?.segment;
            let resting = self.upkeep.failed.get(key).is_some_and(|retry_at| *retry_at > now);
            (first <= last_due && !resting).then(|| (first, Arc::clone(key)))
        });
        let mut holders = Vec::from_iter(holders);
        holders.sort_unstable_by(|a, b| b.cmp(a));
        holders.into_iter().map(|(_, key)| key).collect()
    }
}
