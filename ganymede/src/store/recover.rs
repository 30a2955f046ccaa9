//! Opening a store: finds out what is on disk, and only when all of it is understood makes the changes that are due. Owns the
//! rules of DESIGN's promise at start: a torn tail is cut, damage is refused.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use orrery_protocol::{
    id::DocumentKey,
    record::{Header, segment::SegmentHeader},
};

use super::{
    disk::{Disk, sync_folder},
    error::{Corruption, FileError, OpenError, ReadError},
    index::{Document, Index, Location},
    scan::{End, scan},
    segment::{self, Segment},
    shelf::SnapshotShelf,
    writer::Held,
};

/// What was found when a store opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Files of the journal.
    pub segments: usize,
    /// Updates in the journal that no snapshot covers.
    pub records: u64,
    /// Documents that they belong to.
    pub documents: usize,
    /// The torn tail that was cut off, if there was one.
    pub cut: Option<Cut>,
    /// How long it took.
    pub duration: Duration,
}

/// A write that a crash interrupted. Nothing of it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file that was cut.
    pub path: PathBuf,
    /// Its new length, in bytes.
    pub offset: u64,
    /// Bytes that were cut off.
    pub bytes: u64,
}

/// Nobody else may write to the folder while this exists.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file would do, were it not for children that inherit it between fork and exec.
        drop(self.0.unlock());
    }
}

/// A store's folder, locked for this process.
pub(super) struct Folder {
    pub(super) lock: Lock,
    pub(super) journal: PathBuf,
}

/// All that a store needs to know before it runs.
pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) held: VecDeque<Held>,
    pub(super) recovery: Recovery,
}

impl Folder {
    /// Creates what is missing of the folder and takes the lock.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let journal = path.join("journal");
        let documents = path.join("documents");
        for folder in [path, &journal, &documents] {
            fs::create_dir_all(folder).map_err(|error| refusal(folder, error))?;
        }
        let lock_path = path.join("lock");
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|error| refusal(&lock_path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(FileError::at(&lock_path)(error).into()),
        }
        let lock = Lock(lock);
        // An existing lock file can be opened in a folder that takes no new one; the journal will need some.
        let probe = journal.join("probe.new");
        File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|error| refusal(&probe, error))?;
        sync_folder(path).map_err(FileError::at(path))?;
        Ok(Self { lock, journal })
    }

    /// Reads the journal, cuts a torn tail, and makes what it found durable: the process before may have been killed between a
    /// write and its fsync, and what is handed out now must not vanish later.
    pub(super) fn recover(&self, disk: &dyn Disk, shelf: &dyn SnapshotShelf) -> Result<Recovered, OpenError> {
        let started = Instant::now();
        let mut found = Found::default();
        let mut segments = self.open_segments()?;
        let mut lens = Vec::with_capacity(segments.len());
        let mut cut = None;
        for (position, segment) in segments.iter().enumerate() {
            let next = segments.get(position + 1).map(|next| &next.header);
            let (len, torn) = found.read(segment, next)?;
            lens.push(len);
            cut = cut.or(torn);
        }
        let (index, live) = found.into_index(shelf, &segments)?;
        // Everything is understood; from here on files change.
        if let Some(last) = segments.last() {
            self.settle(last, &cut)?;
        } else {
            let header =
                SegmentHeader { number: 1, emptied: false, previous_len: 0, salt: rand::random(), fences: Vec::new() };
            let first = Segment::create(disk, &self.journal, header)?;
            lens.push(first.header_len);
            segments.push(first);
        }
        let recovery = Recovery {
            segments: segments.len(),
            records: live.values().sum(),
            documents: index.documents.len(),
            cut,
            duration: started.elapsed(),
        };
        let opened = Instant::now();
        let held = segments.into_iter().zip(lens).map(|(segment, len)| {
            let live = live.get(&segment.number()).copied().unwrap_or(0);
            Held { segment: Arc::new(segment), len, live, filled_at: opened }
        });
        Ok(Recovered { index, held: held.collect(), recovery })
    }

    fn open_segments(&self) -> Result<Vec<Segment>, OpenError> {
        let numbers = segment::list(&self.journal)?;
        let mut segments: Vec<Segment> = Vec::with_capacity(numbers.len());
        for number in numbers {
            let path = self.journal.join(format!("{number:016x}.log"));
            if let Some(before) = segments.last()
                && before.number() + 1 != number
            {
                let reason = format!("segment {:016x} before it is missing", number - 1);
                return Err(Corruption { path, offset: 0, reason }.into());
            }
            segments.push(Segment::open(path)?);
        }
        Ok(segments)
    }

    fn settle(&self, last: &Segment, cut: &Option<Cut>) -> Result<(), OpenError> {
        if let Some(Cut { path, offset, bytes }) = cut {
            tracing::warn!(
                file = %path.display(), offset, bytes,
                "the last write to the journal was not finished; it was never acknowledged and is cut off"
            );
            last.file.set_len(*offset).map_err(FileError::at(path))?;
        }
        last.file.sync_all().map_err(FileError::at(&last.path))?;
        sync_folder(&self.journal).map_err(FileError::at(&self.journal))?;
        Ok(())
    }
}

