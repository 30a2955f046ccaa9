//! What can go wrong with the store: one struct per fact, one enum per operation.

use std::{io, path::PathBuf};

use orrery_protocol::{id::DocumentKey, record::PayloadTooLarge};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    pub(super) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { path, source }
    }
}

/// An object of an object storage that could not be read or written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {reason}")]
pub struct ObjectError {
    /// The object.
    pub object: String,
    /// What the service said, or why it could not be asked.
    pub reason: String,
}

/// A file or an object whose bytes are not those that were written and acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {reason}", path.display())]
pub struct Corruption {
    /// The file.
    pub path: PathBuf,
    /// Where the damage begins, in bytes.
    pub offset: u64,
    /// What is wrong there.
    pub reason: String,
}

/// Why stored bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The service that keeps snapshots is away, or refused.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The bytes are damaged.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the data folder {} is locked by another process", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder does not take files.
    #[error("the data folder is not writable: {0}")]
    Unwritable(#[source] FileError),
    /// Something that was acknowledged cannot be read. Nothing on disk was changed.
    #[error(transparent)]
    Corrupt(#[from] Corruption),
    /// The system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The service that keeps snapshots is away, or refused.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It keeps its snapshots in another place than is configured.
    #[error("the snapshots of {} are in {place}, which is not what is configured", folder.display())]
    SnapshotsElsewhere {
        /// The store's folder.
        folder: PathBuf,
        /// Where its snapshots are.
        place: String,
    },
    /// Another store went on from the snapshots there, or they never were this one's.
    #[error("{place} belongs to another store than {}", folder.display())]
    NotOwner {
        /// The store's folder.
        folder: PathBuf,
        /// Where its snapshots should be.
        place: String,
    },
    /// A snapshot could not be brought from the folder to where snapshots are to be. It is still in the folder.
    #[error("the snapshot of {key} could not be moved: {error}")]
    NotMoved {
        /// The document.
        key: DocumentKey,
        /// Why not.
        error: Box<SnapshotError>,
    },
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::File(error) => Self::File(error),
            ReadError::Object(error) => Self::Object(error),
            ReadError::Corrupt(error) => Self::Corrupt(error),
        }
    }
}

/// The store was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store is closed")]
pub struct Closed;

/// Why a document was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system refused, or the bytes are damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// Why a snapshot was not stored. The one before it and its records are still there.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It claims updates that were never appended.
    #[error("the snapshot covers update {covers_seq}, the last one appended is {last_seq}")]
    Ahead {
        /// What the snapshot claims.
        covers_seq: u64,
        /// What the store has.
        last_seq: u64,
    },
    /// It cannot be read back as a document.
    #[error("the snapshot cannot be read back: {0}")]
    Unreadable(String),
    /// More than a record may hold.
    #[error(transparent)]
    TooLarge(#[from] PayloadTooLarge),
    /// The system refused to write, or what was stored before is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store was closed.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl From<FileError> for SnapshotError {
    fn from(error: FileError) -> Self {
        Self::Read(error.into())
    }
}

/// Why a store did not close cleanly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The disk still refuses; these updates were accepted and never acknowledged.
    #[error("{bytes} bytes of updates could not be saved: {error}")]
    Unsaved {
        /// Bytes that were lost, all of them unacknowledged.
        bytes: usize,
        /// The last failure.
        error: String,
    },
    /// It was closed before.
    #[error(transparent)]
    Closed(#[from] Closed),
}
