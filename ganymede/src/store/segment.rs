//! One file of the journal. Owns its name, its creation and reading from it; knows nothing of documents.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use orrery_protocol::record::{RecordError, segment::SegmentHeader};

use super::{
    disk::{Disk, sync_folder},
    error::{Corruption, FileError, ReadError},
};

/// A segment that exists. Readers keep it alive: its bytes can be read even after it was removed from the folder.
pub(super) struct Segment {
    pub(super) header: SegmentHeader,
    pub(super) header_len: u64,
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl Segment {
    pub(super) fn number(&self) -> u64 {
        self.header.number
    }

    /// Creates it durably or not at all: it gets its name only when its header is on disk, so that a segment with a bad
    /// header is a damaged one. Replaces a segment of the same number.
    pub(super) fn create(disk: &dyn Disk, folder: &Path, header: SegmentHeader) -> Result<Self, FileError> {
        let path = folder.join(format!("{:016x}.log", header.number));
        let fresh = path.with_extension("new");
        let bytes = header.encode();
        let created = (|| {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(&fresh)?;
            disk.write(&file, &bytes, 0)?;
            disk.sync(&file)?;
            fs::rename(&fresh, &path)?;
            sync_folder(folder)?;
            Ok(file)
        })();
        let file = created.map_err(FileError::at(&path))?;
        Ok(Self { header, header_len: bytes.len() as u64, path, file })
    }

    pub(super) fn open(path: PathBuf) -> Result<Self, ReadError> {
        let file = File::options().read(true).write(true).open(&path).map_err(FileError::at(&path))?;
        let (header, header_len) = read_header(&file, &path)?;
        let expected = format!("{:016x}.log", header.number);
        if path.file_name().is_none_or(|name| name != expected.as_str()) {
            let reason = format!("the file says that it is {expected}");
            return Err(Corruption { path, offset: 0, reason }.into());
        }
        Ok(Self { header, header_len: header_len as u64, path, file })
    }

    /// Everything in the file, into a buffer that is used again for the next.
    pub(super) fn read_all(&self, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        bytes.clear();
        (&self.file).read_to_end(bytes).map(drop).map_err(FileError::at(&self.path))
    }

    pub(super) fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), ReadError> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.corruption(offset, "the file ends too early").into())
            }
            Err(error) => Err(FileError::at(&self.path)(error).into()),
        }
    }

    pub(super) fn corruption(&self, offset: u64, reason: impl Into<String>) -> Corruption {
        Corruption { path: self.path.clone(), offset, reason: reason.into() }
    }
}

/// The numbers of the segments in a folder, in order. Other files are none of ours.
pub(super) fn list(folder: &Path) -> Result<Vec<u64>, FileError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(FileError::at(folder))? {
        let name = entry.map_err(FileError::at(folder))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).filter(|digits| digits.len() == 16);
        numbers.extend(number.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn read_header(file: &File, path: &Path) -> Result<(SegmentHeader, usize), ReadError> {
    let file_len = file.metadata().map_err(FileError::at(path))?.len();
    let mut wanted = 4096;
    loop {
        // Never more than the file has, whatever the header claims.
        let mut bytes = vec![0; usize::try_from(file_len.min(wanted)).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(FileError::at(path))?;
        match SegmentHeader::decode(&bytes) {
            Ok(decoded) => return Ok(decoded),
            Err(RecordError::Truncated { needed, .. }) if wanted < file_len => {
                wanted = needed.max(bytes.len() * 2) as u64
            }
            Err(error) => {
                return Err(Corruption { path: path.to_owned(), offset: 0, reason: error.to_string() }.into());
            }
        }
    }
}