/// The journal as it is read, before the snapshots are known.
#[derive(Default)]
struct Found {
    documents: HashMap<DocumentKey, Run>,
    index: Index,
    buffer: Vec<u8>,
}

/// The last records of one document, without gaps.
struct Run {
    first_seq: u64,
    records: VecDeque<Location>,
}

impl Found {
    /// Reads one segment and returns its length without a torn tail.
    fn read(&mut self, segment: &Segment, next: Option<&SegmentHeader>) -> Result<(u64, Option<Cut>), OpenError> {
        for (org, epoch) in &segment.header.fences {
            self.index.fence(*org, *epoch);
        }
        if segment.header.emptied {
            return Ok((segment.header_len, None));
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        segment.read_all(&mut bytes)?;
        if let Some(next) = next {
            let expected = usize::try_from(next.previous_len).unwrap_or(usize::MAX);
            if bytes.len() < expected {
                let reason = format!("the file ends here, it had {expected} bytes");
                return Err(segment.corruption(bytes.len() as u64, reason).into());
            }
            // What follows was given up after a failed fsync and written again in the next segment.
            bytes.truncate(expected);
        }
        let start = usize::try_from(segment.header_len).unwrap_or(usize::MAX);
        let mut refused = None;
        let end = scan(&bytes, start, segment.header.salt, next.is_none(), |offset, header| {
            if refused.is_none() {
                refused = self.enter(segment, offset, header).err();
            }
        });
        let len = bytes.len() as u64;
        self.buffer = bytes;
        if let Some(corruption) = refused {
            return Err(corruption.into());
        }
        match end {
            End::Clean => Ok((len, None)),
            End::Torn { offset, .. } => {
                let offset = offset as u64;
                Ok((offset, Some(Cut { path: segment.path.clone(), offset, bytes: len - offset })))
            }
            End::Damaged { offset, reason } => Err(segment.corruption(offset as u64, reason).into()),
        }
    }

    fn enter(&mut self, segment: &Segment, offset: usize, header: Header) -> Result<(), Corruption> {
        let seq = header.stamp.seq;
        let out_of_range = || segment.corruption(offset as u64, "the segment is larger than any that is written");
        let location = Location {
            segment: segment.number(),
            offset: u32::try_from(offset).map_err(|_| out_of_range())?,
            len: u32::try_from(header.record_len()).map_err(|_| out_of_range())?,
        };
        self.index.fence(header.key.org, header.stamp.epoch);
        let run = match self.documents.entry(header.key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Run { first_seq: seq, records: VecDeque::from([location]) });
                return Ok(());
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let expected = run.first_seq + run.records.len() as u64;
        if seq < expected {
            let reason = format!("update {seq} of a document follows update {}", expected - 1);
            return Err(segment.corruption(offset as u64, reason));
        }
        if seq > expected {
            // Those between were in a segment that was emptied, if all is well: then a snapshot covers them and all before
            // them. Whether it does is checked when the snapshots are read.
            run.first_seq = seq;
            run.records.clear();
        }
        run.records.push_back(location);
        Ok(())
    }

    /// Leaves out what snapshots cover, and counts what is left in each segment.
    fn into_index(
        mut self,
        shelf: &dyn SnapshotShelf,
        segments: &[Segment],
    ) -> Result<(Index, HashMap<u64, u64>), ReadError> {
        let mut live = HashMap::new();
        for (key, run) in self.documents {
            let covered = shelf.covered(&key)?;
            if run.first_seq > covered + 1 {
                let first = run.records[0];
                let segment = segments.iter().find(|segment| segment.number() == first.segment);
                let path = segment.map(|segment| segment.path.clone()).unwrap_or_default();
                let reason =
                    format!("update {} of {key} is here, those after {covered} before it are missing", run.first_seq);
                return Err(Corruption { path, offset: first.offset.into(), reason }.into());
            }
            let mut document = Document::new(run.first_seq - 1);
            document.records = run.records;
            document.accepted = document.durable();
            document.cover(covered).for_each(drop);
            if document.records.is_empty() {
                continue;
            }
            for location in &document.records {
                *live.entry(location.segment).or_default() += 1;
            }
            self.index.documents.insert(Arc::new(key), document);
        }
        Ok((self.index, live))
    }
}

fn refusal(path: &Path, error: io::Error) -> OpenError {
    let unwritable = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
    let error = FileError::at(path)(error);
    if unwritable { OpenError::Unwritable(error) } else { OpenError::File(error) }
}
