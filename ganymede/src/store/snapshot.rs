//! Snapshot files, one a document: `documents/{org}/{project}/{document}.snap`, each a single record. Owns their place and
//! how they are replaced; knows nothing of the journal.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use orrery_protocol::{
    id::DocumentKey,
    record::{self, Header, Record, RecordError, RecordKind, Stamp},
};

use super::{
    disk::sync_folder,
    error::{Corruption, FileError, ReadError, SnapshotError},
};

/// The header of a record with the longest document name.
const HEADER_BYTES_MAX: usize = 256;
/// Nothing is searched for in a snapshot file, so its checksums need no secret start.
const SALT: u32 = 0;

#[derive(Clone)]
pub(super) struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Sequence number that the document's snapshot covers, 0 without one. Reads the header only.
    pub(super) fn covered(&self, key: &DocumentKey) -> Result<u64, ReadError> {
        let path = self.path(key);
        let Some(file) = open(&path)? else { return Ok(0) };
        let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX);
        file.take(HEADER_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(FileError::at(&path))?;
        let header = record::decode_header(&bytes, SALT).map_err(|error| damaged(&path, &error))?;
        belongs(&path, &header.stamp, &header.key, key)?;
        Ok(header.stamp.seq)
    }

    /// The document's snapshot and the sequence number that it covers, checked from end to end.
    pub(super) fn read(&self, key: &DocumentKey) -> Result<Option<(u64, Bytes)>, ReadError> {
        let path = self.path(key);
        let Some(mut file) = open(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(FileError::at(&path))?;
        let bytes = Bytes::from(bytes);
        let (Record { stamp, key: owner, payload }, len) =
            record::decode(&bytes, SALT).map_err(|error| damaged(&path, &error))?;
        belongs(&path, &stamp, &owner, key)?;
        if len != bytes.len() {
            let reason = "bytes follow the snapshot".to_owned();
            return Err(Corruption { path, offset: len as u64, reason }.into());
        }
        Ok(Some((stamp.seq, payload)))
    }

    /// Replaces the document's snapshot. The old one is in place until the new one is on disk and was read back.
    pub(super) fn write(&self, key: &DocumentKey, stamp: Stamp, state: &[u8]) -> Result<(), SnapshotError> {
        let path = self.path(key);
        let mut bytes = Vec::with_capacity(state.len() + HEADER_BYTES_MAX);
        record::encode(&mut bytes, SALT, &stamp, key, state)?;
        let project = path.parent().unwrap_or(&self.folder);
        self.make_folders(project).map_err(FileError::at(project))?;
        let fresh = path.with_extension("snap.new");
        let written = (|| {
            let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()
        })();
        written.map_err(FileError::at(&fresh))?;
        let header = self.read_back(&fresh)?;
        belongs(&fresh, &header.stamp, &header.key, key).map_err(ReadError::from)?;
        fs::rename(&fresh, &path).and_then(|()| sync_folder(project)).map_err(FileError::at(&path))?;
        Ok(())
    }

    fn read_back(&self, path: &Path) -> Result<Header, ReadError> {
        let bytes = fs::read(path).map_err(FileError::at(path))?;
        Ok(record::check(&bytes, SALT).map_err(|error| damaged(path, &error))?)
    }

    /// Creates the folders of the organization and the project, and makes each name durable.
    fn make_folders(&self, project: &Path) -> io::Result<()> {
        if project.is_dir() {
            return Ok(());
        }
        let org = project.parent().unwrap_or(&self.folder);
        fs::create_dir_all(project)?;
        let synced = sync_folder(org).and_then(|()| sync_folder(&self.folder));
        if synced.is_err() {
            // Or the next attempt would take it for durable.
            drop(fs::remove_dir(project));
        }
        synced
    }

    fn path(&self, key: &DocumentKey) -> PathBuf {
        // Ids and names come from closed alphabets: no separator, no leading dot.
        self.folder.join(key.org.to_string()).join(key.project.to_string()).join(format!("{}.snap", key.document))
    }
}

fn open(path: &Path) -> Result<Option<File>, FileError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at(path)(error)),
    }
}

fn damaged(path: &Path, error: &RecordError) -> Corruption {
    Corruption { path: path.to_owned(), offset: 0, reason: error.to_string() }
}

/// A file system that folds case, or an administrator who moves files, may put another document's snapshot here.
fn belongs(path: &Path, stamp: &Stamp, owner: &DocumentKey, key: &DocumentKey) -> Result<(), Corruption> {
    if stamp.kind == RecordKind::Snapshot && owner == key {
        return Ok(());
    }
    Err(Corruption { path: path.to_owned(), offset: 0, reason: format!("it is not the snapshot of {key}") })
}

#[cfg(test)]
mod tests {
    use orrery_protocol::id::{DocumentName, OrgId, ProjectId};
    use uuid::Uuid;

    use super::*;

    fn key(name: &str) -> DocumentKey {
        let document = DocumentName::Named(name.to_owned());
        DocumentKey { org: OrgId(Uuid::from_u128(1)), project: ProjectId(Uuid::from_u128(2)), document }
    }

    fn stamp(seq: u64) -> Stamp {
        Stamp { kind: RecordKind::Snapshot, position: 0, epoch: 1, seq, time_ms: 5 }
    }

    #[test]
    fn the_newest_snapshot_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_owned());
        assert_eq!(snapshots.read(&key("a")).unwrap(), None);
        assert_eq!(snapshots.covered(&key("a")).unwrap(), 0);
        snapshots.write(&key("a"), stamp(3), b"three").unwrap();
        snapshots.write(&key("a"), stamp(5), b"five").unwrap();
        assert_eq!(snapshots.read(&key("a")).unwrap(), Some((5, Bytes::from_static(b"five"))));
        assert_eq!(snapshots.covered(&key("a")).unwrap(), 5);
        assert_eq!(snapshots.read(&key("b")).unwrap(), None);
    }

    #[test]
    fn a_write_that_fails_leaves_the_previous_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_owned());
        snapshots.write(&key("a"), stamp(3), b"three").unwrap();
        fs::create_dir(snapshots.path(&key("a")).with_extension("snap.new")).unwrap();
        assert!(matches!(snapshots.write(&key("a"), stamp(5), b"five"), Err(SnapshotError::Read(ReadError::File(_)))));
        assert_eq!(snapshots.read(&key("a")).unwrap(), Some((3, Bytes::from_static(b"three"))));
    }

    #[test]
    fn every_damaged_byte_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_owned());
        snapshots.write(&key("a"), stamp(3), b"three").unwrap();
        let path = snapshots.path(&key("a"));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            let error = snapshots.read(&key("a")).unwrap_err();
            assert!(matches!(&error, ReadError::Corrupt(corruption) if corruption.path == path), "{at}: {error}");
        }
    }

    #[test]
    fn the_snapshot_of_another_document_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(folder.path().to_owned());
        snapshots.write(&key("a"), stamp(3), b"three").unwrap();
        fs::rename(snapshots.path(&key("a")), snapshots.path(&key("b"))).unwrap();
        assert!(matches!(snapshots.read(&key("b")), Err(ReadError::Corrupt(_))));
        assert!(matches!(snapshots.covered(&key("b")), Err(ReadError::Corrupt(_))));
    }
}
