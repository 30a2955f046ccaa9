//! Keeps the journal short: removes segments that snapshots cover, and has documents folded that would hold one for ever
//! because nobody opens them. Owns when and which, not how.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orrery_protocol::id::DocumentKey;

use super::journal::Journal;

/// Between looks at a journal that needs none.
const IDLE: Duration = Duration::from_secs(3600);
const NEXT_ROUND: Duration = Duration::from_secs(1);
/// After a round in which something failed.
const RETRY: Duration = Duration::from_secs(30);

/// Where the folding stands.
#[derive(Default)]
pub(super) struct Upkeep {
    /// One document at a time is with the archive.
    folding: bool,
    /// A fold of this round failed.
    failed: bool,
    /// Documents still to fold in this round; the oldest segment's are last.
    round: Vec<Arc<DocumentKey>>,
    not_before: Option<Instant>,
}

impl Upkeep {
    pub(super) const fn fold_ended(&mut self, done: bool) {
        self.folding = false;
        self.failed |= !done;
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
        let next_due = self.writer.filled().filter(|held| held.live > 0).map(|held| held.filled_at).min();
        let Some(filled_at) = next_due.filter(|_| !self.upkeep.folding) else { return now + IDLE };
        let due = if too_large { now } else { filled_at + self.limits.fold_after() };
        let due = self.upkeep.not_before.map_or(due, |not_before| not_before.max(due));
        if due > now {
            return due;
        }
        if self.upkeep.round.is_empty() && self.upkeep.failed {
            self.upkeep.failed = false;
            self.upkeep.not_before = Some(now + RETRY);
            tracing::warn!("some documents cannot be folded; their part of the journal is kept");
            return now + RETRY;
        }
        self.upkeep.not_before = None;
        self.fold_next(now, too_large);
        // A round may end without a job, because the rest got snapshots of their own; the next one may have some.
        if self.upkeep.folding { now + IDLE } else { now + NEXT_ROUND }
    }

    fn fold_next(&mut self, now: Instant, too_large: bool) {
        let fold_after = self.limits.fold_after();
        let due = self.writer.filled().take_while(|held| too_large || held.filled_at + fold_after <= now);
        let Some(last_due) = due.last().map(|held| held.segment.number()) else { return };
        if self.upkeep.round.is_empty() {
            let held = self.index.documents.iter().filter_map(|(key, document)| {
                let first = document.records.front()?.segment;
                (first <= last_due).then(|| (first, Arc::clone(key)))
            });
            let mut held: Vec<_> = held.collect();
            held.sort_unstable_by(|a, b| b.cmp(a));
            self.upkeep.round = held.into_iter().map(|(_, key)| key).collect();
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
}
