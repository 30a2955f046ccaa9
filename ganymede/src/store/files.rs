//! Snapshots in the store's folder, one file a document: `documents/{org}/{project}/{document}.snap`. Owns their place and how
//! they are replaced.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, OrgId, ProjectId},
    record::{Record, Stamp},
};

use super::{
    disk::sync_folder,
    error::{FileError, ReadError, SnapshotError},
    shelf::SnapshotShelf,
    snapshot::{self, HEADER_BYTES_MAX},
};

pub(super) struct FileShelf {
    folder: PathBuf,
}

impl SnapshotShelf for FileShelf {
    /// Reads the header only.
    fn covered(&self, key: &DocumentKey) -> Result<u64, ReadError> {
        let path = self.path(key);
        let Some(file) = open(&path)? else { return Ok(0) };
        let mut bytes = Vec::with_capacity(HEADER_BYTES_MAX);
        file.take(HEADER_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(FileError::at(&path))?;
        Ok(snapshot::decode_seq(&path, &bytes, key)?)
    }

    fn read(&self, key: &DocumentKey) -> Result<Option<(u64, Bytes)>, ReadError> {
        Ok(self.record(key)?.map(|record| (record.stamp.seq, record.payload)))
    }

    fn documents(&self, org: OrgId) -> Result<Vec<DocumentKey>, ReadError> {
        Ok(documents_in(org, &self.folder.join(org.to_string()))?)
    }

    fn write(&self, key: &DocumentKey, stamp: &Stamp, state: &[u8]) -> Result<(), SnapshotError> {
        let path = self.path(key);
        let bytes = snapshot::encode(key, stamp, state)?;
        let project = path.parent().unwrap_or(&self.folder);
        self.make_folders(project).map_err(FileError::at(project))?;
        let fresh = path.with_extension("snap.new");
        let written = (|| {
            let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()
        })();
        written.map_err(FileError::at(&fresh))?;
        let read_back = fs::read(&fresh).map_err(FileError::at(&fresh))?;
        snapshot::decode(&fresh, &read_back.into(), key).map_err(ReadError::from)?;
        fs::rename(&fresh, &path).and_then(|()| sync_folder(project)).map_err(FileError::at(&path))?;
        Ok(())
    }
}

impl FileShelf {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The document's snapshot as it is on disk, checked from end to end.
    pub(super) fn record(&self, key: &DocumentKey) -> Result<Option<Record>, ReadError> {
        let path = self.path(key);
        let Some(mut file) = open(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(FileError::at(&path))?;
        Ok(Some(snapshot::decode(&path, &bytes.into(), key)?))
    }

    /// The documents that have a snapshot.
    #[cfg(feature = "object-storage")]
    pub(super) fn keys(&self) -> Result<Vec<DocumentKey>, FileError> {
        let mut keys = Vec::new();
        for (org, folder) in named::<OrgId>(&self.folder)? {
            keys.extend(documents_in(org, &folder)?);
        }
        Ok(keys)
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

/// The documents of an organization that have a snapshot. Other files are none of ours.
fn documents_in(org: OrgId, folder: &Path) -> Result<Vec<DocumentKey>, FileError> {
    let mut keys = Vec::new();
    for (project, documents) in named::<ProjectId>(folder)? {
        for (file, _) in entries(&documents)? {
            let document = file.strip_suffix(".snap").and_then(|name| name.parse().ok());
            keys.extend(document.map(|document| DocumentKey { org, project, document }));
        }
    }
    Ok(keys)
}

/// What is in a folder; nothing, if it is not there.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let mut found = Vec::new();
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(FileError::at(folder)(error)),
    };
    for entry in listing {
        let entry = entry.map_err(FileError::at(folder))?;
        found.extend(entry.file_name().into_string().ok().map(|name| (name, entry.path())));
    }
    Ok(found)
}

fn named<I: FromStr>(folder: &Path) -> Result<Vec<(I, PathBuf)>, FileError> {
    Ok(entries(folder)?.into_iter().filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect())
}

fn open(path: &Path) -> Result<Option<File>, FileError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use orrery_protocol::{
        id::{DocumentName, OrgId, ProjectId},
        record::RecordKind,
    };
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
        let shelf = FileShelf::new(folder.path().to_owned());
        assert_eq!(shelf.read(&key("a")).unwrap(), None);
        assert_eq!(shelf.covered(&key("a")).unwrap(), 0);
        shelf.write(&key("a"), &stamp(3), b"three").unwrap();
        shelf.write(&key("a"), &stamp(5), b"five").unwrap();
        assert_eq!(shelf.read(&key("a")).unwrap(), Some((5, Bytes::from_static(b"five"))));
        assert_eq!(shelf.covered(&key("a")).unwrap(), 5);
        assert_eq!(shelf.read(&key("b")).unwrap(), None);
    }

    #[test]
    fn a_write_that_fails_leaves_the_previous_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = FileShelf::new(folder.path().to_owned());
        shelf.write(&key("a"), &stamp(3), b"three").unwrap();
        fs::create_dir(shelf.path(&key("a")).with_extension("snap.new")).unwrap();
        assert!(matches!(shelf.write(&key("a"), &stamp(5), b"five"), Err(SnapshotError::Read(ReadError::File(_)))));
        assert_eq!(shelf.read(&key("a")).unwrap(), Some((3, Bytes::from_static(b"three"))));
    }

    #[test]
    fn every_damaged_byte_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = FileShelf::new(folder.path().to_owned());
        shelf.write(&key("a"), &stamp(3), b"three").unwrap();
        let path = shelf.path(&key("a"));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            let error = shelf.read(&key("a")).unwrap_err();
            assert!(matches!(&error, ReadError::Corrupt(corruption) if corruption.path == path), "{at}: {error}");
        }
    }

    #[test]
    fn the_snapshot_of_another_document_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = FileShelf::new(folder.path().to_owned());
        shelf.write(&key("a"), &stamp(3), b"three").unwrap();
        fs::rename(shelf.path(&key("a")), shelf.path(&key("b"))).unwrap();
        assert!(matches!(shelf.read(&key("b")), Err(ReadError::Corrupt(_))));
        assert!(matches!(shelf.covered(&key("b")), Err(ReadError::Corrupt(_))));
    }
}
