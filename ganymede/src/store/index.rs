//! What lies where: for each document the records after its snapshot, for each organization its newest epoch. Owns the rule of
//! what may follow; reads and writes nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use orrery_protocol::id::{DocumentKey, OrgId};

/// Where a record lies. Segments are bounded so that 32 bits suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// One document that has records, or that was used since the store opened.
#[derive(Debug)]
pub(super) struct Document {
    /// The snapshot on disk covers updates up to this one.
    pub(super) covered: u64,
    /// The last update accepted. Its record may be on its way to the disk.
    pub(super) accepted: u64,
    /// The records from `covered + 1` on, without gaps, durable.
    pub(super) records: VecDeque<Location>,
    /// Somebody loaded it or appended to it, and will again: forgetting it would cost a read.
    pub(super) in_use: bool,
}

impl Document {
    pub(super) fn new(covered: u64) -> Self {
        Self { covered, accepted: covered, records: VecDeque::new(), in_use: false }
    }

    /// Forgets the records that a snapshot covers, and hands them out.
    pub(super) fn cover(&mut self, seq: u64) -> impl Iterator<Item = Location> {
        let count = usize::try_from(seq.saturating_sub(self.covered)).unwrap_or(usize::MAX).min(self.records.len());
        self.covered = self.covered.max(seq);
        self.accepted = self.accepted.max(seq);
        self.records.drain(..count)
    }

    /// The last update that is durable.
    pub(super) fn durable(&self) -> u64 {
        self.covered + self.records.len() as u64
    }
}

/// Why an append is not taken. Each is a defect of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("epoch {given} is older than epoch {newest} of the organization")]
    StaleEpoch { given: u64, newest: u64 },
    #[error("update {given} does not follow update {last}")]
    Gap { given: u64, last: u64 },
    #[error("{bytes} bytes in one append")]
    TooLarge { bytes: usize },
    #[error("no updates in the append")]
    Empty,
    #[error("the document cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) documents: HashMap<Arc<DocumentKey>, Document>,
    pub(super) epochs: HashMap<OrgId, u64>,
}

impl Index {
    /// Takes an append of `count` updates from `first_seq` on into the numbering, or says why not.
    pub(super) fn accept(
        &mut self,
        key: &DocumentKey,
        epoch: u64,
        first_seq: u64,
        count: usize,
    ) -> Result<(), Refused> {
        let newest = self.epochs.get(&key.org).copied().unwrap_or(0);
        if epoch < newest {
            return Err(Refused::StaleEpoch { given: epoch, newest });
        }
        let Some(document) = self.documents.get_mut(key) else {
            return Err(Refused::Unreadable("it was never looked up".to_owned()));
        };
        if document.accepted.checked_add(1) != Some(first_seq) {
            return Err(Refused::Gap { given: first_seq, last: document.accepted });
        }
        document.accepted += count as u64;
        document.in_use = true;
        if epoch > newest {
            self.epochs.insert(key.org, epoch);
        }
        Ok(())
    }

    /// The documents of an organization that have records.
    pub(super) fn documents_of(&self, org: OrgId) -> Vec<DocumentKey> {
        let held = self.documents.iter().filter(|(key, document)| key.org == org && !document.records.is_empty());
        held.map(|(key, _)| DocumentKey::clone(key)).collect()
    }

    pub(super) fn fence(&mut self, org: OrgId, epoch: u64) {
        let newest = self.epochs.entry(org).or_default();
        *newest = epoch.max(*newest);
    }

    /// The epochs in a fixed order, for the header of a segment.
    pub(super) fn fences(&self) -> Vec<(OrgId, u64)> {
        let mut fences: Vec<_> = self.epochs.iter().map(|(org, epoch)| (*org, *epoch)).collect();
        fences.sort_unstable();
        fences
    }
}
