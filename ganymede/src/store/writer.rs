//! The end of the journal and what lies before it. Owns the segments: appends to the last, starts the next, removes what nobody
//! needs. Knows lengths and counts, not documents.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use orrery_protocol::{
    id::OrgId,
    record::{self, RecordKind, Stamp, segment::SegmentHeader},
};

use super::{
    Append,
    disk::{Disk, sync_folder},
    error::FileError,
    index::Location,
    segment::Segment,
};

/// A buffer that huge commits have blown up shrinks to this after one that needs no more.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// A segment and what the store knows of it.
pub(super) struct Held {
    pub(super) segment: Arc<Segment>,
    /// Durable length.
    pub(super) len: u64,
    /// Records in it that no snapshot covers.
    pub(super) live: u64,
    /// When it got a successor, or was opened.
    pub(super) filled_at: Instant,
}

pub(super) struct Writer {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_bytes: u64,
    /// By number, without gaps, never empty; the last is written to.
    held: VecDeque<Held>,
    /// The last segment must not be written to again.
    spoiled: bool,
    buffer: Vec<u8>,
    places: Vec<(u32, u32)>,
}

/// A commit that is on disk.
pub(super) struct Written {
    pub(super) bytes: usize,
    pub(super) fsync: Duration,
}

impl Writer {
    /// # Panics
    /// Without a segment.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf, segment_bytes: u64, held: VecDeque<Held>) -> Self {
        assert!(!held.is_empty(), "a journal has at least one segment");
        Self { disk, folder, segment_bytes, held, spoiled: false, buffer: Vec::new(), places: Vec::new() }
    }

    /// Writes all of `batch` with one call and makes it durable; or fails, and then nothing of it counts. A write that failed
    /// is cut off. After a failed fsync the system may have dropped the pages and call the next fsync a success, so
    /// the segment ends where it was last known to be durable and everything goes into a new one.
    pub(super) fn write(
        &mut self,
        batch: &[Append],
        fences: impl Fn() -> Vec<(OrgId, u64)>,
    ) -> Result<Written, FileError> {
        let last = self.last();
        if self.spoiled || (last.len >= self.segment_bytes && last.len > last.segment.header_len) {
            self.start_next(fences())?;
        }
        self.encode(batch);
        let last = self.held.back_mut().expect("a journal has at least one segment");
        let segment = &last.segment;
        if let Err(error) = self.disk.write(&segment.file, &self.buffer, last.len) {
            self.spoiled = segment.file.set_len(last.len).is_err();
            return Err(FileError::at(&segment.path)(error));
        }
        let started = Instant::now();
        if let Err(error) = self.disk.sync(&segment.file) {
            self.spoiled = true;
            return Err(FileError::at(&segment.path)(error));
        }
        let written = Written { bytes: self.buffer.len(), fsync: started.elapsed() };
        last.len += self.buffer.len() as u64;
        last.live += self.places.len() as u64;
        Ok(written)
    }

    /// Where the records of the last batch lie, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = Location> {
        let segment = self.last().segment.number();
        self.places.iter().map(move |&(offset, len)| Location { segment, offset, len })
    }

    /// A snapshot covers this record now.
    pub(super) fn release(&mut self, location: Location) {
        let held = location.segment.checked_sub(self.first_number()).and_then(|index| usize::try_from(index).ok());
        if let Some(held) = held.and_then(|index| self.held.get_mut(index)) {
            held.live -= 1;
        }
    }

    /// Removes the oldest segments as far as nothing in them is needed. With `all`, empties such segments further on too: one
    /// document that cannot be folded must not hold the whole journal.
    pub(super) fn remove_covered(&mut self, all: bool) -> Result<(), FileError> {
        while self.held.len() > 1 && self.held[0].live == 0 {
            let path = &self.held[0].segment.path;
            remove(path).and_then(|()| sync_folder(&self.folder)).map_err(FileError::at(path))?;
            self.held.pop_front();
        }
        let filled = self.held.len() - 1;
        for held in
            self.held.iter_mut().take(filled).filter(|held| all && held.live == 0 && !held.segment.header.emptied)
        {
            let header = SegmentHeader { emptied: true, ..held.segment.header.clone() };
            let emptied = Segment::create(&*self.disk, &self.folder, header)?;
            held.len = emptied.header_len;
            held.segment = Arc::new(emptied);
        }
        Ok(())
    }

    /// Every segment that has a successor, oldest first.
    pub(super) fn filled(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().take(self.held.len() - 1)
    }

    /// The segments from this number on.
    pub(super) fn segments_from(&self, number: u64) -> VecDeque<Arc<Segment>> {
        let held = self.held.iter().filter(|held| held.segment.number() >= number);
        held.map(|held| Arc::clone(&held.segment)).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.held.iter().map(|held| held.len).sum()
    }

    fn last(&self) -> &Held {
        self.held.back().expect("a journal has at least one segment")
    }

    fn first_number(&self) -> u64 {
        self.held[0].segment.number()
    }

    /// A spoiled segment without records is replaced, or a disk that fails for days would leave a file for every attempt.
    fn start_next(&mut self, fences: Vec<(OrgId, u64)>) -> Result<(), FileError> {
        let last = self.last();
        let replace = last.len == last.segment.header_len;
        let (number, previous_len) = if replace {
            (last.segment.number(), last.segment.header.previous_len)
        } else {
            (last.segment.number() + 1, last.len)
        };
        let header = SegmentHeader { number, emptied: false, previous_len, salt: rand::random(), fences };
        let segment = Segment::create(&*self.disk, &self.folder, header)?;
        if replace {
            self.held.pop_back();
        } else if let Some(last) = self.held.back_mut() {
            last.filled_at = Instant::now();
        }
        let len = segment.header_len;
        self.held.push_back(Held { segment: Arc::new(segment), len, live: 0, filled_at: Instant::now() });
        self.spoiled = false;
        Ok(())
    }

    fn encode(&mut self, batch: &[Append]) {
        if self.buffer.len() <= BUFFER_BYTES_KEPT {
            self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        }
        self.buffer.clear();
        self.places.clear();
        let last = self.held.back().expect("a journal has at least one segment");
        let salt = last.segment.header.salt;
        let time_ms = now_ms();
        for append in batch {
            for (seq, update) in (append.first_seq..).zip(&append.updates) {
                let start = self.buffer.len();
                let position = narrow(start as u64);
                let stamp = Stamp { kind: RecordKind::Update, position, epoch: append.epoch, seq, time_ms };
                record::encode(&mut self.buffer, salt, &stamp, &append.key, update)
                    .expect("larger updates are refused before they get here");
                let len = self.buffer.len() - start;
                self.places.push((narrow(last.len + start as u64), narrow(len as u64)));
            }
        }
    }
}

/// One that is gone already is fine: the attempt before may have failed at making that durable.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).expect("a segment and a commit are bounded to 1 GiB each, so offsets fit 32 bits")
}
