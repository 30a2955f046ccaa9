//! Where snapshots are kept: what the store asks of it, and which form a store has.

#[cfg(feature = "object-storage")]
use std::fmt;
use std::{path::Path, sync::Arc};

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, OrgId},
    record::Stamp,
};

use super::{
    adopt,
    error::{OpenError, ReadError, SnapshotError},
    files::FileShelf,
};
#[cfg(feature = "object-storage")]
use super::{
    objects::{self, ObjectShelf},
    s3::S3,
};

/// One snapshot a document. All calls block; only the archive's thread writes.
pub(super) trait SnapshotShelf: Send + Sync {
    /// Sequence number that the document's snapshot covers, 0 without one. The journal's thread calls it between two
    /// commits: it must not wait for a network.
    fn covered(&self, key: &DocumentKey) -> Result<u64, ReadError>;

    /// The document's snapshot and the sequence number that it covers, checked from end to end.
    fn read(&self, key: &DocumentKey) -> Result<Option<(u64, Bytes)>, ReadError>;

    /// The documents of an organization that have a snapshot, in any order.
    fn documents(&self, org: OrgId) -> Result<Vec<DocumentKey>, ReadError>;

    /// Replaces the document's snapshot. The old one is in place until the new one is durable and was read back.
    fn write(&self, key: &DocumentKey, stamp: &Stamp, state: &[u8]) -> Result<(), SnapshotError>;
}

/// Where a store keeps its snapshots. The journal is always in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotPlace {
    /// Below the store's folder.
    Folder,
    /// In a bucket that speaks the S3 protocol.
    #[cfg(feature = "object-storage")]
    S3(S3Place),
}

impl SnapshotPlace {
    /// Looks whether snapshots can be kept there, without a store, and changes nothing. Blocks.
    ///
    /// # Errors
    /// The service does not answer, has no such bucket, or lets nobody in who shows this.
    pub fn reach(&self) -> Result<(), OpenError> {
        match self {
            Self::Folder => Ok(()),
            #[cfg(feature = "object-storage")]
            Self::S3(place) => Ok(objects::reach(&S3::connect(place)?)?),
        }
    }
}

/// A part of a bucket, and how to get in. Used by one store at a time.
#[cfg(feature = "object-storage")]
#[derive(Clone, PartialEq, Eq)]
pub struct S3Place {
    /// The bucket. It must exist.
    pub bucket: String,
    /// What every object's name starts with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// Where the service is, such as `https://minio.example:9000`; none for Amazon's.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who asks.
    pub access_key_id: String,
    /// And the proof.
    pub secret_access_key: String,
}

#[cfg(feature = "object-storage")]
impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(feature = "object-storage")]
impl fmt::Debug for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Place({self})")
    }
}

/// Opens the shelf of the store in `folder`, which is locked.
pub(super) fn open(folder: &Path, place: &SnapshotPlace) -> Result<Arc<dyn SnapshotShelf>, OpenError> {
    let files = FileShelf::new(folder.join("documents"));
    match place {
        SnapshotPlace::Folder => {
            adopt::stays_in(folder)?;
            Ok(Arc::new(files))
        }
        #[cfg(feature = "object-storage")]
        SnapshotPlace::S3(place) => {
            let shelf = ObjectShelf::open(Arc::new(S3::connect(place)?))?;
            adopt::moves_to(folder, &files, &shelf)?;
            Ok(Arc::new(shelf))
        }
    }
}
