//! What of a stored document could not be applied when it was loaded. It was acknowledged once, so it stays stored: no
//! snapshot holds it, hence none may cover it. Behind it the journal would grow for as long as somebody writes; so it is
//! appended again, at the end, and a snapshot then covers everything before. Whatever loads the document next, maybe a later
//! version, tries it again.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Effect, Room};
use crate::{document::Quarantined, record::StoredDocument};

/// Updates that are stored, and not in the document.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// With their sequences, ascending.
    updates: Vec<(u64, Bytes)>,
}

impl LeftOut {
    /// Those of `stored` that are `quarantined`. One may lie there twice, because a process ended after it was appended again
    /// and before the snapshot: then the last counts, and a snapshot may cover the others.
    pub(super) fn of(stored: &StoredDocument, quarantined: &[Quarantined]) -> Self {
        let first_seq = stored.last_seq + 1 - stored.updates.len() as u64;
        let mut positions: Vec<usize> = quarantined.iter().filter_map(|left_out| left_out.position).collect();
        positions.sort_unstable();
        let last: BTreeMap<&Bytes, u64> =
            positions.into_iter().map(|at| (&stored.updates[at], first_seq + at as u64)).collect();
        let mut updates: Vec<_> = last.into_iter().map(|(update, seq)| (seq, update.clone())).collect();
        updates.sort_unstable_by_key(|&(seq, _)| seq);
        Self { updates }
    }

    pub(super) fn len(&self) -> u64 {
        self.updates.len() as u64
    }

    fn first_seq(&self) -> Option<u64> {
        self.updates.first().map(|&(seq, _)| seq)
    }

    fn last_seq(&self) -> Option<u64> {
        self.updates.last().map(|&(seq, _)| seq)
    }
}

impl Room {
    /// Whether the store has more of the document beside its snapshot than has to lie there.
    pub(super) fn lacks_snapshot(&self) -> bool {
        self.left_out_is_covered() || self.last_seq - self.snapshot_seq > self.left_out.len()
    }

    /// What the next snapshot may cover now, if there is any use in one.
    pub(super) fn coverable(&self) -> Option<u64> {
        let covers_seq = match (self.left_out.first_seq(), self.left_out.last_seq()) {
            // Appended again, and not durable yet.
            (_, Some(last)) if last > self.durable_seq => return None,
            (Some(first), _) => first - 1,
            (None, _) => self.durable_seq,
        };
        (covers_seq > self.snapshot_seq).then_some(covers_seq)
    }

    /// Appends again what was left out, if it keeps a snapshot from covering anything.
    pub(super) fn append_left_out(&mut self, effects: &mut Vec<Effect>) {
        let is_durable = self.left_out.last_seq().is_some_and(|last| last <= self.durable_seq);
        let is_in_the_way = self.left_out_is_covered() || self.durable_seq - self.snapshot_seq > self.left_out.len();
        if !is_durable || !is_in_the_way {
            return;
        }
        for (seq, update) in &mut self.left_out.updates {
            self.last_seq += 1;
            *seq = self.last_seq;
            effects.push(Effect::Append { first_seq: self.last_seq, updates: vec![update.clone()] });
        }
    }

    /// A snapshot that was under way when the document had to be loaded again still held them. The next one will not.
    fn left_out_is_covered(&self) -> bool {
        self.left_out.first_seq().is_some_and(|first| first <= self.snapshot_seq)
    }
}
