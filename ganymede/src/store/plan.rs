//! Reading one document: a list of places, made by the journal's thread and read by another, so that a large document does
//! not hold up commits.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use orrery_protocol::{
    id::DocumentKey,
    record::{self, StoredDocument},
};

use super::{
    error::{Corruption, ReadError},
    index::Location,
    segment::Segment,
    shelf::SnapshotShelf,
};

/// Records closer together than this are read with one call.
const GAP_BYTES_MAX: u32 = 4 << 10;
/// Most bytes read with one call, unless a single record is larger.
const READ_BYTES_MAX: u32 = 256 << 10;

/// All that the journal holds of one document at one moment.
pub(super) struct Plan {
    pub(super) key: Arc<DocumentKey>,
    /// What the snapshot covered at that moment. A newer one may have taken its place since.
    pub(super) covered: u64,
    pub(super) records: Vec<Location>,
    /// The segments of those records, in order; the first has the lowest number.
    pub(super) segments: VecDeque<Arc<Segment>>,
}

impl Plan {
    /// Blocks on the disk, and on whatever keeps the snapshots.
    pub(super) fn read(&self, shelf: &dyn SnapshotShelf) -> Result<StoredDocument, ReadError> {
        let (covered, snapshot) = shelf.read(&self.key)?.map_or((0, None), |(seq, state)| (seq, Some(state)));
        if covered < self.covered {
            let reason = format!("its snapshot covers update {covered}, a newer one covered {}", self.covered);
            return Err(Corruption { path: self.key.to_string().into(), offset: 0, reason }.into());
        }
        let skip = usize::try_from(covered - self.covered).unwrap_or(usize::MAX).min(self.records.len());
        let mut updates = Vec::with_capacity(self.records.len() - skip);
        let mut records = &self.records[skip..];
        let mut seq = self.covered + skip as u64;
        let mut bytes = Vec::new();
        while let Some(first) = records.first() {
            let run = run_len(records);
            let (now, later) = records.split_at(run);
            records = later;
            self.read_run(first, now, &mut seq, &mut bytes, &mut updates)?;
        }
        Ok(StoredDocument { snapshot, updates, last_seq: seq.max(covered) })
    }

    fn read_run(
        &self,
        first: &Location,
        run: &[Location],
        seq: &mut u64,
        bytes: &mut Vec<u8>,
        updates: &mut Vec<Bytes>,
    ) -> Result<(), ReadError> {
        let base = self.segments.front().map_or(0, |segment| segment.number());
        let index = usize::try_from(first.segment - base).unwrap_or(usize::MAX);
        let segment = self.segments.get(index).expect("a plan holds the segments of its records");
        let end = run.last().map_or(0, |last| last.offset + last.len);
        bytes.resize((end - first.offset) as usize, 0);
        segment.read_exact_at(bytes, u64::from(first.offset))?;
        for location in run {
            let record = &bytes[(location.offset - first.offset) as usize..][..location.len as usize];
            let at = u64::from(location.offset);
            let header = record::check(record, segment.header.salt)
                .map_err(|error| segment.corruption(at, error.to_string()))?;
            *seq += 1;
            if header.key != *self.key || header.stamp.seq != *seq {
                return Err(segment.corruption(at, format!("it is not update {seq} of {}", self.key)).into());
            }
            // Copied: a slice would keep the whole run in memory for as long as one small update lives.
            updates.push(Bytes::copy_from_slice(&record[header.payload_offset..][..header.payload_len]));
        }
        Ok(())
    }
}

fn run_len(records: &[Location]) -> usize {
    let first = records[0];
    let joined = records.windows(2).take_while(|pair| {
        let [before, next] = [pair[0], pair[1]];
        next.segment == first.segment
            && next.offset - (before.offset + before.len) <= GAP_BYTES_MAX
            && next.offset + next.len - first.offset <= READ_BYTES_MAX
    });
    1 + joined.count()
}
